//! What an operation may cost, how much a caller may spend, and how often somebody may try.
//!
//! How large a document may be is judged before, by the transport. Here it is known who calls: the cost is counted from
//! the document ([`assess`]), taken from the caller's bucket and the centre's, and told in `extensions.cost`; tries of
//! secrets are counted by address and account ([`attempts`]). Nobody in particular (no login, or a booking page) is not
//! told about the schema.

pub mod assess;
pub mod attempts;
pub mod directive;

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_graphql::{
    Request, Response, ServerError, ServerResult, ValidationResult, Value, Variables,
    extensions::{
        Extension, ExtensionContext, ExtensionFactory, NextPrepareRequest, NextRequest, NextSubscribe, NextValidation,
    },
    value,
};
use futures::{StreamExt, stream::BoxStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::request::{Address, Reader};
use crate::{
    auth::Actor,
    domain::limit::{Bucket, Limiter, Rates, TENANT_SHARE, Taken},
};

/// A publishable key is known to the world. Half of the centre's share stays for those who are logged in.
const PAGE_SHARE: u32 = TENANT_SHARE / 2;

/// Operations that may wait for a password to be hashed, or do it: one or two seconds' worth. More are turned away, so
/// that a flood of logins holds up neither memory nor who comes after it.
const PASSWORDS: usize = 64;

/// The schema extension that applies the limits. Install it behind the one that finds out who calls.
pub struct Limits {
    rates: Rates,
    limiter: Arc<dyn Limiter>,
    passwords: Arc<Semaphore>,
}

impl Limits {
    /// With these rates, kept there.
    #[must_use]
    pub fn new(rates: Rates, limiter: Arc<dyn Limiter>) -> Self {
        Self { rates, limiter, passwords: Arc::new(Semaphore::new(PASSWORDS)) }
    }
}

impl ExtensionFactory for Limits {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Operation {
            rates: self.rates,
            limiter: Arc::clone(&self.limiter),
            passwords: Arc::clone(&self.passwords),
            places: Mutex::default(),
            report: Arc::default(),
            is_public: AtomicBool::new(true),
        })
    }
}

/// One operation on its way.
struct Operation {
    rates: Rates,
    limiter: Arc<dyn Limiter>,
    passwords: Arc<Semaphore>,
    places: Mutex<Vec<OwnedSemaphorePermit>>,
    report: Arc<OnceLock<Value>>,
    is_public: AtomicBool,
}

impl Operation {
    async fn judge(&self, request: &mut Request, ctx: &ExtensionContext<'_>) -> ServerResult<()> {
        let caller = data::<Arc<Reader>>(request).map(|reader| Arc::clone(&reader.actor));
        let address = data::<Address>(request).or_else(|| ctx.data_opt::<Address>()).map(|Address(ip)| ip.to_string());
        let address = address.unwrap_or_else(|| "unknown".to_owned());
        let is_public = caller.as_ref().is_none_or(|actor| actor.publishable);
        self.is_public.store(is_public, Ordering::Relaxed);

        let variables: Variables = std::mem::take(&mut request.variables);
        let name = request.operation_name.clone();
        let assessed = request
            .parsed_query()
            .map(|document| assess::assess(document, name.as_deref(), &variables, &ctx.schema_env.registry));
        request.variables = variables;
        let assessed = assessed?;

        if is_public && assessed.introspects {
            return Err(error("FORBIDDEN", "Log in to ask about the schema; it is published as schema.graphql."));
        }
        self.spend(assessed.cost, caller.as_deref(), &address).await?;
        for asked in &assessed.mutations {
            let buckets = attempts::buckets(asked, caller.as_deref(), &address, &self.rates);
            if buckets.is_empty() {
                continue;
            }
            if let Taken::Refused { wait, .. } = self.limiter.take(1, &buckets).await {
                metrics::counter!("horae_limited_total", "limit" => "attempts").increment(1);
                return Err(too_often("Too many tries; wait before the next.", wait));
            }
            if attempts::takes_a_password(&asked.field) {
                self.enter()?;
            }
        }
        Ok(())
    }

