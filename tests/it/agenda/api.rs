//! The agenda as clients see it.

use async_graphql::ID;
use horae::{
    auth::BuiltinRole,
    schema::id::{GlobalIds, Kind},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    app::TestApp,
    fixtures::{Booking, Centre},
};

struct Clinic {
    app: TestApp,
    centre: Centre,
    ids: GlobalIds,
    branch: Uuid,
    ana: Uuid,
    room: Uuid,
    cut: Uuid,
    rosa: Uuid,
}

async fn clinic() -> Clinic {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let ids = GlobalIds::new(centre.cx.seal.clone(), &centre.system.tenant);
    let branch = centre.branch("Centro", "America/Santiago").await;
    let ana = centre.professional("Ana", branch).await;
    centre.works(ana, branch, &[(1..=7, "09:00", "11:00")]).await;
    let room = centre.room("Box 1", branch, 1).await;
    let cut = centre.treatment("Corte", 30).await;
    let rosa = centre.patient("Rosa", "Soto").await;
    Clinic { app, centre, ids, branch, ana, room, cut, rosa }
}

impl Clinic {
    fn id(&self, kind: Kind, id: Uuid) -> ID {
        self.ids.encode(kind, id)
    }

    async fn book(&self, start: &str) -> Uuid {
        self.centre
            .book(Booking::new(self.branch, self.rosa, self.cut, start, 30).with(self.ana).in_room(self.room))
            .await
    }
}

const AGENDA: &str = "query($branch: ID!, $from: LocalDate!, $to: LocalDate!, $by: AgendaGrouping!) {
    agenda(branchId: $branch, from: $from, to: $to, groupBy: $by) {
        cursor branch { name } range { start end localStart localEnd timeZone }
        columns {
            resource { __typename name color }
            appointments {
                id code status start localStart timeZone paymentStatus channel overbooked allowedTransitions
                branch { name } patient { givenNames paternalSurname } resources { name }
                items { treatment { name } professional { name color } room { name } start end price { amount currency } }
            }
            blocks { kind range { localStart } reason }
            free { localStart localEnd }
        }
    }
}";

#[tokio::test]
async fn the_agenda_shows_everything_in_both_groupings_with_a_constant_number_of_statements() {
    let c = clinic().await;
    let client = c.app.admin("alfa").await;
    c.book("2026-07-14T13:00:00Z").await;
    let ask = async |by: &str| {
        let variables =
            json!({"branch": c.id(Kind::Branch, c.branch), "from": "2026-07-14", "to": "2026-07-14", "by": by});
        client.ok(AGENDA, variables).await["agenda"].clone()
    };
    let by_professional = ask("PROFESSIONAL").await;
    let before = c.centre.cx.db.statements();
    let by_room = ask("ROOM").await;
    let few = c.centre.cx.db.statements() - before;
    assert_eq!(by_professional["range"]["start"], "2026-07-14T00:00:00-04:00");
    assert_eq!(by_professional["range"]["localEnd"], "2026-07-15T00:00");
    let column = &by_professional["columns"][0];
    assert_eq!(column["resource"], json!({"__typename": "Professional", "name": "Ana", "color": "#3A7BD5"}));
    assert_eq!(column["free"], json!([{"localStart": "2026-07-14T09:30", "localEnd": "2026-07-14T11:00"}]));
    let one = &column["appointments"][0];
    assert_eq!(one["id"], by_room["columns"][0]["appointments"][0]["id"], "one appointment, one id");
    assert_eq!(by_room["columns"][0]["resource"]["__typename"], "Room");
    assert_eq!((&one["start"], &one["localStart"]), (&json!("2026-07-14T09:00:00-04:00"), &json!("2026-07-14T09:00")));
    assert_eq!(one["patient"], json!({"givenNames": "Rosa", "paternalSurname": "Soto"}));
    assert_eq!(one["allowedTransitions"], json!(["CONFIRMED", "CANCELLED"]), "its day has not come");
    assert_eq!(one["resources"], json!([{"name": "Ana"}, {"name": "Box 1"}]));
    assert_eq!(
        one["items"],
        json!([{
            "treatment": {"name": "Corte"}, "professional": {"name": "Ana", "color": "#3A7BD5"}, "room": {"name": "Box 1"},
            "start": "2026-07-14T09:00:00-04:00", "end": "2026-07-14T09:30:00-04:00", "price": {"amount": "10000", "currency": "CLP"}
        }])
    );
    for n in 0..6 {
        c.book(&format!("2026-07-14T{}:30:00Z", 13 + n)).await;
    }
    let before = c.centre.cx.db.statements();
    assert_eq!(ask("ROOM").await["columns"][0]["appointments"].as_array().unwrap().len(), 7);
    assert_eq!(c.centre.cx.db.statements() - before, few, "seven appointments take as many statements as one");
}

