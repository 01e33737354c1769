//! Booking at the desk, as clients do it.

use horae::{auth::BuiltinRole, schema::id::Kind};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{
    Clinic,
    api::{call, done, key, refusal, refused},
};
use crate::{
    centre::text,
    support::{
        app::TestApp,
        fingerprint::fingerprint,
        fixtures::{Booking, Centre},
    },
};

#[tokio::test]
async fn the_answer_is_the_whole_appointment_in_the_branchs_time() {
    let clinic = Clinic::open().await;
    let payload = clinic.book(&clinic.input(clinic.professionals[0], "2026-07-14T14:00:00+02:00")).await;
    assert_eq!((&payload["replayed"], &payload["warnings"]), (&json!(false), &json!([])));
    let one = done(&payload);
    assert!(one["code"].as_str().unwrap().starts_with('A'), "{one}");
    assert_eq!(one["version"], 1);
    assert_eq!(
        (&one["status"], &one["channel"], &one["overbooked"]),
        (&json!("BOOKED"), &json!("STAFF"), &json!(false))
    );
    assert_eq!(
        (&one["start"], &one["end"]),
        (&json!("2026-07-14T08:00:00-04:00"), &json!("2026-07-14T08:30:00-04:00"))
    );
    assert_eq!((&one["localStart"], &one["timeZone"]), (&json!("2026-07-14T08:00"), &json!("America/Santiago")));
    assert_eq!(one["patient"]["givenNames"], "Rosa");
    assert_eq!(one["resources"], json!([{"name": "Ana"}, {"name": "Box 1"}]));
    assert_eq!(one["allowedTransitions"], json!(["CONFIRMED", "CANCELLED"]));
    assert_eq!(one["holdExpiresAt"], Value::Null);
    assert_eq!(
        one["items"],
        json!([{
            "treatment": {"name": "Limpieza"}, "professional": {"name": "Ana"}, "room": {"name": "Box 1"},
            "start": "2026-07-14T08:00:00-04:00", "end": "2026-07-14T08:30:00-04:00", "price": {"amount": "10000", "currency": "CLP"}
        }])
    );
    let again = clinic.admin.ok("query($id: ID!) { appointment(id: $id) { code } }", json!({"id": one["id"]})).await;
    assert_eq!(again["appointment"]["code"], one["code"]);
}

#[tokio::test]
async fn treatments_follow_one_another_with_their_buffers_in_one_room() {
    let clinic = Clinic::open().await;
    let massage = clinic.centre.treatment("Masaje", 45).await;
    clinic.centre.needs(massage, &[("PROFESSIONAL", 1, &[]), ("ROOM", 1, &[])]).await;
    clinic.centre.buffers(massage, 10, 5).await;
    // The first room by name is free for the first treatment and not for the second.
    let taken = Booking::new(clinic.branch, clinic.patient, clinic.treatment, "2026-07-14T12:45:00Z", 30);
    clinic.centre.book(taken.in_room(clinic.rooms[0])).await;
    let mut input = clinic.input(clinic.professionals[0], "2026-07-14T08:00:00-04:00");
    let second = json!({
        "treatmentId": clinic.id(Kind::Treatment, massage), "professionalId": clinic.id(Kind::Resource, clinic.professionals[0]),
    });
    input["items"].as_array_mut().unwrap().push(second);
    let one = done(&clinic.book(&input).await);
    let items = one["items"].as_array().unwrap();
    assert_eq!(
        (&items[1]["start"], &items[1]["end"]),
        (&json!("2026-07-14T08:30:00-04:00"), &json!("2026-07-14T09:15:00-04:00"))
    );
    assert_eq!(
        (&items[0]["room"]["name"], &items[1]["room"]["name"]),
        (&json!("Box 2"), &json!("Box 2")),
        "nobody changes rooms without need"
    );
    assert_eq!(one["end"], "2026-07-14T09:15:00-04:00");
    let busy = clinic
        .centre
        .count(
            "SELECT count(*) FROM occupancies WHERE during = tstzrange('2026-07-14T12:00:00Z', '2026-07-14T13:20:00Z')",
        )
        .await;
    assert_eq!(busy, 2, "one range for the professional and one for the room, the buffer behind included");
    // In the buffer behind, and right after it.
    let early = clinic.book(&clinic.input(clinic.professionals[0], "2026-07-14T09:15:00-04:00")).await;
    assert_eq!(refused(&early), refusal("SLOT_TAKEN", "items.0.professionalId"));
    clinic.booked(clinic.professionals[0], "2026-07-14T09:20:00-04:00").await;
}

