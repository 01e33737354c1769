//! Reminders by the branch's wall clock, through the worker.

use horae::domain::notifications::reminders::materialise;

use super::{Desk, desk::states};

const REMINDER: &str = "APPOINTMENT_REMINDER";

/// Instants at which the reminder of an appointment at 15:00 local on a date goes out.
async fn goes_out_at(zone: &str, booked: &str, start: &str, due: &str) {
    let desk = Desk::open().await;
    desk.app.clock.set(booked.parse().unwrap());
    let branch = desk.branch("Centro", zone, &[]).await;
    let appointment = desk.book(&branch, start, "maria@example.com").await;
    let due: chrono::DateTime<chrono::Utc> = due.parse().unwrap();
    // Two days ahead the row is written; a second before it is due nothing has gone out.
    desk.app.clock.set(due - chrono::Duration::hours(40));
    desk.app.run_jobs().await;
    desk.app.clock.set(due - chrono::Duration::seconds(1));
    desk.app.run_jobs().await;
    let reminder = |rows: Vec<super::desk::Row>| rows.into_iter().find(|row| row.0 == REMINDER).unwrap();
    let before = reminder(desk.emails(appointment.id).await);
    assert_eq!((before.1.as_str(), before.2), ("SCHEDULED", due), "{zone}");
    desk.app.clock.set(due);
    desk.app.run_jobs().await;
    assert_eq!(reminder(desk.emails(appointment.id).await).1, "SENT", "{zone}");
}

#[tokio::test]
async fn each_branch_is_reminded_by_its_own_clock() {
    for (zone, booked, start, due) in [
        ("America/Lima", "2026-07-01T12:00:00Z", "2026-07-15T20:00:00Z", "2026-07-15T13:00:00Z"),
        ("Europe/Madrid", "2026-07-01T12:00:00Z", "2026-07-15T13:00:00Z", "2026-07-15T06:00:00Z"),
        ("Europe/Madrid", "2026-01-01T12:00:00Z", "2026-01-15T14:00:00Z", "2026-01-15T07:00:00Z"),
        ("America/Santiago", "2026-01-01T12:00:00Z", "2026-01-15T18:00:00Z", "2026-01-15T11:00:00Z"),
        ("America/Santiago", "2026-07-01T12:00:00Z", "2026-07-15T19:00:00Z", "2026-07-15T12:00:00Z"),
        ("America/Punta_Arenas", "2026-07-01T12:00:00Z", "2026-07-15T18:00:00Z", "2026-07-15T11:00:00Z"),
        ("Pacific/Easter", "2026-07-01T12:00:00Z", "2026-07-15T21:00:00Z", "2026-07-15T14:00:00Z"),
        ("Pacific/Easter", "2026-01-01T12:00:00Z", "2026-01-15T20:00:00Z", "2026-01-15T13:00:00Z"),
        ("Asia/Kathmandu", "2026-07-01T12:00:00Z", "2026-07-15T09:15:00Z", "2026-07-15T02:15:00Z"),
        ("America/New_York", "2026-03-01T12:00:00Z", "2026-03-08T19:00:00Z", "2026-03-08T12:00:00Z"),
        ("America/New_York", "2026-10-20T12:00:00Z", "2026-11-01T20:00:00Z", "2026-11-01T13:00:00Z"),
    ] {
        goes_out_at(zone, booked, start, due).await;
    }
}

#[tokio::test]
async fn an_early_appointment_is_reminded_of_on_the_evening_before() {
    // 07:30 in Santiago: 18:00 on the 14th.
    goes_out_at("America/Santiago", "2026-07-01T12:00:00Z", "2026-07-15T11:30:00Z", "2026-07-14T22:00:00Z").await;
}

