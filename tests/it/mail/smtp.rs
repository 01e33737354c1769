//! Real conversations with a relay that can be told to misbehave.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::{Duration, Instant};

use horae::domain::notifications::message_id;
use horae::mail::calendar::event_uid;
use horae::mail::templates::{AppointmentMail, EventIdentity, MailContext, Templates};
use horae::mail::{CalendarMethod, Locale, Mailer, OutgoingMail, SendError, SmtpSettings, mailbox};

use crate::support::smtp::{Act, At, SmtpSink, Which};

const RECIPIENT: &str = "maria@example.com";

fn settings(sink: &SmtpSink) -> SmtpSettings {
    SmtpSettings { send_timeout: Duration::from_secs(20), ..SmtpSettings::new(sink.url()) }
}

fn mail(key: &str, to: &str) -> OutgoingMail {
    let appointment = AppointmentMail::sample(Locale::Es);
    let context = MailContext::AppointmentConfirmation(appointment.clone());
    let rendered = Templates::new().unwrap().render(&context, Locale::Es).unwrap();
    let centre = mailbox("Centro Ñuñoa", "citas@centro.example").unwrap();
    let patient = mailbox("María Muñoz", to).unwrap();
    let identity = EventIdentity {
        uid: event_uid(key, "centro.example"),
        revision: 1,
        stamp: "2026-07-01T10:00:00Z".parse().unwrap(),
        organizer: centre.clone(),
        attendee: Some(patient.clone()),
    };
    let calendar = appointment.calendar_part(identity, CalendarMethod::Request, Locale::Es);
    OutgoingMail {
        message_id: message_id(key, "centro.example"),
        date: "2026-07-01T10:00:00Z".parse().unwrap(),
        from: centre,
        reply_to: None,
        to: patient,
        subject: rendered.subject,
        html: rendered.html,
        text: rendered.text,
        calendar: Some(calendar),
        list_unsubscribe: None,
        request_id: None,
    }
}

#[tokio::test]
async fn an_accepted_mail_arrives_as_it_was_written() {
    let sink = SmtpSink::start().await;
    let mailer = Mailer::smtp(&settings(&sink)).unwrap();
    let sent = mail("confirm:1:1", RECIPIENT);
    let accepted = mailer.send(&sent).await.unwrap();
    assert!(accepted.reply.contains("queued as 1"), "{}", accepted.reply);
    let messages = sink.messages(Which::Accepted).await;
    let [received] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!(received.message_id, sent.message_id);
    assert_eq!(received.to, [RECIPIENT]);
    assert_eq!(received.subject, sent.subject);
    assert_eq!(received.body.replace("\r\n", "\n").trim_end(), sent.text.trim_end());
    assert_eq!(
        received.parts,
        ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", "text/calendar", "application/ics"]
    );
    assert_eq!(received.headers.get("auto-submitted").unwrap(), "auto-generated");
    assert_eq!(received.headers.get("from").unwrap(), "Centro Ñuñoa <citas@centro.example>");
}

#[tokio::test]
async fn a_4xx_asks_for_another_attempt_wherever_it_comes() {
    let sink = SmtpSink::start().await;
    let mailer = Mailer::smtp(&settings(&sink)).unwrap();
    for (at, reply) in [(At::Rcpt, "450 4.2.1 Greylisted, try later"), (At::Data, "451 4.3.0 Local trouble")] {
        sink.rule(None, at, Act::Reply(reply), Some(1)).await;
        let error = mailer.send(&mail("k", RECIPIENT)).await.unwrap_err();
        assert_eq!(error, SendError::Transient { reply: reply.to_owned() });
        assert!(error.is_transient() && !error.may_have_been_delivered());
    }
    mailer.send(&mail("k", RECIPIENT)).await.unwrap();
    assert_eq!(sink.messages(Which::Accepted).await.len(), 1);
    // A refusal ends a transaction, not the connection.
    assert_eq!(sink.connections().await, 1);
}

#[tokio::test]
async fn a_5xx_is_permanent_and_only_a_dead_address_is_blamed() {
    let sink = SmtpSink::start().await;
    let mailer = Mailer::smtp(&settings(&sink)).unwrap();
    for (at, reply, address_rejected) in [
        (At::Rcpt, "550 5.1.1 No such user", true),
        (At::Rcpt, "550 5.7.1 Your host is listed", false),
        (At::Rcpt, "552 5.2.2 Mailbox full", false),
        (At::Data, "554 5.6.0 Content refused", false),
        (At::Data, "550 5.1.1 No such user after all", true),
    ] {
        sink.rule(Some("gone@example.com"), at, Act::Reply(reply), Some(1)).await;
        let error = mailer.send(&mail("k", "gone@example.com")).await.unwrap_err();
        assert_eq!(error, SendError::Permanent { reply: reply.to_owned(), address_rejected });
        assert!(!error.is_transient());
        assert_eq!(error.is_address_rejected(), address_rejected);
    }
    // The neighbour's mail goes through meanwhile, on the same connection.
    mailer.send(&mail("other", RECIPIENT)).await.unwrap();
    assert_eq!(sink.connections().await, 1);
}

