//! A change of a branch's zone: wall times stay, instants move.

use horae::{domain::platform::apply_time_rules, schema::id::Kind};
use serde_json::json;
use uuid::Uuid;

use super::{events_after, global, refused, text, upsert, with_mails};
use crate::support::{
    app::TestApp,
    fixtures::{Booking, Centre},
};

async fn move_to(app: &TestApp, branch: Uuid, version: i32, zone: &str) -> serde_json::Value {
    let id = global(app, "alfa", Kind::Branch, branch).await;
    let input = json!({"id": id, "version": version, "name": "A", "timeZone": zone});
    let payload = upsert(
        &app.admin("alfa").await,
        "upsertBranch",
        "BranchInput",
        "rescheduledJobs branch { timeZone version }",
        input,
    )
    .await;
    assert_eq!(refused(&payload), Vec::<String>::new());
    payload
}

async fn appointment(centre: &Centre, id: Uuid) -> String {
    let sql = "SELECT concat_ws(' ', to_char(a.start_at AT TIME ZONE 'UTC', 'MM-DD HH24:MI'), to_char(a.end_at AT TIME ZONE 'UTC', 'HH24:MI'),
            to_char(a.local_start, 'MM-DD HH24:MI'), a.time_zone, 'r' || a.revision, CASE WHEN a.overbooked THEN 'overbooked' END,
            (SELECT string_agg(to_char(i.start_at AT TIME ZONE 'UTC', 'HH24:MI') || '-' || to_char(i.end_at AT TIME ZONE 'UTC', 'HH24:MI'), ',') FROM appointment_items i WHERE i.appointment_id = a.id),
            (SELECT string_agg(to_char(lower(o.during) AT TIME ZONE 'UTC', 'HH24:MI') || '-' || to_char(upper(o.during) AT TIME ZONE 'UTC', 'HH24:MI'), ',') FROM occupancies o WHERE o.appointment_id = a.id))
        FROM appointments a WHERE a.id = $1";
    text(centre, sql, vec![id.into()]).await
}

