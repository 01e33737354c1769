//! Lists: pages, filters, scope, and how many statements they take.

use horae::{auth::BuiltinRole, schema::id::Kind};
use serde_json::{Value, json};

use super::global;
use crate::support::{
    app::{Client, TestApp},
    fixtures::Centre,
};

fn names(list: &Value) -> Vec<&str> {
    list["nodes"].as_array().unwrap().iter().map(|node| node["name"].as_str().unwrap()).collect()
}

async fn professionals(client: &Client, filter: Value) -> Vec<String> {
    let query = "query($f: ResourceFilter) { professionals(filter: $f, first: 100) { nodes { name } } }";
    let data = client.ok(query, json!({"f": filter})).await;
    names(&data["professionals"]).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn pages_go_forwards_and_backwards_and_are_stable_under_inserts() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let branch = centre.branch("A", "America/Santiago").await;
    for name in ["B", "D", "D", "F", "H"] {
        centre.room(name, branch, 1).await;
    }
    let query = "query($first: Int, $after: String, $last: Int, $before: String) {
        rooms(first: $first, after: $after, last: $last, before: $before) { nodes { name } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
    let page = async |variables: Value| admin.ok(query, variables).await["rooms"].clone();
    let one = page(json!({"first": 2})).await;
    assert_eq!(names(&one), ["B", "D"]);
    centre.room("A", branch, 1).await;
    let two = page(json!({"first": 2, "after": one["pageInfo"]["endCursor"]})).await;
    assert_eq!(names(&two), ["D", "F"]);
    assert_eq!((&two["pageInfo"]["hasNextPage"], &two["pageInfo"]["hasPreviousPage"]), (&json!(true), &json!(true)));
    let back = page(json!({"last": 2, "before": two["pageInfo"]["startCursor"]})).await;
    assert_eq!(names(&back), ["B", "D"]);
    assert_eq!(names(&page(json!({"last": 1})).await), ["H"]);

    let cursor = &one["pageInfo"]["endCursor"];
    for (variables, field) in [
        (json!({}), "first"),
        (json!({"first": 0}), "first"),
        (json!({"first": 101}), "first"),
        (json!({"last": -1}), "last"),
        (json!({"first": 1, "last": 1}), "last"),
        (json!({"first": 1, "after": "made up"}), "after"),
        (json!({"first": 1, "before": cursor}), "before"),
    ] {
        let answer = admin.send(query, variables.clone()).await;
        let extensions = &answer["errors"][0]["extensions"];
        assert_eq!((&extensions["code"], &extensions["field"]), (&json!("INVALID"), &json!([field])), "{variables}");
    }
    // A cursor is good for its own list and its own centre.
    let other =
        admin.send("query($c: String) { equipment(first: 1, after: $c) { nodes { id } } }", json!({"c": cursor})).await;
    assert_eq!(other["errors"][0]["extensions"]["code"], "INVALID");
    let foreign = app.admin("beta").await.send(query, json!({"first": 1, "after": cursor})).await;
    assert_eq!(foreign["errors"][0]["extensions"]["code"], "INVALID");
}

#[tokio::test]
async fn filters_narrow_and_text_is_found_whatever_its_case_and_accents() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let (a, b) = (centre.branch("A", "America/Santiago").await, centre.branch("B", "America/Santiago").await);
    let (clean, pull) = (centre.treatment("Limpieza", 30).await, centre.treatment("Extracción", 30).await);
    let jose = centre.professional("José Ñandú", a).await;
    let ana = centre.professional("Ana 100%", b).await;
    centre.professional("Eva_x", b).await;
    centre.offers_only(jose, &[clean]).await;
    centre.needs(pull, &[("PROFESSIONAL", 1, &[ana])]).await;
    let (in_a, in_b) = (global(&app, "alfa", Kind::Branch, a).await, global(&app, "alfa", Kind::Branch, b).await);
    let (clean_id, pull_id) =
        (global(&app, "alfa", Kind::Treatment, clean).await, global(&app, "alfa", Kind::Treatment, pull).await);
    for (filter, expected) in [
        (Value::Null, vec!["Ana 100%", "Eva_x", "José Ñandú"]),
        (json!({"text": "JOSE"}), vec!["José Ñandú"]),
        (json!({"text": "ñandu"}), vec!["José Ñandú"]),
        (json!({"text": "%"}), vec!["Ana 100%"]),
        (json!({"text": "_"}), vec!["Eva_x"]),
        (json!({"text": "\\"}), vec![]),
        (json!({"branchId": in_a}), vec!["José Ñandú"]),
        (json!({"branchId": in_b, "text": "a"}), vec!["Ana 100%", "Eva_x"]),
        (json!({"treatmentId": clean_id}), vec!["Ana 100%", "Eva_x", "José Ñandú"]),
        (json!({"treatmentId": pull_id}), vec!["Ana 100%"]),
        (json!({"active": false}), vec![]),
    ] {
        assert_eq!(professionals(&admin, filter.clone()).await, expected, "{filter}");
    }
    let query = "query($f: ResourceFilter) { professionals(filter: $f, first: 1) { nodes { id } } }";
    let long = admin.send(query, json!({"f": {"text": "x".repeat(201)}})).await;
    assert_eq!(long["errors"][0]["extensions"]["field"], json!(["filter", "text"]));
    let foreign = global(&app, "beta", Kind::Branch, a).await;
    assert_eq!(admin.error_code(query, json!({"f": {"branchId": foreign}})).await, "NOT_FOUND");

    let treatments = "query($f: TreatmentFilter) { treatments(filter: $f, first: 10) { nodes { name } } }";
    for (filter, expected) in [
        (json!({"text": "extraccion"}), vec!["Extracción"]),
        (json!({"branchId": in_a}), vec!["Limpieza"]),
        (json!({"branchId": in_b}), vec!["Extracción", "Limpieza"]),
        (json!({"onlineBookable": false}), vec![]),
    ] {
        let data = admin.ok(treatments, json!({"f": filter})).await;
        assert_eq!(names(&data["treatments"]), expected, "{filter}");
    }
    // What takes no professional is offered wherever there is none: by its own needs, or because the centre works by room.
    let sauna = centre.treatment("Sauna", 30).await;
    centre.needs(sauna, &[("ROOM", 1, &[])]).await;
    let data = admin.ok(treatments, json!({"f": {"branchId": in_a}})).await;
    assert_eq!(names(&data["treatments"]), ["Limpieza", "Sauna"]);
    centre.run("DELETE FROM professional_branches", vec![]).await;
    centre.run("UPDATE centre_profile SET operating_mode = 'BY_ROOM'", vec![]).await;
    let data = admin.ok(treatments, json!({"f": {"branchId": in_a}})).await;
    assert_eq!(names(&data["treatments"]), ["Limpieza", "Sauna"], "the extraction takes a dentist");
}