#[tokio::test]
async fn three_branches_of_one_centre_go_by_three_clocks() {
    let desk = Desk::open().await;
    let mut booked = Vec::new();
    for (zone, due) in [
        ("America/Punta_Arenas", "2026-07-15T11:00:00Z"),
        ("America/Santiago", "2026-07-15T12:00:00Z"),
        ("Pacific/Easter", "2026-07-15T14:00:00Z"),
    ] {
        let branch = desk.branch(zone, zone, &[]).await;
        booked.push((desk.book(&branch, "2026-07-15T21:00:00Z", "maria@example.com").await, due));
    }
    desk.at("2026-07-15T10:59:59Z").await;
    for step in 0..booked.len() {
        desk.at(booked[step].1).await;
        for (n, (appointment, _)) in booked.iter().enumerate() {
            let sent = desk.states(appointment.id).await.contains(&(REMINDER.to_owned(), "SENT".to_owned()));
            assert_eq!(sent, n <= step);
        }
    }
}

#[tokio::test]
async fn booked_on_the_day_after_the_reminders_time_means_no_reminder() {
    let desk = Desk::open().await;
    desk.app.clock.set("2026-07-15T12:30:00Z".parse().unwrap());
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let booked = desk.book(&branch, "2026-07-15T20:00:00Z", "maria@example.com").await;
    desk.at("2026-07-15T13:00:00Z").await;
    assert_eq!(desk.states(booked.id).await, states(&[("APPOINTMENT_CONFIRMATION", "SENT")]));
}

#[tokio::test]
async fn the_reminder_follows_a_move_and_is_dropped_with_a_cancellation() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let mut booked = desk.book(&branch, "2026-07-14T19:00:00Z", "maria@example.com").await;
    desk.at("2026-07-13T12:05:00Z").await;
    desk.move_to(&branch, &mut booked, "2026-07-15T11:30:00Z", false).await;
    desk.move_to(&branch, &mut booked, "2026-07-14T19:30:00Z", false).await;
    assert_eq!(
        desk.states(booked.id).await,
        states(&[("APPOINTMENT_CONFIRMATION", "SENT"), (REMINDER, "CANCELLED"), (REMINDER, "SCHEDULED")])
    );
    desk.cancel(&booked).await;
    desk.at("2026-07-14T12:00:00Z").await;
    let states = desk.states(booked.id).await;
    assert!(!states.contains(&(REMINDER.to_owned(), "SENT".to_owned())), "{states:?}");
}

#[tokio::test]
async fn a_late_reminder_is_not_lost_to_a_quiet_move_within_its_day() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let mut quiet = desk.book(&branch, "2026-07-14T19:00:00Z", "maria@example.com").await;
    let mut told = desk.book(&branch, "2026-07-14T19:00:00Z", "ana@example.com").await;
    desk.at("2026-07-13T12:05:00Z").await;
    // Both wait at this hour; nothing has run since it struck.
    desk.app.clock.set("2026-07-14T12:00:30Z".parse().unwrap());
    desk.move_to(&branch, &mut quiet, "2026-07-14T20:00:00Z", false).await;
    desk.move_to(&branch, &mut told, "2026-07-14T20:00:00Z", true).await;
    desk.at("2026-07-14T12:02:00Z").await;
    desk.at("2026-07-14T12:15:00Z").await;
    let confirmed = ("APPOINTMENT_CONFIRMATION", "SENT");
    assert_eq!(desk.states(quiet.id).await, states(&[confirmed, (REMINDER, "SENT")]));
    let told_of_the_move = states(&[confirmed, (REMINDER, "CANCELLED"), ("APPOINTMENT_RESCHEDULED", "SENT")]);
    assert_eq!(desk.states(told.id).await, told_of_the_move);
    let reminder = desk.sent().into_iter().rfind(|mail| mail.to.contains("maria@")).unwrap();
    assert!(reminder.text.contains("DTSTART;TZID=America/Santiago:20260714T160000"), "{}", reminder.text);
}

#[tokio::test]
async fn after_an_outage_late_reminders_go_out_and_too_late_ones_expire() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let passed = desk.book(&branch, "2026-07-16T14:00:00Z", "a@example.com").await;
    let ahead = desk.book(&branch, "2026-07-16T19:00:00Z", "b@example.com").await;
    desk.at("2026-07-13T12:05:00Z").await;
    desk.at("2026-07-15T12:00:00Z").await;
    // Nothing runs until the afternoon of the day.
    desk.at("2026-07-16T17:00:00Z").await;
    assert!(desk.states(passed.id).await.contains(&(REMINDER.to_owned(), "EXPIRED".to_owned())));
    assert!(desk.states(ahead.id).await.contains(&(REMINDER.to_owned(), "SENT".to_owned())));
    // An outage over the whole horizon: the row was never written, the sweep writes it late.
    let later = desk.book(&branch, "2026-07-25T19:00:00Z", "c@example.com").await;
    desk.at("2026-07-25T15:00:00Z").await;
    assert!(desk.states(later.id).await.contains(&(REMINDER.to_owned(), "SENT".to_owned())));
}

