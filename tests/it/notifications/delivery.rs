//! Handing over to a relay that refuses, hesitates, or whose answer nobody heard.

use std::sync::Arc;

use horae::{
    jobs::{Worker, WorkerOptions},
    mail::{Mailer, SmtpSettings},
};

use super::{Desk, desk::states};
use crate::support::smtp::{Act, At, SmtpSink, Which};

const CONFIRM: &str = "APPOINTMENT_CONFIRMATION";
const FAR: &str = "2026-08-03T14:00:00Z";

async fn with_sink() -> (Desk, SmtpSink, Worker) {
    let desk = Desk::open().await;
    let sink = SmtpSink::start().await;
    let mailer = Arc::new(Mailer::smtp(&SmtpSettings::new(sink.url())).unwrap());
    let worker = Worker::new(desk.app.app.cx.clone(), mailer, WorkerOptions::default());
    (desk, sink, worker)
}

#[tokio::test]
async fn an_address_that_does_not_exist_is_suppressed() {
    let (desk, sink, worker) = with_sink().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    sink.rule(Some("gone@example.com"), At::Rcpt, Act::Reply("550 5.1.1 no such user"), None).await;
    let first = desk.book(&branch, FAR, "gone@example.com").await;
    desk.app.clock.set("2026-07-13T12:05:00Z".parse().unwrap());
    worker.drain().await.unwrap();
    assert_eq!(desk.states(first.id).await, states(&[(CONFIRM, "BOUNCED")]));
    let second = desk.book(&branch, FAR, "gone@example.com").await;
    assert_eq!(desk.states(second.id).await, states(&[(CONFIRM, "SUPPRESSED")]));
    desk.app.clock.set("2026-07-13T12:30:00Z".parse().unwrap());
    worker.drain().await.unwrap();
    assert!(sink.messages(Which::Completed).await.is_empty());
}

