//! Who calls: from the credentials of a request or socket to the schema's [`Caller`].

use std::{net::IpAddr, sync::Arc, time::Duration};

use async_graphql::Data;
use axum::http::{HeaderMap, header, request::Parts};
use futures::FutureExt as _;
use serde_json::Value;

use super::{
    ClientAddress, RequestId, Tries,
    graphql::{Admission, Gate, Party, Refusal, TenantLabel, Toll},
};
use crate::{
    auth::Actor,
    domain::{
        clock::Clock,
        identity::{Authenticator, Presence, authenticate::Authenticated},
        refusal::{Failure, Fault},
    },
    schema::{
        limits::Limits,
        request::{Address, Caller, Device, RequestId as OperationRequestId},
    },
};

/// Longest name of a device that is kept.
const MAX_DEVICE: usize = 200;

/// Admits access tokens, publishable keys, and nobody: an operation that needs a caller says so itself.
#[derive(Clone)]
pub struct ActorGate {
    authenticator: Authenticator,
    presence: Presence,
    clock: Arc<dyn Clock>,
    limits: Arc<Limits>,
    tries: Tries,
}

impl ActorGate {
    /// With this authenticator, and the registry of those who stay; the clock tells how long a token still holds, the
    /// limits what a refused document costs, and tries of keys are counted.
    #[must_use]
    pub fn new(
        authenticator: Authenticator,
        presence: Presence,
        clock: Arc<dyn Clock>,
        limits: Arc<Limits>,
        tries: Tries,
    ) -> Self {
        Self { authenticator, presence, clock, limits, tries }
    }

    /// The admission, and who was admitted.
    async fn judge(
        &self,
        parts: &Parts,
        credentials: Option<String>,
    ) -> Result<(Admission, Option<Arc<Actor>>), Refusal> {
        let request_id: Arc<str> = parts
            .extensions
            .get::<RequestId>()
            .map_or_else(|| RequestId::generate().as_str().into(), |id| id.as_str().into());
        let address = parts.extensions.get().map(|ClientAddress(address)| *address);
        let who = match credentials {
            None => None,
            Some(word) => {
                if self.authenticator.must_search(&word) {
                    let too_often = |wait| Refusal::rate_limited("Too many keys that are new here; wait.", wait);
                    self.tries.take("key", address).await.map_err(too_often)?;
                }
                let origin = text(&parts.headers, &header::ORIGIN);
                let found =
                    self.authenticator.bearer(&word, origin, &request_id).await.map_err(|failure| fault(&failure))?;
                let message = "The access token or key is not valid (any more); log in or refresh the session.";
                Some(found.ok_or_else(|| Refusal::unauthenticated(message))?)
            }
        };
        let mut data = Data::default();
        data.insert(OperationRequestId(request_id));
        if let Some(device) = text(&parts.headers, &header::USER_AGENT) {
            data.insert(Device(device.chars().take(MAX_DEVICE).collect()));
        }
        if let Some(address) = address {
            data.insert(Address(address));
        }
        let expires_in = who.as_ref().and_then(|who| self.remaining(who));
        let actor = who.map(|who| who.actor);
        let party = actor.as_deref().map(party);
        if let Some(actor) = &actor {
            data.insert(TenantLabel(actor.tenant.id.label().into()));
        }
        data.insert(Caller(actor.clone()));
        data.insert(self.toll(actor.clone(), address));
        Ok((Admission { party, data, expires_in, ended: None }, actor))
    }

    fn toll(&self, actor: Option<Arc<Actor>>, address: Option<IpAddr>) -> Toll {
        let limits = Arc::clone(&self.limits);
        Toll::new(move || {
            let (limits, actor) = (Arc::clone(&limits), actor.clone());
            async move { limits.charge_refused(actor.as_deref(), address).await }.boxed()
        })
    }

    fn remaining(&self, who: &Authenticated) -> Option<Duration> {
        who.expires_at.map(|until| (until - self.clock.now()).to_std().unwrap_or_default())
    }
}

impl Gate for ActorGate {
    async fn admit(&self, parts: &Parts) -> Result<Admission, Refusal> {
        let credentials = bearer(text(&parts.headers, &header::AUTHORIZATION))?;
        self.judge(parts, credentials).await.map(|(admission, _actor)| admission)
    }

    /// Browsers cannot set headers on a socket, so `connection_init` carries what would be one:
    /// `{"Authorization": "Bearer …"}`. The upgrade's own header serves clients that can.
    async fn admit_socket(&self, parts: &Parts, payload: Value) -> Result<Admission, Refusal> {
        let in_payload = payload.as_object().and_then(|fields| {
            fields
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case("authorization"))
                .and_then(|(_, value)| value.as_str())
        });
        let credentials = match in_payload {
            Some(value) => bearer(Some(value))?,
            None => bearer(text(&parts.headers, &header::AUTHORIZATION))?,
        };
        let (mut admission, actor) = self.judge(parts, credentials).await?;
        if let Some(present) = actor.and_then(|actor| self.presence.enter(&actor)) {
            admission.ended = Some(present.ended());
            // The place in the registry is held as long as the socket holds its data.
            admission.data.insert(present);
        }
        Ok(admission)
    }
}

fn party(actor: &Actor) -> Party {
    let tenant = actor.tenant.id.0.to_string();
    Party { actor: format!("{tenant}:{}", actor.receipt_name()).into(), tenant: tenant.into() }
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn bearer(value: Option<&str>) -> Result<Option<String>, Refusal> {
    let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) else { return Ok(None) };
    match value.split_once(' ') {
        Some((scheme, word)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(word.trim().to_owned())),
        _ => Err(Refusal::unauthenticated("Write credentials as `Bearer …`.")),
    }
}

fn fault(failure: &Failure) -> Refusal {
    match failure {
        Failure::Fault(Fault::Db(error)) => tracing::error!(error = ?error, "A caller could not be identified"),
        other => tracing::error!(error = ?other, "A caller could not be identified"),
    }
    Refusal::unavailable("The caller cannot be identified at the moment; try again.")
}
