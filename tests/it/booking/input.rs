//! Bad input: a clear refusal that names the field, and a database as it was before.

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::America::Santiago;
use horae::schema::id::{GlobalIds, Kind};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Clinic,
    api::{attempt, call, done, field, key, refusal, refused},
};
use crate::support::{
    fingerprint::{Fingerprint, fingerprint},
    fixtures::Centre,
};

const START: &str = "2026-07-14T10:00:00-04:00";

/// A clinic and what its database holds; [`Stage::untouched`] compares.
struct Stage {
    clinic: Clinic,
    before: Fingerprint,
}

impl Stage {
    async fn open() -> Self {
        Self::of(Clinic::open().await).await
    }

    async fn of(clinic: Clinic) -> Self {
        let before = fingerprint(&clinic.app, "alfa").await;
        Self { clinic, before }
    }

    fn input(&self) -> Value {
        self.clinic.input(self.clinic.professionals[0], START)
    }

    /// Of a booking with one value replaced at a JSON pointer.
    async fn with(&self, pointer: &str, value: Value) -> Value {
        let mut input = self.input();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        input.pointer_mut(parent).unwrap()[name] = value;
        attempt(&self.clinic.admin, "bookAppointment", json!({ "input": input })).await
    }

    async fn untouched(&self) {
        assert_eq!(fingerprint(&self.clinic.app, "alfa").await, self.before);
    }
}

/// Of a value that is not of its type: the error names its place and its type.
#[track_caller]
fn wrong_value(answer: &Value, place: &str, name: &str) {
    let error = &answer["errors"][0];
    assert_eq!(
        (&error["extensions"]["code"], field(&error["extensions"])),
        (&json!("BAD_USER_INPUT"), place.to_owned()),
        "{answer:#}"
    );
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with(&format!("{place}: ")) && message.contains(name), "{answer:#}");
    assert!(message.len() < 600 && answer.get("data").is_none(), "{answer:#}");
}

#[tokio::test]
async fn ids_that_are_unknown_or_of_another_centre_or_kind_are_not_found_at_their_field() {
    let stage = Stage::open().await;
    let beta = Centre::of(&stage.clinic.app, "beta").await;
    let branch = beta.branch("Madrid", "Europe/Madrid").await;
    let (luz, room) = (beta.professional("Luz", branch).await, beta.room("Sala", branch, 1).await);
    let (treatment, patient) = (beta.treatment("Corte", 30).await, beta.patient("Pía", "Gil").await);
    let theirs = GlobalIds::new(beta.cx.seal.clone(), &beta.system.tenant);
    let ours = stage.clinic.ids();
    for (pointer, kind, id) in [
        ("/branchId", Kind::Branch, branch),
        ("/patientId", Kind::Patient, patient),
        ("/holdId", Kind::Appointment, patient),
        ("/items/0/treatmentId", Kind::Treatment, treatment),
        ("/items/0/professionalId", Kind::Resource, luz),
        ("/items/0/roomId", Kind::Resource, room),
    ] {
        let foreign = theirs.encode(kind, id);
        // The same row's number under our own seal, an id that names nothing, and an id of something else.
        let forged = ours.encode(kind, id);
        let unknown = ours.encode(kind, Uuid::now_v7());
        let wrong_kind = ours.encode(Kind::User, id);
        for id in [json!(foreign), json!(forged), json!(unknown), json!(wrong_kind), json!("nonsense"), json!("")] {
            let answer = stage.with(pointer, id.clone()).await;
            let place = pointer[1..].replace('/', ".");
            assert_eq!(refused(&answer["data"]["bookAppointment"]), refusal("NOT_FOUND", &place), "{id}");
        }
    }
    // A room where a professional belongs.
    let answer = stage.with("/items/0/professionalId", stage.clinic.id(Kind::Resource, stage.clinic.rooms[0])).await;
    assert_eq!(refused(&answer["data"]["bookAppointment"]), refusal("NOT_FOUND", "items.0.professionalId"));
    stage.untouched().await;
}

#[tokio::test]
async fn an_instant_without_an_offset_is_refused() {
    let stage = Stage::open().await;
    for start in [
        "2026-07-14T10:00:00",
        "2026-07-14",
        "mañana",
        "2026-02-30T10:00:00Z",
        "2026-07-14T10:00:00-4",
        "",
        "9999-12-31T23:59:59Z",
    ] {
        wrong_value(&stage.with("/items/0/start", json!(start)).await, "input.items.0.start", "Without an offset");
    }
    let both = stage.with("/items/0/localStart", json!("2026-07-14T10:00")).await;
    assert_eq!(refused(&both["data"]["bookAppointment"]), refusal("INVALID", "items.0.localStart"));
    stage.untouched().await;
}