#[tokio::test]
async fn too_many_bounces_of_a_centre_are_an_alarm_once_a_day() {
    let (desk, sink, worker) = with_sink().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    sink.rule(None, At::Rcpt, Act::Reply("550 5.1.1 no such user"), None).await;
    let alarms = async || -> Vec<serde_json::Value> {
        let tx = desk.tx().await;
        let found = tx
            .scalars("SELECT data FROM events WHERE type = 'email.bounce_rate_high' ORDER BY position", [])
            .await
            .unwrap();
        tx.commit().await.unwrap();
        found
    };
    let bounce = async |n: usize| {
        let booked = desk.book(&branch, FAR, &format!("gone{n}@example.com")).await;
        desk.app.clock.advance(branch.confirmation_delay);
        worker.drain().await.unwrap();
        assert_eq!(desk.states(booked.id).await, states(&[(CONFIRM, "BOUNCED")]), "{n}");
    };
    for n in 1..=4 {
        bounce(n).await;
        assert!(alarms().await.is_empty(), "{n} wrong addresses are no alarm");
    }
    bounce(5).await;
    let told = |bounced: i64| serde_json::json!({"bounced": bounced, "mails": bounced, "days": 7});
    assert_eq!(alarms().await, [told(5)]);
    bounce(6).await;
    assert_eq!(alarms().await.len(), 1, "once is enough for a day");
    desk.app.clock.advance(chrono::Duration::days(1));
    bounce(7).await;
    assert_eq!(alarms().await, [told(5), told(7)]);

    // Next to many that arrive, as many are none.
    desk.app.clock.advance(chrono::Duration::days(1));
    let tx = desk.tx().await;
    tx.run(
        "INSERT INTO email_messages (id, kind, dedup_key, recipient, status, due_at, message_id, created_at, updated_at)
         SELECT gen_random_uuid(), 'BIRTHDAY', 'n' || n, 'a@example.com', 'SENT', $1, '<' || n || '@test>', $1, $1
         FROM generate_series(1, 1000) AS n",
        [desk.app.now().into()],
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    bounce(8).await;
    assert_eq!(alarms().await.len(), 2);
}

#[tokio::test]
async fn a_policy_block_fails_the_mail_and_not_the_address() {
    let (desk, sink, worker) = with_sink().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    sink.rule(None, At::Data, Act::Reply("554 5.7.1 blocked by policy"), Some(1)).await;
    let first = desk.book(&branch, FAR, "maria@example.com").await;
    desk.app.clock.set("2026-07-13T12:05:00Z".parse().unwrap());
    worker.drain().await.unwrap();
    assert_eq!(desk.states(first.id).await, states(&[(CONFIRM, "FAILED")]));
    let second = desk.book(&branch, FAR, "maria@example.com").await;
    desk.app.clock.set("2026-07-13T12:10:00Z".parse().unwrap());
    worker.drain().await.unwrap();
    assert_eq!(desk.states(second.id).await, states(&[(CONFIRM, "SENT")]));
}

#[tokio::test]
async fn later_means_later_with_growing_pauses() {
    let (desk, sink, worker) = with_sink().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    sink.rule(None, At::Rcpt, Act::Reply("451 4.7.1 greylisted"), Some(2)).await;
    let booked = desk.book(&branch, FAR, "maria@example.com").await;
    for (at, status, attempts) in [
        ("2026-07-13T12:05:00Z", "SCHEDULED", 1),
        ("2026-07-13T12:05:00Z", "SCHEDULED", 1),
        ("2026-07-13T12:05:02Z", "SCHEDULED", 2),
        ("2026-07-13T12:05:03Z", "SCHEDULED", 2),
        ("2026-07-13T12:05:06Z", "SENT", 3),
    ] {
        desk.app.clock.set(at.parse().unwrap());
        worker.drain().await.unwrap();
        let rows = desk.emails(booked.id).await;
        assert_eq!((rows[0].1.as_str(), rows[0].3), (status, attempts), "{at}");
    }
    assert_eq!(sink.messages(Which::Accepted).await.len(), 1);
}

#[tokio::test]
async fn a_line_that_breaks_before_the_answer_ends_in_one_message_id() {
    let (desk, sink, worker) = with_sink().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    sink.rule(None, At::Data, Act::Drop, Some(1)).await;
    let booked = desk.book(&branch, FAR, "maria@example.com").await;
    for at in ["2026-07-13T12:05:00Z", "2026-07-13T12:06:00Z"] {
        desk.app.clock.set(at.parse().unwrap());
        worker.drain().await.unwrap();
    }
    assert_eq!(desk.states(booked.id).await, states(&[(CONFIRM, "SENT")]));
    let counts = sink.counts(Which::Completed).await;
    assert_eq!(counts.values().copied().collect::<Vec<_>>(), [2]);
    let mails = sink.messages(Which::Completed).await;
    assert_eq!(mails[0].body, mails[1].body, "a copy says the same, links included");
}

#[tokio::test]
async fn a_relay_that_takes_a_mail_and_never_says_so_is_given_it_twice() {
    let (desk, sink, worker) = with_sink().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    sink.rule(None, At::Data, Act::Drop, None).await;
    let booked = desk.book(&branch, FAR, "maria@example.com").await;
    for minute in 5..15 {
        desk.app.clock.set(format!("2026-07-13T12:{minute:02}:00Z").parse().unwrap());
        worker.drain().await.unwrap();
    }
    assert_eq!(desk.states(booked.id).await, states(&[(CONFIRM, "SENT")]));
    let told = "SELECT count(*) FROM email_messages WHERE last_error LIKE '%twice%' AND sent_at IS NOT NULL";
    let tx = desk.tx().await;
    assert_eq!(tx.scalar::<i64>(told, []).await.unwrap(), Some(1));
    tx.commit().await.unwrap();
    let counts = sink.counts(Which::Completed).await;
    assert_eq!(counts.values().copied().collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn who_may_have_the_mail_already_is_told_of_a_cancellation() {
    let (desk, sink, worker) = with_sink().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    sink.rule(None, At::Data, Act::Drop, Some(1)).await;
    let booked = desk.book(&branch, FAR, "maria@example.com").await;
    desk.app.clock.set("2026-07-13T12:05:00Z".parse().unwrap());
    worker.drain().await.unwrap();
    assert_eq!(desk.states(booked.id).await, states(&[(CONFIRM, "SENDING")]));
    // A repeat that is put off does not make it one that was never sent.
    sink.rule(None, At::Rcpt, Act::Reply("451 4.7.1 greylisted"), Some(1)).await;
    desk.app.clock.set("2026-07-13T12:05:10Z".parse().unwrap());
    worker.drain().await.unwrap();
    assert_eq!(desk.emails(booked.id).await[0].3, 2);
    assert_eq!(desk.states(booked.id).await, states(&[(CONFIRM, "SENDING")]));
    desk.cancel(&booked).await;
    desk.app.clock.set("2026-07-13T12:07:00Z".parse().unwrap());
    worker.drain().await.unwrap();
    let expected = states(&[(CONFIRM, "CANCELLED"), ("APPOINTMENT_CANCELLED", "SENT")]);
    assert_eq!(desk.states(booked.id).await, expected);
}

#[tokio::test]
async fn a_relay_that_is_down_costs_no_tries_and_the_mail_expires_in_the_end() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let mailer = Arc::new(Mailer::smtp(&SmtpSettings::new("smtp://127.0.0.1:9/x")).unwrap());
    let worker = Worker::new(desk.app.app.cx.clone(), mailer, WorkerOptions::default());
    let booked = desk.book(&branch, "2026-07-15T20:00:00Z", "maria@example.com").await;
    let mut now = desk.app.now();
    for _ in 0..40 {
        now += chrono::Duration::minutes(20);
        desk.app.clock.set(now);
        worker.drain().await.unwrap();
    }
    let rows = desk.emails(booked.id).await;
    assert!(rows.iter().any(|row| row.0 == CONFIRM && row.1 == "SCHEDULED" && row.3 >= 35), "{rows:?}");
    desk.app.clock.set("2026-07-15T20:00:00Z".parse().unwrap());
    worker.drain().await.unwrap();
    assert!(desk.states(booked.id).await.iter().all(|state| state.1 == "EXPIRED"));
}

#[tokio::test]
async fn a_row_left_in_sending_is_handed_over_once_more_with_the_same_message_id() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let booked = desk.book(&branch, FAR, "maria@example.com").await;
    let tx = desk.tx().await;
    let id: String = tx
        .scalar(
            "UPDATE email_messages SET status = 'SENDING', attempts = 1 WHERE related_id = $1 RETURNING message_id",
            [booked.id.into()],
        )
        .await
        .unwrap()
        .unwrap();
    tx.commit().await.unwrap();
    desk.at("2026-07-13T12:05:00Z").await;
    let sent = desk.sent();
    assert_eq!(sent.iter().map(|mail| mail.message_id.as_str()).collect::<Vec<_>>(), [id]);
    assert_eq!(desk.emails(booked.id).await[0].3, 2);
}

#[tokio::test]
async fn links_of_a_mail_work_once() {
    use horae::domain::booking::patient_link::{Wish, run};
    let (desk, sink, worker) = with_sink().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    desk.book(&branch, FAR, "maria@example.com").await;
    desk.app.clock.set("2026-07-13T12:05:00Z".parse().unwrap());
    worker.drain().await.unwrap();
    let body = sink.messages(Which::Accepted).await[0].body.clone();
    let tokens: Vec<&str> = body.split("/a/").skip(1).map(|rest| rest.split_whitespace().next().unwrap()).collect();
    assert_eq!(tokens.len(), 2, "{body}");
    let cx = &desk.app.app.cx;
    assert!(run(cx, tokens[0], Wish::Cancel(None), "test").await.is_err(), "the confirming link does not cancel");
    run(cx, tokens[0], Wish::Confirm, "test").await.unwrap();
    assert!(run(cx, tokens[0], Wish::Confirm, "test").await.is_err());
    run(cx, tokens[1], Wish::Cancel(Some("viaje".to_owned())), "test").await.unwrap();
}

/// Everything that differs from run to run, replaced.
fn redacted(text: &str) -> String {
    let mut words = Vec::new();
    for line in text.lines() {
        let line = match line.split_once("/a/ct") {
            Some((before, _)) => format!("{before}/a/[token]"),
            None => line.to_owned(),
        };
        words.push(line);
    }
    words.join("\n")
}

#[tokio::test]
async fn a_whole_confirmation_as_it_arrives() {
    let (desk, sink, worker) = with_sink().await;
    let branch = desk.branch("Sucursal Providencia", "America/Santiago", &[]).await;
    let booked = desk.book(&branch, FAR, "maria@example.com").await;
    let cx = &desk.app.app.cx;
    let (treatment, professional, room) = (cx.new_id(), cx.new_id(), cx.new_id());
    let tx = desk.tx().await;
    tx.run(
        "INSERT INTO treatments (id, name, duration_minutes, price_minor, currency, created_at, updated_at)
         VALUES ($1, 'Limpieza facial', 45, 25000, 'CLP', $2, $2)",
        [treatment.into(), desk.app.now().into()],
    )
    .await
    .unwrap();
    tx.run(
        "INSERT INTO resources (id, kind, name, color, branch_id, created_at, updated_at)
         VALUES ($1, 'PROFESSIONAL', 'Catalina Rojas', '#AA0000', NULL, $4, $4), ($2, 'ROOM', 'Box 3', '#00AA00', $3, $4, $4)",
        [professional.into(), room.into(), branch.id.into(), desk.app.now().into()],
    )
    .await
    .unwrap();
    tx.run(
        "INSERT INTO appointment_items (appointment_id, position, treatment_id, professional_id, room_id, start_at, end_at, price_minor, currency)
         SELECT id, 0, $2, $3, $4, start_at, end_at, 25000, 'CLP' FROM appointments WHERE id = $1",
        [booked.id.into(), treatment.into(), professional.into(), room.into()],
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    desk.app.clock.set("2026-07-13T12:05:00Z".parse().unwrap());
    worker.drain().await.unwrap();
    let mail = sink.messages(Which::Accepted).await.remove(0);
    let headers: Vec<String> = ["from", "reply-to", "to", "subject", "date", "auto-submitted"]
        .iter()
        .map(|name| format!("{name}: {}", mail.headers[*name]))
        .collect();
    insta::assert_snapshot!(format!("{}\n{}\n\n{}", headers.join("\n"), mail.parts.join(" "), redacted(&mail.body)));
}
