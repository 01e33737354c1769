//! Confirmations, copies, moves and cancellations over time.

use horae::domain::{centre::model::Branch, notifications::AppointmentTimes};

use super::{Desk, desk::states};

const CONFIRM: &str = "APPOINTMENT_CONFIRMATION";
const RESCHEDULED: &str = "APPOINTMENT_RESCHEDULED";
const CANCELLED: &str = "APPOINTMENT_CANCELLED";
const FAR: &str = "2026-08-03T14:00:00Z";

#[tokio::test]
async fn a_confirmation_goes_out_after_the_branchs_delay_and_once() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let booked = desk.book(&branch, FAR, "maria@example.com").await;
    desk.at("2026-07-13T12:04:59Z").await;
    assert_eq!(desk.sent().len(), 0);
    desk.at("2026-07-13T12:05:00Z").await;
    desk.at("2026-07-13T12:06:00Z").await;
    let sent = desk.sent();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].to.contains("maria@example.com"));
    assert_eq!(desk.states(booked.id).await, states(&[(CONFIRM, "SENT")]));
}

#[tokio::test]
async fn the_centre_gets_one_copy_per_address_and_no_links() {
    let desk = Desk::open().await;
    let branch =
        desk.branch("Centro", "America/Santiago", &["front@alfa.test", "FRONT@alfa.test", "boss@alfa.test"]).await;
    let booked = desk.book(&branch, FAR, "maria@example.com").await;
    desk.at("2026-07-13T12:05:00Z").await;
    assert_eq!(
        desk.states(booked.id).await,
        states(&[(CONFIRM, "SENT"), ("CENTRE_COPY", "SENT"), ("CENTRE_COPY", "SENT")])
    );
    for mail in desk.sent() {
        assert_eq!(mail.text.contains("/a/ct"), mail.to.contains("maria"), "{}", mail.to);
    }
}

#[tokio::test]
async fn cancelled_before_it_was_confirmed_means_no_mail_at_all() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &["front@alfa.test"]).await;
    let booked = desk.book(&branch, FAR, "maria@example.com").await;
    desk.cancel(&booked).await;
    desk.at("2026-07-13T12:30:00Z").await;
    assert_eq!(desk.sent().len(), 0);
    assert_eq!(desk.states(booked.id).await, states(&[(CONFIRM, "CANCELLED"), ("CENTRE_COPY", "CANCELLED")]));
}

#[tokio::test]
async fn cancelled_after_it_was_confirmed_is_told_after_a_minute() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let booked = desk.book(&branch, FAR, "maria@example.com").await;
    desk.at("2026-07-13T12:05:00Z").await;
    desk.cancel(&booked).await;
    desk.at("2026-07-13T12:05:59Z").await;
    assert_eq!(desk.sent().len(), 1);
    desk.at("2026-07-13T12:06:00Z").await;
    let sent = desk.sent();
    assert_eq!(sent.len(), 2);
    assert!(sent[1].text.contains("METHOD:CANCEL"));
    assert_eq!(desk.states(booked.id).await, states(&[(CONFIRM, "SENT"), (CANCELLED, "SENT")]));
}

#[tokio::test]
async fn called_off_before_a_move_was_told_it_is_the_time_that_the_patient_knows() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let mut booked = desk.book(&branch, FAR, "maria@example.com").await;
    desk.at("2026-07-13T12:05:00Z").await;
    desk.move_to(&branch, &mut booked, "2026-08-04T15:30:00Z", true).await;
    desk.at("2026-07-13T12:05:30Z").await;
    desk.cancel(&booked).await;
    desk.at("2026-07-13T12:07:00Z").await;
    let sent = desk.sent();
    assert_eq!(sent.len(), 2);
    let text = &sent[1].text;
    assert!(text.contains("3 de agosto de 2026, 10:00"), "{text}");
    assert!(!text.contains("4 de agosto"), "{text}");
    assert!(text.contains("METHOD:CANCEL"));
}

