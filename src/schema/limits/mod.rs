//! What an operation may cost, how much a caller may spend, and how often somebody may try.
//!
//! How large a document may be is judged before, by the transport. Here it is known who calls: the cost is counted from
//! the document ([`assess`]), taken from the caller's bucket and the centre's, and told in `extensions.cost`; tries of
//! secrets are counted by address and account ([`attempts`]). A document that was refused costs a fixed
//! amount. Nobody in particular (no login, or a booking page) is not
//! told about the schema.

pub mod assess;
pub mod attempts;
pub mod directive;

use std::{net::IpAddr, sync::Arc, time::Duration};

use async_graphql::{Request, Response, ServerError, ServerResult, Value, Variables, registry::Registry, value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    auth::{Actor, alarm},
    domain::limit::{Bucket, Limiter, Rates, TENANT_SHARE, Taken, counted_address},
};

/// A publishable key is known to the world. Half of the centre's share stays for those who are logged in.
const PAGE_SHARE: u32 = TENANT_SHARE / 2;

/// Operations that may wait for a password to be hashed, or do it: one or two seconds' worth. More are turned away, so
/// that a flood of logins holds up neither memory nor who comes after it.
const PASSWORDS: usize = 64;

/// What a document costs that is refused before it could run, for its size or its form: as much as a small change. It
/// has been read and measured by then.
const REFUSED_DOCUMENT: u32 = 10;

/// Applies the limits to each operation, once it is known who calls.
pub struct Limits {
    rates: Rates,
    limiter: Arc<dyn Limiter>,
    types: Arc<Registry>,
    passwords: Arc<Semaphore>,
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Limits")
    }
}

/// An operation that may run. Keep it until the operation is over: it holds the places that the operation takes.
#[derive(Debug)]
pub struct Permit {
    report: Option<Value>,
    is_public: bool,
    places: Vec<OwnedSemaphorePermit>,
}

impl Permit {
    /// Tells the cost in the operation's first answer (it was spent once, and a subscription need not keep it for hours), and
    /// names of the schema only to those who may ask for them.
    pub fn tell(&mut self, response: &mut Response) {
        if let Some(report) = self.report.take() {
            response.extensions.insert("cost".to_owned(), report);
        }
        if self.is_public {
            // What was found wrong before anything ran is about no path yet.
            response.errors.iter_mut().filter(|error| error.path.is_empty()).for_each(hide_suggestions);
        }
    }
}

impl Limits {
    /// With these rates, kept there, for operations on these types.
    #[must_use]
    pub fn new(rates: Rates, limiter: Arc<dyn Limiter>, types: Arc<Registry>) -> Self {
        Self { rates, limiter, types, passwords: Arc::new(Semaphore::new(PASSWORDS)) }
    }

    /// Whether this caller, from this address, may run the request now. What it costs is taken.
    ///
    /// # Errors
    /// The answer that refuses it.
    pub async fn judge(
        &self,
        request: &mut Request,
        caller: Option<&Actor>,
        address: Option<IpAddr>,
    ) -> Result<Permit, Box<Response>> {
        let is_public = caller.is_none_or(|actor| actor.publishable);
        let mut permit = Permit { report: None, is_public, places: Vec::new() };
        match self.permit(&mut permit, request, caller, address).await {
            Ok(()) => Ok(permit),
            Err(error) => {
                let mut refused = Response::from_errors(vec![error]);
                permit.tell(&mut refused);
                Err(Box::new(refused))
            }
        }
    }

    /// Takes what a refused document costs.
    ///
    /// # Errors
    /// When this caller, from this address, has nothing left for it.
    pub async fn charge_refused(&self, caller: Option<&Actor>, address: Option<IpAddr>) -> ServerResult<()> {
        let price = REFUSED_DOCUMENT.min(self.rates.capacity);
        match self.limiter.take(price, &buckets(&self.rates, caller, &counted_address(address))).await {
            Taken::Granted { .. } => Ok(()),
            Taken::Refused { short, wait, .. } => Err(overdrawn(short, wait)),
        }
    }