#[tokio::test]
async fn sweeps_write_a_reminder_once() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let booked = desk.book(&branch, "2026-07-16T19:00:00Z", "maria@example.com").await;
    for at in [
        "2026-07-14T13:00:00Z",
        "2026-07-14T13:15:00Z",
        "2026-07-14T13:30:00Z",
        "2026-07-16T12:00:00Z",
        "2026-07-16T12:15:00Z",
    ] {
        desk.at(at).await;
    }
    assert_eq!(desk.states(booked.id).await, states(&[("APPOINTMENT_CONFIRMATION", "SENT"), (REMINDER, "SENT")]));
    assert_eq!(desk.sent().len(), 2);
}

#[tokio::test]
async fn an_address_that_is_corrected_gets_the_reminder_that_was_held_back() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let tx = desk.tx().await;
    tx.run(
        "INSERT INTO suppressions (id, email, reason, at) VALUES ($1, 'gone@example.com', 'HARD_BOUNCE', $2)",
        [desk.app.app.cx.new_id().into(), desk.app.now().into()],
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let booked = desk.book(&branch, "2026-07-14T19:00:00Z", "gone@example.com").await;
    let far = desk.book(&branch, "2026-07-16T19:00:00Z", "gone@example.com").await;
    desk.at("2026-07-13T13:00:00Z").await;
    let held_back = states(&[("APPOINTMENT_CONFIRMATION", "SUPPRESSED"), (REMINDER, "SUPPRESSED")]);
    assert_eq!(desk.states(booked.id).await, held_back);
    let tx = desk.tx().await;
    tx.run("UPDATE patients SET email = 'maria@example.com'", []).await.unwrap();
    tx.commit().await.unwrap();
    desk.at("2026-07-13T13:15:00Z").await;
    let waits = states(&[("APPOINTMENT_CONFIRMATION", "SUPPRESSED"), (REMINDER, "SCHEDULED")]);
    assert_eq!(desk.states(booked.id).await, waits);
    desk.at("2026-07-14T12:00:00Z").await;
    desk.at("2026-07-16T12:00:00Z").await;
    let sent = states(&[("APPOINTMENT_CONFIRMATION", "SUPPRESSED"), (REMINDER, "SENT")]);
    assert_eq!((desk.states(booked.id).await, desk.states(far.id).await), (sent.clone(), sent));
    assert!(desk.sent().iter().all(|mail| mail.to.contains("maria@")));
}

#[tokio::test]
async fn who_is_inactive_and_booked_again_is_reminded() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let booked = desk.book(&branch, "2026-07-20T19:00:00Z", "maria@example.com").await;
    let tx = desk.tx().await;
    tx.run("UPDATE patients SET status = 'INACTIVE'", []).await.unwrap();
    tx.commit().await.unwrap();
    desk.at("2026-07-20T12:00:00Z").await;
    assert!(desk.states(booked.id).await.contains(&(REMINDER.to_owned(), "SENT".to_owned())));
}

#[tokio::test]
async fn nobody_writes_to_a_patient_who_has_died() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &["front@alfa.test"]).await;
    let soon = desk.book(&branch, "2026-07-14T19:00:00Z", "maria@example.com").await;
    let far = desk.book(&branch, "2026-07-20T19:00:00Z", "ana@example.com").await;
    let tx = desk.tx().await;
    tx.run("UPDATE patients SET status = 'DECEASED'", []).await.unwrap();
    tx.commit().await.unwrap();
    for at in ["2026-07-13T12:05:00Z", "2026-07-14T12:00:00Z"] {
        desk.at(at).await;
    }
    desk.cancel(&far).await;
    desk.at("2026-07-20T12:00:00Z").await;
    assert!(desk.sent().iter().all(|mail| mail.to.contains("front@")), "{:?}", desk.sent());
    let told_nobody = states(&[("APPOINTMENT_CONFIRMATION", "CANCELLED"), ("CENTRE_COPY", "SENT")]);
    assert_eq!(desk.states(far.id).await, told_nobody);
    assert!(desk.states(soon.id).await.contains(&(REMINDER.to_owned(), "CANCELLED".to_owned())));
}