#[tokio::test]
async fn an_address_that_gets_no_copies_any_more_gets_none_that_waits() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &["left@alfa.test", "stays@alfa.test"]).await;
    let booked = desk.book(&branch, FAR, "maria@example.com").await;
    let tx = desk.tx().await;
    tx.run("UPDATE branches SET copy_confirmations_to = '{Stays@alfa.test}'", []).await.unwrap();
    tx.commit().await.unwrap();
    desk.at("2026-07-13T12:05:00Z").await;
    assert_eq!(
        desk.states(booked.id).await,
        states(&[(CONFIRM, "SENT"), ("CENTRE_COPY", "CANCELLED"), ("CENTRE_COPY", "SENT")])
    );
    assert!(desk.sent().iter().all(|mail| !mail.to.contains("left@")));
}

#[tokio::test]
async fn moved_before_it_was_confirmed_is_one_mail_with_the_last_data() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let mut booked = desk.book(&branch, FAR, "maria@example.com").await;
    desk.move_to(&branch, &mut booked, "2026-08-04T15:30:00Z", true).await;
    desk.move_to(&branch, &mut booked, "2026-08-05T16:30:00Z", true).await;
    desk.at("2026-07-13T12:30:00Z").await;
    let sent = desk.sent();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].text.contains("DTSTART;TZID=America/Santiago:20260805T123000"), "{}", sent[0].text);
    assert!(sent[0].text.contains("SEQUENCE:2"));
    assert_eq!(desk.states(booked.id).await, states(&[(CONFIRM, "SENT")]));
}

/// A confirmed appointment is moved, and half a minute later again, `told` or quietly: one mail tells of both.
async fn moved_twice(desk: &Desk, told: bool) -> (Branch, AppointmentTimes) {
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let mut booked = desk.book(&branch, FAR, "maria@example.com").await;
    desk.at("2026-07-13T12:05:00Z").await;
    desk.move_to(&branch, &mut booked, "2026-08-04T15:30:00Z", true).await;
    desk.at("2026-07-13T12:05:30Z").await;
    desk.move_to(&branch, &mut booked, "2026-08-05T16:30:00Z", told).await;
    desk.at("2026-07-13T12:06:30Z").await;
    let sent = desk.sent();
    assert_eq!(sent.len(), 2, "the confirmation and the last time");
    assert!(sent[1].text.contains("3 de agosto"), "the time that the patient knew");
    assert!(sent[1].text.contains("DTSTART;TZID=America/Santiago:20260805T123000"));
    assert_eq!(
        desk.states(booked.id).await,
        states(&[(CONFIRM, "SENT"), (RESCHEDULED, "CANCELLED"), (RESCHEDULED, "SENT")])
    );
    (branch, booked)
}

#[tokio::test]
async fn two_moves_within_a_minute_are_one_mail_that_knows_the_first_time() {
    let desk = Desk::open().await;
    moved_twice(&desk, true).await;
}

#[tokio::test]
async fn a_quiet_move_is_not_told() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let mut booked = desk.book(&branch, FAR, "maria@example.com").await;
    desk.at("2026-07-13T12:05:00Z").await;
    desk.move_to(&branch, &mut booked, "2026-08-04T15:30:00Z", false).await;
    desk.at("2026-07-13T12:30:00Z").await;
    assert_eq!(desk.states(booked.id).await, states(&[(CONFIRM, "SENT")]));
}

#[tokio::test]
async fn a_quiet_move_after_one_that_is_about_to_be_told_takes_that_mail_along() {
    let desk = Desk::open().await;
    let (branch, mut booked) = moved_twice(&desk, false).await;
    // What has been told is told: a quiet move after that is quiet.
    desk.move_to(&branch, &mut booked, "2026-08-06T16:30:00Z", false).await;
    desk.at("2026-07-13T12:30:00Z").await;
    assert_eq!(desk.sent().len(), 2);
}

#[tokio::test]
async fn moved_and_back_within_a_minute_is_nothing_to_tell() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let mut booked = desk.book(&branch, FAR, "maria@example.com").await;
    desk.at("2026-07-13T12:05:00Z").await;
    desk.move_to(&branch, &mut booked, "2026-08-04T15:30:00Z", true).await;
    desk.move_to(&branch, &mut booked, FAR, true).await;
    desk.at("2026-07-13T12:30:00Z").await;
    assert_eq!(desk.states(booked.id).await, states(&[(CONFIRM, "SENT"), (RESCHEDULED, "CANCELLED")]));
    assert_eq!(desk.sent().len(), 1);
    // Once a move has been told, the way back is told too.
    desk.move_to(&branch, &mut booked, "2026-08-04T15:30:00Z", true).await;
    desk.at("2026-07-13T12:31:00Z").await;
    desk.move_to(&branch, &mut booked, FAR, true).await;
    desk.at("2026-07-13T12:32:00Z").await;
    assert_eq!(desk.sent().len(), 3);
}

