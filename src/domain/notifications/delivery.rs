//! The steps of sending one mail: decide and mark it SENDING, then, after the hand-over, write what became of it.
//!
//! The mark is committed before the hand-over. Results are fenced by the number of the attempt: whoever lost the mail
//! to another attempt writes nothing.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use serde_json::json;
use uuid::Uuid;

use super::{
    EmailKind, EmailStatus,
    account::{self, AccountContent},
    bounces,
    content::{self, AppointmentContent},
};
use crate::{
    auth::{Actor, Permission, Scope, word},
    db::TenantTx,
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        identity::{
            account_link,
            capability::{self, NewToken, Purpose},
        },
        refusal::Failure,
    },
};

/// What to do with a mail whose job has come.
#[derive(Debug)]
pub enum Decision {
    /// Hand it over; it is marked SENDING.
    Send(Box<Mail>),
    /// Its time has not come.
    NotYet(DateTime<Utc>),
    /// It is not to be sent, for good.
    Dropped(EmailStatus),
}

/// A mail that is marked SENDING.
#[derive(Debug)]
pub struct Mail {
    /// Row.
    pub id: Uuid,
    /// What it is about.
    pub kind: EmailKind,
    /// To whom.
    pub recipient: String,
    /// With angle brackets.
    pub message_id: String,
    /// The fence.
    pub attempt: i32,
    /// When it was first meant to go; the same in every copy.
    pub date: DateTime<Utc>,
    /// Not handed over after this.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether an earlier attempt may have handed it over already.
    pub repeated: bool,
    /// What it tells.
    pub about: About,
}

/// What a mail tells.
#[derive(Debug)]
pub enum About {
    /// Of an appointment.
    Appointment(Box<AboutAppointment>),
    /// Of somebody's account.
    Account(Box<AccountContent>),
}

/// What a mail about an appointment tells.
#[derive(Debug)]
pub struct AboutAppointment {
    /// The appointment.
    pub content: AppointmentContent,
    /// When a moved appointment was before.
    pub previous_start: Option<DateTime<Utc>>,
    /// The patient's links: `(confirm, manage)`; none in mails that have none.
    pub links: Option<(String, String)>,
}

impl Mail {
    /// What a reader of its events needs.
    fn data(&self) -> serde_json::Value {
        match &self.about {
            About::Appointment(about) => {
                json!({ "kind": self.kind.as_str(), "appointmentId": about.content.appointment })
            }
            About::Account(account) => json!({ "kind": self.kind.as_str(), "userId": account.user }),
        }
    }
}

#[derive(FromQueryResult)]
struct Row {
    kind: String,
    status: String,
    recipient: String,
    message_id: String,
    attempts: i32,
    due_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    related_id: Option<Uuid>,
    previous_start: Option<DateTime<Utc>>,
}

/// Decides by what is true now, and marks the mail SENDING if it goes.
///
/// # Errors
/// When the actor may not, or the centre is closed; faults of the database.
pub async fn begin(cx: &Cx, actor: &Actor, id: Uuid) -> Result<Decision, Failure> {
    actor.require(Permission::AgendaWrite, Scope::Centre)?;
    let tx = cx.write(actor).await?;
    let decision = decide(cx, &tx, id).await?;
    tx.commit().await?;
    Ok(decision)
}