/// The wall times at which Santiago's clock next jumps forward, and is next set back.
fn next_changes(now: DateTime<Utc>) -> (NaiveDateTime, NaiveDateTime) {
    let offset = |at: DateTime<Utc>| Santiago.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc();
    let (mut gap, mut overlap) = (None, None);
    for hour in 0..9_000 {
        let at = now + TimeDelta::hours(hour);
        let (before, after) = (offset(at), offset(at + TimeDelta::hours(1)));
        let change = at + TimeDelta::hours(1);
        if after > before && gap.is_none() {
            gap = Some((change + TimeDelta::seconds(i64::from(before))).naive_utc());
        } else if after < before && overlap.is_none() {
            overlap = Some((change + TimeDelta::seconds(i64::from(after))).naive_utc());
        }
    }
    (gap.unwrap(), overlap.unwrap())
}

#[tokio::test]
async fn a_local_time_that_does_not_exist_or_exists_twice_is_refused_with_what_does() {
    let stage = Stage::open().await;
    let (gap, overlap) = next_changes(stage.clinic.app.now());
    assert_eq!(gap.to_string(), "2026-09-06 00:00:00");
    let local = |at: NaiveDateTime| at.format("%Y-%m-%dT%H:%M").to_string();
    let mut input = stage.input();
    input["items"][0].as_object_mut().unwrap().remove("start");
    input["items"][0]["localStart"] = json!(local(gap + TimeDelta::minutes(30)));
    let payload = stage.clinic.book(&input).await;
    assert_eq!(refused(&payload), refusal("NONEXISTENT_LOCAL_TIME", "items.0.localStart"));
    let error = &payload["userErrors"][0];
    assert_eq!(
        (&error["__typename"], &error["timeZone"]),
        (&json!("NonexistentLocalTimeError"), &json!("America/Santiago"))
    );
    assert_eq!(
        (&error["requested"], &error["nextValid"]),
        (&json!("2026-09-06T00:30"), &json!("2026-09-06T01:00:00-03:00"))
    );
    input["items"][0]["localStart"] = json!(local(overlap));
    let payload = stage.clinic.book(&input).await;
    assert_eq!(refused(&payload), refusal("AMBIGUOUS_LOCAL_TIME", "items.0.localStart"));
    let day = overlap.format("%Y-%m-%dT%H:%M:%S");
    assert_eq!(payload["userErrors"][0]["candidates"], json!([format!("{day}-03:00"), format!("{day}-04:00")]));
    input["gapPolicy"] = json!("SKIP");
    input["items"][0]["localStart"] = json!(local(gap));
    assert_eq!(refused(&stage.clinic.book(&input).await), refusal("INVALID", "items.0.localStart"));
    stage.untouched().await;
    // Who says how it is meant gets it.
    input["overbook"] = json!(true);
    input["overbookReason"] = json!("de noche");
    input["gapPolicy"] = json!("SHIFT_FORWARD");
    assert_eq!(done(&stage.clinic.book(&input).await)["start"], "2026-09-06T01:00:00-03:00");
    for (policy, offset) in [("FIRST", "-03:00"), ("SECOND", "-04:00")] {
        input["idempotencyKey"] = key();
        input["items"][0]["localStart"] = json!(local(overlap));
        input["overlapPolicy"] = json!(policy);
        assert_eq!(done(&stage.clinic.book(&input).await)["start"], format!("{day}{offset}"));
    }
}

#[tokio::test]
async fn a_zone_that_is_no_place_is_refused() {
    let stage = Stage::open().await;
    let query = "mutation($input: BranchInput!) { upsertBranch(input: $input) { branch { id } userErrors { code } } }";
    for zone in ["-04:00", "UTC-4", "CLT", "EST", "Etc/GMT+4", "America/Nowhere", "america/santiago ", ""] {
        let answer = stage.clinic.admin.send(query, json!({"input": {"name": "Norte", "timeZone": zone}})).await;
        wrong_value(&answer, "input.timeZone", "fixed offsets are refused");
    }
    stage.untouched().await;
}