#[tokio::test]
async fn what_lies_ahead_keeps_its_wall_time_and_the_past_stays() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let branch = centre.branch("A", "America/Santiago").await;
    let other = centre.branch("B", "America/Santiago").await;
    let (treatment, rosa) = (centre.treatment("T", 60).await, centre.patient("Rosa", "Soto").await);
    let (ana, eva) = (centre.professional("Ana", branch).await, centre.professional("Eva", other).await);
    let at = |branch, start: &str| Booking::new(branch, rosa, treatment, start, 60);
    let past = centre.book(at(branch, "2026-07-13T11:30:00Z").with(ana)).await;
    // Side by side, so that moving one in place would hit the next.
    let first = centre.book(at(branch, "2026-07-15T14:00:00Z").with(ana).buffers(0, 0)).await;
    let second = centre.book(at(branch, "2026-07-15T15:00:00Z").with(ana)).await;
    let cancelled = centre.book(at(branch, "2026-07-15T15:00:00Z").with(ana).status("CANCELLED")).await;
    let elsewhere = centre.book(at(other, "2026-07-15T14:00:00Z").with(eva)).await;
    for (local_start, local_end, lower, upper) in
        [("2026-07-20T00:00", "2026-07-21T00:00", "2026-07-20T04:00Z", "2026-07-21T04:00Z")]
    {
        centre.run(
            "INSERT INTO schedule_exceptions (id, branch_id, kind, local_start, local_end, during) VALUES ($1, $2, 'HOLIDAY', $3::text::timestamp, $4::text::timestamp, tstzrange($5::text::timestamptz, $6::text::timestamptz))",
            vec![centre.cx.new_id().into(), branch.into(), local_start.into(), local_end.into(), lower.into(), upper.into()],
        ).await;
    }
    with_mails(&app, &centre, branch, first, "2026-07-15T14:00:00Z").await;
    let (_, head) = events_after(&centre, 0).await;

    let payload = move_to(&app, branch, 1, "America/Punta_Arenas").await;
    assert_eq!(payload["branch"], json!({"timeZone": "America/Punta_Arenas", "version": 2}));
    assert_eq!(payload["rescheduledJobs"], 1, "the reminder; the confirmation follows elapsed time");
    assert_eq!(
        appointment(&centre, past).await,
        "07-13 11:30 12:30 07-13 07:30 America/Santiago r0 11:30-12:30 11:30-12:30"
    );
    assert_eq!(
        appointment(&centre, first).await,
        "07-15 13:00 14:00 07-15 10:00 America/Punta_Arenas r1 13:00-14:00 13:00-14:00"
    );
    assert_eq!(
        appointment(&centre, second).await,
        "07-15 14:00 15:00 07-15 11:00 America/Punta_Arenas r1 14:00-15:00 14:00-15:00"
    );
    assert_eq!(
        appointment(&centre, elsewhere).await,
        "07-15 14:00 15:00 07-15 10:00 America/Santiago r0 14:00-15:00 14:00-15:00"
    );
    assert!(appointment(&centre, cancelled).await.starts_with("07-15 14:00 15:00 07-15 11:00 America/Punta_Arenas"));
    assert_eq!(centre.count("SELECT count(*) FROM occupancies WHERE overbooked").await, 0);
    let holiday = "SELECT to_char(lower(during) AT TIME ZONE 'UTC', 'DD HH24:MI') || ' ' || to_char(upper(during) AT TIME ZONE 'UTC', 'DD HH24:MI') FROM schedule_exceptions";
    assert_eq!(text(&centre, holiday, vec![]).await, "20 03:00 21 03:00");

    let mails = "SELECT string_agg(concat_ws(' ', kind, to_char(due_at AT TIME ZONE 'UTC', 'DD HH24:MI'), to_char(expires_at AT TIME ZONE 'UTC', 'HH24:MI'), time_zone, 'r' || revision), '; ' ORDER BY kind) FROM email_messages";
    assert_eq!(
        text(&centre, mails, vec![]).await,
        "APPOINTMENT_CONFIRMATION 13 12:05 13:00 r1; APPOINTMENT_REMINDER 15 11:00 13:00 America/Punta_Arenas r1"
    );
    let tx = centre.cx.read(&centre.system).await.unwrap();
    let reminder: Option<Uuid> =
        tx.scalar("SELECT id FROM email_messages WHERE kind = 'APPOINTMENT_REMINDER'", []).await.unwrap();
    let jobs = tx.local_jobs_about(vec![reminder.unwrap()]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].due_at.to_rfc3339(), "2026-07-15T11:00:00+00:00");

    assert_eq!(events_after(&centre, head).await.0, ["branch.changed", "branch.zone_changed"]);
    let data = text(&centre, "SELECT data::text FROM events WHERE type = 'branch.zone_changed'", vec![]).await;
    let data: serde_json::Value = serde_json::from_str(&data).unwrap();
    assert_eq!(
        (&data["from"], &data["to"], &data["overbooked"]),
        (&json!("America/Santiago"), &json!("America/Punta_Arenas"), &json!([]))
    );
    for id in [first, second, cancelled] {
        assert!(data["appointments"].as_array().unwrap().contains(&json!(id)), "{data}");
    }

    // And back again: the same instants as before.
    move_to(&app, branch, 2, "America/Santiago").await;
    assert_eq!(
        appointment(&centre, first).await,
        "07-15 14:00 15:00 07-15 10:00 America/Santiago r2 14:00-15:00 14:00-15:00"
    );
}

#[tokio::test]
async fn a_change_of_anything_else_moves_nothing() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let branch = centre.branch("A", "America/Santiago").await;
    let (treatment, rosa) = (centre.treatment("T", 60).await, centre.patient("Rosa", "Soto").await);
    let id = centre.book(Booking::new(branch, rosa, treatment, "2026-07-15T14:00:00Z", 60)).await;
    let (_, head) = events_after(&centre, 0).await;
    assert_eq!(move_to(&app, branch, 1, "America/Santiago").await["rescheduledJobs"], 0);
    assert!(appointment(&centre, id).await.contains("07-15 14:00 15:00 07-15 10:00 America/Santiago r0"));
    assert_eq!(events_after(&centre, head).await.0, ["branch.changed"]);
}

