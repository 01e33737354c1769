//! Many clients at once: nothing is ever booked twice, nothing half, and nobody sees a deadlock.

use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use horae::domain::{
    booking::{book, slot::Slot},
    refusal::{Code, Detail, Failure},
};

use super::{Clinic, needs::hall};

fn opening() -> DateTime<Utc> {
    // Tuesday 08:00 in Santiago.
    "2026-07-14T12:00:00Z".parse().unwrap()
}

/// Of the times between opening and closing, one that this client's n-th try wants: all clients want the same ones.
fn wanted(client: usize, attempt: usize) -> DateTime<Utc> {
    let slot = (client * 7 + attempt * 13) % 47;
    opening() + TimeDelta::minutes(15 * i64::try_from(slot).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_clients_fight_for_overlapping_slots() {
    const CLIENTS: usize = 64;
    const ATTEMPTS: usize = 50;
    let clinic = Clinic::open().await;
    let (accepted, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let fight = (0..CLIENTS).map(|client| {
        let (clinic, accepted, refused) = (&clinic, &accepted, &refused);
        async move {
            for attempt in 0..ATTEMPTS {
                let professional = clinic.professionals[(client + attempt) % 2];
                let request = clinic.booking(professional, wanted(client, attempt));
                match book::run(&clinic.app.app.cx, &clinic.actor, request).await {
                    Ok(_) => accepted.fetch_add(1, Ordering::Relaxed),
                    Err(Failure::Refused(refusals)) => {
                        assert_eq!(refusals.len(), 1, "{refusals:?}");
                        assert_eq!(refusals[0].code, Code::SlotTaken, "{refusals:?}");
                        let Detail::SlotTaken { conflicting, alternatives } = &refusals[0].detail else {
                            panic!("{refusals:?}")
                        };
                        assert_eq!((conflicting.is_empty(), alternatives.len()), (false, 5), "{refusals:?}");
                        refused.fetch_add(1, Ordering::Relaxed)
                    }
                    Err(Failure::Fault(fault)) => panic!("a client saw a fault: {fault:?}"),
                };
            }
        }
    });
    let began = std::time::Instant::now();
    join_all(fight).await;
    let (accepted, refused) = (accepted.into_inner(), refused.into_inner());
    println!("{accepted} booked, {refused} refused, {:?}", began.elapsed());
    assert_eq!(accepted + refused, CLIENTS * ATTEMPTS);
    assert!(accepted >= 20, "{accepted}");
    check(&clinic, accepted).await;
    check_alternatives(&clinic).await;
}

/// What must hold in the database afterwards.
async fn check(clinic: &Clinic, accepted: usize) {
    let overlapping = clinic
        .centre
        .count(
            "SELECT count(*) FROM occupancies a JOIN occupancies b ON a.id < b.id AND a.resource_id = b.resource_id AND a.unit = b.unit
                 AND a.during && b.during WHERE a.active AND b.active AND NOT a.overbooked AND NOT b.overbooked",
        )
        .await;
    assert_eq!(overlapping, 0);
    let complete = clinic
        .centre
        .count(
            "SELECT count(*) FROM appointments a WHERE status = 'BOOKED'
                 AND (SELECT count(*) FROM occupancies o JOIN resources r ON r.id = o.resource_id
                      WHERE o.appointment_id = a.id AND r.kind IN ('PROFESSIONAL', 'ROOM')) = 2
                 AND (SELECT count(*) FROM appointment_items i WHERE i.appointment_id = a.id AND professional_id IS NOT NULL AND room_id IS NOT NULL) = 1
                 AND (SELECT count(*) FROM events e WHERE e.subject_id = a.id) = 1
                 AND (SELECT count(*) FROM audit_entries e WHERE e.subject_id = a.id) >= 1
                 AND (SELECT count(*) FROM idempotency_receipts r WHERE r.outcome ->> 'appointment' = a.id::text) = 1",
        )
        .await;
    assert_eq!(usize::try_from(complete), Ok(accepted));
    assert_eq!(clinic.centre.count("SELECT count(*) FROM appointments").await, complete, "nothing half done is left");
    assert_eq!(
        clinic.centre.count("SELECT count(*) FROM events").await,
        clinic.centre.count("SELECT position FROM event_head").await
    );
}

/// Every alternative that a refusal offers can be booked.
async fn check_alternatives(clinic: &Clinic) {
    let cx = &clinic.app.app.cx;
    let taken: DateTime<Utc> = {
        let tx = cx.read(&clinic.actor).await.unwrap();
        let start = tx.scalar("SELECT min(start_at) FROM appointments", []).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        start
    };
    let mut booked = 0;
    for professional in &clinic.professionals {
        let Err(Failure::Refused(refusals)) = book::run(cx, &clinic.actor, clinic.booking(*professional, taken)).await
        else {
            continue;
        };
        let Detail::SlotTaken { alternatives, conflicting } = &refusals[0].detail else { panic!("{refusals:?}") };
        assert!(!conflicting.is_empty());
        assert_eq!(alternatives.len(), 5, "{refusals:?}");
        // The first only: the others may overlap it.
        let Slot { start, items, .. } = &alternatives[0];
        let who = items[0].professional.unwrap();
        book::run(cx, &clinic.actor, clinic.booking(who, *start)).await.expect("an alternative is free");
        booked += 1;
    }
    assert!(booked > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn as_many_as_there_are_places_have_one_each() {
    const PLACES: usize = 60;
    let clinic = Clinic::open().await;
    clinic.centre.run("UPDATE centre_profile SET operating_mode = 'BY_ROOM'", vec![]).await;
    let (hall, class) = hall(&clinic, i32::try_from(PLACES).unwrap()).await;
    let asked = (0..PLACES + 4).map(|_| {
        let mut request = clinic.booking(clinic.professionals[0], opening());
        request.items[0].treatment = class;
        (request.items[0].professional, request.items[0].room) = (None, Some(hall));
        book::run(&clinic.app.app.cx, &clinic.actor, request)
    });
    let answers = join_all(asked).await;
    let (booked, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((booked.len(), refused.len()), (PLACES, 4));
    for one in refused {
        let Err(Failure::Refused(refusals)) = one else { panic!("a client saw a fault") };
        assert_eq!(refusals[0].code, Code::SlotTaken);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_key_sent_twenty_times_at_once_books_once() {
    let clinic = Clinic::open().await;
    let request = clinic.booking(clinic.professionals[0], opening());
    let sent = (0..20).map(|_| book::run(&clinic.app.app.cx, &clinic.actor, request.clone()));
    let answers: Vec<_> =
        join_all(sent).await.into_iter().map(|answer| answer.expect("every sender gets the answer")).collect();
    assert!(answers.iter().all(|answer| answer.id == answers[0].id));
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    assert_eq!(clinic.centre.count("SELECT count(*) FROM appointments").await, 1);
    assert_eq!(clinic.centre.count("SELECT count(*) FROM events WHERE subject_type = 'Appointment'").await, 1);
}

#[tokio::test]
async fn a_reused_key_is_refused_and_an_old_one_forgotten() {
    let clinic = Clinic::open().await;
    let cx = &clinic.app.app.cx;
    let first = clinic.booking(clinic.professionals[0], opening());
    book::run(cx, &clinic.actor, first.clone()).await.unwrap();
    let mut other = clinic.booking(clinic.professionals[1], opening());
    other.key = first.key;
    let Err(Failure::Refused(refusals)) = book::run(cx, &clinic.actor, other.clone()).await else { panic!() };
    assert_eq!(
        (refusals[0].code, refusals[0].field.clone()),
        (Code::IdempotencyKeyReused, Some(vec!["idempotencyKey".to_owned()]))
    );
    assert_eq!(clinic.centre.count("SELECT count(*) FROM appointments").await, 1);
    clinic.app.clock.advance(TimeDelta::hours(25));
    other.items[0].start = Some((opening() + TimeDelta::days(3)).fixed_offset());
    assert!(!book::run(cx, &clinic.actor, other).await.unwrap().replayed);
}
