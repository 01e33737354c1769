//! The MIME form, read back as text.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use super::{CalendarMethod, CalendarPart, ListUnsubscribe, OutgoingMail, mailbox};
use crate::mail::SendError;

pub(in crate::mail) fn mail() -> OutgoingMail {
    OutgoingMail {
        message_id: "<5f2b@centro.example>".to_owned(),
        date: "2026-07-15T12:00:00Z".parse().unwrap(),
        from: mailbox("Centro Ñuñoa", "citas@centro.example").unwrap(),
        reply_to: Some(mailbox("", "hola@centro.example").unwrap()),
        to: mailbox("María \"Mari\" Muñoz", "maria@example.com").unwrap(),
        subject: "Su cita está reservada\r\nBcc: spy@example.com".to_owned(),
        html: "<p>¡Hola!</p>".to_owned(),
        text: "¡Hola!".to_owned(),
        calendar: None,
        list_unsubscribe: None,
        request_id: None,
    }
}

fn mime(mail: &OutgoingMail) -> String {
    String::from_utf8(mail.to_mime().unwrap()).unwrap()
}

#[test]
fn headers_are_complete_ascii_and_cannot_be_injected() {
    let text = mime(&mail());
    assert!(text.is_ascii());
    let head = text.split("\r\n\r\n").next().unwrap();
    for expected in [
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: All",
        "Date: Wed, 15 Jul 2026 12:00:00 +0000",
        "MIME-Version: 1.0",
        "<citas@centro.example>",
        "Content-Type: multipart/alternative",
    ] {
        assert!(head.contains(expected), "{expected} in {head}");
    }
    assert!(head.contains(&format!("Message-ID: {}", mail().message_id)));
    assert!(!head.lines().any(|line| line.starts_with("Bcc")));
    assert!(!head.contains("List-Unsubscribe"));
    assert!(text.lines().all(|line| line.len() <= 998));
}

#[test]
fn the_invitation_is_an_alternative_and_an_attachment() {
    let mut mail = mail();
    mail.calendar = Some(CalendarPart {
        method: CalendarMethod::Cancel,
        ics: "BEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\nEND:VCALENDAR\r\n".to_owned(),
        file_name: "cita.ics".to_owned(),
    });
    let text = mime(&mail);
    assert!(text.contains("Content-Type: multipart/mixed"));
    assert!(text.contains("Content-Type: text/calendar; method=CANCEL; charset=utf-8"));
    assert!(text.contains("Content-Disposition: attachment; filename=\"cita.ics\""));
    assert!(text.find("text/plain").unwrap() < text.find("text/html").unwrap());
    assert!(text.find("text/html").unwrap() < text.find("text/calendar").unwrap());
    assert_eq!(text.matches("METHOD:CANCEL").count(), 2);
}

#[test]
fn one_click_unsubscribe_stays_readable_however_long() {
    let url = format!("https://citas.example/u/{}", "x".repeat(300));
    let mut mail = mail();
    mail.list_unsubscribe = Some(ListUnsubscribe { url: url.clone() });
    let text = mime(&mail);
    assert!(text.contains(&format!("List-Unsubscribe: <{url}>")));
    assert!(text.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"));
    for bad in ["http://x.example", "https://x.example/\r\nBcc: a@b", "https://x.example/>,<mailto:a@b"] {
        mail.list_unsubscribe = Some(ListUnsubscribe { url: bad.to_owned() });
        assert!(matches!(mail.to_mime(), Err(SendError::Permanent { .. })));
    }
}

#[test]
fn mailboxes_take_any_name_but_only_real_addresses() {
    assert!(mailbox("Ana", "not an address").is_err());
    assert!(mailbox("Ana", "ana@example.com\r\nRCPT TO:<x@y>").is_err());
    let ana = mailbox("Ana\r\nBcc: x@y", " ana@example.com ").unwrap();
    assert_eq!(ana.name.as_deref(), Some("Ana Bcc: x@y"));
    assert_eq!(mailbox(" ", "ana@example.com").unwrap().name, None);
}
