//! From typed data to the flat list of lines that both layouts print.

use chrono::Offset;
use minijinja::{Environment, context};
use serde::Serialize;

use super::context::{AppointmentMail, Centre, MailContext, Subject};
use super::{Wording, wording};
use crate::mail::dates::{Locale, long_date_time, range, short_date_time, zone_note};
use crate::mail::plain::one_line;

/// Everything the layouts may name.
#[derive(Debug, Serialize)]
pub(super) struct View {
    lang: &'static str,
    pub(super) subject: String,
    preheader: String,
    accent: &'static str,
    heading: String,
    greeting: String,
    intro: String,
    rows: Vec<Row>,
    buttons: Vec<Button>,
    notice: String,
    centre_name: String,
    logo_url: String,
    contact: String,
    footer: String,
}

/// One labelled fact.
#[derive(Debug, Serialize)]
struct Row {
    label: &'static str,
    /// Shown strong.
    value: String,
    /// Continues the value and is never broken over two lines: a time.
    tail: String,
    /// Shown small below it.
    notes: Vec<String>,
    struck: bool,
}

#[derive(Debug, Serialize)]
struct Button {
    label: &'static str,
    url: String,
    primary: bool,
}

impl View {
    pub(super) fn new(
        environment: &Environment<'_>,
        mail: &MailContext,
        locale: Locale,
    ) -> Result<Self, minijinja::Error> {
        let words = wording(locale);
        let texts = words.of(mail);
        let (buttons, rows) = (buttons(mail, words), rows(mail, words, locale));
        let (centre, values) = match mail.subject() {
            Subject::Appointment(appointment) => {
                let start = appointment.starts_at.with_timezone(&appointment.branch.time_zone);
                let values = context! {
                    patient_name => one_line(&appointment.patient_name),
                    centre_name => one_line(&appointment.centre.name),
                    branch_name => one_line(&appointment.branch.name),
                    when => long_date_time(&start, locale),
                    when_short => short_date_time(&start, locale),
                    code => one_line(&appointment.code),
                    // A number broken over two lines is hard to dial.
                    phone => phone(appointment).unwrap_or_default().replace(' ', "\u{a0}"),
                    can_confirm => buttons.iter().any(|button| button.primary),
                    can_change => !buttons.is_empty(),
                };
                (&appointment.centre, values)
            }
            Subject::Account(account) => {
                let values =
                    context! { name => one_line(&account.name), centre_name => one_line(&account.centre.name) };
                (&account.centre, values)
            }
        };
        // Wording is plain text; escaping is the HTML layout's business alone, so nothing is escaped twice.
        let say = |template: &str| environment.render_str(template, &values);
        Ok(Self {
            lang: locale.language_tag(),
            subject: say(texts.subject)?,
            preheader: say(texts.preheader)?,
            accent: texts.accent,
            heading: say(texts.heading)?,
            greeting: say(texts.greeting)?,
            intro: say(texts.intro)?,
            rows,
            buttons,
            notice: say(texts.notice)?,
            centre_name: one_line(&centre.name),
            logo_url: centre.logo_url.as_deref().and_then(web_address).unwrap_or_default(),
            contact: contact(centre),
            footer: say(texts.footer)?,
        })
    }
}

fn rows(mail: &MailContext, words: &Wording, locale: Locale) -> Vec<Row> {
    match mail.subject() {
        Subject::Appointment(appointment) => appointment_rows(mail, appointment, words, locale),
        Subject::Account(account) => {
            let until = account.until.with_timezone(&account.time_zone);
            let zone = format!("({})", zone_note(account.until, account.time_zone, locale));
            vec![
                Row::plain(words.login_name, one_line(&account.email)),
                Row::date_and_time(words.link_until, long_date_time(&until, locale), vec![zone]),
            ]
        }
    }
}