#[tokio::test]
async fn an_appointment_is_found_by_who_may_see_it_and_by_nobody_else() {
    let c = clinic().await;
    let id = c.book("2026-07-14T13:00:00Z").await;
    let query = "query($id: ID!) { appointment(id: $id) { version cancelledBy { displayName }
        history(first: 10) { nodes { action actor { kind displayName } } pageInfo { hasNextPage } } } }";
    let variables = json!({"id": c.id(Kind::Appointment, id)});
    let admin = c.app.admin("alfa").await;
    c.centre
        .run(
            "INSERT INTO audit_entries (id, at, actor_kind, actor_id, action, subject_type, subject_id, request_id)
             SELECT $1, now(), 'USER', id, 'bookAppointment', 'Appointment', $2, 'r' FROM users WHERE email = 'admin@alfa.test'",
            vec![c.centre.cx.new_id().into(), id.into()],
        )
        .await;
    let found = admin.ok(query, variables.clone()).await;
    assert_eq!(
        found["appointment"]["history"]["nodes"],
        json!([{"action": "bookAppointment", "actor": {"kind": "USER", "displayName": "Admin alfa"}}])
    );
    assert_eq!(c.app.anonymous().error_code(query, variables.clone()).await, "UNAUTHENTICATED");
    for client in [c.app.user("alfa", BuiltinRole::Professional).await, c.app.admin("beta").await] {
        assert_eq!(client.error_code(query, variables.clone()).await, "NOT_FOUND");
    }
    let wrong_kind = json!({"id": c.id(Kind::Patient, id)});
    assert_eq!(admin.error_code(query, wrong_kind).await, "NOT_FOUND");
}

#[tokio::test]
async fn lists_page_by_cursors_that_fit_only_their_own_list() {
    let c = clinic().await;
    for hour in 13..18 {
        c.book(&format!("2026-07-14T{hour}:00:00Z")).await;
    }
    let client = c.app.admin("alfa").await;
    let query = "query($filter: AppointmentFilter!, $sort: SortDirection, $first: Int, $after: String) {
        appointments(filter: $filter, sort: $sort, first: $first, after: $after) {
            nodes { start items { treatment { name } } } pageInfo { hasNextPage endCursor } totalCount } }";
    let day = json!({"branchId": c.id(Kind::Branch, c.branch), "range": {"from": "2026-07-14T00:00:00-04:00", "to": "2026-07-15T00:00:00-04:00"}});
    let mut after = Value::Null;
    let mut starts = Vec::new();
    loop {
        let page =
            client.ok(query, json!({"filter": day, "sort": "DESC", "first": 2, "after": after})).await["appointments"]
                .clone();
        starts.extend(
            page["nodes"].as_array().unwrap().iter().map(|node| node["start"].as_str().unwrap()[11..13].to_owned()),
        );
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(starts, ["13", "12", "11", "10", "09"]);
    assert_eq!(
        client.error_code(query, json!({"filter": day, "sort": "ASC", "first": 2, "after": after})).await,
        "INVALID"
    );
    assert_eq!(client.error_code(query, json!({"filter": day, "first": 101})).await, "INVALID");
    assert_eq!(client.error_code(query, json!({"filter": {}, "first": 10})).await, "INVALID");
}

#[tokio::test]
async fn free_slots_and_why_there_are_none() {
    let c = clinic().await;
    c.book("2026-07-14T13:00:00Z").await;
    let client = c.app.admin("alfa").await;
    let slots = "query($input: AvailabilityInput!) { availability(input: $input) { start localStart timeZone remainingCapacity resourceIds token } }";
    let input = json!({
        "branchId": c.id(Kind::Branch, c.branch), "treatmentIds": [c.id(Kind::Treatment, c.cut)], "limit": 1,
        "range": {"from": "2026-07-14T00:00:00-04:00", "to": "2026-07-15T00:00:00-04:00"}
    });
    let found = client.ok(slots, json!({"input": input})).await["availability"][0].clone();
    assert_eq!(
        (&found["start"], &found["resourceIds"]),
        (&json!("2026-07-14T09:30:00-04:00"), &json!([c.id(Kind::Resource, c.ana)]))
    );
    assert_eq!(
        c.app.page("alfa").await.error_code(slots, json!({"input": input})).await,
        "UNAUTHENTICATED",
        "pages have publicAvailability"
    );

    let why = "query($input: BookAppointmentInput!) { explainUnavailable(input: $input) { resourceId cause subjectId range { localStart } } }";
    let item = |start: &str| json!({"treatmentId": c.id(Kind::Treatment, c.cut), "localStart": start, "professionalId": c.id(Kind::Resource, c.ana)});
    let ask = |start: &str| json!({"input": {"idempotencyKey": Uuid::max(), "branchId": c.id(Kind::Branch, c.branch), "items": [item(start)]}});
    let reasons = client.ok(why, ask("2026-07-14T08:45")).await["explainUnavailable"].clone();
    let causes: Vec<&str> = reasons.as_array().unwrap().iter().map(|one| one["cause"].as_str().unwrap()).collect();
    assert_eq!(causes, ["OUTSIDE_SCHEDULE", "BUSY"]);
    assert_eq!(client.ok(why, ask("2026-07-14T10:00")).await["explainUnavailable"], json!([]));
    assert_eq!(client.error_code(why, ask("2026-09-06T00:30")).await, "INVALID", "this time does not exist");
}

