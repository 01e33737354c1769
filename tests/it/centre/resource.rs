//! Professionals, rooms, equipment.

use horae::{auth::BuiltinRole, schema::id::Kind, telemetry::metrics};
use serde_json::{Value, json};

use super::{events_after, global, local, refused, refuses, upsert};
use crate::support::{
    app::TestApp,
    fixtures::{Booking, Centre},
};

const PROFESSIONAL: (&str, &str) = ("upsertProfessional", "ProfessionalInput");
const ROOM: (&str, &str) = ("upsertRoom", "RoomInput");
const EQUIPMENT: (&str, &str) = ("upsertEquipment", "RoomInput");
const PERSON: &str = "professional { id version name kind color capacity active specialties acceptsOnline bio photoUrl
    branches { id } treatments { id } user { id name professional { id } } }";
const THING: &str = "{ id version name kind color capacity active branch { id } }";

#[tokio::test]
async fn a_professional_is_created_and_changed() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let (one, two) = (centre.branch("A", "America/Santiago").await, centre.branch("B", "America/Santiago").await);
    let treatment = centre.treatment("Limpieza", 30).await;
    let (a, b) = (global(&app, "alfa", Kind::Branch, one).await, global(&app, "alfa", Kind::Branch, two).await);
    let treatment = global(&app, "alfa", Kind::Treatment, treatment).await;
    let me = admin.ok("{ viewer { user { id } } }", json!({})).await["viewer"]["user"]["id"].clone();
    let (_, head) = events_after(&centre, 0).await;
    let input = json!({"name": "Ana", "color": "#a1b2c3", "specialties": ["Ortodoncia", " ortodoncia ", "Niños"], "branchIds": [a, b, a],
        "treatmentIds": [treatment], "userId": me, "bio": "Hola\nmundo", "photoUrl": "https://alfa.test/ana.jpg"});
    let created = upsert(&admin, PROFESSIONAL.0, PROFESSIONAL.1, PERSON, input).await;
    assert_eq!(refused(&created), Vec::<String>::new());
    let ana = &created["professional"];
    assert_eq!(ana["color"], "#A1B2C3");
    assert_eq!(ana["specialties"], json!(["Ortodoncia", "Niños"]));
    assert_eq!(ana["branches"], json!([{"id": a}, {"id": b}]));
    assert_eq!(ana["treatments"], json!([{"id": treatment}]));
    assert_eq!(ana["user"]["id"], me);
    assert_eq!(ana["user"]["professional"]["id"], ana["id"]);
    assert_eq!(
        (&ana["kind"], &ana["version"], &ana["acceptsOnline"]),
        (&json!("PROFESSIONAL"), &json!(1), &json!(true))
    );

    let input = json!({"id": ana["id"], "version": 1, "name": "Ana María", "branchIds": [b], "treatmentIds": [], "acceptsOnline": false, "userId": null});
    let changed = upsert(&admin, PROFESSIONAL.0, PROFESSIONAL.1, PERSON, input).await["professional"].clone();
    assert_eq!((&changed["version"], &changed["acceptsOnline"]), (&json!(2), &json!(false)));
    assert_eq!(
        (&changed["branches"], &changed["treatments"], &changed["user"]),
        (&json!([{"id": b}]), &json!([]), &Value::Null)
    );
    for kept in ["color", "specialties", "bio", "photoUrl"] {
        assert_eq!(changed[kept], ana[kept], "{kept}");
    }
    // In two branches, gone from one and called otherwise in the other.
    let twice = |event| [event, "schedule.changed", "schedule.changed"];
    let events = [twice("resource.created"), twice("resource.changed")].concat();
    assert_eq!(events_after(&centre, head).await.0, events);

    // A list may stay as it is altogether.
    let input = json!({"id": ana["id"], "version": 2, "name": "Ana María", "branchIds": [b]});
    let same = upsert(&admin, PROFESSIONAL.0, PROFESSIONAL.1, PERSON, input).await["professional"].clone();
    assert_eq!(same["version"], 3);
}

