//! Mails that are due together are decided, handed over and marked together, and each gets what is its own.

use std::{sync::Arc, time::Duration};

use horae::{
    domain::notifications::delivery::{self, Decision},
    jobs::{Worker, WorkerOptions},
    mail::{Mailer, SmtpSettings},
};
use sqlx::{Connection, PgConnection};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Desk;
use crate::support::smtp::{Act, At, SmtpSink, Which};

const FAR: &str = "2026-08-03T14:00:00Z";
const DUE: &str = "2026-07-13T12:05:00Z";

/// The confirmations of appointments for these addresses, in their order.
async fn confirmations(desk: &Desk, addresses: &[&str]) -> Vec<Uuid> {
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let mut ids = Vec::new();
    for address in addresses {
        let booked = desk.book(&branch, FAR, address).await;
        let tx = desk.tx().await;
        let sql = "SELECT id FROM email_messages WHERE related_id = $1 AND kind = 'APPOINTMENT_CONFIRMATION'";
        ids.push(tx.scalar(sql, [booked.id.into()]).await.unwrap().unwrap());
        tx.commit().await.unwrap();
    }
    ids
}

#[tokio::test]
async fn eight_take_as_many_statements_as_one() {
    let desk = Desk::open().await;
    let addresses: Vec<String> = (0..9).map(|n| format!("patient{n}@example.com")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let ids = confirmations(&desk, &addresses).await;
    desk.app.clock.set(DUE.parse().unwrap());
    let cx = &desk.app.app.cx;
    let send = async |ids: &[Uuid]| {
        let before = cx.db.statements();
        let decisions = delivery::begin(cx, &desk.system, ids).await.unwrap();
        let mails: Vec<_> = decisions
            .values()
            .map(|decision| match decision {
                Decision::Send(mail) => (&**mail, "Hora"),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(delivery::sent(cx, &desk.system, &mails).await.unwrap().len(), ids.len());
        cx.db.statements() - before
    };
    let (one, eight) = (send(&ids[..1]).await, send(&ids[1..]).await);
    assert_eq!(one, eight);
    // Each of them is in the trail.
    let tx = desk.tx().await;
    let noted: Option<i64> =
        tx.scalar("SELECT count(DISTINCT subject_id) FROM audit_entries WHERE action = 'sendEmail'", []).await.unwrap();
    assert_eq!(noted, Some(9));
}

#[tokio::test]
async fn each_gets_what_is_its_own() {
    let desk = Desk::open().await;
    let sink = SmtpSink::start().await;
    let expected = [
        ("a@example.com", "SENT"),
        ("gone@example.com", "BOUNCED"),
        ("blocked@example.com", "FAILED"),
        ("b@example.com", "SENT"),
        ("later@example.com", "SCHEDULED"),
        ("suppressed@example.com", "SUPPRESSED"),
        ("over@example.com", "EXPIRED"),
        ("moved@example.com", "CANCELLED"),
    ];
    sink.rule(Some("gone@example.com"), At::Rcpt, Act::Reply("550 5.1.1 no such user"), None).await;
    sink.rule(Some("blocked@example.com"), At::Rcpt, Act::Reply("554 5.7.1 blocked by policy"), None).await;
    sink.rule(Some("later@example.com"), At::Rcpt, Act::Reply("451 4.7.1 greylisted"), None).await;
    let ids = confirmations(&desk, &expected.map(|(address, _)| address)).await;
    let tx = desk.tx().await;
    for sql in [
        "INSERT INTO suppressions (id, email, reason, at) VALUES (gen_random_uuid(), 'suppressed@example.com', 'HARD_BOUNCE', now())",
        "UPDATE email_messages SET expires_at = due_at WHERE recipient = 'over@example.com'",
        "UPDATE appointments SET status = 'NO_SHOW' WHERE patient_id = (SELECT id FROM patients WHERE email = 'moved@example.com')",
    ] {
        assert_eq!(tx.run(sql, []).await.unwrap(), 1, "{sql}");
    }
    tx.commit().await.unwrap();

    let mailer = Arc::new(Mailer::smtp(&SmtpSettings::new(sink.url())).unwrap());
    let worker = Worker::new(desk.app.app.cx.clone(), mailer, WorkerOptions::default());
    desk.app.clock.set(DUE.parse().unwrap());
    let stop = CancellationToken::new();
    let task = {
        let (worker, stop) = (worker.clone(), stop.clone());
        desk.app.app.tasks.spawn(async move { worker.run(stop).await })
    };
    let states = async || -> Vec<(String, String)> {
        let tx = desk.tx().await;
        let rows: Vec<serde_json::Value> = tx
            .scalars(
                "SELECT jsonb_build_array(recipient, status) FROM email_messages JOIN unnest($1::uuid[]) WITH ORDINALITY AS w (id, n)
                 USING (id) WHERE attempts > 0 OR status <> 'SCHEDULED' ORDER BY n",
                [ids.clone().into()],
            )
            .await
            .unwrap();
        tx.commit().await.unwrap();
        rows.into_iter().map(|row| serde_json::from_value(row).unwrap()).collect()
    };
    let expected = expected.map(|(address, state)| (address.to_owned(), state.to_owned()));
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let found = states().await;
        if found == expected {
            break;
        }
        assert!(tokio::time::Instant::now() < end, "{found:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    task.await.unwrap();
    let mut arrived: Vec<String> =
        sink.messages(Which::Completed).await.into_iter().map(|mail| mail.to[0].clone()).collect();
    arrived.sort();
    assert_eq!(arrived, ["a@example.com", "b@example.com"]);
    // Of those jobs one alone is left: it comes back.
    let mut connection = PgConnection::connect(&desk.app.database_url).await.unwrap();
    let left = sqlx::query_scalar("SELECT count(*) FROM queue.jobs WHERE kind = 'mail.send'");
    let left: i64 = left.fetch_one(&mut connection).await.unwrap();
    assert_eq!(left, 1);
}