async fn decide(cx: &Cx, tx: &TenantTx, id: Uuid) -> Result<Decision, Failure> {
    let now = cx.now();
    let row: Option<Row> = tx
        .find(
            "SELECT kind, status, recipient, message_id, attempts, due_at, expires_at, related_id, previous_start
             FROM email_messages WHERE id = $1 FOR UPDATE",
            [id.into()],
        )
        .await?;
    let Some(row) = row else {
        return Ok(Decision::Dropped(EmailStatus::Cancelled));
    };
    let (kind, status) = (EmailKind::parse(&row.kind)?, EmailStatus::parse(&row.status)?);
    let repeated = match status {
        EmailStatus::Scheduled => false,
        // The worker that marked it fell silent, before, during or after the hand-over.
        EmailStatus::Sending if kind.is_repeated_when_unsure() => true,
        EmailStatus::Sending => {
            return drop_mail(cx, tx, id, EmailStatus::Failed, "the worker fell silent during the hand-over").await;
        }
        decided => return Ok(Decision::Dropped(decided)),
    };
    if row.due_at > now {
        return Ok(Decision::NotYet(row.due_at));
    }
    if row.expires_at.is_some_and(|end| end <= now) {
        return drop_mail(cx, tx, id, EmailStatus::Expired, "too late: what it is about has begun or ended").await;
    }
    let told = match kind {
        EmailKind::Invite => about_account(cx, tx, account_link::Purpose::Invite, id, &row).await?,
        EmailKind::PasswordReset => about_account(cx, tx, account_link::Purpose::PasswordReset, id, &row).await?,
        _ => about_appointment(cx, tx, kind, id, &row).await?,
    };
    let (recipient, about) = match told {
        Ok(told) => told,
        Err(why) => return drop_mail(cx, tx, id, EmailStatus::Cancelled, why).await,
    };
    let suppressed: Option<bool> = tx
        .scalar("SELECT EXISTS (SELECT 1 FROM suppressions WHERE email = lower($1))", [recipient.clone().into()])
        .await?;
    if suppressed == Some(true) {
        return drop_mail(cx, tx, id, EmailStatus::Suppressed, "the address does not take mail").await;
    }
    let attempt = row.attempts + 1;
    // A mark that a crash of the database forgets leaves the mail SCHEDULED. Where that means what SENDING would mean,
    // handing it over again, nobody waits for the disk.
    tx.run(
        "WITH soon AS (SELECT CASE WHEN $5 THEN set_config('synchronous_commit', 'off', true) END)
         UPDATE email_messages SET status = 'SENDING', attempts = $2, recipient = $3, updated_at = $4 FROM soon WHERE id = $1",
        [id.into(), attempt.into(), recipient.clone().into(), now.into(), kind.is_repeated_when_unsure().into()],
    )
    .await?;
    Ok(Decision::Send(Box::new(Mail {
        id,
        kind,
        recipient,
        message_id: row.message_id,
        attempt,
        date: row.due_at,
        expires_at: row.expires_at,
        repeated,
        about,
    })))
}

/// To whom a mail goes and what it tells, or why it is not wanted any more.
type Told = Result<(String, About), &'static str>;

async fn about_appointment(cx: &Cx, tx: &TenantTx, kind: EmailKind, id: Uuid, row: &Row) -> Result<Told, Failure> {
    let content = match row.related_id {
        Some(appointment) => content::of_appointment(tx, appointment).await?,
        None => None,
    };
    let Some(content) = content else { return Ok(Err("what it is about is gone")) };
    if !is_wanted(kind, &content) {
        return Ok(Err("the appointment has changed"));
    }
    // The patient's address of today: an address that was corrected is the one to write to.
    let recipient = if kind.is_to_patient() { content.patient_email.clone() } else { Some(row.recipient.clone()) };
    let Some(recipient) = recipient else { return Ok(Err("the patient has no address any more")) };
    let links = if kind.is_to_patient() && kind != EmailKind::AppointmentCancelled {
        Some(links(cx, tx, id, &content).await?)
    } else {
        None
    };
    let about = AboutAppointment { content, previous_start: row.previous_start, links };
    Ok(Ok((recipient, About::Appointment(Box::new(about)))))
}

async fn about_account(
    cx: &Cx,
    tx: &TenantTx,
    purpose: account_link::Purpose,
    id: Uuid,
    row: &Row,
) -> Result<Told, Failure> {
    let content = match row.related_id {
        Some(user) => account::content(cx, tx, purpose, id, user).await?,
        None => None,
    };
    Ok(match content {
        Some(content) => Ok((row.recipient.clone(), About::Account(Box::new(content)))),
        None => Err("its link has been used or replaced, or the account has changed"),
    })
}

/// Whether the appointment is still in the state that the mail speaks of.
pub(super) fn is_wanted(kind: EmailKind, content: &AppointmentContent) -> bool {
    match kind {
        EmailKind::AppointmentCancelled => matches!(content.status.as_str(), "CANCELLED" | "REJECTED"),
        EmailKind::AppointmentReminder => matches!(content.status.as_str(), "BOOKED" | "CONFIRMED"),
        _ => matches!(content.status.as_str(), "PENDING_APPROVAL" | "BOOKED" | "CONFIRMED" | "ARRIVED" | "READY"),
    }
}

async fn drop_mail(cx: &Cx, tx: &TenantTx, id: Uuid, status: EmailStatus, why: &str) -> Result<Decision, Failure> {
    tx.run(
        "UPDATE email_messages SET status = $2, last_error = $3, updated_at = $4 WHERE id = $1",
        [id.into(), status.as_str().into(), why.into(), cx.now().into()],
    )
    .await?;
    Ok(Decision::Dropped(status))
}

/// Single-use links of one mail. Derived from the mail, so that a copy of it carries the same ones; only hashes are kept.
async fn links(cx: &Cx, tx: &TenantTx, email: Uuid, content: &AppointmentContent) -> Result<(String, String), Failure> {
    let tenant = tx.tenant();
    let secret = |purpose: Purpose| {
        let body = format!("{}\n{}\n{email}", purpose.as_str(), tenant.id.0);
        format!("{}{}.{}", word::CAPABILITY, tenant.key, cx.seal.secret_word(body.as_bytes()))
    };
    let (confirm, manage) = (secret(Purpose::AppointmentConfirm), secret(Purpose::AppointmentManage));
    let once = |word, purpose| NewToken {
        word,
        purpose,
        resource: content.appointment,
        max_uses: 1,
        expires_at: content.start,
    };
    let tokens = [once(&confirm, Purpose::AppointmentConfirm), once(&manage, Purpose::AppointmentManage)];
    capability::put(cx, tx, &tokens).await?;
    let page = |token: &str| format!("{}/a/{token}", cx.public_url);
    Ok((page(&confirm), page(&manage)))
}