fn appointment_rows(mail: &MailContext, appointment: &AppointmentMail, words: &Wording, locale: Locale) -> Vec<Row> {
    let mut rows = Vec::new();
    if let MailContext::CentreCopy { patient_phone, patient_email, .. } = mail {
        let notes = [patient_phone, patient_email].into_iter().flatten().map(|line| one_line(line)).collect();
        rows.push(Row::with_notes(words.patient, one_line(&appointment.patient_name), notes));
    }
    rows.extend(when(mail, appointment, words, locale));
    let mut address = appointment.branch.address_lines.clone();
    address.extend(phone(appointment));
    rows.push(Row::with_notes(
        words.place,
        one_line(&appointment.branch.name),
        address.iter().map(|line| one_line(line)).collect(),
    ));
    for (number, item) in appointment.items.iter().enumerate() {
        let who = item.professional.as_deref().map(|name| words.with.replace("{}", &one_line(name)));
        let by = [who, item.room.as_deref().map(one_line)].into_iter().flatten().collect::<Vec<_>>().join(" · ");
        // The label once; further treatments belong to it.
        let label = if number == 0 { words.treatment } else { "" };
        let notes = if by.is_empty() { Vec::new() } else { vec![by] };
        rows.push(Row::with_notes(label, one_line(&item.treatment), notes));
    }
    if let MailContext::AppointmentCancelled { reason: Some(reason), .. } = mail {
        let mut lines = reason.lines().map(one_line).filter(|line| !line.is_empty());
        if let Some(first) = lines.next() {
            rows.push(Row::with_notes(words.reason, first, lines.collect()));
        }
    }
    rows.push(Row::plain(words.code, one_line(&appointment.code)));
    if let MailContext::CentreCopy { channel, .. } = mail {
        rows.push(Row::plain(words.channel, words.channel_name(*channel).to_owned()));
    }
    rows
}

fn when(mail: &MailContext, appointment: &AppointmentMail, words: &Wording, locale: Locale) -> Vec<Row> {
    let zone = appointment.branch.time_zone;
    let mut now = Row::date_and_time(
        words.when,
        range(appointment.starts_at, appointment.ends_at, zone, locale),
        vec![format!("({})", zone_note(appointment.starts_at, zone, locale))],
    );
    match mail {
        MailContext::AppointmentRescheduled { previous_starts_at: Some(previous_starts_at), .. } => {
            now.label = words.when_now;
            let before = previous_starts_at.with_timezone(&zone);
            // Only where it is another than the new time's, which is told beside that.
            let offset = (before.offset().fix() != appointment.starts_at.with_timezone(&zone).offset().fix())
                .then(|| format!("({})", zone_note(*previous_starts_at, zone, locale)));
            let notes = offset.into_iter().collect();
            let mut was = Row::date_and_time(words.when_before, long_date_time(&before, locale), notes);
            was.struck = true;
            vec![now, was]
        }
        MailContext::AppointmentCancelled { .. } => {
            now.struck = true;
            vec![now]
        }
        MailContext::AppointmentConfirmation(_)
        | MailContext::AppointmentReminder(_)
        | MailContext::AppointmentRescheduled { previous_starts_at: None, .. }
        | MailContext::CentreCopy { .. }
        | MailContext::Invite(_)
        | MailContext::PasswordReset(_) => vec![now],
    }
}

fn buttons(mail: &MailContext, words: &Wording) -> Vec<Button> {
    let button = |label, url: &Option<String>, primary| {
        let url = web_address(url.as_deref()?)?;
        Some(Button { label, url, primary })
    };
    let appointment = match mail {
        MailContext::Invite(account) => {
            return button(words.accept_invite, &Some(account.link.clone()), true).into_iter().collect();
        }
        MailContext::PasswordReset(account) => {
            return button(words.set_password, &Some(account.link.clone()), true).into_iter().collect();
        }
        MailContext::AppointmentConfirmation(appointment)
        | MailContext::AppointmentReminder(appointment)
        | MailContext::AppointmentRescheduled { appointment, .. } => appointment,
        // The links act in the patient's name: whoever reads the centre's copy must not have them.
        MailContext::CentreCopy { .. } | MailContext::AppointmentCancelled { .. } => {
            return Vec::new();
        }
    };
    [button(words.confirm, &appointment.confirm_url, true), button(words.change, &appointment.cancel_url, false)]
        .into_iter()
        .flatten()
        .collect()
}

/// Only web addresses become links: a tenant's logo or link must not smuggle a script.
fn web_address(url: &str) -> Option<String> {
    let url = one_line(url);
    (url.starts_with("https://") || url.starts_with("http://")).then_some(url)
}

fn phone(appointment: &AppointmentMail) -> Option<String> {
    appointment.branch.phone.as_ref().or(appointment.centre.phone.as_ref()).map(|phone| one_line(phone))
}

fn contact(centre: &Centre) -> String {
    [&centre.phone, &centre.email].into_iter().flatten().map(|part| one_line(part)).collect::<Vec<_>>().join(" · ")
}

impl Row {
    fn plain(label: &'static str, value: String) -> Self {
        Self::with_notes(label, value, Vec::new())
    }

    fn date_and_time(label: &'static str, value: String, notes: Vec<String>) -> Self {
        let mut row = Self::with_notes(label, value, notes);
        if let Some((date, time)) = row.value.rsplit_once(", ") {
            row.tail = time.to_owned();
            row.value = format!("{date},");
        }
        row
    }

    fn with_notes(label: &'static str, value: String, notes: Vec<String>) -> Self {
        Self { label, value, tail: String::new(), notes, struck: false }
    }
}