#[tokio::test]
async fn whom_somebody_else_attends_at_the_same_time_is_not_told_of_another_time() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let mut booked = desk.book(&branch, FAR, "maria@example.com").await;
    desk.at("2026-07-13T12:05:00Z").await;
    booked.only_time_changed = false;
    desk.move_to(&branch, &mut booked, FAR, true).await;
    desk.at("2026-07-13T12:06:00Z").await;
    // Also where it is on the way there that somebody else attends.
    desk.move_to(&branch, &mut booked, "2026-08-04T15:30:00Z", true).await;
    booked.only_time_changed = true;
    desk.move_to(&branch, &mut booked, FAR, true).await;
    desk.at("2026-07-13T12:07:00Z").await;
    let sent = desk.sent();
    assert_eq!(sent.len(), 3);
    for (mail, sequence) in sent[1..].iter().zip(["SEQUENCE:1", "SEQUENCE:3"]) {
        assert!(mail.text.contains("Cambiaron los datos de su cita") && !mail.text.contains("Antes"), "{}", mail.text);
        assert!(mail.text.contains(sequence), "calendars hear of it: {}", mail.text);
    }
}

#[tokio::test]
async fn a_confirmation_is_there_an_hour_before_however_long_the_branchs_delay_is() {
    let desk = Desk::open().await;
    let mut branch = desk.branch("Centro", "America/Santiago", &["front@alfa.test"]).await;
    branch.confirmation_delay = chrono::Duration::hours(4);
    let near = desk.book(&branch, "2026-07-13T15:00:00Z", "maria@example.com").await;
    let nearer = desk.book(&branch, "2026-07-13T12:30:00Z", "ana@example.com").await;
    let mut pulled = desk.book(&branch, FAR, "eva@example.com").await;
    desk.move_to(&branch, &mut pulled, "2026-07-13T15:30:00Z", true).await;
    let confirmed = async |appointment| {
        let rows = desk.emails(appointment).await.into_iter().filter(|row| row.0 == CONFIRM || row.0 == "CENTRE_COPY");
        rows.map(|row| row.1).collect::<Vec<_>>()
    };
    for (at, expected) in [
        ("2026-07-13T12:00:00Z", [["SCHEDULED"; 2], ["SENT"; 2], ["SCHEDULED"; 2]]),
        ("2026-07-13T13:59:59Z", [["SCHEDULED"; 2], ["SENT"; 2], ["SCHEDULED"; 2]]),
        ("2026-07-13T14:00:00Z", [["SENT"; 2], ["SENT"; 2], ["SCHEDULED"; 2]]),
        ("2026-07-13T14:30:00Z", [["SENT"; 2]; 3]),
    ] {
        desk.at(at).await;
        let found = [confirmed(near.id).await, confirmed(nearer.id).await, confirmed(pulled.id).await];
        assert_eq!(found, expected, "{at}");
    }
}

#[tokio::test]
async fn who_has_no_address_gets_nothing() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let tx = desk.tx().await;
    let mut times = desk.insert(&tx, &branch, FAR.parse().unwrap(), "x@example.com", desk.app.now()).await;
    times.patient_email = None;
    horae::domain::notifications::on_booked(&desk.app.app.cx, &tx, &branch, &times).await.unwrap();
    tx.commit().await.unwrap();
    assert!(desk.emails(times.id).await.is_empty());
}

#[tokio::test]
async fn writing_the_mails_of_a_booking_is_one_statement() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &["a@alfa.test", "b@alfa.test", "c@alfa.test"]).await;
    let tx = desk.tx().await;
    let times =
        desk.insert(&tx, &branch, "2026-07-14T15:00:00Z".parse().unwrap(), "m@example.com", desk.app.now()).await;
    let before = desk.app.app.cx.db.statements();
    horae::domain::notifications::on_booked(&desk.app.app.cx, &tx, &branch, &times).await.unwrap();
    assert_eq!(desk.app.app.cx.db.statements() - before, 1);
    tx.commit().await.unwrap();
    assert_eq!(desk.emails(times.id).await.len(), 5);
}