#[tokio::test]
async fn a_range_ends_after_it_starts_and_is_no_decade() {
    let stage = Stage::open().await;
    let c = &stage.clinic;
    let branch = c.id(Kind::Branch, c.branch);
    for (from, to) in [
        ("2026-07-14T00:00:00Z", "2026-07-13T00:00:00Z"),
        ("2026-07-14T00:00:00Z", "2026-07-14T00:00:00Z"),
        ("2026-07-14T00:00:00Z", "2036-07-14T00:00:00Z"),
    ] {
        let range = json!({"from": from, "to": to});
        let input = json!({"branchId": branch, "treatmentIds": [c.id(Kind::Treatment, c.treatment)], "range": range});
        let answer = c
            .admin
            .send("query($i: AvailabilityInput!) { availability(input: $i) { start } }", json!({ "i": input }))
            .await;
        let extensions = &answer["errors"][0]["extensions"];
        assert_eq!((&extensions["code"], field(extensions)), (&json!("INVALID"), "range".to_owned()), "{answer:#}");
        let answer = c
            .admin
            .send(
                "query($f: AppointmentFilter!) { appointments(filter: $f, first: 5) { nodes { id } } }",
                json!({"f": {"branchId": branch, "range": range}}),
            )
            .await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "INVALID", "{answer:#}");
        let agenda = "query($b: ID!, $from: LocalDate!, $to: LocalDate!) { agenda(branchId: $b, from: $from, to: $to, groupBy: ROOM) { cursor } }";
        let dates = json!({"b": branch, "from": &from[..10], "to": &to[..10]});
        if from[..10] != to[..10] {
            assert_eq!(c.admin.error_code(agenda, dates).await, "INVALID", "{from} {to}");
        }
    }
    stage.untouched().await;
}

#[tokio::test]
async fn prices_and_durations_are_not_negative() {
    let stage = Stage::open().await;
    for minutes in [-30, 0, 4, 1_441, i32::MAX, i32::MIN] {
        let answer = stage.with("/items/0/durationMinutes", json!(minutes)).await;
        assert_eq!(
            refused(&answer["data"]["bookAppointment"]),
            refusal("INVALID", "items.0.durationMinutes"),
            "{minutes}"
        );
    }
    let place = "input.items.0.durationMinutes";
    wrong_value(&stage.with("/items/0/durationMinutes", json!(30_000_000_000_i64)).await, place, "32 bits");
    for minutes in [json!("30"), json!(30.5), json!(u64::MAX), json!([30])] {
        wrong_value(&stage.with("/items/0/durationMinutes", minutes).await, place, "Int");
    }
    let query = "mutation($input: TreatmentInput!) { upsertTreatment(input: $input) { treatment { id } userErrors { code field } } }";
    for (price, minutes, place) in
        [("-1", 30, "price"), ("10000", -30, "durationMinutes"), ("10000", 0, "durationMinutes")]
    {
        let input = json!({"name": "Corte", "durationMinutes": minutes, "price": {"amount": price, "currency": "CLP"}});
        let answer = stage.clinic.admin.ok(query, json!({ "input": input })).await;
        let error = &answer["upsertTreatment"]["userErrors"][0];
        assert_eq!(error["code"], "INVALID", "{answer:#}");
        assert!(field(error).starts_with(place), "{answer:#}");
    }
    stage.untouched().await;
}

#[tokio::test]
async fn long_texts_are_refused_by_their_field_and_longer_ones_unread() {
    let stage = Stage::open().await;
    let (long, longer) = ("ñ".repeat(50_000), "x".repeat(1_000_000));
    let answer = stage.with("/notes", json!(long)).await;
    assert_eq!(refused(&answer["data"]["bookAppointment"]), refusal("INVALID", "notes"));
    for name in ["givenNames", "paternalSurname", "maternalSurname", "fileNumber"] {
        let mut input = stage.input();
        input.as_object_mut().unwrap().remove("patientId");
        input["newPatient"] = json!({"givenNames": "Elena"});
        input["newPatient"][name] = json!(long);
        assert_eq!(refused(&stage.clinic.book(&input).await), refusal("INVALID", &format!("newPatient.{name}")));
    }
    for name in ["/branchId", "/slotToken"] {
        let answer = stage.with(name, json!(long)).await;
        assert!(
            matches!(refused(&answer["data"]["bookAppointment"]).0.as_str(), "NOT_FOUND" | "TOKEN_INVALID"),
            "{name}"
        );
    }
    let input = json!({"input": {"notes": longer}});
    let (status, answer) = stage
        .clinic
        .admin
        .answer("mutation($input: BookAppointmentInput!) { bookAppointment(input: $input) { replayed } }", input)
        .await;
    assert_eq!(status.as_u16(), 413, "{answer}");
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("262144"), "{answer}");
    stage.untouched().await;
}