#[tokio::test]
async fn a_professional_that_does_not_fit_is_refused_at_its_field() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let beta = Centre::of(&app, "beta").await;
    let branch = centre.branch("A", "America/Santiago").await;
    let a = global(&app, "alfa", Kind::Branch, branch).await;
    let room = global(&app, "alfa", Kind::Resource, centre.room("Box", branch, 1).await).await;
    let foreign = global(&app, "beta", Kind::Branch, beta.branch("B", "Europe/Madrid").await).await;
    let foreign_treatment = global(&app, "beta", Kind::Treatment, beta.treatment("T", 30).await).await;
    let gone_branch = global(&app, "alfa", Kind::Branch, centre.cx.new_id()).await;
    let gone_treatment = global(&app, "alfa", Kind::Treatment, centre.cx.new_id()).await;
    let gone_user = global(&app, "alfa", Kind::User, centre.cx.new_id()).await;
    for (field, value, expected) in [
        ("name", json!(""), "REQUIRED name"),
        ("name", json!("x".repeat(200_000)), "INVALID name"),
        ("color", json!("blue"), "INVALID color"),
        ("specialties", json!(vec!["x"; 21]), "INVALID specialties"),
        ("specialties", json!(["a", "x".repeat(101)]), "INVALID specialties.1"),
        ("specialties", json!(["a", ""]), "REQUIRED specialties.1"),
        ("bio", json!("x".repeat(2_001)), "INVALID bio"),
        ("branchIds", json!([]), "REQUIRED branchIds"),
        ("branchIds", json!([a, foreign]), "NOT_FOUND branchIds.1"),
        ("branchIds", json!([a, gone_branch]), "NOT_FOUND branchIds.1"),
        ("treatmentIds", json!([foreign_treatment]), "NOT_FOUND treatmentIds.0"),
        ("treatmentIds", json!([gone_treatment]), "NOT_FOUND treatmentIds.0"),
        ("userId", json!(gone_user), "NOT_FOUND userId"),
        ("userId", json!(a), "NOT_FOUND userId"),
        ("active", json!(false), "INVALID active"),
        ("version", json!(3), "INVALID version"),
    ] {
        let mut input = json!({"name": "Ana", "branchIds": [a]});
        input[field] = value;
        refuses(&centre, &admin, PROFESSIONAL, input, &[expected]).await;
    }
    let ana = global(&app, "alfa", Kind::Resource, centre.professional("Ana", branch).await).await;
    let with = |id: &str, version: i32| json!({"id": id, "version": version, "name": "x", "branchIds": [a]});
    refuses(&centre, &admin, PROFESSIONAL, with(&ana, 2), &["VERSION_CONFLICT version"]).await;
    refuses(&centre, &admin, PROFESSIONAL, with(&room, 1), &["NOT_FOUND id"]).await;
    refuses(&centre, &admin, PROFESSIONAL, with(&foreign, 1), &["NOT_FOUND id"]).await;
    let reception = app.user("alfa", BuiltinRole::Receptionist).await;
    refuses(&centre, &reception, PROFESSIONAL, with(&ana, 1), &["FORBIDDEN "]).await;
}

#[tokio::test]
async fn a_user_is_one_professional_also_when_two_ask_at_once() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let branch = global(&app, "alfa", Kind::Branch, centre.branch("A", "America/Santiago").await).await;
    let me = admin.ok("{ viewer { user { id } } }", json!({})).await["viewer"]["user"]["id"].clone();
    let input = |name: &str| json!({"name": name, "branchIds": [branch], "userId": me});
    let save = |name| upsert(&admin, PROFESSIONAL.0, PROFESSIONAL.1, "", input(name));
    let (one, other) = tokio::join!(save("Ana"), save("Eva"));
    let mut told = [refused(&one), refused(&other)];
    told.sort();
    assert_eq!(told, [vec![], vec!["ALREADY_EXISTS userId".to_owned()]]);
    assert_eq!(centre.count("SELECT count(*) FROM resources").await, 1);
}

#[tokio::test]
async fn only_who_administers_users_sees_the_login_of_a_professional() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let ana = centre.professional("Ana", centre.branch("A", "America/Santiago").await).await;
    centre.is_user(ana, app.actor("alfa").await.id.unwrap()).await;
    let query = "{ professionals(first: 5) { nodes { name user { email } } } }";
    let seen = admin.ok(query, json!({})).await;
    assert_eq!(seen["professionals"]["nodes"][0]["user"]["email"], "admin@alfa.test");
    let reception = app.user("alfa", BuiltinRole::Receptionist).await;
    let hidden = reception.ok(query, json!({})).await;
    assert_eq!(hidden["professionals"]["nodes"][0], json!({"name": "Ana", "user": null}));
}

