//! Every mail in every language: the exact words, and that hostile values stay values.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use super::{AppointmentMail, Branch, Centre, EventIdentity, Item, MailContext, MailKind, Subject, Templates};
use crate::mail::{CalendarMethod, Locale, mailbox};

fn templates() -> Templates {
    Templates::new().unwrap()
}

fn every_sample() -> impl Iterator<Item = (MailKind, Locale, MailContext)> {
    MailKind::ALL
        .into_iter()
        .flat_map(|kind| Locale::ALL.into_iter().map(move |locale| (kind, locale, MailContext::sample(kind, locale))))
}

fn appointment_of(mail: &mut MailContext) -> Option<&mut AppointmentMail> {
    match mail {
        MailContext::Invite(_) | MailContext::PasswordReset(_) => None,
        MailContext::AppointmentConfirmation(appointment)
        | MailContext::AppointmentReminder(appointment)
        | MailContext::CentreCopy { appointment, .. }
        | MailContext::AppointmentRescheduled { appointment, .. }
        | MailContext::AppointmentCancelled { appointment, .. } => Some(appointment),
    }
}

#[test]
fn the_words_of_every_mail() {
    let templates = templates();
    for (kind, locale, mail) in every_sample() {
        let rendered = templates.render(&mail, locale).unwrap();
        let name = format!("{}_{}", kind.name().to_lowercase(), locale.language_tag());
        insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, format!("Subject: {}\n\n{}", rendered.subject, rendered.text));
        });
    }
}

#[test]
fn the_words_for_a_request_that_is_refused() {
    for locale in Locale::ALL {
        let mut mail = MailContext::sample(MailKind::AppointmentCancelled, locale);
        if let MailContext::AppointmentCancelled { refused, .. } = &mut mail {
            *refused = true;
        }
        let rendered = templates().render(&mail, locale).unwrap();
        let name = format!("appointment_refused_{}", locale.language_tag());
        insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, format!("Subject: {}\n\n{}", rendered.subject, rendered.text));
        });
    }
}

#[test]
fn the_words_for_a_move_that_leaves_the_time_as_it_was() {
    for locale in Locale::ALL {
        let mut mail = MailContext::sample(MailKind::AppointmentRescheduled, locale);
        if let MailContext::AppointmentRescheduled { previous_starts_at, .. } = &mut mail {
            *previous_starts_at = None;
        }
        let rendered = templates().render(&mail, locale).unwrap();
        let name = format!("appointment_changed_{}", locale.language_tag());
        insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, format!("Subject: {}\n\n{}", rendered.subject, rendered.text));
        });
    }
}

#[test]
fn the_html_is_a_complete_and_small_document() {
    let templates = templates();
    for (kind, locale, mail) in every_sample() {
        let html = templates.render(&mail, locale).unwrap().html;
        let context = format!("{} {locale:?}", kind.name());
        assert!(html.contains(&format!("lang=\"{}\"", locale.language_tag())), "{context}: lang");
        assert!(html.contains("name=\"viewport\""), "{context}: viewport");
        assert!(html.len() < 100_000, "{context}: {} bytes", html.len());
        assert!(!html.contains("{{") && !html.contains("{%"), "{context}");
        assert!(!html.contains("fonts.googleapis.com"), "{context}");
        // The row of a table that is opened must be closed, whichever branches were taken.
        for tag in ["table", "div", "tr", "td"] {
            let opened = html.matches(&format!("<{tag}")).count();
            let closed = html.matches(&format!("</{tag}>")).count();
            assert_eq!(opened, closed, "{context}: <{tag}>");
        }
    }
}

#[test]
fn nothing_absent_is_printed() {
    let templates = templates();
    for (kind, locale, mut mail) in every_sample() {
        for bare in [false, true] {
            if let (true, Some(appointment)) = (bare, appointment_of(&mut mail)) {
                appointment.centre.phone = None;
                appointment.centre.email = None;
                appointment.confirm_url = None;
                appointment.cancel_url = None;
                appointment.branch.address_lines.clear();
                appointment.items.clear();
            }
            if let (true, MailContext::AppointmentCancelled { reason, .. }) = (bare, &mut mail) {
                *reason = None;
            }
            let rendered = templates.render(&mail, locale).unwrap();
            for part in [&rendered.subject, &rendered.text] {
                let lower = part.to_lowercase();
                for word in ["none", "null", "undefined", "some(", "  \n\n\n"] {
                    assert!(!lower.contains(word), "{}: {word} in {part}", kind.name());
                }
            }
            let visible = rendered.html.replace("text-decoration:none", "");
            for word in [">none", ">null", ">undefined", "Some("] {
                assert!(!visible.contains(word), "{}: {word}", kind.name());
            }
        }
    }
}