#[tokio::test]
async fn a_named_room_is_taken_and_any_room_as_long_as_there_is_one() {
    let clinic = Clinic::open().await;
    let (ana, berta) = (clinic.professionals[0], clinic.professionals[1]);
    let start = "2026-07-14T10:00:00-04:00";
    let mut named = clinic.input(ana, start);
    named["items"][0]["roomId"] = clinic.id(Kind::Resource, clinic.rooms[1]);
    assert_eq!(done(&clinic.book(&named).await)["items"][0]["room"]["name"], "Box 2");
    let mut same = clinic.input(berta, start);
    same["items"][0]["roomId"] = clinic.id(Kind::Resource, clinic.rooms[1]);
    let payload = clinic.book(&same).await;
    assert_eq!(refused(&payload), refusal("SLOT_TAKEN", "items.0.roomId"));
    assert_eq!(payload["userErrors"][0]["conflictingResourceIds"], json!([clinic.id(Kind::Resource, clinic.rooms[1])]));
    assert_eq!(clinic.booked(berta, start).await["items"][0]["room"]["name"], "Box 1");
    let carla = clinic.centre.professional("Carla", clinic.branch).await;
    clinic.centre.works(carla, clinic.branch, &[(1..=7, "08:00", "20:00")]).await;
    let full = clinic.book(&clinic.input(carla, start)).await;
    assert_eq!(refused(&full), refusal("SLOT_TAKEN", "items.0"));
    assert_eq!(full["userErrors"][0]["conflictingResourceIds"].as_array().unwrap().len(), 2);
    assert_eq!(full["userErrors"][0]["alternatives"][0]["localStart"], "2026-07-14T10:30");
}

#[tokio::test]
async fn professional_room_and_equipment_are_taken_together_or_not_at_all() {
    let clinic = Clinic::open().await;
    let laser = clinic.centre.equipment("Láser", clinic.branch).await;
    clinic.centre.works(laser, clinic.branch, &[(1..=7, "08:00", "20:00")]).await;
    let sql = "INSERT INTO treatment_requirements (treatment_id, position, kind, quantity, any_of) VALUES ($1, 9, 'EQUIPMENT', 1, '{}')";
    clinic.centre.run(sql, vec![clinic.treatment.into()]).await;
    let start = "2026-07-14T10:00:00-04:00";
    let one = clinic.booked(clinic.professionals[0], start).await;
    assert_eq!(one["resources"].as_array().unwrap().len(), 3, "{one}");
    let before = fingerprint(&clinic.app, "alfa").await;
    let second = clinic.book(&clinic.input(clinic.professionals[1], start)).await;
    assert_eq!(refused(&second).0, "SLOT_TAKEN");
    assert_eq!(second["userErrors"][0]["conflictingResourceIds"], json!([clinic.id(Kind::Resource, laser)]));
    assert_eq!(fingerprint(&clinic.app, "alfa").await, before, "professional and room were not taken either");
    let alternative = second["userErrors"][0]["alternatives"][0].clone();
    let mut by_token = clinic.input(clinic.professionals[1], start);
    by_token["items"] = json!([]);
    by_token["slotToken"] = alternative["token"].clone();
    assert_eq!(done(&clinic.book(&by_token).await)["start"], alternative["start"]);
}