#[tokio::test]
async fn who_works_in_some_branches_sees_those() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let (a, b) = (centre.branch("A", "America/Santiago").await, centre.branch("B", "America/Santiago").await);
    centre.room("in A", a, 1).await;
    centre.room("in B", b, 1).await;
    centre.also_works_in(centre.professional("Ana", a).await, b).await;
    let reception = app.user("alfa", BuiltinRole::Receptionist).await;
    let user = app.actor_of(&reception).await.id.unwrap();
    centre.run("UPDATE users SET branch_ids = $2 WHERE id = $1", vec![user.into(), vec![a].into()]).await;
    let email = super::text(&centre, "SELECT email FROM users WHERE id = $1", vec![user.into()]).await;
    let scoped = app.login("alfa", &email).await;
    let seen = scoped
        .ok("{ branches(first: 9) { nodes { name } } rooms(first: 9) { nodes { name } } professionals(first: 9) { nodes { name branches { name } } } }", json!({}))
        .await;
    assert_eq!(names(&seen["branches"]), ["A"]);
    assert_eq!(names(&seen["rooms"]), ["in A"]);
    assert_eq!(seen["professionals"]["nodes"], json!([{"name": "Ana", "branches": [{"name": "A"}]}]));
}

async fn statements(app: &TestApp, client: &Client, query: &str) -> u64 {
    let before = app.app.cx.db.statements();
    client.ok(query, json!({})).await;
    app.app.cx.db.statements() - before
}