#[test]
fn nobody_is_named_where_a_room_is_all_that_is_booked() {
    let templates = templates();
    for locale in Locale::ALL {
        let mut mail = MailContext::sample(MailKind::AppointmentConfirmation, locale);
        let appointment = appointment_of(&mut mail).unwrap();
        for item in &mut appointment.items {
            item.professional = None;
        }
        let centre = mailbox("Centro", "citas@centro.example").unwrap();
        let identity = EventIdentity {
            uid: "1@centro.example".to_owned(),
            revision: 0,
            stamp: appointment.starts_at,
            organizer: centre,
            attendee: None,
        };
        let ics = appointment.calendar_part(identity, CalendarMethod::Request, locale).ics.replace("\r\n ", "");
        let rendered = templates.render(&mail, locale).unwrap();
        let (first, second, with) = match locale {
            Locale::Es => ("Limpieza facial profunda", "Evaluación dermatológica", "con "),
            Locale::En => ("Deep facial cleansing", "Skin assessment", "with "),
        };
        let rows = format!("  {first}\n  Box 3\n\n  {second}\n\n");
        assert!(rendered.text.contains(&rows), "{}", rendered.text);
        assert!(ics.contains(&format!("DESCRIPTION:{first}\\n{second}\\n")), "{ics}");
        assert!(!rendered.html.contains(&format!(">{with}")) && !rendered.html.contains("> · "));
        assert!(rendered.html.contains(">Box 3<"), "{}", rendered.html);
    }
}

#[test]
fn html_and_text_say_the_same_facts() {
    let templates = templates();
    for (kind, locale, mail) in every_sample() {
        let rendered = templates.render(&mail, locale).unwrap();
        let html = rendered.html.replace("&amp;", "&").replace("&#x2f;", "/");
        let own: &[&str] = match mail.subject() {
            Subject::Appointment(_) => &["H7K-29Q", "08:30–09:15", "Av. Providencia 1234, of. 56", "Catalina Rojas"],
            Subject::Account(_) => {
                &["maria.fernanda@example.com", "08:30", "https://citas.example/u/ul7.3fA9?lang=x&y=z"]
            }
        };
        for fact in own.iter().chain(&["America/Santiago", "UTC−04:00", "Centro Ñuñoa Salud & Estética"]) {
            assert!(rendered.text.contains(fact), "{}: {fact}", kind.name());
            assert!(html.contains(fact), "{} html: {fact}", kind.name());
        }
    }
}

