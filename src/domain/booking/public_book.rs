//! A patient books alone, on the centre's page: the hold becomes an appointment.

use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::{
    book::Booked,
    consume_hold::{self, Terms},
    hold::outcome_id,
};
use crate::{
    auth::Actor,
    domain::{
        change::Changes,
        cx::Cx,
        idempotency::{Claim, Receipt},
        patients::{booked, input::PatientInput},
        refusal::{Code, Failure, Refusal},
    },
};

/// What a patient sends.
#[derive(Clone, Debug, Serialize)]
pub struct PublicBook {
    /// Of the page.
    #[serde(skip)]
    pub key: Uuid,
    /// The centre's short name.
    pub tenant_slug: String,
    /// The held slot.
    pub hold: Uuid,
    /// Who.
    pub patient: PatientInput,
    /// `WEB_WIDGET` or `FACEBOOK`.
    pub channel: String,
    /// Whether the patient agreed to the centre's policies.
    pub accept_policies: bool,
}

/// Books online. Never on top of others, never without the policies accepted.
///
/// # Errors
/// Refusals of the contract; faults.
pub async fn run(cx: &Cx, actor: &Actor, book: PublicBook) -> Result<Booked, Failure> {
    if !actor.publishable {
        return Err(Refusal::new(Code::Forbidden, "this is for booking pages; use bookAppointment").into());
    }
    let mut refusals = booked::refusals(&book.patient, "patient", cx.now());
    refusals.extend(booked::page_refusals(&book.patient, "patient"));
    if book.tenant_slug != actor.tenant.slug {
        refusals.push(Refusal::not_found("tenantSlug"));
    }
    if !book.accept_policies {
        refusals.push(Refusal::required("acceptPolicies", "the patient must accept the centre's policies"));
    }
    if !matches!(book.channel.as_str(), "WEB_WIDGET" | "FACEBOOK") {
        refusals.push(Refusal::invalid("channel", "a booking page's channel is WEB_WIDGET or FACEBOOK"));
    }
    if book.patient.email.value().is_none() && book.patient.phones.as_ref().is_none_or(Vec::is_empty) {
        refusals.push(Refusal::required(
            "patient.email",
            "give a mail address or a telephone number, so that the centre can reach you",
        ));
    }
    if !refusals.is_empty() {
        return Err(refusals.into());
    }
    cx.retrying(|| attempt(cx, actor, &book)).await
}

async fn attempt(cx: &Cx, actor: &Actor, book: &PublicBook) -> Result<Booked, Failure> {
    let receipt = Receipt::new(actor, "publicBook", book.key, book)?;
    let tx = cx.write(actor).await?;
    if let Claim::Done(outcome) = receipt.claim(&tx, cx.now()).await? {
        tx.commit().await?;
        return Ok(Booked { id: outcome_id(&outcome)?, replayed: true, warnings: Vec::new() });
    }
    let mut changes = Changes::by(actor);
    let patient = booked::find_or_create(cx, &tx, &book.patient, "patient", &mut changes).await?;
    let terms = Terms {
        branch: None,
        online: true,
        channel: Some(&book.channel),
        notes: None,
        send_confirmation: true,
        action: "publicBook",
    };
    consume_hold::in_tx(cx, &tx, book.hold, &patient, &terms, &mut changes).await?;
    receipt.keep(&tx, json!({ "appointment": book.hold })).await?;
    cx.commit(tx, changes).await?;
    metrics::counter!("horae_bookings_total", "channel" => book.channel.clone()).increment(1);
    Ok(Booked { id: book.hold, replayed: false, warnings: Vec::new() })
}