#[tokio::test]
async fn a_branch_that_takes_no_more_bookings_still_reminds() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let booked = desk.book(&branch, "2026-07-20T19:00:00Z", "maria@example.com").await;
    let tx = desk.tx().await;
    tx.run("UPDATE branches SET active = false WHERE id = $1", [branch.id.into()]).await.unwrap();
    tx.commit().await.unwrap();
    desk.at("2026-07-20T12:00:00Z").await;
    assert!(desk.states(booked.id).await.contains(&(REMINDER.to_owned(), "SENT".to_owned())));
}

#[tokio::test]
async fn a_new_reminder_time_moves_the_reminders_that_wait() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let other = desk.branch("Norte", "America/Santiago", &[]).await;
    // 15:00 local: on that Monday the reminder has gone out when the time changes, on Tuesday it waits.
    desk.app.clock.set("2026-07-12T12:00:00Z".parse().unwrap());
    let today = desk.book(&branch, "2026-07-13T19:00:00Z", "hoy@example.com").await;
    let tomorrow = desk.book(&branch, "2026-07-14T19:00:00Z", "maria@example.com").await;
    let elsewhere = desk.book(&other, "2026-07-14T19:00:00Z", "otra@example.com").await;
    desk.at("2026-07-13T12:00:00Z").await;
    let reminder = |rows: Vec<super::desk::Row>| {
        let mut found: Vec<_> =
            rows.into_iter().filter(|row| row.0 == REMINDER).map(|row| (row.1, row.2.to_rfc3339())).collect();
        assert_eq!(found.len(), 1);
        found.remove(0)
    };
    let expect = |status: &str, due: &str| (status.to_owned(), due.to_owned());
    assert_eq!(reminder(desk.emails(today.id).await), expect("SENT", "2026-07-13T12:00:00+00:00"));
    assert_eq!(reminder(desk.emails(tomorrow.id).await), expect("SCHEDULED", "2026-07-14T12:00:00+00:00"));

    let id = crate::centre::global(&desk.app, "alfa", horae::schema::id::Kind::Branch, branch.id).await;
    let answer = desk
        .app
        .admin("alfa")
        .await
        .ok(
            "mutation($input: BranchInput!) { upsertBranch(input: $input) { branch { version } userErrors { code message } } }",
            serde_json::json!({"input": {
                "id": id, "version": branch.version, "name": "Centro", "timeZone": "America/Santiago", "reminderLocalTime": "09:30",
            }}),
        )
        .await;
    assert_eq!(answer["upsertBranch"]["userErrors"], serde_json::json!([]), "{answer}");

    assert_eq!(reminder(desk.emails(today.id).await), expect("SENT", "2026-07-13T12:00:00+00:00"));
    assert_eq!(reminder(desk.emails(tomorrow.id).await), expect("SCHEDULED", "2026-07-14T13:30:00+00:00"));
    assert_eq!(reminder(desk.emails(elsewhere.id).await), expect("SCHEDULED", "2026-07-14T12:00:00+00:00"));
    desk.at("2026-07-14T13:29:59Z").await;
    assert_eq!(reminder(desk.emails(tomorrow.id).await).0, "SCHEDULED");
    assert_eq!(reminder(desk.emails(elsewhere.id).await).0, "SENT");
    desk.at("2026-07-14T13:30:00Z").await;
    assert_eq!(reminder(desk.emails(tomorrow.id).await).0, "SENT");
}