#[tokio::test]
async fn a_line_that_breaks_before_the_answer_leaves_the_outcome_open() {
    let sink = SmtpSink::start().await;
    let mailer = Mailer::smtp(&settings(&sink)).unwrap();
    sink.rule(None, At::Data, Act::Drop, Some(1)).await;
    let error = mailer.send(&mail("k", RECIPIENT)).await.unwrap_err();
    assert!(matches!(error, SendError::Interrupted { may_have_been_delivered: true, .. }), "{error:?}");
    assert!(error.is_transient() && error.may_have_been_delivered());
    let completed = sink.messages(Which::Completed).await;
    assert_eq!(completed.len(), 1);
    assert!(completed.iter().all(|message| !message.accepted));
    assert_eq!(sink.messages(Which::Accepted).await.len(), 0);
    // The repeat carries the same Message-ID, so a relay that kept the first can tell.
    mailer.send(&mail("k", RECIPIENT)).await.unwrap();
    let counts = sink.counts(Which::Completed).await;
    assert_eq!(counts.values().copied().collect::<Vec<_>>(), [2]);

    sink.rule(None, At::Rcpt, Act::Drop, Some(1)).await;
    let error = mailer.send(&mail("k2", RECIPIENT)).await.unwrap_err();
    assert!(matches!(error, SendError::Interrupted { may_have_been_delivered: false, .. }), "{error:?}");
}

#[tokio::test]
async fn a_slow_relay_times_out_and_its_late_answer_fools_nobody() {
    let sink = SmtpSink::start().await;
    let hasty = SmtpSettings { send_timeout: Duration::from_millis(400), ..SmtpSettings::new(sink.url()) };
    // One that looks into what it was given may take longer than for anything else.
    sink.rule(Some("slow@example.com"), At::Data, Act::SlowMs(1_500), Some(1)).await;
    Mailer::smtp(&hasty).unwrap().send(&mail("slow", "slow@example.com")).await.unwrap();
    let mailer = Mailer::smtp(&SmtpSettings { answer_timeout: Duration::from_millis(400), ..hasty }).unwrap();
    sink.rule(Some("slow@example.com"), At::Data, Act::SlowMs(1_500), Some(1)).await;
    sink.rule(Some("gone@example.com"), At::Data, Act::Reply("554 5.6.0 no"), None).await;
    let begun = Instant::now();
    let error = mailer.send(&mail("slow", "slow@example.com")).await.unwrap_err();
    assert_eq!(error, SendError::Timeout { may_have_been_delivered: true });
    assert!(begun.elapsed() < Duration::from_millis(1_400));
    // Had the connection been kept, the late 250 would be taken for the answer to one of these.
    for _ in 0..5 {
        let refused = mailer.send(&mail("gone", "gone@example.com")).await;
        assert!(matches!(refused, Err(SendError::Permanent { .. })), "{refused:?}");
    }
    sink.rule(Some("slow@example.com"), At::Rcpt, Act::SlowMs(1_500), Some(1)).await;
    let error = mailer.send(&mail("slow", "slow@example.com")).await.unwrap_err();
    assert_eq!(error, SendError::Timeout { may_have_been_delivered: false });
}

#[tokio::test]
async fn connections_are_reused_and_bounded() {
    let sink = SmtpSink::start().await;
    let mailer = Mailer::smtp(&SmtpSettings { max_connections: 3, ..settings(&sink) }).unwrap();
    let mails: Vec<OutgoingMail> = (0..60).map(|n| mail(&format!("remind:{n}"), RECIPIENT)).collect();
    let begun = Instant::now();
    let results = futures::future::join_all(mails.iter().map(|mail| mailer.send(mail))).await;
    let elapsed = begun.elapsed();
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(sink.connections().await, 3);
    let counts = sink.counts(Which::Accepted).await;
    assert_eq!(counts.len(), 60);
    assert!(counts.values().all(|count| *count == 1));
    assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
    mailer.close().await;
    mailer.send(&mail("after", RECIPIENT)).await.unwrap();
    assert_eq!(sink.connections().await, 4);
}