#[test]
fn hostile_values_are_escaped_and_cannot_break_out() {
    let hostile = "<script>alert(1)</script>\"'{{ 7 * 7 }}{% raw %}\r\nBcc: spy@example.com";
    let templates = templates();
    for (kind, locale, mut mail) in every_sample() {
        let centre = Centre {
            name: hostile.to_owned(),
            logo_url: Some("data:text/html,<script>alert(1)</script>".to_owned()),
            phone: Some(hostile.to_owned()),
            email: Some(hostile.to_owned()),
        };
        if let MailContext::Invite(account) | MailContext::PasswordReset(account) = &mut mail {
            account.name = hostile.to_owned();
            account.email = hostile.to_owned();
            account.link = "https://x.example/\"onmouseover=\"alert(1)".to_owned();
            account.centre = centre.clone();
        }
        if let Some(appointment) = appointment_of(&mut mail) {
            appointment.patient_name = hostile.to_owned();
            appointment.code = hostile.to_owned();
            appointment.confirm_url = Some("javascript:alert(1)".to_owned());
            appointment.cancel_url = Some("https://x.example/\"onmouseover=\"alert(1)".to_owned());
            appointment.items = vec![Item {
                treatment: hostile.to_owned(),
                professional: Some(hostile.to_owned()),
                room: Some(hostile.to_owned()),
            }];
            appointment.centre = centre;
            appointment.branch = Branch {
                name: hostile.to_owned(),
                address_lines: vec![hostile.to_owned()],
                phone: None,
                time_zone: chrono_tz::Tz::UTC,
            };
        }
        if let MailContext::AppointmentCancelled { reason, .. } = &mut mail {
            *reason = Some(hostile.to_owned());
        }
        let rendered = templates.render(&mail, locale).unwrap();
        let context = kind.name();
        assert!(!rendered.html.contains("<script"), "{context}");
        assert!(rendered.html.contains("&lt;script&gt;"), "{context}");
        assert!(!rendered.html.contains("javascript:"), "{context}");
        assert!(!rendered.html.contains("data:text"), "{context}");
        assert!(!rendered.html.contains("\"onmouseover"), "{context}");
        assert!(!rendered.html.contains("&amp;lt;"), "{context}: escaped twice");
        assert!(rendered.text.contains("{{ 7 * 7 }}"), "{context}: evaluated");
        assert!(!rendered.subject.contains(['\r', '\n']), "{context}");
        assert!(rendered.subject.chars().count() <= 180, "{context}");
        assert!(!rendered.text.lines().any(|line| line.starts_with("Bcc:")), "{context}");
    }
}

#[test]
fn the_centre_never_gets_the_patients_links() {
    let templates = templates();
    for locale in Locale::ALL {
        let mail = MailContext::sample(MailKind::CentreCopy, locale);
        let rendered = templates.render(&mail, locale).unwrap();
        assert!(!rendered.html.contains("citas.example"));
        assert!(!rendered.text.contains("citas.example"));
        let patient = MailContext::sample(MailKind::AppointmentReminder, locale);
        let rendered = templates.render(&patient, locale).unwrap();
        assert_eq!(rendered.text.matches("https://citas.example").count(), 2);
    }
}

#[test]
fn a_logo_replaces_the_name_on_top() {
    let templates = templates();
    let mut mail = MailContext::sample(MailKind::AppointmentReminder, Locale::Es);
    appointment_of(&mut mail).unwrap().centre.logo_url = Some("https://cdn.example/logo.png".to_owned());
    let html = templates.render(&mail, Locale::Es).unwrap().html;
    assert!(html.contains("cdn.example"));
    assert!(html.contains("alt=\"Centro Ñuñoa Salud &amp; Estética\""));
    for tag in ["table", "tr", "td"] {
        assert_eq!(html.matches(&format!("<{tag}")).count(), html.matches(&format!("</{tag}>")).count());
    }
}

#[test]
fn names_of_kinds_are_stable_and_read_back() {
    for kind in MailKind::ALL {
        assert_eq!(MailKind::from_name(kind.name()), Some(kind));
    }
    assert_eq!(MailKind::from_name("BIRTHDAY"), None);
}

/// Prints how long one mail takes to write; run with `--release -- --ignored --nocapture` for a figure.
#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stdout, reason = "the figure is the purpose")]
fn rendering_cost() {
    let templates = templates();
    let mail = MailContext::sample(MailKind::AppointmentReminder, Locale::Es);
    let begun = std::time::Instant::now();
    for _ in 0..1_000 {
        templates.render(&mail, Locale::Es).unwrap();
    }
    println!("{} µs per mail", begun.elapsed().as_micros() / 1_000);
}

/// Writes every sample as HTML into the folder named by `HORAE_MAIL_PREVIEW`, to be looked at in a browser.
#[test]
#[ignore = "writes files for people to look at"]
#[expect(clippy::disallowed_methods, reason = "where to write a preview is no setting of the product")]
fn preview() {
    let folder = std::path::PathBuf::from(std::env::var("HORAE_MAIL_PREVIEW").unwrap());
    let templates = templates();
    for (kind, locale, mail) in every_sample() {
        let html = templates.render(&mail, locale).unwrap().html;
        let name = format!("{}_{}.html", kind.name().to_lowercase(), locale.language_tag());
        std::fs::write(folder.join(name), html).unwrap();
    }
}