#[tokio::test]
async fn a_text_with_a_character_that_cannot_be_kept_is_refused_by_its_field() {
    let stage = Stage::open().await;
    let answer = stage.with("/notes", json!("a\u{0}b")).await;
    assert_eq!(refused(&answer["data"]["bookAppointment"]), refusal("INVALID", "notes"), "{answer}");
    let mut input = stage.input();
    input.as_object_mut().unwrap().remove("patientId");
    for name in ["givenNames", "paternalSurname", "maternalSurname", "fileNumber"] {
        input["newPatient"] = json!({"givenNames": "Elena"});
        input["newPatient"][name] = json!("a\u{0}b");
        assert_eq!(refused(&stage.clinic.book(&input).await), refusal("INVALID", &format!("newPatient.{name}")));
    }
    // A document that is only punctuation would make one patient of everybody who types that.
    input["newPatient"] = json!({"givenNames": "Elena", "document": {"kind": "RUT", "number": " .-", "country": "CL"}});
    assert_eq!(refused(&stage.clinic.book(&input).await), refusal("REQUIRED", "newPatient.document.number"));
    stage.untouched().await;
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_refused_by_its_place_before_anything_runs() {
    let stage = Stage::open().await;
    let long = "x".repeat(100_000);
    for (pointer, value, place, name) in [
        ("/channel", json!("FAX"), "input.channel", "BookingChannel"),
        ("/channel", json!(long), "input.channel", "BookingChannel"),
        ("/channel", json!(1), "input.channel", "BookingChannel"),
        ("/idempotencyKey", json!(long), "input.idempotencyKey", "IdempotencyKey"),
        ("/items/0/start", json!(long), "input.items.0.start", "DateTime"),
        ("/items/0/colour", json!("red"), "input.items.0.colour", "unknown field"),
        ("/overbook", json!("yes"), "input.overbook", "Boolean"),
        ("/newPatient", json!({"givenNames": "Eva", "email": "eva"}), "input.newPatient.email", "EmailAddress"),
    ] {
        wrong_value(&stage.with(pointer, value).await, place, name);
    }
    let admin = &stage.clinic.admin;
    let none = admin
        .send("mutation($input: BookAppointmentInput!) { bookAppointment(input: $input) { replayed } }", json!({}));
    wrong_value(&none.await, "input", "BookAppointmentInput!");
    // Written in the document, the same.
    let branch = stage.clinic.id(Kind::Branch, stage.clinic.branch);
    for (range, place) in [
        (r#"{from: "2026-07-14T10:00:00", to: "2026-07-14T10:00:00Z"}"#, "input.range.from"),
        (r#"{from: "2026-07-14T10:00:00Z", to: 7}"#, "input.range.to"),
    ] {
        let query = format!(
            r#"{{ availability(input: {{branchId: {branch}, treatmentIds: [], range: {range}}}) {{ start }} }}"#
        );
        wrong_value(&admin.send(&query, json!({})).await, place, "DateTime");
    }
    // What stands before it in the same document does not happen either.
    let two = r#"mutation($name: String!) {
        upsertTreatmentCategory(name: $name) { userErrors { code } }
        upsertBranch(input: {name: "Norte", timeZone: "CLT"}) { userErrors { code } }
    }"#;
    wrong_value(&admin.send(two, json!({"name": "Antes"})).await, "input.timeZone", "TimeZone");
    stage.untouched().await;
}

#[tokio::test]
async fn an_idempotency_key_is_needed_is_a_uuid_and_serves_one_input() {
    let stage = Stage::open().await;
    let mut without = stage.input();
    without.as_object_mut().unwrap().remove("idempotencyKey");
    wrong_value(
        &attempt(&stage.clinic.admin, "bookAppointment", json!({"input": without})).await,
        "input.idempotencyKey",
        "required",
    );
    for word in [json!("1"), json!(""), json!(7), Value::Null] {
        wrong_value(&stage.with("/idempotencyKey", word).await, "input.idempotencyKey", "IdempotencyKey");
    }
    stage.untouched().await;
    let input = stage.input();
    let first = done(&stage.clinic.book(&input).await);
    let after = fingerprint(&stage.clinic.app, "alfa").await;
    let again = stage.clinic.book(&input).await;
    assert_eq!((&again["replayed"], &again["appointment"]), (&json!(true), &first));
    let mut other = input;
    other["notes"] = json!("otra");
    assert_eq!(refused(&stage.clinic.book(&other).await), refusal("IDEMPOTENCY_KEY_REUSED", "idempotencyKey"));
    assert_eq!(fingerprint(&stage.clinic.app, "alfa").await, after);
}

#[tokio::test]
async fn a_stale_version_and_an_impossible_step_say_what_is() {
    let clinic = Clinic::open().await;
    let one = clinic.booked(clinic.professionals[0], START).await;
    let stage = Stage::of(clinic).await;
    let step = |version: i32, to: &str| json!({"id": one["id"], "version": version, "to": to});
    for version in [0, 2, -1, i32::MAX] {
        let payload = call(&stage.clinic.admin, "transitionAppointment", step(version, "CONFIRMED")).await;
        assert_eq!(refused(&payload), refusal("VERSION_CONFLICT", "version"));
        assert_eq!(payload["userErrors"][0]["currentVersion"], 1);
    }
    let payload = call(&stage.clinic.admin, "transitionAppointment", step(1, "NO_SHOW")).await;
    assert_eq!(refused(&payload), refusal("INVALID_TRANSITION", "to"));
    assert_eq!(payload["userErrors"][0]["allowed"], json!(["CONFIRMED", "CANCELLED"]));
    let long = json!({"id": one["id"], "version": 1, "to": "CANCELLED", "reason": "x".repeat(2_001)});
    assert_eq!(refused(&call(&stage.clinic.admin, "transitionAppointment", long).await), refusal("INVALID", "reason"));
    let broken = json!({"id": one["id"], "version": 1, "to": "CANCELLED", "reason": "a\u{0}b"});
    assert_eq!(
        refused(&call(&stage.clinic.admin, "transitionAppointment", broken).await),
        refusal("INVALID", "reason")
    );
    wrong_value(
        &attempt(&stage.clinic.admin, "transitionAppointment", step(1, "ELSEWHERE")).await,
        "to",
        "AppointmentStatus",
    );
    stage.untouched().await;
}

#[tokio::test]
async fn too_many_too_early_too_late_and_out_of_order_are_refused() {
    let stage = Stage::open().await;
    for start in ["2026-07-12T10:00:00-04:00", "2029-08-01T10:00:00-04:00", "1970-01-01T00:00:00Z"] {
        let answer = stage.with("/items/0/start", json!(start)).await;
        assert_eq!(refused(&answer["data"]["bookAppointment"]), refusal("INVALID", "items.0.start"), "{start}");
    }
    let answer = stage.with("/items", json!([])).await;
    assert_eq!(refused(&answer["data"]["bookAppointment"]), refusal("REQUIRED", "items"));
    let item = stage.input()["items"][0].clone();
    let answer = stage.with("/items", json!(vec![item.clone(); 21])).await;
    assert_eq!(refused(&answer["data"]["bookAppointment"]), refusal("INVALID", "items"));
    let answer = stage.with("/items", json!([item.clone(), item])).await;
    assert_eq!(refused(&answer["data"]["bookAppointment"]), refusal("INVALID", "items.1.start"));
    stage.untouched().await;
}

#[tokio::test]
async fn a_time_of_the_branchs_clock_is_refused_where_it_was_given() {
    let stage = Stage::open().await;
    let mut local = stage.input();
    local["items"][0].as_object_mut().unwrap().remove("start");
    for start in ["2026-07-12T10:00", "2029-08-01T10:00", "1970-01-01T00:00"] {
        local["items"][0]["localStart"] = json!(start);
        assert_eq!(refused(&stage.clinic.book(&local).await), refusal("INVALID", "items.0.localStart"), "{start}");
    }
    // The second begins with the first, and says so by its own clock.
    local["items"][0]["localStart"] = json!("2026-07-14T10:00");
    let mut both = stage.input();
    for (first, second, place) in [
        (&stage.input()["items"][0], &local["items"][0], "items.1.localStart"),
        (&local["items"][0], &stage.input()["items"][0], "items.1.start"),
    ] {
        both["items"] = json!([first, second]);
        assert_eq!(refused(&stage.clinic.book(&both).await), refusal("INVALID", place));
    }
    stage.untouched().await;
}