#[tokio::test]
async fn the_way_of_working_says_what_must_be_named() {
    let clinic = Clinic::open().await;
    let mut nobody = clinic.input(clinic.professionals[0], "2026-07-14T10:00:00-04:00");
    nobody["items"][0].as_object_mut().unwrap().remove("professionalId");
    assert_eq!(refused(&clinic.book(&nobody).await), refusal("REQUIRED", "items.0.professionalId"));
    clinic.centre.run("UPDATE centre_profile SET operating_mode = 'BY_ROOM'", vec![]).await;
    assert_eq!(refused(&clinic.book(&nobody).await), refusal("REQUIRED", "items.0.roomId"));
    nobody["items"][0]["roomId"] = clinic.id(Kind::Resource, clinic.rooms[1]);
    let one = done(&clinic.book(&nobody).await);
    assert_eq!(one["resources"], json!([{"name": "Ana"}, {"name": "Box 2"}]));
}

#[tokio::test]
async fn outside_of_working_hours_takes_a_permission_and_a_reason() {
    let clinic = Clinic::open().await;
    let ana = clinic.professionals[0];
    let receptionist = clinic.app.user("alfa", BuiltinRole::Receptionist).await;
    for start in ["2026-07-14T07:45:00-04:00", "2026-07-14T19:45:00-04:00", "2026-07-14T03:00:00-04:00"] {
        assert_eq!(
            refused(&clinic.book(&clinic.input(ana, start)).await),
            refusal("OUTSIDE_AVAILABILITY", "items.0.professionalId")
        );
    }
    let mut late = clinic.input(ana, "2026-07-14T19:45:00-04:00");
    late["overbook"] = json!(true);
    assert_eq!(refused(&clinic.book(&late).await), refusal("REQUIRED", "overbookReason"));
    late["overbookReason"] = json!("  ");
    assert_eq!(refused(&clinic.book(&late).await), refusal("REQUIRED", "overbookReason"));
    late["overbookReason"] = json!("dolor");
    let by_receptionist = call(&receptionist, "bookAppointment", json!({"input": late})).await;
    assert_eq!(refused(&by_receptionist), refusal("OVERBOOK_NOT_ALLOWED", "overbook"));
    let one = done(&clinic.book(&late).await);
    assert_eq!((&one["overbooked"], &one["overbookReason"]), (&json!(true), &json!("dolor")));
}

#[tokio::test]
async fn what_lies_on_top_of_others_takes_what_is_free_as_any_other_and_stays_when_they_go() {
    let clinic = Clinic::open().await;
    let (ana, berta) = (clinic.professionals[0], clinic.professionals[1]);
    let start = "2026-07-14T10:00:00-04:00";
    let first = clinic.booked(ana, start).await;
    let mut on_top = clinic.input(ana, start);
    on_top["overbook"] = json!(true);
    on_top["overbookReason"] = json!("urgencia");
    let second = done(&clinic.book(&on_top).await);
    assert_eq!(second["items"][0]["room"]["name"], "Box 2", "a room that is free, although it need not be");
    assert_eq!(refused(&clinic.book(&clinic.input(berta, start)).await).0, "SLOT_TAKEN", "both rooms are taken");
    let on_top = "SELECT string_agg(r.name, ', ') FROM occupancies o JOIN resources r ON r.id = o.resource_id WHERE o.overbooked";
    assert_eq!(text(&clinic.centre, on_top, vec![]).await, "Ana", "the room holds by the constraint");
    // When the first goes, the patient who was put on top of it is still there.
    let cancelled = json!({"id": first["id"], "version": 1, "to": "CANCELLED"});
    done(&call(&clinic.admin, "transitionAppointment", cancelled).await);
    assert_eq!(refused(&clinic.book(&clinic.input(ana, start)).await).0, "SLOT_TAKEN");
    clinic.booked(berta, start).await;
}

#[tokio::test]
async fn out_of_hours_where_nobody_is_in_the_way_nothing_is_booked_on_top() {
    let clinic = Clinic::open().await;
    let (ana, start) = (clinic.professionals[0], "2026-07-14T21:00:00-04:00");
    let mut late = clinic.input(ana, start);
    late["overbook"] = json!(true);
    late["overbookReason"] = json!("urgencia");
    assert_eq!(done(&clinic.book(&late).await)["overbooked"], true);
    assert_eq!(clinic.centre.count("SELECT count(*) FROM occupancies WHERE overbooked").await, 0);
}