#[tokio::test]
async fn a_wall_time_in_a_gap_of_the_new_zone_shifts_forward_with_its_instant() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    // Punta Arenas has no gap on the night when Santiago's clocks go from 00:00 to 01:00.
    let branch = centre.branch("A", "America/Punta_Arenas").await;
    let (treatment, rosa) = (centre.treatment("T", 30).await, centre.patient("Rosa", "Soto").await);
    let ana = centre.professional("Ana", branch).await;
    let at = |start: &str| Booking::new(branch, rosa, treatment, start, 30).with(ana);
    let before = centre.book(at("2026-09-06T02:30:00Z")).await; // 23:30
    let in_gap = centre.book(at("2026-09-06T03:30:00Z")).await; // 00:30
    let behind = centre.book(at("2026-09-06T04:00:00Z")).await; // 01:00
    move_to(&app, branch, 1, "America/Santiago").await;
    assert_eq!(
        appointment(&centre, before).await,
        "09-06 03:30 04:00 09-05 23:30 America/Santiago r1 03:30-04:00 03:30-04:00"
    );
    // Both want 01:00 now; neither is lost, and one says why it stands on top of the other.
    let (one, other) = (appointment(&centre, in_gap).await, appointment(&centre, behind).await);
    assert!(one.starts_with("09-06 04:00 04:30 09-06 01:00 America/Santiago r1"), "{one}");
    assert!(other.starts_with("09-06 04:00 04:30 09-06 01:00 America/Santiago r0"), "{other}");
    assert_eq!([&one, &other].iter().filter(|text| text.contains("overbooked")).count(), 1, "{one} / {other}");
    let reason = text(&centre, "SELECT overbook_reason FROM appointments WHERE overbooked", vec![]).await;
    assert!(reason.contains("clock"), "{reason}");
    let data = text(&centre, "SELECT data::text FROM events WHERE type = 'branch.zone_changed'", vec![]).await;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&data).unwrap()["overbooked"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_collision_with_a_branch_that_did_not_move_is_marked() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let (branch, other) = (centre.branch("A", "America/Santiago").await, centre.branch("B", "America/Santiago").await);
    let (treatment, rosa) = (centre.treatment("T", 60).await, centre.patient("Rosa", "Soto").await);
    let ana = centre.professional("Ana", branch).await;
    centre.also_works_in(ana, other).await;
    let here = centre.book(Booking::new(branch, rosa, treatment, "2026-07-15T14:00:00Z", 60).with(ana)).await;
    let there = centre.book(Booking::new(other, rosa, treatment, "2026-07-15T13:00:00Z", 60).with(ana)).await;
    move_to(&app, branch, 1, "America/Punta_Arenas").await;
    assert!(
        appointment(&centre, here).await.contains("07-15 13:00 14:00 07-15 10:00 America/Punta_Arenas r1 overbooked")
    );
    assert!(!appointment(&centre, there).await.contains("overbooked"));
}

#[tokio::test]
async fn new_rules_are_applied_to_the_zone_that_the_branch_has_by_then() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let branch = centre.branch("A", "America/Santiago").await;
    let (treatment, rosa) = (centre.treatment("T", 60).await, centre.patient("Rosa", "Soto").await);
    let id = centre.book(Booking::new(branch, rosa, treatment, "2026-07-15T14:00:00Z", 60)).await;
    let (admin, word) = (app.admin("alfa").await, global(&app, "alfa", Kind::Branch, branch).await);
    let madrid = json!({"id": word, "version": 1, "name": "A", "timeZone": "Europe/Madrid"});
    let log = centre.locking("SELECT 1 FROM event_head FOR UPDATE", vec![]).await;
    let (_, moved, ()) = tokio::join!(
        upsert(&admin, "upsertBranch", "BranchInput", "branch { timeZone }", madrid),
        async {
            app.blocked(1).await;
            apply_time_rules::run(&centre.cx, &centre.system).await
        },
        async {
            app.blocked(2).await;
            log.commit().await.unwrap();
        },
    );
    assert_eq!(moved.unwrap(), 0);
    let expected = "07-15 08:00 09:00 07-15 10:00 Europe/Madrid r1 08:00-09:00";
    assert_eq!(appointment(&centre, id).await, expected);
}
