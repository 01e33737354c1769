//! Sends mails: decide and mark, render, hand over, write what became of them. No transaction is open while the relay has
//! the word.

use std::{
    num::NonZeroU32,
    sync::{Arc, OnceLock},
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures::stream::{FuturesUnordered, StreamExt};
use uuid::Uuid;

use crate::{
    db::ClaimedJob,
    domain::{
        cx::Cx,
        notifications::{
            EmailKind, SEND_JOB,
            account::AccountContent,
            calendar_domain,
            delivery::{self, About, AboutAppointment, Decision, Mail},
        },
        refusal::Failure,
    },
    jobs::{Limits, Outcome, Run, Runner, backoff, pace::Pace},
    mail::{
        CalendarMethod, InvalidMailbox, Locale, Mailbox, Mailer, OutgoingMail, SendError,
        calendar::event_uid,
        mailbox,
        templates::{AccountMail, AppointmentMail, Centre, Channel, EventIdentity, MailContext, Templates},
    },
};

/// Most mails that are decided, handed over and marked together.
const TOGETHER: usize = 8;

/// How long it is waited for others that are handed over, to mark them together.
const GATHER: Duration = Duration::from_millis(50);

/// Longest pause before a mail is offered again: relays that ask for patience mean minutes.
const LONGEST_PAUSE_S: u32 = 900;

pub(super) struct SendMail {
    mailer: Arc<Mailer>,
    from: String,
    pace: Pace,
    templates: OnceLock<Result<Templates, String>>,
}

#[derive(serde::Deserialize)]
struct Payload {
    email_id: Uuid,
}

fn email(job: &ClaimedJob) -> Option<Uuid> {
    serde_json::from_value::<Payload>(job.payload.clone()).ok().map(|payload| payload.email_id)
}

/// A mail that is marked SENDING, and the job that brings it.
struct Going<'a> {
    /// The job's number among those that run together.
    nth: usize,
    job: &'a ClaimedJob,
    mail: Box<Mail>,
}

/// What the relay made of a mail.
enum Handed {
    /// It has it; that is still to be written.
    Taken { subject: String },
    /// It has not, which is written. What becomes of the job.
    Over(Outcome),
}

impl SendMail {
    pub(super) fn new(mailer: Arc<Mailer>, from: &str, per_second: NonZeroU32) -> Self {
        Self { mailer, from: from.to_owned(), pace: Pace::new(per_second), templates: OnceLock::new() }
    }