#[tokio::test]
async fn rooms_and_equipment_are_created_changed_and_refused_alike() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let branch = centre.branch("A", "America/Santiago").await;
    let a = global(&app, "alfa", Kind::Branch, branch).await;
    let foreign =
        global(&app, "beta", Kind::Branch, Centre::of(&app, "beta").await.branch("B", "Europe/Madrid").await).await;
    let person = global(&app, "alfa", Kind::Resource, centre.professional("Ana", branch).await).await;
    let mut ids = Vec::new();
    for (names, field, kind) in [(ROOM, "room", "ROOM"), (EQUIPMENT, "equipment", "EQUIPMENT")] {
        let fields = format!("{field} {THING}");
        let input = json!({"name": "Box 1", "branchId": a, "capacity": 3});
        let created = upsert(&admin, names.0, names.1, &fields, input).await[field].clone();
        assert_eq!(
            (&created["kind"], &created["capacity"], &created["branch"]["id"]),
            (&json!(kind), &json!(3), &json!(a))
        );
        let input = json!({"id": created["id"], "version": 1, "name": "Box 2", "branchId": a, "color": "#000000"});
        let changed = upsert(&admin, names.0, names.1, &fields, input).await[field].clone();
        assert_eq!(
            (&changed["version"], &changed["capacity"], &changed["color"]),
            (&json!(2), &json!(3), &json!("#000000"))
        );
        for (field, value, expected) in [
            ("name", json!("\t"), "REQUIRED name"),
            ("color", json!("#12345"), "INVALID color"),
            ("capacity", json!(0), "INVALID capacity"),
            ("capacity", json!(201), "INVALID capacity"),
            ("branchId", json!(foreign), "NOT_FOUND branchId"),
            ("active", json!(false), "INVALID active"),
            ("version", json!(1), "VERSION_CONFLICT version"),
            ("version", Value::Null, "REQUIRED version"),
            ("id", json!(person), "NOT_FOUND id"),
        ] {
            let mut input = json!({"id": created["id"], "version": 2, "name": "x", "branchId": a});
            input[field] = value;
            refuses(&centre, &admin, names, input, &[expected]).await;
        }
        let reception = app.user("alfa", BuiltinRole::Receptionist).await;
        refuses(&centre, &reception, names, json!({"name": "x", "branchId": a}), &["FORBIDDEN "]).await;
        ids.push(created["id"].clone());
    }
    let crossed = json!({"id": ids[0], "version": 2, "name": "x", "branchId": a});
    refuses(&centre, &admin, EQUIPMENT, crossed, &["NOT_FOUND id"]).await;
}

#[tokio::test]
async fn a_booked_room_keeps_its_branch_and_its_places() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let (a, b) = (centre.branch("A", "America/Santiago").await, centre.branch("B", "America/Santiago").await);
    let (treatment, rosa) = (centre.treatment("T", 30).await, centre.patient("Rosa", "Soto").await);
    let room = centre.room("Box", a, 3).await;
    let new = || Booking::new(a, rosa, treatment, "2026-07-14T14:00:00Z", 30).in_room(room);
    let first = centre.book(new()).await;
    centre.book(new().unit(2)).await;
    let id = global(&app, "alfa", Kind::Resource, room).await;
    let (a, b) = (global(&app, "alfa", Kind::Branch, a).await, global(&app, "alfa", Kind::Branch, b).await);
    let input = |branch: &str, capacity: i32| json!({"id": id, "version": 1, "name": "Box", "branchId": branch, "capacity": capacity});
    refuses(&centre, &admin, ROOM, input(&b, 3), &["INVALID branchId"]).await;
    refuses(&centre, &admin, ROOM, input(&a, 1), &["INVALID capacity"]).await;
    let fewer = upsert(&admin, ROOM.0, ROOM.1, "room { id capacity }", input(&a, 2)).await;
    assert_eq!(fewer["room"]["capacity"], 2, "the place between is free: {fewer}");
    assert_eq!(local(&app, "alfa", Kind::Resource, &fewer["room"]["id"]).await, room);
    assert_eq!(centre.count("SELECT sum(unit) FROM occupancies WHERE active").await, 1);
    let mut single = input(&a, 1);
    single["version"] = json!(2);
    refuses(&centre, &admin, ROOM, single.clone(), &["INVALID capacity"]).await;
    centre.run("UPDATE occupancies SET active = false WHERE appointment_id = $1", vec![first.into()]).await;
    let one = upsert(&admin, ROOM.0, ROOM.1, "room { capacity }", single).await;
    assert_eq!(one["room"]["capacity"], 1, "who is left moves up: {one}");
    assert_eq!(centre.count("SELECT sum(unit) FROM occupancies WHERE active").await, 0);
}