#[tokio::test]
async fn a_slot_that_cannot_be_had_is_refused_at_its_token() {
    let clinic = Clinic::open().await;
    let ana = clinic.professionals[0];
    let day = ["2026-07-14T10:00:00-04:00", "2026-07-14T12:00:00-04:00"];
    let slot = clinic.slots(&clinic.admin, false, day[0], day[1]).await[0].clone();
    let refused_both = async |code: &str| {
        let mut by_token = clinic.input(ana, day[0]);
        (by_token["items"], by_token["slotToken"]) = (json!([]), slot["token"].clone());
        let booked = clinic.book(&by_token).await;
        let held = call(&clinic.admin, "holdSlot", super::public::hold(&slot)).await;
        for payload in [&booked, &held] {
            assert_eq!(refused(payload), refusal(code, "slotToken"));
        }
        held["userErrors"][0].clone()
    };
    // Her, then every room.
    let hers = clinic.booked(ana, day[0]).await;
    let taken = refused_both("SLOT_TAKEN").await;
    assert_eq!(taken["conflictingResourceIds"], json!([clinic.id(Kind::Resource, ana)]));
    assert_ne!(taken["alternatives"], json!([]));
    let cancelled = json!({"id": hers["id"], "version": 1, "to": "CANCELLED"});
    done(&call(&clinic.admin, "transitionAppointment", cancelled).await);
    for room in &clinic.rooms {
        let cleaning = Booking::new(clinic.branch, clinic.patient, clinic.treatment, "2026-07-14T14:00:00Z", 30);
        clinic.centre.book(cleaning.in_room(*room)).await;
    }
    let rooms = json!([clinic.id(Kind::Resource, clinic.rooms[0]), clinic.id(Kind::Resource, clinic.rooms[1])]);
    assert_eq!(refused_both("SLOT_TAKEN").await["conflictingResourceIds"], rooms);
    clinic.centre.run("UPDATE occupancies SET active = false", vec![]).await;
    clinic.centre.run("UPDATE schedule_windows SET starts = '12:00'", vec![]).await;
    refused_both("OUTSIDE_AVAILABILITY").await;
    clinic.centre.run("UPDATE resources SET active = false WHERE id = $1", vec![ana.into()]).await;
    refused_both("NOT_FOUND").await;
}

#[tokio::test]
async fn a_hold_of_the_caller_is_explained_by_what_it_holds_and_is_not_in_its_own_way() {
    let clinic = Clinic::open().await;
    let day = ["2026-07-14T08:00:00-04:00", "2026-07-14T20:00:00-04:00"];
    let slot = clinic.slots(&clinic.admin, false, day[0], day[1]).await[0].clone();
    let held = done(&call(&clinic.admin, "holdSlot", super::public::hold(&slot)).await);
    let mut input = clinic.input(clinic.professionals[0], day[0]);
    (input["holdId"], input["items"]) = (held["id"].clone(), json!([]));
    let query = "query($input: BookAppointmentInput!) { explainUnavailable(input: $input) { cause } }";
    let why = async || clinic.admin.ok(query, json!({ "input": input })).await["explainUnavailable"].take();
    assert_eq!(why().await, json!([]));
    let closed = "UPDATE resources SET active = false WHERE kind = 'ROOM'";
    clinic.centre.run(closed, vec![]).await;
    assert_eq!(why().await[0]["cause"], "INACTIVE");
}

#[tokio::test]
async fn the_telephone_stays_the_channel_and_a_professional_may_not_book() {
    let clinic = Clinic::open().await;
    let receptionist = clinic.app.user("alfa", BuiltinRole::Receptionist).await;
    let mut input = clinic.input(clinic.professionals[0], "2026-07-14T10:00:00-04:00");
    input["channel"] = json!("PHONE");
    input["notes"] = json!("llama la hija");
    let one = done(&call(&receptionist, "bookAppointment", json!({"input": input})).await);
    assert_eq!((&one["channel"], &one["notes"]), (&json!("PHONE"), &json!("llama la hija")));
    let professional = clinic.app.user("alfa", BuiltinRole::Professional).await;
    let before = fingerprint(&clinic.app, "alfa").await;
    let input = clinic.input(clinic.professionals[1], "2026-07-14T10:00:00-04:00");
    let payload = call(&professional, "bookAppointment", json!({"input": input})).await;
    assert_eq!(refused(&payload), refusal("FORBIDDEN", ""));
    assert_eq!(fingerprint(&clinic.app, "alfa").await, before);
}