/// The relay has taken it. False: this attempt had lost the mail to another.
///
/// # Errors
/// Faults of the database.
pub async fn sent(cx: &Cx, actor: &Actor, mail: &Mail, subject: &str) -> Result<bool, Failure> {
    actor.require(Permission::AgendaWrite, Scope::Centre)?;
    let tx = cx.write(actor).await?;
    let written = tx
        .run(
            "UPDATE email_messages SET status = 'SENT', sent_at = $3, subject = $4, last_error = NULL, updated_at = $3
             WHERE id = $1 AND attempts = $2 AND status = 'SENDING'",
            [mail.id.into(), mail.attempt.into(), cx.now().into(), subject.into()],
        )
        .await?;
    if written == 0 {
        tx.rollback().await?;
        return Ok(false);
    }
    let change = Change {
        data: mail.data(),
        before: Some(facts!({ "status": EmailStatus::Sending.as_str() })),
        after: Some(facts!({ "status": EmailStatus::Sent.as_str(), "attempt": mail.attempt })),
        ..Change::event("email.sent", "sendEmail", "EmailMessage", mail.id)
    };
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(true)
}

/// The relay has not taken it, and another attempt may succeed.
///
/// # Errors
/// Faults of the database.
pub async fn put_back(cx: &Cx, actor: &Actor, mail: &Mail, error: &str) -> Result<bool, Failure> {
    actor.require(Permission::AgendaWrite, Scope::Centre)?;
    let tx = cx.write(actor).await?;
    let written = tx
        .run(
            "UPDATE email_messages SET status = 'SCHEDULED', last_error = $3, updated_at = $4
             WHERE id = $1 AND attempts = $2 AND status = 'SENDING'",
            [mail.id.into(), mail.attempt.into(), error.into(), cx.now().into()],
        )
        .await?;
    tx.commit().await?;
    Ok(written == 1)
}

/// The relay will never take it. With `suppress`, the address gets no more mail.
///
/// # Errors
/// Faults of the database.
pub async fn refused(cx: &Cx, actor: &Actor, mail: &Mail, error: &str, suppress: bool) -> Result<bool, Failure> {
    actor.require(Permission::AgendaWrite, Scope::Centre)?;
    let status = if suppress { EmailStatus::Bounced } else { EmailStatus::Failed };
    let tx = cx.write(actor).await?;
    let written = tx
        .run(
            "UPDATE email_messages SET status = $5, last_error = $3, updated_at = $4
             WHERE id = $1 AND attempts = $2 AND status = 'SENDING'",
            [mail.id.into(), mail.attempt.into(), error.into(), cx.now().into(), status.as_str().into()],
        )
        .await?;
    if written == 0 {
        tx.rollback().await?;
        return Ok(false);
    }
    let mut changes = Changes::by(actor);
    if suppress {
        tx.run(
            "INSERT INTO suppressions (id, email, reason, at) VALUES ($1, lower($2), 'HARD_BOUNCE', $3) ON CONFLICT (email) DO NOTHING",
            [cx.new_id().into(), mail.recipient.clone().into(), cx.now().into()],
        )
        .await?;
        changes.push(Change {
            data: mail.data(),
            before: Some(facts!({ "status": EmailStatus::Sending.as_str() })),
            after: Some(facts!({ "status": status.as_str(), "attempt": mail.attempt })),
            ..Change::event("email.bounced", "sendEmail", "EmailMessage", mail.id)
        });
        bounces::judge(cx, &tx, mail.id, &mut changes).await?;
    }
    cx.commit(tx, changes).await?;
    Ok(true)
}

/// Its job has been given up: a row that still waits is not going to be sent.
///
/// # Errors
/// Faults of the database.
pub async fn give_up(cx: &Cx, actor: &Actor, id: Uuid, error: &str) -> Result<(), Failure> {
    actor.require(Permission::AgendaWrite, Scope::Centre)?;
    let tx = cx.write(actor).await?;
    tx.run(
        "UPDATE email_messages SET status = 'FAILED', last_error = $2, updated_at = $3
         WHERE id = $1 AND status IN ('SCHEDULED', 'SENDING')",
        [id.into(), error.into(), cx.now().into()],
    )
    .await?;
    tx.commit().await?;
    Ok(())
}