#[tokio::test]
async fn one_that_was_being_handed_over_is_not_sent_for_a_day_that_the_appointment_has_left() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let mut gone = desk.book(&branch, "2026-07-14T19:00:00Z", "maria@example.com").await;
    let mut stays = desk.book(&branch, "2026-07-14T20:00:00Z", "ana@example.com").await;
    desk.at("2026-07-13T12:05:00Z").await;
    // Their worker fell silent, or the relay asked for patience: the rows are somebody's when the appointments move.
    let tx = desk.tx().await;
    let sending = "UPDATE email_messages SET status = 'SENDING', attempts = 1 WHERE kind = 'APPOINTMENT_REMINDER'";
    assert_eq!(tx.run(sending, []).await.unwrap(), 2);
    tx.commit().await.unwrap();
    desk.move_to(&branch, &mut gone, "2026-07-17T19:00:00Z", false).await;
    desk.move_to(&branch, &mut stays, "2026-07-14T21:00:00Z", false).await;
    desk.at("2026-07-14T12:00:00Z").await;
    let reminders = async |appointment| -> Vec<String> {
        let rows = desk.emails(appointment).await;
        rows.into_iter().filter(|row| row.0 == REMINDER).map(|row| row.1).collect()
    };
    assert_eq!(reminders(gone.id).await, ["CANCELLED"]);
    assert_eq!(reminders(stays.id).await, ["SENT"], "later on the same day is the same day");
    desk.at("2026-07-17T11:59:59Z").await;
    assert_eq!(reminders(gone.id).await, ["CANCELLED", "SCHEDULED"]);
    desk.at("2026-07-17T12:00:00Z").await;
    assert_eq!(reminders(gone.id).await, ["CANCELLED", "SENT"]);
    let told = desk.sent().into_iter().filter(|mail| mail.to.contains("maria@")).count();
    assert_eq!(told, 2, "the confirmation and one reminder");
}

#[tokio::test]
async fn a_mail_that_was_being_handed_over_is_not_sent_once_the_moved_appointment_has_begun() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let mut booked = desk.book(&branch, "2026-08-03T14:00:00Z", "maria@example.com").await;
    let tx = desk.tx().await;
    tx.run("UPDATE email_messages SET status = 'SENDING', attempts = 1", []).await.unwrap();
    tx.commit().await.unwrap();
    desk.move_to(&branch, &mut booked, "2026-07-13T12:05:00Z", false).await;
    desk.at("2026-07-13T12:05:00Z").await;
    assert_eq!(desk.sent().len(), 0);
    assert_eq!(desk.states(booked.id).await, states(&[("APPOINTMENT_CONFIRMATION", "CANCELLED")]));
}

#[tokio::test]
async fn a_sweep_leaves_alone_what_is_moved_or_called_off_meanwhile() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let mut moved = desk.book(&branch, "2026-07-17T19:00:00Z", "maria@example.com").await;
    let cancelled = desk.book(&branch, "2026-07-17T19:00:00Z", "ana@example.com").await;
    let left = desk.book(&branch, "2026-07-17T19:00:00Z", "eva@example.com").await;
    desk.at("2026-07-13T12:05:00Z").await;
    // Within the horizon now; the changes are made and not yet there to see.
    desk.app.clock.set("2026-07-15T13:00:00Z".parse().unwrap());
    let tx = desk.tx().await;
    desk.move_in(&tx, &branch, &mut moved, "2026-07-20T19:00:00Z", false).await;
    tx.run("UPDATE appointments SET status = 'CANCELLED' WHERE id = $1", [cancelled.id.into()]).await.unwrap();
    materialise(&desk.app.app.cx, &desk.system).await.unwrap();
    tx.commit().await.unwrap();
    let written = async |appointment| desk.states(appointment).await.iter().any(|state| state.0 == REMINDER);
    assert!(!written(moved.id).await && !written(cancelled.id).await);
    assert!(written(left.id).await);
    desk.at("2026-07-17T12:00:00Z").await;
    desk.at("2026-07-20T12:00:00Z").await;
    let one = states(&[("APPOINTMENT_CONFIRMATION", "SENT"), (REMINDER, "SENT")]);
    assert_eq!((desk.states(moved.id).await, desk.states(left.id).await), (one.clone(), one));
}