#[tokio::test]
async fn a_new_patient_is_created_once_and_found_by_document() {
    let clinic = Clinic::open().await;
    let mut input = clinic.input(clinic.professionals[0], "2026-07-14T10:00:00-04:00");
    input.as_object_mut().unwrap().remove("patientId");
    assert_eq!(refused(&clinic.book(&input).await), refusal("REQUIRED", "patientId"));
    input["newPatient"] = json!({
        "givenNames": "Elena", "paternalSurname": "Ríos", "email": "Elena@Example.com", "phones": ["+56223456789"],
        "document": {"kind": "RUT", "number": "12.345.678-5", "country": "CL"},
    });
    let first = done(&clinic.book(&input).await);
    assert_eq!(first["patient"]["givenNames"], "Elena");
    input["idempotencyKey"] = key();
    input["items"][0]["start"] = json!("2026-07-14T11:00:00-04:00");
    input["newPatient"]["givenNames"] = json!("ELENA MARIA");
    input["newPatient"]["document"]["number"] = json!("12345678-5");
    let second = done(&clinic.book(&input).await);
    assert_eq!(second["patient"]["id"], first["patient"]["id"]);
    assert_eq!(second["patient"]["givenNames"], "Elena", "what is known is not overwritten");
    assert_eq!(clinic.centre.count("SELECT count(*) FROM patients").await, 2);
    // Who is on file without a document is found by mail and names, also by who types one; who has another document is not.
    clinic
        .centre
        .run("UPDATE patients SET document_kind = NULL, document_number = NULL, document_country = NULL", vec![])
        .await;
    let (mut third, mut fourth) = (input.clone(), input.clone());
    (third["idempotencyKey"], fourth["idempotencyKey"]) = (key(), key());
    (third["items"][0]["start"], fourth["items"][0]["start"]) =
        (json!("2026-07-14T13:00:00-04:00"), json!("2026-07-14T14:00:00-04:00"));
    third["newPatient"]["givenNames"] = json!("elena");
    assert_eq!(done(&clinic.book(&third).await)["patient"]["id"], first["patient"]["id"]);
    clinic
        .centre
        .run(
            "UPDATE patients SET document_kind = 'RUT', document_number = '999', document_country = 'CL'
              WHERE given_names = 'Elena'",
            vec![],
        )
        .await;
    fourth["newPatient"]["givenNames"] = json!("elena");
    assert_ne!(done(&clinic.book(&fourth).await)["patient"]["id"], first["patient"]["id"]);
    let mut both = clinic.input(clinic.professionals[0], "2026-07-14T12:00:00-04:00");
    both["newPatient"] = input["newPatient"].clone();
    assert_eq!(refused(&clinic.book(&both).await), refusal("INVALID", "newPatient"));
}

#[tokio::test]
async fn a_patient_in_two_places_at_once_is_worth_a_warning() {
    let clinic = Clinic::open().await;
    let first = clinic.booked(clinic.professionals[0], "2026-07-14T10:00:00-04:00").await;
    let input = clinic.input(clinic.professionals[1], "2026-07-14T10:15:00-04:00");
    let payload = clinic.book(&input).await;
    done(&payload);
    assert_eq!(payload["warnings"][0]["field"], json!(["patientId"]));
    assert!(payload["warnings"][0]["message"].as_str().unwrap().contains(first["code"].as_str().unwrap()), "{payload}");
    let again = clinic.book(&input).await;
    assert_eq!(
        (&again["replayed"], &again["warnings"]),
        (&json!(true), &payload["warnings"]),
        "sent again, said again"
    );
    let payload = clinic.book(&clinic.input(clinic.professionals[1], "2026-07-14T10:45:00-04:00")).await;
    assert_eq!(payload["warnings"], json!([]));
}

