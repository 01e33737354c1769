//! The zone of the database's sessions decides nothing: what is said in a branch's local time is the same in all of them.

use horae::{
    domain::agenda::{
        add_exception,
        appointment::Wanted,
        day::{Grouping, Input, Wants, run},
        model::ExceptionKind,
    },
    schema::id::Kind,
};
use serde_json::json;

use super::at;
use crate::{
    booking::{
        Clinic,
        api::{done, key},
    },
    support::app::TestApp,
};

/// Far from the branch's, in both directions: local evenings and mornings are other dates there.
const SESSION_ZONES: [&str; 2] = ["Asia/Kathmandu", "Pacific/Pago_Pago"];

#[tokio::test]
async fn a_day_at_a_branch_is_the_branchs_day() {
    for zone in SESSION_ZONES {
        let clinic = Clinic::open_on(TestApp::start_with_sessions_in(zone).await).await;
        let (cx, system, ana) = (&clinic.centre.cx, &clinic.centre.system, clinic.professionals[0]);
        let tx = cx.read(system).await.unwrap();
        let session: Option<String> = tx.scalar("SHOW TimeZone", []).await.unwrap();
        assert_eq!(session.as_deref(), Some(zone));
        tx.commit().await.unwrap();

        // The first and the last half hour of the day, by the branch's clock.
        let mut booked = Vec::new();
        for (local, start) in
            [("2026-07-15T08:00", "2026-07-15T08:00:00-04:00"), ("2026-07-15T19:30", "2026-07-15T19:30:00-04:00")]
        {
            let mut item = clinic.item(ana, start);
            item.as_object_mut().unwrap().remove("start");
            item["localStart"] = json!(local);
            let one = done(
                &clinic
                    .book(&json!({
                        "idempotencyKey": key(),
                        "branchId": clinic.id(Kind::Branch, clinic.branch),
                        "patientId": clinic.id(Kind::Patient, clinic.patient),
                        "items": [item],
                    }))
                    .await,
            );
            assert_eq!((&one["start"], &one["localStart"]), (&json!(start), &json!(local)), "{zone}");
            booked.push(clinic.number(&one));
        }

        let block = add_exception::Input {
            resource: Some(ana),
            branch: clinic.branch,
            kind: ExceptionKind::Block,
            local_start: "2026-07-15T17:00:00".parse().unwrap(),
            local_end: "2026-07-15T19:00:00".parse().unwrap(),
            reason: Some("Congreso".to_owned()),
        };
        add_exception::run(cx, system, block).await.unwrap();

        for (day, expected) in [("2026-07-14", vec![]), ("2026-07-15", booked.clone()), ("2026-07-16", vec![])] {
            let input = Input {
                branch: clinic.branch,
                from: day.parse().unwrap(),
                to: day.parse().unwrap(),
                group_by: Grouping::Professional,
                wants: Wants { calendar: true, appointments: Some(Wanted::default()) },
            };
            let agenda = run(cx, system, input).await.unwrap();
            let column = agenda.columns.iter().find(|one| one.resource.id == ana).unwrap();
            let found: Vec<_> = column.appointments.iter().map(|one| one.id).collect();
            assert_eq!(found, expected, "{zone}: {day}");
            if day == "2026-07-15" {
                let free = [
                    at("2026-07-15T12:30:00Z")..at("2026-07-15T21:00:00Z"),
                    at("2026-07-15T23:00:00Z")..at("2026-07-15T23:30:00Z"),
                ];
                assert_eq!(column.free, free, "{zone}");
            }
        }

        // The late one on its morning, the early one on the evening before.
        let reminded = async || -> Vec<uuid::Uuid> {
            let tx = cx.read(system).await.unwrap();
            let sql = "SELECT related_id FROM email_messages WHERE kind = 'APPOINTMENT_REMINDER' AND status = 'SENT' ORDER BY sent_at";
            let found = tx.scalars(sql, []).await.unwrap();
            tx.commit().await.unwrap();
            found
        };
        for (now, expected) in [
            ("2026-07-14T21:59:59Z", &booked[..0]),
            ("2026-07-14T22:00:00Z", &booked[..1]),
            ("2026-07-15T11:59:59Z", &booked[..1]),
            ("2026-07-15T12:00:00Z", &booked[..2]),
        ] {
            clinic.app.clock.set(now.parse().unwrap());
            clinic.app.run_jobs().await;
            assert_eq!(reminded().await, expected, "{zone}: {now}");
        }
        let last = clinic.app.mails().pop().unwrap().replace("=\r\n", "");
        assert!(last.contains("DTSTART;TZID=3DAmerica/Santiago:20260715T193000"), "{zone}: {last}");
    }
}
