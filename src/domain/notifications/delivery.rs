//! The steps of sending mails: decide and mark them SENDING, then, after the hand-over, write what became of each.
//!
//! The mark is committed before the hand-over. Mails of one centre that are due together are decided together, in as many
//! statements as one.

mod links;
mod results;

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use serde_json::json;
use uuid::Uuid;

pub use links::Links;
pub use results::{give_up, leave_open, put_back, refused, sent, unanswered};

use super::{
    EmailKind, EmailStatus,
    account::{self, AccountContent},
    content::{self, AppointmentContent},
    reminders,
};
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{cx::Cx, identity::account_link, refusal::Failure},
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
    /// The patient's links; none in mails that have none.
    pub links: Option<Links>,
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
    id: Uuid,
    kind: String,
    dedup_key: String,
    status: String,
    recipient: String,
    message_id: String,
    attempts: i32,
    due_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    related_id: Option<Uuid>,
    previous_start: Option<DateTime<Utc>>,
}

/// Why a mail is not sent, for good.
type NotSent = (EmailStatus, &'static str);

/// Decides by what is true now, and marks those mails SENDING that go: a decision for each. Only for mails about accounts
/// there is a statement for each of them.
///
/// # Errors
/// When the actor may not, or the centre is closed; faults of the database.
pub async fn begin(cx: &Cx, actor: &Actor, ids: &[Uuid]) -> Result<HashMap<Uuid, Decision>, Failure> {
    actor.require(Permission::AgendaWrite, Scope::Centre)?;
    let tx = cx.write(actor).await?;
    let rows: Vec<Row> = tx
        .all(
            "SELECT id, kind, dedup_key, status, recipient, message_id, attempts, due_at, expires_at, related_id, previous_start
             FROM email_messages WHERE id = ANY ($1) ORDER BY id FOR UPDATE",
            [ids.to_vec().into()],
        )
        .await?;
    // What is not found has been taken out.
    let mut decisions: HashMap<Uuid, Decision> =
        ids.iter().map(|id| (*id, Decision::Dropped(EmailStatus::Cancelled))).collect();
    let (mut going, mut dropped) = (Vec::new(), Vec::new());
    for row in rows {
        let id = row.id;
        match judge(row, cx.now())? {
            Judged::Goes(mail) => going.push(mail),
            Judged::Drops(why) => dropped.push((id, why)),
            Judged::Is(decision) => drop(decisions.insert(id, decision)),
        }
    }
    let told = tell(cx, &tx, going, &mut dropped).await?;
    let told = put_suppressed_aside(&tx, told, &mut dropped).await?;
    links::put(cx, &tx, &told).await?;
    mark(cx, &tx, &told).await?;
    drop_mails(cx, &tx, &dropped).await?;
    tx.commit().await?;
    decisions.extend(dropped.into_iter().map(|(id, (status, _))| (id, Decision::Dropped(status))));
    decisions.extend(told.into_iter().map(|mail| (mail.id, Decision::Send(Box::new(mail)))));
    Ok(decisions)
}

/// A mail that goes, if what it is about still wants it.
struct Going {
    row: Row,
    kind: EmailKind,
    repeated: bool,
}

enum Judged {
    Goes(Going),
    Drops(NotSent),
    Is(Decision),
}

/// What the row alone says.
fn judge(row: Row, now: DateTime<Utc>) -> Result<Judged, Failure> {
    let (kind, status) = (EmailKind::parse(&row.kind)?, EmailStatus::parse(&row.status)?);
    let repeated = match status {
        EmailStatus::Scheduled => false,
        // The worker that marked it fell silent, before, during or after the hand-over, or never heard the relay's answer.
        EmailStatus::Sending if kind.is_repeated_when_unsure() => true,
        EmailStatus::Sending => {
            return Ok(Judged::Drops((EmailStatus::Failed, "the worker fell silent during the hand-over")));
        }
        decided => return Ok(Judged::Is(Decision::Dropped(decided))),
    };
    if row.due_at > now {
        return Ok(Judged::Is(Decision::NotYet(row.due_at)));
    }
    if row.expires_at.is_some_and(|end| end <= now) {
        return Ok(Judged::Drops((EmailStatus::Expired, "too late: what it is about has begun or ended")));
    }
    Ok(Judged::Goes(Going { row, kind, repeated }))
}

/// Those that are still wanted, with what they tell.
async fn tell(
    cx: &Cx,
    tx: &TenantTx,
    going: Vec<Going>,
    dropped: &mut Vec<(Uuid, NotSent)>,
) -> Result<Vec<Mail>, Failure> {
    let appointments = going.iter().filter(|mail| account_purpose(mail.kind).is_none());
    let appointments = appointments.filter_map(|mail| mail.row.related_id).collect();
    let contents = content::of_appointments(tx, appointments).await?;
    let mut told = Vec::new();
    for Going { row, kind, repeated } in going {
        let about = match account_purpose(kind) {
            Some(purpose) => about_account(cx, tx, purpose, &row).await?,
            None => about_appointment(cx, tx, kind, &row, row.related_id.and_then(|id| contents.get(&id))),
        };
        match about {
            Err(why) => dropped.push((row.id, (EmailStatus::Cancelled, why))),
            Ok((recipient, about)) => told.push(Mail {
                id: row.id,
                kind,
                recipient,
                message_id: row.message_id,
                attempt: row.attempts + 1,
                date: row.due_at,
                expires_at: row.expires_at,
                repeated,
                about,
            }),
        }
    }
    Ok(told)
}

/// Of a mail about an account: what its link is for.
fn account_purpose(kind: EmailKind) -> Option<account_link::Purpose> {
    match kind {
        EmailKind::Invite => Some(account_link::Purpose::Invite),
        EmailKind::PasswordReset => Some(account_link::Purpose::PasswordReset),
        _ => None,
    }
}

/// To whom a mail goes and what it tells, or why it is not wanted any more.
type Told = Result<(String, About), &'static str>;

fn about_appointment(cx: &Cx, tx: &TenantTx, kind: EmailKind, row: &Row, content: Option<&AppointmentContent>) -> Told {
    let content = content.cloned().ok_or("what it is about is gone")?;
    if !is_wanted(kind, &content) {
        return Err("the appointment has changed");
    }
    if kind.is_to_patient() && content.patient_has_died() {
        return Err("the patient has died");
    }
    // It was moved while an earlier attempt had the mail: nothing of the row has followed.
    if content.start <= cx.now() {
        return Err("the appointment has begun");
    }
    if kind == EmailKind::AppointmentReminder && !reminders::is_of_its_day(&row.dedup_key, &content) {
        return Err("the appointment is on another day");
    }
    // The address of today: one that was corrected is the one to write to.
    let recipient = if kind.is_to_patient() {
        content.addressee().map(|(_, email)| email.to_owned()).ok_or("the patient has no address any more")?
    } else if content.is_copied_to(&row.recipient) {
        row.recipient.clone()
    } else {
        return Err("the branch sends no copies to this address any more");
    };
    let has_links = kind.is_to_patient() && kind != EmailKind::AppointmentCancelled;
    let links = has_links.then(|| Links::of(cx, tx.tenant(), row.id));
    Ok((
        recipient,
        About::Appointment(Box::new(AboutAppointment { content, previous_start: row.previous_start, links })),
    ))
}

async fn about_account(cx: &Cx, tx: &TenantTx, purpose: account_link::Purpose, row: &Row) -> Result<Told, Failure> {
    let content = match row.related_id {
        Some(user) => account::content(cx, tx, purpose, row.id, user).await?,
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

async fn put_suppressed_aside(
    tx: &TenantTx,
    told: Vec<Mail>,
    dropped: &mut Vec<(Uuid, NotSent)>,
) -> Result<Vec<Mail>, Failure> {
    if told.is_empty() {
        return Ok(told);
    }
    let addresses: Vec<String> = told.iter().map(|mail| mail.recipient.clone()).collect();
    let suppressed: Vec<String> = tx
        .scalars(
            "SELECT address FROM unnest($1::text[]) AS address WHERE EXISTS (SELECT 1 FROM suppressions WHERE email = lower(address))",
            [addresses.into()],
        )
        .await?;
    let suppressed: HashSet<String> = suppressed.into_iter().collect();
    let (aside, told): (Vec<Mail>, _) = told.into_iter().partition(|mail| suppressed.contains(&mail.recipient));
    let why = (EmailStatus::Suppressed, "the address does not take mail");
    dropped.extend(aside.into_iter().map(|mail| (mail.id, why)));
    Ok(told)
}

async fn mark(cx: &Cx, tx: &TenantTx, mails: &[Mail]) -> Result<(), Failure> {
    if mails.is_empty() {
        return Ok(());
    }
    // A mark that a crash of the database forgets leaves the mail SCHEDULED. Where that means what SENDING would mean,
    // handing it over again, nobody waits for the disk.
    let soon = mails.iter().all(|mail| mail.kind.is_repeated_when_unsure());
    tx.run(
        "WITH soon AS (SELECT CASE WHEN $5 THEN set_config('synchronous_commit', 'off', true) END)
         UPDATE email_messages m SET status = 'SENDING', attempts = mail.attempt, recipient = mail.recipient, updated_at = $4
         FROM soon, unnest($1::uuid[], $2::int[], $3::text[]) AS mail (id, attempt, recipient) WHERE m.id = mail.id",
        [
            mails.iter().map(|mail| mail.id).collect::<Vec<_>>().into(),
            mails.iter().map(|mail| mail.attempt).collect::<Vec<_>>().into(),
            mails.iter().map(|mail| mail.recipient.clone()).collect::<Vec<_>>().into(),
            cx.now().into(),
            soon.into(),
        ],
    )
    .await?;
    Ok(())
}

async fn drop_mails(cx: &Cx, tx: &TenantTx, dropped: &[(Uuid, NotSent)]) -> Result<(), Failure> {
    if dropped.is_empty() {
        return Ok(());
    }
    tx.run(
        "UPDATE email_messages m SET status = mail.status, last_error = mail.why, updated_at = $4
         FROM unnest($1::uuid[], $2::text[], $3::text[]) AS mail (id, status, why) WHERE m.id = mail.id",
        [
            dropped.iter().map(|(id, _)| *id).collect::<Vec<_>>().into(),
            dropped.iter().map(|(_, (status, _))| status.as_str().to_owned()).collect::<Vec<_>>().into(),
            dropped.iter().map(|(_, (_, why))| (*why).to_owned()).collect::<Vec<_>>().into(),
            cx.now().into(),
        ],
    )
    .await?;
    Ok(())
}