#[tokio::test]
async fn the_daily_quota_stops_one_centre_and_not_the_other() {
    let clinic = Clinic::open().await;
    clinic.centre.run("UPDATE centre_profile SET daily_appointment_quota = 2", vec![]).await;
    clinic.booked(clinic.professionals[0], "2026-07-14T10:00:00-04:00").await;
    clinic.booked(clinic.professionals[1], "2026-07-14T10:00:00-04:00").await;
    let before = fingerprint(&clinic.app, "alfa").await;
    let input = clinic.input(clinic.professionals[0], "2026-07-14T11:00:00-04:00");
    let payload = clinic.book(&input).await;
    assert_eq!(refused(&payload), refusal("QUOTA_EXCEEDED", ""));
    let error = &payload["userErrors"][0];
    assert_eq!((&error["__typename"], &error["quota"]), (&json!("QuotaError"), &json!("appointments.daily")));
    assert_eq!((&error["limit"], &error["used"]), (&json!(2), &json!(2)));
    assert_eq!(error["resetsAt"], "2026-07-14T04:00:00+00:00", "midnight in Santiago");
    assert_eq!(fingerprint(&clinic.app, "alfa").await, before);
    // The other centre books on.
    let beta = Centre::of(&clinic.app, "beta").await;
    let branch = beta.branch("Madrid", "Europe/Madrid").await;
    let professional = beta.professional("Luz", branch).await;
    beta.works(professional, branch, &[(1..=7, "08:00", "20:00")]).await;
    let (treatment, patient) = (beta.treatment("Corte", 30).await, beta.patient("Pía", "Gil").await);
    let ids = horae::schema::id::GlobalIds::new(beta.cx.seal.clone(), &beta.system.tenant);
    let client = clinic.app.admin("beta").await;
    for hour in 9..12 {
        let input = json!({
            "idempotencyKey": key(), "branchId": ids.encode(Kind::Branch, branch), "patientId": ids.encode(Kind::Patient, patient),
            "items": [{
                "treatmentId": ids.encode(Kind::Treatment, treatment), "professionalId": ids.encode(Kind::Resource, professional),
                "localStart": format!("2026-07-14T{hour:02}:00"),
            }],
        });
        done(&call(&client, "bookAppointment", json!({ "input": input })).await);
    }
    // The next local day counts anew.
    clinic.app.clock.set("2026-07-14T04:00:00Z".parse().unwrap());
    let admin = clinic.app.admin("alfa").await;
    done(&call(&admin, "bookAppointment", json!({ "input": input })).await);
}

#[tokio::test]
async fn every_change_is_one_event_and_at_least_one_audit_entry() {
    let clinic = Clinic::open().await;
    let one = clinic.booked(clinic.professionals[0], "2026-07-14T10:00:00-04:00").await;
    let step = |version: i32, to: &str| json!({"id": one["id"], "version": version, "to": to});
    done(&call(&clinic.admin, "transitionAppointment", step(1, "CONFIRMED")).await);
    let moved = json!({
        "idempotencyKey": key(), "appointmentId": one["id"], "version": 2,
        "items": [clinic.item(clinic.professionals[1], "2026-07-15T10:00:00-04:00")],
    });
    done(&call(&clinic.admin, "rescheduleAppointment", json!({ "input": moved })).await);
    done(&call(&clinic.admin, "transitionAppointment", step(3, "CANCELLED")).await);
    let kinds = clinic.centre.count("SELECT count(DISTINCT type) FROM events WHERE subject_type = 'Appointment'").await;
    let events = clinic.centre.count("SELECT count(*) FROM events WHERE subject_type = 'Appointment'").await;
    assert_eq!((events, kinds), (4, 4));
    assert_eq!(clinic.centre.count("SELECT count(*) FROM audit_entries WHERE subject_type = 'Appointment'").await, 4);
}

