//! What happens at once.

use futures::future::join_all;
use horae::schema::id::Kind;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Desk, create, merge_as};
use crate::{
    centre::{local, refused},
    support::fixtures::Booking,
};

#[tokio::test(flavor = "multi_thread")]
async fn of_many_with_one_document_one_is_created() {
    let desk = Desk::open().await;
    let input = json!({"givenNames": "Ana", "document": {"kind": "RUT", "number": "12.345.678-5", "country": "CL"}});
    let all = join_all((0..12).map(|_| create(&desk.admin, &input, Uuid::new_v4()))).await;
    let made = all.iter().filter(|payload| payload["userErrors"] == json!([])).count();
    assert_eq!(made, 1);
    for payload in all.iter().filter(|payload| payload["userErrors"] != json!([])) {
        assert_eq!(refused(payload), ["ALREADY_EXISTS document.number"]);
    }
    assert_eq!(desk.centre.count("SELECT count(*) FROM patients").await, 1);
}

/// Merges that meet, each pair in a random order of arrival: whatever wins, no row is lost and no circle is closed.
#[tokio::test(flavor = "multi_thread")]
async fn merges_that_meet_lose_nothing_and_close_no_circle() {
    let desk = Desk::open().await;
    let centre = &desk.centre;
    let branch = centre.branch("Centro", "America/Santiago").await;
    let treatment = centre.treatment("Corte", 30).await;
    // (keep, merge) of a, b, c.
    let meetings: [&[(usize, usize)]; 4] =
        [&[(1, 0), (0, 1)], &[(1, 0), (2, 0)], &[(1, 0), (2, 1)], &[(1, 0), (2, 1), (0, 2)]];
    let mut refusals = 0;
    for round in 0..5 {
        for pairs in meetings {
            let mut people = Vec::new();
            for name in ["A", "B", "C"] {
                let one = desk.created(json!({ "givenNames": name })).await;
                let id = local(&desk.app, "alfa", Kind::Patient, &one["id"]).await;
                centre.book(Booking::new(branch, id, treatment, "2026-07-15T13:00:00Z", 30)).await;
                people.push((one, id));
            }
            let merges = pairs.iter().map(|(keep, merge)| {
                let (keep, merge) = (&people[*keep].0, &people[*merge].0);
                merge_as(&desk.admin, keep, merge, Uuid::new_v4())
            });
            // And somebody books with each of them meanwhile, with the id that is known there.
            let bookings = people.iter().map(|(_, id)| {
                centre.cx.retrying(async || {
                    let tx = centre.cx.write(&centre.system).await?;
                    let kept = horae::domain::patients::query::kept(&tx, *id, "patientId").await?;
                    let sql = "INSERT INTO appointments (id, code, branch_id, patient_id, start_at, end_at, local_start, time_zone, status, channel, created_at, updated_at)
                        VALUES ($1, $1::text, $2, $3, '2026-07-16T13:00Z', '2026-07-16T13:30Z', '2026-07-16T09:00', 'America/Santiago', 'BOOKED', 'STAFF', now(), now())";
                    tx.run(sql, [Uuid::new_v4().into(), branch.into(), kept.into()]).await?;
                    Ok(tx.commit().await?)
                })
            });
            let (merged, booked) = futures::join!(join_all(merges), join_all(bookings));
            booked.into_iter().for_each(|booked: Result<(), horae::domain::refusal::Failure>| booked.unwrap());
            let done = merged.iter().filter(|payload| payload["userErrors"] == json!([])).count();
            assert!(done >= 1, "{round}: somebody wins: {merged:#?}");
            refusals += merged.len() - done;
            for (one, _) in &people {
                let found: Value = desk.patient(&one["id"]).await;
                let into = &found["mergedInto"];
                assert!(into.is_null() || into["status"] == "ACTIVE", "{round}: leads to the end: {found}");
            }
        }
    }
    let lost = centre
        .count("SELECT count(*) FROM appointments a JOIN patients p ON p.id = a.patient_id WHERE p.status = 'MERGED'")
        .await;
    assert_eq!(lost, 0, "every appointment is somebody's who is there");
    assert_eq!(centre.count("SELECT count(*) FROM appointments").await, 5 * 4 * 6);
    let merged_into_merged =
        "SELECT count(*) FROM patients a JOIN patients b ON b.id = a.merged_into WHERE b.status = 'MERGED'";
    assert_eq!(centre.count(merged_into_merged).await, 0);
    let merged = centre.count("SELECT count(*) FROM patients WHERE status = 'MERGED'").await;
    println!("{merged} merges, {refusals} refused");
}