    fn templates(&self) -> Result<&Templates, String> {
        self.templates
            .get_or_init(|| Templates::new().map_err(|error| error.to_string()))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// Hands all of them over at once. Those that the relay has taken within a moment are marked SENT together; nobody
    /// waits for one that it takes longer with.
    async fn deliver(&self, run: &Run, going: &[Going<'_>], outcomes: &mut [Outcome]) {
        let hand_over = |one| async move { (one, self.hand_over(run, one).await) };
        let mut handovers: FuturesUnordered<_> = going.iter().map(hand_over).collect();
        while let Some(first) = handovers.next().await {
            let mut handed = vec![first];
            let others = async {
                while let Some(one) = handovers.next().await {
                    handed.push(one);
                }
            };
            // What is not there by then is in a later round.
            let _timeout = tokio::time::timeout(GATHER, others).await;
            for (nth, outcome) in settle(run, handed).await {
                if let Some(place) = outcomes.get_mut(nth) {
                    *place = outcome;
                }
            }
        }
    }

    async fn hand_over(&self, run: &Run, Going { job, mail, .. }: &Going<'_>) -> Result<Handed, Failure> {
        let (cx, actor) = (&run.cx, &run.actor);
        let count = |result: &'static str| {
            metrics::counter!("horae_mails_total", "kind" => mail.kind.as_str(), "result" => result).increment(1);
        };
        let outgoing = match self.render(run, mail) {
            Ok(outgoing) => OutgoingMail { request_id: job.request_id().map(str::to_owned), ..outgoing },
            Err(why) => {
                count("failed");
                delivery::refused(cx, actor, mail, &why, false).await?;
                return Ok(Handed::Over(Outcome::Done));
            }
        };
        let handed = self.mailer.send(&outgoing).await;
        if mail.repeated && handed.as_ref().map_or_else(SendError::may_have_been_delivered, |_| true) {
            metrics::counter!("horae_mail_repeated_handovers_total").increment(1);
            tracing::warn!(email.id = %mail.id, tenant.id = %actor.tenant.id.0, "A mail may have been handed over before; it was handed over again with the same Message-ID");
        }
        let error = match handed {
            Ok(_) => {
                count("sent");
                return Ok(Handed::Taken { subject: outgoing.subject });
            }
            Err(error) => error,
        };
        let text = error.to_string();
        if !error.is_transient() {
            count(if error.is_address_rejected() { "bounced" } else { "failed" });
            delivery::refused(cx, actor, mail, &text, error.is_address_rejected()).await?;
            return Ok(Handed::Over(Outcome::Done));
        }
        if error.may_have_been_delivered() && !mail.kind.is_repeated_when_unsure() {
            count("failed");
            delivery::refused(cx, actor, mail, &text, false).await?;
            return Ok(Handed::Over(Outcome::Done));
        }
        if error.may_have_been_delivered() && mail.repeated {
            // Once is enough: a relay that takes and does not answer would hand it over again and again.
            count("unanswered");
            delivery::unanswered(cx, actor, mail, &outgoing.subject, &text).await?;
            return Ok(Handed::Over(Outcome::Done));
        }
        count("later");
        // Who may have it already is to be told of a change meanwhile.
        if error.may_have_been_delivered() || mail.repeated {
            delivery::leave_open(cx, actor, mail, &text).await?;
        } else {
            delivery::put_back(cx, actor, mail, &text).await?;
        }
        Ok(Handed::Over(match error {
            // The relay is at fault and not this mail: it waits as long as it makes sense.
            SendError::Unreachable { .. } => {
                let seed = job.id.unsigned_abs() ^ u64::from(mail.attempt.unsigned_abs());
                Outcome::RetryAt(cx.now() + backoff::pause(mail.attempt, LONGEST_PAUSE_S, seed))
            }
            _ => Outcome::Failed(text),
        }))
    }

    fn render(&self, run: &Run, mail: &Mail) -> Result<OutgoingMail, String> {
        match &mail.about {
            About::Appointment(about) => self.render_appointment(run, mail, about),
            About::Account(account) => self.render_account(mail, account),
        }
    }

    fn render_appointment(&self, run: &Run, mail: &Mail, about: &AboutAppointment) -> Result<OutgoingMail, String> {
        let content = &about.content;
        let locale = Locale::from_language_tag(&content.centre_locale).unwrap_or(Locale::Es);
        let mut appointment = appointment(&run.cx, about);
        let greeted = content.addressee().filter(|_| mail.kind.is_to_patient()).map(|(name, _)| name);
        if let Some(name) = greeted {
            name.clone_into(&mut appointment.patient_name);
        }
        let to = mailbox(greeted.unwrap_or_default(), &mail.recipient).map_err(unwritable)?;
        let from = self.from(&content.centre_name)?;
        let reply_to = content.branch_email.as_deref().and_then(|email| mailbox(&content.centre_name, email).ok());
        // Of what was never booked no calendar knows.
        let calendar = method(mail.kind).filter(|_| !content.is_refused()).map(|method| {
            let identity = EventIdentity {
                uid: event_uid(&content.appointment.to_string(), &calendar_domain(&run.cx, &run.actor.tenant)),
                revision: EventIdentity::sequence(content.revision, method),
                stamp: mail.date,
                organizer: organizer(&from, reply_to.as_ref()),
                attendee: Some(to.clone()),
            };
            appointment.calendar_part(identity, method, locale)
        });
        let context = context(mail.kind, about, appointment)?;
        Ok(OutgoingMail { reply_to, calendar, ..self.outgoing(mail, &context, locale, from, to)? })
    }

    fn render_account(&self, mail: &Mail, account: &AccountContent) -> Result<OutgoingMail, String> {
        let locale = Locale::from_language_tag(&account.centre_locale).unwrap_or(Locale::Es);
        let told = AccountMail {
            centre: Centre {
                name: account.centre_name.clone(),
                logo_url: account.centre_logo.clone(),
                phone: None,
                email: None,
            },
            name: account.name.clone(),
            email: account.email.clone(),
            link: account.link.expose().to_owned(),
            until: account.until,
            time_zone: account.zone,
        };
        let context = match mail.kind {
            EmailKind::Invite => MailContext::Invite(told),
            EmailKind::PasswordReset => MailContext::PasswordReset(told),
            other => return Err(format!("{} is not about an account", other.as_str())),
        };
        let to = mailbox(&account.name, &mail.recipient).map_err(unwritable)?;
        self.outgoing(mail, &context, locale, self.from(&account.centre_name)?, to)
    }

    fn from(&self, centre: &str) -> Result<Mailbox, String> {
        mailbox(centre, &self.from).map_err(|_| "the sender's address is wrong".to_owned())
    }

    fn outgoing(
        &self,
        mail: &Mail,
        context: &MailContext,
        locale: Locale,
        from: Mailbox,
        to: Mailbox,
    ) -> Result<OutgoingMail, String> {
        let rendered = self.templates()?.render(context, locale).map_err(|error| error.to_string())?;
        Ok(OutgoingMail {
            message_id: mail.message_id.clone(),
            date: mail.date,
            from,
            reply_to: None,
            to,
            subject: rendered.subject,
            html: rendered.html,
            text: rendered.text,
            calendar: None,
            list_unsubscribe: None,
            request_id: None,
        })
    }
}

/// Marks those SENT that the relay has taken. What becomes of each job, by its number.
async fn settle(run: &Run, handed: Vec<(&Going<'_>, Result<Handed, Failure>)>) -> Vec<(usize, Outcome)> {
    let mut taken: Vec<(usize, &Mail, String)> = Vec::new();
    let mut settled = Vec::with_capacity(handed.len());
    for (one, handed) in handed {
        match handed {
            Ok(Handed::Taken { subject }) => taken.push((one.nth, &one.mail, subject)),
            Ok(Handed::Over(outcome)) => settled.push((one.nth, outcome)),
            Err(failure) => settled.push((one.nth, Outcome::from_failure(&failure))),
        }
    }
    if taken.is_empty() {
        return settled;
    }
    let mails: Vec<(&Mail, &str)> = taken.iter().map(|(_, mail, subject)| (*mail, subject.as_str())).collect();
    let outcome = match run.cx.retrying(|| delivery::sent(&run.cx, &run.actor, &mails)).await {
        Ok(_) => Outcome::Done,
        Err(failure) => Outcome::from_failure(&failure),
    };
    settled.extend(taken.iter().map(|(nth, ..)| (*nth, outcome.clone())));
    settled
}

fn unwritable(_: InvalidMailbox) -> String {
    "the address cannot be written into a mail".to_owned()
}

#[async_trait::async_trait]
impl Runner for SendMail {
    fn kind(&self) -> &'static str {
        SEND_JOB
    }

    fn limits(&self) -> Limits {
        // About four days of asking a relay that says "later" (RFC 5321 §4.5.4.1), unless the mail is pointless before.
        Limits {
            tries: 400,
            // A relay that hangs must not hold up reminders being written and holds expiring.
            leaves_room: true,
            together: TOGETHER,
            longest_pause_s: LONGEST_PAUSE_S,
            ..Limits::default()
        }
    }

    async fn run(&self, run: &Run, job: &ClaimedJob) -> Outcome {
        let outcome = self.run_together(run, std::slice::from_ref(job)).await.pop();
        outcome.unwrap_or_else(|| Outcome::Failed("nothing was said of the mail".to_owned()))
    }

    async fn run_together(&self, run: &Run, jobs: &[ClaimedJob]) -> Vec<Outcome> {
        let emails: Vec<Option<Uuid>> = jobs.iter().map(email).collect();
        let known: Vec<Uuid> = emails.iter().flatten().copied().collect();
        for _ in &known {
            self.pace.turn().await;
        }
        let mut decisions = match run.cx.retrying(|| delivery::begin(&run.cx, &run.actor, &known)).await {
            Ok(decisions) => decisions,
            Err(failure) => return vec![Outcome::from_failure(&failure); jobs.len()],
        };
        let (mut outcomes, mut going) = (Vec::with_capacity(jobs.len()), Vec::new());
        for (nth, (job, email)) in jobs.iter().zip(emails).enumerate() {
            outcomes.push(match email.and_then(|id| decisions.remove(&id)) {
                Some(Decision::Send(mail)) => {
                    going.push(Going { nth, job, mail });
                    Outcome::Failed("nothing was said of the mail".to_owned())
                }
                Some(Decision::NotYet(due)) => Outcome::RetryAt(due),
                Some(Decision::Dropped(_)) => Outcome::Done,
                None => Outcome::Fail("the payload names no mail".to_owned()),
            });
        }
        self.deliver(run, &going, &mut outcomes).await;
        outcomes
    }

    async fn given_up(&self, run: &Run, job: &ClaimedJob, why: &str) {
        let Some(email) = email(job) else { return };
        if delivery::give_up(&run.cx, &run.actor, email, why).await.is_err() {
            tracing::warn!(email.id = %email, "A mail that was given up could not be marked FAILED");
        }
    }
}

/// What the calendar of the reader is asked to do.
fn method(kind: EmailKind) -> Option<CalendarMethod> {
    match kind {
        EmailKind::AppointmentConfirmation | EmailKind::AppointmentReminder | EmailKind::AppointmentRescheduled => {
            Some(CalendarMethod::Request)
        }
        EmailKind::AppointmentCancelled => Some(CalendarMethod::Cancel),
        _ => None,
    }
}

/// Who owns the calendar entry: where answers are read.
fn organizer(from: &Mailbox, reply_to: Option<&Mailbox>) -> Mailbox {
    reply_to.unwrap_or(from).clone()
}

fn context(kind: EmailKind, about: &AboutAppointment, appointment: AppointmentMail) -> Result<MailContext, String> {
    let content = &about.content;
    Ok(match kind {
        EmailKind::AppointmentConfirmation => MailContext::AppointmentConfirmation(appointment),
        EmailKind::AppointmentReminder => MailContext::AppointmentReminder(appointment),
        EmailKind::AppointmentRescheduled => {
            let before = previous(about.previous_start)?;
            MailContext::AppointmentRescheduled {
                previous_starts_at: Some(before).filter(|before| *before != content.start),
                appointment,
            }
        }
        EmailKind::AppointmentCancelled => {
            let (reason, refused) = (content.cancel_reason.clone(), content.is_refused());
            let mut appointment = appointment;
            // As the patient knows it, who has not heard of a move.
            if let Some(known) = about.previous_start {
                appointment.ends_at = known + (content.end - content.start);
                appointment.starts_at = known;
            }
            MailContext::AppointmentCancelled { appointment, reason, refused }
        }
        EmailKind::CentreCopy => MailContext::CentreCopy {
            appointment,
            channel: match content.channel.as_str() {
                "WEB_WIDGET" | "FACEBOOK" | "WAITLIST" => Channel::Online,
                "PHONE" => Channel::Phone,
                "API" | "IMPORT" => Channel::Api,
                _ => Channel::FrontDesk,
            },
            patient_phone: content.patient_phone.clone(),
            patient_email: content.addressee().map(|(_, email)| email.to_owned()),
        },
        other => return Err(format!("no template writes {}", other.as_str())),
    })
}

fn previous(start: Option<DateTime<Utc>>) -> Result<DateTime<Utc>, String> {
    start.ok_or_else(|| "the mail does not know the time before the move".to_owned())
}

fn appointment(cx: &Cx, about: &AboutAppointment) -> AppointmentMail {
    let content = &about.content;
    let (confirm_url, cancel_url) = about.links.as_ref().map(|links| links.pages(cx)).unzip();
    AppointmentMail {
        // Somebody who has confirmed already needs no button for it.
        confirm_url: confirm_url.filter(|_| content.status != "CONFIRMED"),
        cancel_url,
        ..AppointmentMail::of(content)
    }
}
