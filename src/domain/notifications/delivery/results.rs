//! What became of a mail that was handed over. Fenced by the number of the attempt: whoever lost the mail to another
//! attempt writes nothing.

use uuid::Uuid;

use super::Mail;
use crate::{
    auth::{Actor, Permission, Scope},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        notifications::{EmailStatus, bounces},
        refusal::Failure,
    },
};

/// The relay has taken these, with these subjects. Returns which of them: the attempt had lost the others to another one.
///
/// # Errors
/// Faults of the database.
pub async fn sent(cx: &Cx, actor: &Actor, taken: &[(&Mail, &str)]) -> Result<Vec<Uuid>, Failure> {
    mark_sent(cx, actor, taken, None).await
}

/// The relay was given it twice and has answered neither time, so that it is more likely there than not. It counts as sent;
/// the row says why that is not certain.
///
/// # Errors
/// Faults of the database.
pub async fn unanswered(cx: &Cx, actor: &Actor, mail: &Mail, subject: &str, error: &str) -> Result<Vec<Uuid>, Failure> {
    let note = format!("handed over twice, and the relay never said that it has it: {error}");
    mark_sent(cx, actor, &[(mail, subject)], Some(note)).await
}

async fn mark_sent(
    cx: &Cx,
    actor: &Actor,
    taken: &[(&Mail, &str)],
    note: Option<String>,
) -> Result<Vec<Uuid>, Failure> {
    actor.require(Permission::AgendaWrite, Scope::Centre)?;
    let tx = cx.write(actor).await?;
    let written: Vec<Uuid> = tx
        .scalars(
            "UPDATE email_messages m SET status = 'SENT', sent_at = $4, subject = taken.subject, last_error = $5, updated_at = $4
             FROM unnest($1::uuid[], $2::int[], $3::text[]) AS taken (id, attempt, subject)
             WHERE m.id = taken.id AND m.attempts = taken.attempt AND m.status = 'SENDING' RETURNING m.id",
            [
                taken.iter().map(|(mail, _)| mail.id).collect::<Vec<_>>().into(),
                taken.iter().map(|(mail, _)| mail.attempt).collect::<Vec<_>>().into(),
                taken.iter().map(|(_, subject)| (*subject).to_owned()).collect::<Vec<_>>().into(),
                cx.now().into(),
                note.into(),
            ],
        )
        .await?;
    let mut changes = Changes::by(actor);
    for (mail, _) in taken.iter().filter(|(mail, _)| written.contains(&mail.id)) {
        changes.push(Change {
            data: mail.data(),
            before: Some(facts!({ "status": EmailStatus::Sending.as_str() })),
            after: Some(facts!({ "status": EmailStatus::Sent.as_str(), "attempt": mail.attempt })),
            ..Change::event("email.sent", "sendEmail", "EmailMessage", mail.id)
        });
    }
    cx.commit(tx, changes).await?;
    Ok(written)
}

/// The relay has not taken it, and another attempt may succeed.
///
/// # Errors
/// Faults of the database.
pub async fn put_back(cx: &Cx, actor: &Actor, mail: &Mail, error: &str) -> Result<bool, Failure> {
    not_taken(cx, actor, mail, EmailStatus::Scheduled, error).await
}

/// Nobody can know whether the relay has taken it. It stays SENDING: the next attempt is a repeat, and until then it counts
/// as sent where an appointment is moved or called off.
///
/// # Errors
/// Faults of the database.
pub async fn leave_open(cx: &Cx, actor: &Actor, mail: &Mail, error: &str) -> Result<bool, Failure> {
    not_taken(cx, actor, mail, EmailStatus::Sending, error).await
}

async fn not_taken(cx: &Cx, actor: &Actor, mail: &Mail, status: EmailStatus, error: &str) -> Result<bool, Failure> {
    actor.require(Permission::AgendaWrite, Scope::Centre)?;
    let tx = cx.write(actor).await?;
    let written = tx
        .run(
            "UPDATE email_messages SET status = $5, last_error = $3, updated_at = $4
             WHERE id = $1 AND attempts = $2 AND status = 'SENDING'",
            [mail.id.into(), mail.attempt.into(), error.into(), cx.now().into(), status.as_str().into()],
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
