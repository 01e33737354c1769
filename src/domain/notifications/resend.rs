//! Sends a mail of the log again: a message of its own, about the same appointment as it stands now, to the address of
//! today.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    EmailKind, EmailMessage, EmailStatus,
    content::{self, AppointmentContent},
    delivery::is_wanted,
    put::{About, put},
    query,
};
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        idempotency::{Claim, Receipt},
        refusal::{Code, Failure, Refusal},
    },
};

const MUTATION: &str = "resendEmail";

#[derive(FromQueryResult)]
struct Original {
    kind: String,
    status: String,
    recipient: String,
    related_id: Option<Uuid>,
    previous_start: Option<DateTime<Utc>>,
    branch: Option<Uuid>,
}

/// Sends it again at once. Who may change the appointment may: that writes to its patient too.
///
/// # Errors
/// FORBIDDEN, NOT_FOUND, IDEMPOTENCY_KEY_REUSED; EXPIRED when the appointment has begun, INVALID for mails that still
/// wait, are about accounts, or have nothing to say any more, and for addresses that get no mail; faults.
pub async fn run(cx: &Cx, actor: &Actor, id: Uuid, key: Uuid) -> Result<EmailMessage, Failure> {
    actor.require(Permission::AgendaWrite, Scope::Anywhere)?;
    cx.retrying(|| attempt(cx, actor, id, key)).await
}

async fn attempt(cx: &Cx, actor: &Actor, id: Uuid, key: Uuid) -> Result<EmailMessage, Failure> {
    let tx = cx.write(actor).await?;
    let receipt = Receipt::new(actor, MUTATION, key, &id)?;
    if let Claim::Done(outcome) = receipt.claim(&tx, cx.now()).await? {
        let email = written(&tx, outcome_id(&outcome)?).await?;
        tx.commit().await?;
        return Ok(email);
    }
    let (original, kind) = original(&tx, actor, id).await?;
    let (content, recipient) = content_now(cx, &tx, &original, kind).await?;
    let about = About::new(cx, tx.tenant(), content.appointment, content.revision, content.start);
    let dedup_key = format!("resend:{id}:{key}");
    let mut email = about.email(kind, dedup_key.clone(), &recipient, cx.now());
    if let Some(previous) = original.previous_start {
        email = email.moved_from(previous);
    }
    let new = email.id();
    put(cx, &tx, &[email]).await?;
    // Another one's if this key has sent this mail before, by somebody else or long ago.
    let there: Option<Uuid> =
        tx.scalar("SELECT id FROM email_messages WHERE dedup_key = $1", [dedup_key.into()]).await?;
    let email = written(&tx, there.unwrap_or(new)).await?;
    receipt.keep(&tx, json!({ "email": email.id })).await?;
    let mut changes = Changes::by(actor);
    if email.id == new {
        changes.push(Change {
            branch_id: original.branch,
            after: Some(facts!({ "kind": kind.as_str(), "resendOf": id, "status": email.status.as_str() })),
            ..Change::audited(MUTATION, "EmailMessage", new)
        });
    }
    cx.commit(tx, changes).await?;
    Ok(email)
}

/// The mail to send again, locked, so that it does not leave its state meanwhile.
async fn original(tx: &TenantTx, actor: &Actor, id: Uuid) -> Result<(Original, EmailKind), Failure> {
    let found: Option<Original> = tx
        .find(
            "SELECT m.kind, m.status, m.recipient, m.related_id, m.previous_start, a.branch_id AS branch
             FROM email_messages m LEFT JOIN appointments a ON a.id = m.related_id WHERE m.id = $1 FOR UPDATE OF m",
            [id.into()],
        )
        .await?;
    let unseen = || Failure::from(Refusal::not_found("id"));
    let found = found.ok_or_else(unseen)?;
    let kind = EmailKind::parse(&found.kind)?;
    let seen = match found.branch {
        Some(branch) => actor.may(Permission::AgendaWrite, Scope::Branch(branch)),
        // As in the list of mails: whose password was asked for is nobody else's business.
        None => kind.is_about_account() && actor.may(Permission::UserAdmin, Scope::Centre),
    };
    if !seen {
        return Err(unseen());
    }
    if kind.is_about_account() {
        return Err(invalid("the links of this mail go to its reader alone: use inviteUser or requestPasswordReset"));
    }
    match EmailStatus::parse(&found.status)? {
        EmailStatus::Scheduled | EmailStatus::Sending => Err(invalid("this mail still waits to be sent")),
        EmailStatus::Cancelled => Err(invalid("this mail was overtaken by a change and never sent")),
        EmailStatus::Sent
        | EmailStatus::Delivered
        | EmailStatus::Bounced
        | EmailStatus::Complained
        | EmailStatus::Failed
        | EmailStatus::Expired
        | EmailStatus::Suppressed => Ok((found, kind)),
    }
}

/// What it is to say, and to whom, as things stand.
async fn content_now(
    cx: &Cx,
    tx: &TenantTx,
    original: &Original,
    kind: EmailKind,
) -> Result<(AppointmentContent, String), Failure> {
    let content = match original.related_id {
        Some(appointment) => content::of_appointment(tx, appointment).await?,
        None => None,
    };
    let content = content.ok_or_else(|| Failure::fault("a mail whose appointment is missing"))?;
    if content.start <= cx.now() {
        return Err(Refusal::new(Code::Expired, "the appointment has begun").at("id").into());
    }
    if !is_wanted(kind, &content) {
        return Err(invalid("the appointment is not any more in the state that this mail speaks of"));
    }
    if kind.is_to_patient() && content.patient_has_died() {
        return Err(invalid("the patient has died"));
    }
    let recipient = if kind.is_to_patient() {
        content
            .addressee()
            .map(|(_, email)| email.to_owned())
            .ok_or_else(|| invalid("the patient has no mail address"))?
    } else if content.is_copied_to(&original.recipient) {
        original.recipient.clone()
    } else {
        return Err(invalid("the branch sends no copies to this address any more"));
    };
    let suppressed: Option<bool> = tx
        .scalar("SELECT EXISTS (SELECT 1 FROM suppressions WHERE email = lower($1))", [recipient.trim().into()])
        .await?;
    if suppressed == Some(true) {
        return Err(invalid("the address gets no mail because it was refused for good before; correct it first"));
    }
    Ok((content, recipient))
}

async fn written(tx: &TenantTx, id: Uuid) -> Result<EmailMessage, Failure> {
    query::find_unchecked(tx, id).await?.ok_or_else(|| Failure::fault("a mail that was just written is missing"))
}

fn outcome_id(outcome: &Value) -> Result<Uuid, Failure> {
    let id = outcome.get("email").and_then(Value::as_str).and_then(|id| id.parse().ok());
    id.ok_or_else(|| Failure::fault("a receipt without its mail"))
}

fn invalid(message: &'static str) -> Failure {
    Refusal::invalid("id", message).into()
}