#[tokio::test]
async fn a_list_takes_no_statement_for_each_row() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    centre.run("INSERT INTO treatment_categories (id, name) VALUES ($1, 'C')", vec![centre.cx.new_id().into()]).await;
    let queries = [
        "{ branches(first: 50) { nodes { name openingHours { day } settings { quietHours { day } }
             rooms(first: 3) { nodes { name branch { name } } } professionals(first: 3) { nodes { name treatments { name } } } } } }",
        "{ treatments(first: 100) { nodes { name requirements { kind } category { name } } } }",
        "{ professionals(first: 100) { nodes { name user { name } branches { name } treatments { name } } } }",
    ];
    let mut counts = Vec::new();
    for rows in [5, 45] {
        for n in 0..rows {
            let branch = centre.branch(&format!("S{n}"), "America/Santiago").await;
            centre.room("Box", branch, 1).await;
            let treatment = centre.treatment("T", 30).await;
            centre
                .run(
                    "UPDATE treatments SET category_id = (SELECT id FROM treatment_categories) WHERE id = $1",
                    vec![treatment.into()],
                )
                .await;
            centre.needs(treatment, &[("ROOM", 1, &[])]).await;
            let professional = centre.professional("P", branch).await;
            centre.offers_only(professional, &[treatment]).await;
        }
        let mut of_rows = Vec::new();
        for query in queries {
            // The first request after a while reads the session again.
            admin.ok("{ viewer { permissions { code } } }", json!({})).await;
            of_rows.push(statements(&app, &admin, query).await);
        }
        counts.push(of_rows);
    }
    assert_eq!(counts[0], counts[1], "five rows and fifty");
    assert!(counts[0].iter().all(|few| *few <= 12), "{counts:?}");
}

#[tokio::test]
async fn a_branch_lists_its_own_rooms_page_by_page() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let (a, b) = (centre.branch("A", "America/Santiago").await, centre.branch("B", "America/Santiago").await);
    for name in ["1", "2", "3"] {
        centre.room(name, a, 1).await;
    }
    centre.room("9", b, 1).await;
    let query = "query($after: String) { branches(first: 5) { nodes { rooms(first: 2, after: $after) { nodes { name } pageInfo { hasNextPage endCursor } } } } }";
    let first = admin.ok(query, json!({})).await["branches"]["nodes"].clone();
    assert_eq!(names(&first[0]["rooms"]), ["1", "2"]);
    assert_eq!(
        (&first[0]["rooms"]["pageInfo"]["hasNextPage"], &first[1]["rooms"]["pageInfo"]["hasNextPage"]),
        (&json!(true), &json!(false))
    );
    let next = admin.ok(query, json!({"after": first[0]["rooms"]["pageInfo"]["endCursor"]})).await["branches"]["nodes"]
        .clone();
    assert_eq!(names(&next[0]["rooms"]), ["3"]);
    assert_eq!(names(&next[1]["rooms"]), ["9"]);
}

#[tokio::test]
async fn the_zones_of_a_country_are_told_with_their_clocks() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    let query =
        "query($c: CountryCode) { timeZones(country: $c) { id countries utcOffsetNow nextTransition tzdataVersion } }";
    let zones = admin.ok(query, json!({"c": "CL"})).await["timeZones"].clone();
    let told: Vec<(&str, &str, &Value)> = zones
        .as_array()
        .unwrap()
        .iter()
        .map(|zone| (zone["id"].as_str().unwrap(), zone["utcOffsetNow"].as_str().unwrap(), &zone["nextTransition"]))
        .collect();
    let (winter, island) = (json!("2026-09-06T01:00:00-03:00"), json!("2026-09-05T23:00:00-05:00"));
    assert_eq!(
        told,
        [
            ("America/Coyhaique", "-03:00", &Value::Null),
            ("America/Punta_Arenas", "-03:00", &Value::Null),
            ("America/Santiago", "-04:00", &winter),
            ("Pacific/Easter", "-06:00", &island),
        ]
    );
    assert_eq!(admin.ok(query, json!({"c": "XX"})).await["timeZones"], json!([]));
    assert!(admin.ok(query, json!({})).await["timeZones"].as_array().unwrap().len() > 350);
}