#[tokio::test]
async fn a_professional_stays_where_patients_are_booked() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let (a, b) = (centre.branch("A", "America/Santiago").await, centre.branch("B", "America/Santiago").await);
    let (treatment, rosa) = (centre.treatment("T", 30).await, centre.patient("Rosa", "Soto").await);
    let ana = centre.professional("Ana", a).await;
    let booked = centre.book(Booking::new(a, rosa, treatment, "2026-07-14T14:00:00Z", 30).with(ana)).await;
    let id = global(&app, "alfa", Kind::Resource, ana).await;
    let (a, b) = (global(&app, "alfa", Kind::Branch, a).await, global(&app, "alfa", Kind::Branch, b).await);
    let input = |version: i32, branches: &[&String]| json!({"id": id, "version": version, "name": "Ana", "branchIds": branches});
    refuses(&centre, &admin, PROFESSIONAL, input(1, &[&b]), &["INVALID branchIds"]).await;
    let both = upsert(&admin, PROFESSIONAL.0, PROFESSIONAL.1, "professional { version }", input(1, &[&a, &b])).await;
    assert_eq!(both["professional"]["version"], 2);
    centre.run("UPDATE occupancies SET active = false WHERE appointment_id = $1", vec![booked.into()]).await;
    let moved =
        upsert(&admin, PROFESSIONAL.0, PROFESSIONAL.1, "professional { branches { id } }", input(2, &[&b])).await;
    assert_eq!(moved["professional"]["branches"], json!([{ "id": b }]));
}

#[tokio::test]
async fn nobody_takes_a_room_out_of_a_branch_that_is_not_theirs() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let (here, there) = (centre.branch("A", "America/Santiago").await, centre.branch("B", "America/Santiago").await);
    let room = centre.room("Box", there, 1).await;
    let manager = app.user("alfa", BuiltinRole::Administrator).await;
    let user = app.actor_of(&manager).await.id.unwrap();
    centre.run("UPDATE users SET branch_ids = $2 WHERE id = $1", vec![user.into(), vec![here].into()]).await;
    let email = super::text(&centre, "SELECT email FROM users WHERE id = $1", vec![user.into()]).await;
    let manager = app.login("alfa", &email).await;
    let (here, room) =
        (global(&app, "alfa", Kind::Branch, here).await, global(&app, "alfa", Kind::Resource, room).await);
    let input = json!({"id": room, "version": 1, "name": "Box", "branchId": here});
    refuses(&centre, &manager, ROOM, input.clone(), &["NOT_FOUND id"]).await;
    let moved = upsert(&app.admin("alfa").await, ROOM.0, ROOM.1, "room { branch { id } }", input).await;
    assert_eq!(moved["room"]["branch"]["id"], json!(here));
}

#[tokio::test]
async fn rooms_that_change_places_at_once_both_arrive_and_neither_is_a_deadlocks_victim() {
    let recorder = metrics::recorder().unwrap();
    let _counting = ::metrics::set_default_local_recorder(&recorder);
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let branches = [centre.branch("A", "America/Santiago").await, centre.branch("B", "America/Santiago").await];
    let rooms = [centre.room("1", branches[0], 1).await, centre.room("2", branches[1], 1).await];
    for round in 1..=20 {
        let go = async |room: usize| {
            let input = json!({
                "id": global(&app, "alfa", Kind::Resource, rooms[room]).await, "version": round, "name": "Box",
                "branchId": global(&app, "alfa", Kind::Branch, branches[(room + round) % 2]).await,
            });
            refused(&upsert(&admin, ROOM.0, ROOM.1, "room { id }", input).await)
        };
        let (first, second) = tokio::join!(go(0), go(1));
        assert_eq!((first, second), (vec![], vec![]), "round {round}");
    }
    let retried = recorder.handle().render().contains("horae_transaction_retries_total");
    assert!(!retried, "one was a deadlock's victim");
}