#[tokio::test]
async fn an_idle_connection_that_the_relay_closed_is_replaced_silently() {
    let sink = SmtpSink::start().await;
    let mailer = Mailer::smtp(&settings(&sink)).unwrap();
    mailer.send(&mail("a", RECIPIENT)).await.unwrap();
    sink.hang_up().await;
    mailer.send(&mail("b", RECIPIENT)).await.unwrap();
    assert_eq!(sink.connections().await, 2);
    // A relay that hangs up after the answer, as relays with a limit of mails per connection do.
    sink.rule(None, At::Data, Act::Reply("421 4.7.0 Too many mails on this connection"), Some(1)).await;
    let error = mailer.send(&mail("a", RECIPIENT)).await.unwrap_err();
    assert!(matches!(error, SendError::Transient { .. }), "{error:?}");
    mailer.send(&mail("a", RECIPIENT)).await.unwrap();
    assert_eq!(sink.connections().await, 3);
    let expired = Mailer::smtp(&SmtpSettings { idle_timeout: Duration::ZERO, ..settings(&sink) }).unwrap();
    expired.send(&mail("b", RECIPIENT)).await.unwrap();
    expired.send(&mail("c", RECIPIENT)).await.unwrap();
    assert_eq!(sink.connections().await, 5);
}

#[tokio::test]
async fn a_relay_that_is_not_there_is_unreachable() {
    let port = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap().port()
    };
    let mailer = Mailer::smtp(&SmtpSettings::new(format!("smtp://127.0.0.1:{port}"))).unwrap();
    let error = mailer.send(&mail("k", RECIPIENT)).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");

    let sink = SmtpSink::start().await;
    sink.rule(None, At::Connect, Act::Reply("554 5.7.1 Not you"), None).await;
    let mailer = Mailer::smtp(&settings(&sink)).unwrap();
    let error = mailer.send(&mail("k", RECIPIENT)).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    // Or says nothing.
    sink.clear_rules().await;
    sink.rule(None, At::Connect, Act::SlowMs(1_500), None).await;
    let mailer =
        Mailer::smtp(&SmtpSettings { connect_timeout: Duration::from_millis(300), ..settings(&sink) }).unwrap();
    let error = mailer.send(&mail("k", RECIPIENT)).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    // TLS is demanded and not offered: nothing is sent in the clear.
    sink.clear_rules().await;
    let url = format!("{}?tls=required", sink.url());
    let mailer = Mailer::smtp(&SmtpSettings::new(url)).unwrap();
    let error = mailer.send(&mail("k", RECIPIENT)).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable { .. }), "{error:?}");
    assert_eq!(sink.messages(Which::Completed).await.len(), 0);
}

#[tokio::test]
async fn a_refused_sender_is_no_mails_fault() {
    let sink = SmtpSink::start().await;
    let mailer = Mailer::smtp(&settings(&sink)).unwrap();
    let reply = "550 5.7.1 Your account is suspended";
    sink.rule(None, At::Mail, Act::Reply(reply), Some(1)).await;
    let error = mailer.send(&mail("k", RECIPIENT)).await.unwrap_err();
    assert_eq!(error, SendError::Unreachable { detail: reply.to_owned() });
    mailer.send(&mail("k", RECIPIENT)).await.unwrap();
    assert_eq!(sink.connections().await, 1);
    // What only an address with letters outside ASCII asks for is that mail's own.
    let reply = "555 5.6.7 No such addresses here";
    sink.rule(None, At::Mail, Act::Reply(reply), Some(1)).await;
    let error = mailer.send(&mail("k", "maría@example.com")).await.unwrap_err();
    assert_eq!(error, SendError::Permanent { reply: reply.to_owned(), address_rejected: false });
}

/// What crash tests rely on: a client that dies while it sends leaves nothing behind and harms nobody.
#[tokio::test]
async fn the_sink_survives_clients_that_die_in_the_middle_of_their_content() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let sink = SmtpSink::start().await;
    let address = sink.url().replace("smtp://", "").replace("/client.test", "");
    for _ in 0..5 {
        let mut line = tokio::net::TcpStream::connect(&address).await.unwrap();
        let mut answer = [0_u8; 512];
        let _ = line.read(&mut answer).await.unwrap();
        for command in ["EHLO dying.test\r\n", "MAIL FROM:<a@b.example>\r\n", "RCPT TO:<c@d.example>\r\n", "DATA\r\n"] {
            line.write_all(command.as_bytes()).await.unwrap();
            let _ = line.read(&mut answer).await.unwrap();
        }
        line.write_all(b"Subject: half a mail\r\n\r\nand then").await.unwrap();
        // As the kernel does for a killed process with unread data: reset, no goodbye.
        line.set_zero_linger().unwrap();
        drop(line);
    }
    let mailer = Mailer::smtp(&settings(&sink)).unwrap();
    mailer.send(&mail("k", RECIPIENT)).await.unwrap();
    assert_eq!(sink.messages(Which::Completed).await.len(), 1);
    let waited = sink.wait_for(1, Duration::from_secs(5), Which::Accepted).await;
    assert_eq!(waited, 1);
    sink.reset().await;
    assert!(sink.messages(Which::Completed).await.is_empty());
    sink.rule(Some(RECIPIENT), At::Data, Act::Ok, None).await;
    mailer.send(&mail("k", RECIPIENT)).await.unwrap();
    assert_eq!(sink.counts(Which::Accepted).await.len(), 1);
}