    /// Takes a place among those whose passwords are checked, until the operation is over.
    fn enter(&self) -> ServerResult<()> {
        let Ok(place) = Arc::clone(&self.passwords).try_acquire_owned() else {
            metrics::counter!("horae_limited_total", "limit" => "passwords").increment(1);
            return Err(too_often("Too many log in at the moment; wait a little.", Duration::from_secs(2)));
        };
        self.places.lock().unwrap_or_else(PoisonError::into_inner).push(place);
        Ok(())
    }

    async fn spend(&self, cost: u64, caller: Option<&Actor>, address: &str) -> ServerResult<()> {
        let Rates { max_cost, capacity, per_second, .. } = self.rates;
        let buckets = buckets(&self.rates, caller, address);
        let affordable = u32::try_from(cost).ok().filter(|cost| *cost <= max_cost);
        // What is refused for its price costs nothing but is told what there is.
        let taken = self.limiter.take(affordable.unwrap_or(0), &buckets).await;
        let _first = self.report.set(value!({
            "requested": cost,
            "limit": max_cost,
            "bucket": { "capacity": capacity, "remaining": taken.left(), "restorePerSecond": per_second },
        }));
        metrics::histogram!("horae_operation_cost").record(f64::from(u32::try_from(cost).unwrap_or(u32::MAX)));
        if affordable.is_none() {
            metrics::counter!("horae_limited_total", "limit" => "cost").increment(1);
            let message = format!("The operation costs {cost}, at most {max_cost} is allowed; ask for smaller pages.");
            return Err(error("COST_LIMIT", message));
        }
        if let Taken::Refused { wait, short, .. } = taken {
            let (limit, whose) = if short == 0 { ("caller", "You have") } else { ("centre", "Your centre has") };
            metrics::counter!("horae_limited_total", "limit" => limit).increment(1);
            return Err(too_often(&format!("{whose} spent more than comes back; wait before the next."), wait));
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

fn data<T: 'static + Send + Sync>(request: &Request) -> Option<&T> {
    request.data.get(&std::any::TypeId::of::<T>())?.downcast_ref::<T>()
}

fn error(code: &str, message: impl Into<String>) -> ServerError {
    let mut error = ServerError::new(message, None);
    error.extensions.get_or_insert_default().set("code", code);
    error
}

fn too_often(message: &str, wait: Duration) -> ServerError {
    let mut error = error("RATE_LIMITED", message);
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    error.extensions.get_or_insert_default().set("retryAfter", seconds.max(1));
    error
}

#[async_trait::async_trait]
impl Extension for Operation {
    async fn request(&self, ctx: &ExtensionContext<'_>, next: NextRequest<'_>) -> Response {
        let mut response = next.run(ctx).await;
        if let Some(report) = self.report.get() {
            response.extensions.insert("cost".to_owned(), report.clone());
        }
        response
    }

    /// Everything that runs over a socket. Only the first answer tells the cost: it was spent once.
    fn subscribe<'s>(
        &self,
        ctx: &ExtensionContext<'_>,
        stream: BoxStream<'s, Response>,
        next: NextSubscribe<'_>,
    ) -> BoxStream<'s, Response> {
        let report = Arc::clone(&self.report);
        let mut is_first = true;
        let told = next.run(ctx, stream).map(move |mut response| {
            if std::mem::take(&mut is_first)
                && let Some(report) = report.get()
            {
                response.extensions.insert("cost".to_owned(), report.clone());
            }
            response
        });
        told.boxed()
    }

    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        mut request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        self.judge(&mut request, ctx).await?;
        next.run(ctx, request).await
    }

    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        next.run(ctx).await.map_err(|mut errors| {
            if self.is_public.load(Ordering::Relaxed) {
                errors.iter_mut().for_each(hide_suggestions);
            }
            errors
        })
    }
}

/// `Unknown field "x" on type "Query". Did you mean "y"?` tells names to who may not ask for them.
fn hide_suggestions(error: &mut ServerError) {
    if let Some(at) = error.message.find(" Did you mean") {
        error.message.truncate(at);
    }
}