#[tokio::test]
async fn a_slot_is_booked_by_its_token_and_by_nobody_elses() {
    let clinic = Clinic::open().await;
    let slots = clinic.slots(&clinic.admin, false, "2026-07-14T10:00:00-04:00", "2026-07-14T11:00:00-04:00").await;
    let mut input = clinic.input(clinic.professionals[0], "2026-07-14T10:00:00-04:00");
    input["items"] = json!([]);
    input["slotToken"] = slots[0]["token"].clone();
    let one = done(&clinic.book(&input).await);
    assert_eq!((&one["start"], &one["items"][0]["room"]), (&slots[0]["start"], &slots[0]["room"]));
    // The same token again: the slot is gone.
    input["idempotencyKey"] = key();
    assert_eq!(refused(&clinic.book(&input).await).0, "SLOT_TAKEN");
    // Of another centre, broken, too old.
    let beta = Centre::of(&clinic.app, "beta").await;
    let branch = beta.branch("Madrid", "Europe/Madrid").await;
    let luz = beta.professional("Luz", branch).await;
    beta.works(luz, branch, &[(1..=7, "08:00", "20:00")]).await;
    let treatment = beta.treatment("Corte", 30).await;
    let ids = horae::schema::id::GlobalIds::new(beta.cx.seal.clone(), &beta.system.tenant);
    let theirs = clinic
        .app
        .admin("beta")
        .await
        .ok(
            "query($i: AvailabilityInput!) { availability(input: $i) { token } }",
            json!({"i": {
                "branchId": ids.encode(Kind::Branch, branch), "treatmentIds": [ids.encode(Kind::Treatment, treatment)],
                "range": {"from": "2026-07-14T00:00:00Z", "to": "2026-07-15T00:00:00Z"},
            }}),
        )
        .await;
    let before = fingerprint(&clinic.app, "alfa").await;
    for token in [theirs["availability"][0]["token"].clone(), json!("nonsense"), json!("")] {
        input["slotToken"] = token;
        assert_eq!(refused(&clinic.book(&input).await), refusal("TOKEN_INVALID", "slotToken"));
    }
    input["slotToken"] = slots[1]["token"].clone();
    input["holdId"] = one["id"].clone();
    assert_eq!(refused(&clinic.book(&input).await), refusal("INVALID", "slotToken"));
    assert_eq!(fingerprint(&clinic.app, "alfa").await, before);
}

#[tokio::test]
async fn codes_go_on_past_seven_digits() {
    let clinic = Clinic::open().await;
    let schema = &clinic.centre.system.tenant.schema_name;
    let mut owner = PgConnection::connect(&clinic.app.database_url).await.unwrap();
    let last = format!("SELECT setval('{schema}.appointment_codes', 9999998)");
    sqlx::query(AssertSqlSafe(last)).execute(&mut owner).await.unwrap();
    let mut codes = Vec::new();
    for start in ["2026-07-14T14:00:00+02:00", "2026-07-14T15:00:00+02:00", "2026-07-14T16:00:00+02:00"] {
        let payload = clinic.book(&clinic.input(clinic.professionals[0], start)).await;
        codes.push(done(&payload)["code"].as_str().unwrap().to_owned());
    }
    assert_eq!(codes, ["A9999999", "A10000000", "A10000001"]);
}

#[tokio::test]
async fn a_column_that_a_migration_adds_costs_no_request() {
    // One connection, so that what was prepared before is used again.
    let app = TestApp::start_with(&[("DATABASE_MAX_CONNECTIONS", "1")]).await;
    let clinic = Clinic::open_on(app).await;
    let read = "query($branch: ID!) { branches(first: 5) { nodes { name } } professionals(first: 5) { nodes { name } }
        treatments(first: 5) { nodes { name } } emailMessages(first: 5) { nodes { kind } }
        agenda(branchId: $branch, from: \"2026-07-14\", to: \"2026-07-14\", groupBy: PROFESSIONAL) {
            branch { name } columns { appointments { code patient { givenNames } } } } }";
    let branch = json!({"branch": clinic.input(clinic.professionals[0], "2026-07-14T14:00:00+02:00")["branchId"]});
    let schema = &clinic.centre.system.tenant.schema_name;
    let mut owner = PgConnection::connect(&clinic.app.database_url).await.unwrap();
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = $1 ORDER BY tablename")
            .bind(schema)
            .fetch_all(&mut owner)
            .await
            .unwrap();
    // PostgreSQL plans a statement for good from its sixth run on.
    for hour in 8..20 {
        if hour == 14 {
            for table in &tables {
                let wider = format!("ALTER TABLE {schema}.{table} ADD COLUMN added_later integer");
                sqlx::query(AssertSqlSafe(wider)).execute(&mut owner).await.unwrap();
            }
        }
        let start = format!("2026-07-14T{hour:02}:00:00-04:00");
        done(&clinic.book(&clinic.input(clinic.professionals[0], &start)).await);
        clinic.admin.ok(read, branch.clone()).await;
    }
}