    async fn permit(
        &self,
        permit: &mut Permit,
        request: &mut Request,
        caller: Option<&Actor>,
        address: Option<IpAddr>,
    ) -> ServerResult<()> {
        let address = counted_address(address);
        let variables: Variables = std::mem::take(&mut request.variables);
        let name = request.operation_name.clone();
        let assessed =
            request.parsed_query().map(|document| assess::assess(document, name.as_deref(), &variables, &self.types));
        request.variables = variables;
        let assessed = assessed?;

        if permit.is_public && assessed.introspects {
            return Err(error("FORBIDDEN", "Log in to ask about the schema; it is published as schema.graphql."));
        }
        self.spend(permit, assessed.cost, caller, &address).await?;
        for asked in &assessed.mutations {
            let buckets = attempts::buckets(asked, caller, &address, &self.rates);
            if buckets.is_empty() {
                continue;
            }
            if let Taken::Refused { wait, .. } = self.limiter.take(1, &buckets).await {
                alarm::limited("attempts");
                return Err(too_often("Too many tries; wait before the next.", wait));
            }
            if attempts::takes_a_password(&asked.field) {
                self.enter(permit)?;
            }
        }
        Ok(())
    }

    /// Takes a place among those whose passwords are checked, until the operation is over.
    fn enter(&self, permit: &mut Permit) -> ServerResult<()> {
        let Ok(place) = Arc::clone(&self.passwords).try_acquire_owned() else {
            alarm::limited("passwords");
            return Err(too_often("Too many log in at the moment; wait a little.", Duration::from_secs(2)));
        };
        permit.places.push(place);
        Ok(())
    }

    async fn spend(&self, permit: &mut Permit, cost: u64, caller: Option<&Actor>, address: &str) -> ServerResult<()> {
        let Rates { max_cost, capacity, per_second, .. } = self.rates;
        let buckets = buckets(&self.rates, caller, address);
        let affordable = u32::try_from(cost).ok().filter(|cost| *cost <= max_cost);
        // What is refused for its price costs nothing but is told what there is.
        let taken = self.limiter.take(affordable.unwrap_or(0), &buckets).await;
        permit.report = Some(value!({
            "requested": cost,
            "limit": max_cost,
            "bucket": { "capacity": capacity, "remaining": taken.left(), "restorePerSecond": per_second },
        }));
        if affordable.is_none() {
            alarm::limited("cost");
            let message = format!("The operation costs {cost}, at most {max_cost} is allowed; ask for smaller pages.");
            return Err(error("COST_LIMIT", message));
        }
        if let Taken::Refused { wait, short, .. } = taken {
            return Err(overdrawn(short, wait));
        }
        Ok(())
    }
}

/// From the caller's own to what many share.
fn buckets(rates: &Rates, caller: Option<&Actor>, address: &str) -> Vec<Bucket> {
    let bucket = |key: String, share: u32| Bucket {
        key,
        capacity: rates.capacity.saturating_mul(share),
        per_minute: rates.per_second.saturating_mul(60).saturating_mul(share),
    };
    let Some(actor) = caller else {
        return vec![bucket(format!("{{address}}:{address}"), 1)];
    };
    let tenant = format!("{{{}}}", actor.tenant.id.0);
    let name = actor.receipt_name();
    let mut buckets = Vec::with_capacity(3);
    if actor.publishable {
        // All visitors of a page have the same key; each is a caller of its own.
        buckets.push(bucket(format!("{tenant}:{name}:{address}"), 1));
        buckets.push(bucket(format!("{tenant}:{name}"), PAGE_SHARE));
    } else {
        buckets.push(bucket(format!("{tenant}:{name}"), 1));
    }
    buckets.push(bucket(tenant, TENANT_SHARE));
    buckets
}

fn error(code: &str, message: impl Into<String>) -> ServerError {
    let mut error = ServerError::new(message, None);
    error.extensions.get_or_insert_default().set("code", code);
    error
}

/// `short` is the place of the bucket that lacks most.
fn overdrawn(short: usize, wait: Duration) -> ServerError {
    let (limit, whose) = if short == 0 { ("caller", "You have") } else { ("centre", "Your centre has") };
    alarm::limited(limit);
    too_often(&format!("{whose} spent more than comes back; wait before the next."), wait)
}

fn too_often(message: &str, wait: Duration) -> ServerError {
    let mut error = error("RATE_LIMITED", message);
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    error.extensions.get_or_insert_default().set("retryAfter", seconds.max(1));
    error
}

/// `Unknown field "x" on type "Query". Did you mean "y"?` tells names to who may not ask for them.
fn hide_suggestions(error: &mut ServerError) {
    if let Some(at) = error.message.find(" Did you mean") {
        error.message.truncate(at);
    }
}