#[tokio::test]
async fn schedules_and_exceptions_are_changed_and_refusals_are_data() {
    let c = clinic().await;
    let client = c.app.admin("alfa").await;
    let upsert = "mutation($input: ScheduleInput!) { upsertSchedule(input: $input) {
        schedule { id version name resource { name } branch { name } windows { day start end }
            exceptions(range: {from: \"2026-07-14\", to: \"2026-07-14\"}) { kind } }
        conflicts { code } userErrors { __typename code field ... on VersionConflictError { currentVersion } } } }";
    let (branch, ana) = (c.id(Kind::Branch, c.branch), c.id(Kind::Resource, c.ana));
    let input = json!({"resourceId": ana, "branchId": branch, "name": "Tardes", "windows": [{"day": "TUE", "start": "15:00", "end": "18:00"}]});
    let made = client.ok(upsert, json!({"input": input})).await["upsertSchedule"].clone();
    assert_eq!(made["userErrors"], json!([]), "{made}");
    assert_eq!(made["schedule"]["windows"], json!([{"day": "TUE", "start": "15:00", "end": "18:00"}]));
    let mut stale = input.clone();
    stale["id"] = made["schedule"]["id"].clone();
    stale["version"] = json!(7);
    let refused = client.ok(upsert, json!({"input": stale})).await["upsertSchedule"].clone();
    assert_eq!(
        refused["userErrors"],
        json!([{"__typename": "VersionConflictError", "code": "VERSION_CONFLICT", "field": ["version"], "currentVersion": 1}])
    );

    let add = "mutation($input: ScheduleExceptionInput!) { addScheduleException(input: $input) {
        exception { id kind reason range { localStart localEnd } } conflicts { code }
        userErrors { code field ... on NonexistentLocalTimeError { nextValid } ... on AmbiguousLocalTimeError { candidates } } } }";
    let block = |from: &str, to: &str| json!({"input": {"resourceId": ana, "branchId": branch, "kind": "BLOCK", "localStart": from, "localEnd": to, "reason": "Curso"}});
    let gap = client.ok(add, block("2026-09-06T00:15", "2026-09-06T12:00")).await["addScheduleException"].clone();
    assert_eq!(
        gap["userErrors"],
        json!([{"code": "NONEXISTENT_LOCAL_TIME", "field": ["localStart"], "nextValid": "2026-09-06T01:00:00-03:00"}])
    );
    let twice = client.ok(add, block("2027-04-03T22:00", "2027-04-03T23:30")).await["addScheduleException"].clone();
    assert_eq!(twice["userErrors"][0]["candidates"], json!(["2027-04-03T23:30:00-03:00", "2027-04-03T23:30:00-04:00"]));
    c.book("2026-07-14T13:00:00Z").await;
    let made = client.ok(add, block("2026-07-14T09:00", "2026-07-14T12:00")).await["addScheduleException"].clone();
    assert_eq!(made["conflicts"].as_array().unwrap().len(), 1);
    let list = "query($branch: ID!) { schedules(branchId: $branch) { name exceptions(range: {from: \"2026-07-14\", to: \"2026-07-14\"}) { reason } } }";
    let listed = client.ok(list, json!({"branch": branch})).await["schedules"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert!(listed.as_array().unwrap().iter().all(|one| one["exceptions"] == json!([{"reason": "Curso"}])));

    let remove = "mutation($id: ID!) { removeScheduleException(id: $id) { removed userErrors { code field } } }";
    let id = made["exception"]["id"].clone();
    for client in [c.app.admin("beta").await, c.app.user("alfa", BuiltinRole::Professional).await] {
        let answer = client.ok(remove, json!({"id": id})).await["removeScheduleException"].clone();
        assert_eq!(answer["removed"], false);
    }
    assert_eq!(
        client.ok(remove, json!({"id": id})).await["removeScheduleException"],
        json!({"removed": true, "userErrors": []})
    );
}