/// The token of the slot at ten of this professional.
fn token_of(slots: &[Value], professional: &str) -> Value {
    let found = slots.iter().find(|slot| slot["professional"]["name"] == professional);
    found.unwrap_or_else(|| panic!("no slot of {professional}: {slots:?}"))["token"].clone()
}

#[tokio::test]
async fn a_room_that_was_only_proposed_gives_way_to_another() {
    let clinic = Clinic::open().await;
    let (from, to) = ("2026-07-14T10:00:00-04:00", "2026-07-14T10:05:00-04:00");
    let slots = clinic.slots(&clinic.admin, false, from, to).await;
    let by_token = |token: Value| {
        let mut input = clinic.input(clinic.professionals[0], from);
        input["items"] = json!([]);
        input["slotToken"] = token;
        input
    };
    let (ana, berta) = (token_of(&slots, "Ana"), token_of(&slots, "Berta"));
    let rooms = [done(&clinic.book(&by_token(ana)).await), done(&clinic.book(&by_token(berta)).await)];
    assert_eq!(rooms.map(|one| one["items"][0]["room"]["name"].clone()), [json!("Box 1"), json!("Box 2")]);
}

#[tokio::test]
async fn no_alternative_is_offered_twice() {
    let clinic = Clinic::open().await;
    let ana = clinic.professionals[0];
    // So little of her is free that others are offered too.
    for hour in [
        "UPDATE schedule_windows w SET starts = '10:00', ends = '11:00' FROM schedules s
         WHERE s.id = w.schedule_id AND s.resource_id = $1",
        "DELETE FROM schedule_windows w USING schedules s
         WHERE s.id = w.schedule_id AND s.resource_id = $1 AND w.weekday <> 2",
    ] {
        clinic.centre.run(hour, vec![ana.into()]).await;
    }
    let mut input = clinic.input(ana, "2026-07-14T10:00:00-04:00");
    input["items"][0]["roomId"] = json!(clinic.id(Kind::Resource, clinic.rooms[0]));
    done(&clinic.book(&input).await);
    input["idempotencyKey"] = json!(key());
    let taken = clinic.book(&input).await;
    let offered: Vec<String> = taken["userErrors"][0]["alternatives"]
        .as_array()
        .unwrap()
        .iter()
        .map(|slot| format!("{} {} {}", slot["start"], slot["professional"]["name"], slot["room"]["name"]))
        .collect();
    let different: std::collections::BTreeSet<_> = offered.iter().collect();
    assert_eq!((offered.len(), different.len()), (5, 5), "{offered:?}");
}

#[tokio::test]
async fn a_room_that_was_asked_for_is_had_or_not() {
    let clinic = Clinic::open().await;
    let input = json!({
        "branchId": clinic.id(Kind::Branch, clinic.branch),
        "treatmentIds": [clinic.id(Kind::Treatment, clinic.treatment)],
        "roomId": clinic.id(Kind::Resource, clinic.rooms[0]),
        "range": {"from": "2026-07-14T10:00:00-04:00", "to": "2026-07-14T10:05:00-04:00"},
    });
    let query =
        "query($i: AvailabilityInput!) { availability(input: $i) { token professional { name } room { name } } }";
    let slots = clinic.admin.ok(query, json!({ "i": input })).await["availability"].as_array().unwrap().clone();
    let mut input = clinic.input(clinic.professionals[0], "2026-07-14T10:00:00-04:00");
    input["items"] = json!([]);
    input["slotToken"] = token_of(&slots, "Ana");
    done(&clinic.book(&input).await);
    input["idempotencyKey"] = key();
    input["slotToken"] = token_of(&slots, "Berta");
    assert_eq!(refused(&clinic.book(&input).await).0, "SLOT_TAKEN");
}
