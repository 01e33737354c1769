//! Who sees a record, and that whoever does has left a line in the trail.

use std::collections::HashSet;

use horae::{
    auth::BuiltinRole,
    domain::change::{Change, Changes},
    schema::id::Kind,
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{Ward, entry};
use crate::support::socket::Socket;

const RECORD: &str = "record { retainUntil entries(first: 5) { nodes { id } } }";

#[tokio::test]
async fn who_may_not_read_records_gets_forbidden_and_the_rest_of_the_patient() {
    let ward = Ward::open().await;
    ward.signed("nota").await;
    for client in [
        ward.app.user("alfa", BuiltinRole::Cashier).await,
        ward.app.user("alfa", BuiltinRole::Receptionist).await,
        ward.app.user("alfa", BuiltinRole::Manager).await,
    ] {
        let answer = ward.ask(&client, RECORD).await;
        let patient = &answer["data"]["appointment"]["patient"];
        assert_eq!((&patient["givenNames"], &patient["record"]), (&json!("Rosa"), &Value::Null), "{answer:#}");
        assert_eq!(answer["errors"].as_array().unwrap().len(), 1);
        assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN");
        assert_eq!(answer["errors"][0]["path"], json!(["appointment", "patient", "record"]));
    }
}

#[tokio::test]
async fn who_attends_sees_the_own_patients_records_and_no_others() {
    let ward = Ward::open().await;
    let signed = ward.signed("nota").await;
    let stranger = ward.app.user("alfa", BuiltinRole::Professional).await;
    let document = "query($id: ID!) { node(id: $id) { id } }";
    assert_eq!(stranger.error_code(document, json!({"id": signed["id"]})).await, "NOT_FOUND");
    assert_eq!(
        super::refused(&ward.save(&stranger, ward.input(&[])).await),
        ("NOT_FOUND".to_owned(), "patientId".to_owned())
    );
    let draft = ward.draft("borrador").await;
    assert_eq!(super::refused(&ward.sign(&stranger, &draft).await), ("NOT_FOUND".to_owned(), "id".to_owned()));
    assert_eq!(ward.entries(&ward.doctor).await.len(), 2);
}

#[tokio::test]
async fn who_writes_and_signs_without_reading_changes_nobody_elses_entry() {
    let ward = Ward::open().await;
    let signed = ward.signed("nota secreta").await;
    let draft = ward.draft("borrador secreto").await;
    let before = ward.entries(&ward.doctor).await;
    let blind = ward.somebody(&["PATIENT_READ", "RECORD_WRITE", "RECORD_SIGN"]).await;
    for payload in [
        ward.amend(&blind, &signed, ward.input(&[]), "x").await,
        ward.sign(&blind, &draft).await,
        ward.void(&blind, &draft, "x").await,
    ] {
        assert_eq!(super::refused(&payload).0, "FORBIDDEN");
        assert!(!payload.to_string().contains("secret"), "{payload:#}");
    }
    assert_eq!(ward.entries(&ward.doctor).await, before);
    // What one has written oneself one knows.
    let own = entry(ward.save(&blind, ward.input(&[("note", json!("propia"))])).await);
    assert_eq!(entry(ward.void(&blind, &own, "x").await)["status"], "VOIDED");
}

#[tokio::test]
async fn who_reads_without_writing_changes_nothing() {
    let ward = Ward::open().await;
    let signed = ward.signed("nota").await;
    let draft = ward.draft("borrador").await;
    let before = ward.entries(&ward.doctor).await;
    let reader = ward.somebody(&["PATIENT_READ", "RECORD_READ"]).await;
    for payload in [
        ward.save(&reader, ward.input(&[])).await,
        ward.amend(&reader, &signed, ward.input(&[]), "x").await,
        ward.sign(&reader, &draft).await,
        ward.void(&reader, &draft, "x").await,
    ] {
        assert_eq!(super::refused(&payload).0, "FORBIDDEN");
    }
    assert_eq!(ward.entries(&ward.doctor).await, before);
}

#[tokio::test]
async fn a_centre_that_keeps_no_records_shows_none_and_has_them_again_later() {
    let ward = Ward::open().await;
    let signed = ward.signed("nota").await;
    let draft = ward.draft("borrador").await;
    let file = super::fields::file(&ward, ward.patient).await;
    let link = "query($id: ID!) { node(id: $id) { ... on Attachment { downloadUrl } } }";
    ward.doctor.ok(link, json!({"id": file})).await;
    let switch = "mutation($on: Boolean!) { updateTenantProfile(input: {clinicalRecord: $on}) { tenant { clinicalRecord } userErrors { code } } }";
    let off = ward.admin.ok(switch, json!({"on": false})).await;
    assert_eq!(off["updateTenantProfile"]["tenant"]["clinicalRecord"], false);
    for client in [&ward.admin, &ward.doctor] {
        let answer = ward.ask(client, RECORD).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{answer:#}");
        assert_eq!(answer["data"]["appointment"]["patient"]["givenNames"], "Rosa");
        let list = "{ recordTemplates(first: 5) { nodes { id } } }";
        assert_eq!(client.error_code(list, json!({})).await, "FORBIDDEN");
        let document = "query($id: ID!) { node(id: $id) { id } }";
        for hidden in [&signed["id"], &file] {
            assert_eq!(client.error_code(document, json!({ "id": hidden })).await, "NOT_FOUND");
        }
    }
    for payload in [
        ward.save(&ward.doctor, ward.input(&[])).await,
        ward.sign(&ward.doctor, &draft).await,
        ward.void(&ward.doctor, &draft, "x").await,
        ward.amend(&ward.doctor, &signed, ward.input(&[]), "x").await,
    ] {
        assert_eq!(super::refused(&payload).0, "FORBIDDEN");
    }
    let form = json!({"name": "F", "fields": []});
    assert_eq!(ward.upsert(&ward.admin, form).await["userErrors"][0]["code"], "FORBIDDEN");
    ward.admin.ok(switch, json!({"on": true})).await;
    assert_eq!(ward.entries(&ward.doctor).await.len(), 2);
    ward.doctor.ok(link, json!({"id": file})).await;
}

async fn log(ward: &Ward) -> Vec<Value> {
    let fields = "record { accessLog(first: 100) { nodes { action actor { displayName } after subjectId } } }";
    let answer = ward.ask(&ward.admin, fields).await;
    assert!(answer.get("errors").is_none(), "{answer:#}");
    answer["data"]["appointment"]["patient"]["record"]["accessLog"]["nodes"].as_array().unwrap().clone()
}

#[tokio::test]
async fn every_look_at_a_record_is_in_its_log_once() {
    let ward = Ward::open().await;
    let draft = ward.draft("nota secreta").await;
    let signed = entry(ward.sign(&ward.doctor, &draft).await);
    let other = ward.draft("otra").await;
    let before = log(&ward).await;
    let actions: Vec<&Value> = before.iter().map(|line| &line["action"]).collect();
    assert_eq!(actions, [&json!("saveRecordEntry"), &json!("signRecordEntry"), &json!("saveRecordEntry")]);
    // Two fields of one request: one line, with all that was shown.
    let fields =
        "record { a: entries(first: 1) { nodes { id } } b: entries(last: 1) { nodes { id values { key value } } } }";
    let answer = ward.ask(&ward.doctor, fields).await;
    assert!(answer.get("errors").is_none(), "{answer:#}");
    let after = log(&ward).await;
    assert_eq!(after.len(), before.len() + 1, "{after:#?}");
    assert_eq!(
        (&after[0]["action"], &after[0]["actor"]["displayName"]),
        (&json!("viewRecord"), &draft["author"]["displayName"])
    );
    assert_eq!(after[0]["subjectId"], ward.id(Kind::Patient, ward.patient));
    let mut shown = [
        ward.local(Kind::RecordEntry, &signed["id"]).to_string(),
        ward.local(Kind::RecordEntry, &other["id"]).to_string(),
    ];
    shown.sort();
    assert_eq!(after[0]["after"]["entries"], json!(shown));
    // By its id it is the same.
    ward.entry(&ward.doctor, &signed["id"]).await;
    assert_eq!(log(&ward).await.len(), after.len() + 1);
    // Who is refused has seen nothing.
    ward.ask(&ward.app.user("alfa", BuiltinRole::Cashier).await, RECORD).await;
    assert_eq!(log(&ward).await.len(), after.len() + 1);
    assert!(!format!("{:?}", log(&ward).await).contains("secreta"));
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_who_is_shown_a_record_by_a_stream_is_in_its_log() {
    const STREAM: &str = "subscription($branch: ID!) { agendaChanged(branchId: $branch) {
        ... on AppointmentChanged { appointment { patient { record {
            entries(first: 1) { nodes { id } } attachments(first: 1) { nodes { downloadUrl } } } } } } } }";
    let ward = Ward::open().await;
    ward.signed("nota").await;
    super::fields::file(&ward, ward.patient).await;
    let mut sockets = Vec::new();
    for client in [ward.admin.clone(), ward.app.user("alfa", BuiltinRole::Administrator).await] {
        let mut socket = Socket::open(&ward.app, client.token.as_deref().unwrap()).await;
        socket.subscribe("1", STREAM, json!({"branch": ward.id(Kind::Branch, ward.branch)})).await;
        socket.data().await;
        sockets.push(socket);
    }
    let change = Change {
        branch_id: Some(ward.branch),
        data: json!({"kind": "UPDATED", "resources": [ward.professional]}),
        ..Change::event("appointment.status_changed", "test", "Appointment", ward.appointment)
    };
    let system = &ward.centre.system;
    let tx = ward.app.app.cx.write(system).await.unwrap();
    ward.app.app.cx.commit(tx, Changes::one(system, change)).await.unwrap();
    let mut links = HashSet::new();
    for socket in &mut sockets {
        let record = socket.data().await["agendaChanged"]["appointment"]["patient"]["record"].clone();
        assert_eq!(record["entries"]["nodes"].as_array().map(Vec::len), Some(1), "{record:#}");
        links.insert(record["attachments"]["nodes"][0]["downloadUrl"].as_str().unwrap().to_owned());
    }
    assert_eq!(links.len(), 2, "a link is good once");
    for looked in ["viewRecord", "showFile"] {
        let sql = "SELECT count(DISTINCT actor_id) FROM audit_entries WHERE action = $1";
        let tx = ward.app.app.cx.read(system).await.unwrap();
        let names: Option<i64> = tx.scalar(sql, [looked.into()]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(names, Some(2), "{looked}");
    }
}

#[tokio::test]
async fn what_cannot_be_noted_is_not_shown() {
    let ward = Ward::open().await;
    let signed = ward.signed("nota secreta").await;
    let mut owner = PgConnection::connect(&ward.app.database_url).await.unwrap();
    let schema = &ward.centre.system.tenant.schema_name;
    let full = format!("CREATE FUNCTION {schema}.disk_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk full'; END $$;
        CREATE TRIGGER disk_full BEFORE INSERT ON {schema}.audit_entries FOR EACH ROW EXECUTE FUNCTION {schema}.disk_full()");
    sqlx::raw_sql(AssertSqlSafe(full)).execute(&mut owner).await.unwrap();
    let answer = ward.ask(&ward.doctor, "record { entries(first: 5) { nodes { values { key value } } } }").await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INTERNAL", "{answer:#}");
    assert!(!answer.to_string().contains("secreta"));
    let document = "query($id: ID!) { node(id: $id) { ... on RecordEntry { values { value } } } }";
    assert_eq!(ward.doctor.error_code(document, json!({"id": signed["id"]})).await, "INTERNAL");
}

#[tokio::test]
async fn many_records_are_read_in_as_many_statements_as_one() {
    let ward = Ward::open().await;
    let mut visits = Vec::new();
    for n in 0..6 {
        let (patient, visit) = ward.patient(&format!("Paciente {n}")).await;
        let mut input = ward.input(&[("note", json!(format!("nota {n}")))]);
        input["patientId"] = ward.id(Kind::Patient, patient);
        entry(ward.save(&ward.doctor, input).await);
        visits.push(ward.id(Kind::Appointment, visit));
    }
    let document = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Appointment { patient { record {
        retainUntil patient { givenNames } entries(first: 3) { totalCount nodes { values { value } template { name } author { displayName } amends { id } } }
        accessLog(first: 3) { nodes { action } } } } } } }";
    let db = &ward.app.app.cx.db;
    let mut counts = Vec::new();
    for many in [1, 2, 6] {
        let before = db.statements();
        let answer = ward.doctor.ok(document, json!({"ids": visits[..many]})).await;
        counts.push(db.statements() - before);
        let nodes = answer["nodes"].as_array().unwrap();
        assert!(nodes.iter().all(|node| node["patient"]["record"]["entries"]["totalCount"] == 1), "{answer:#}");
    }
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
    println!("records of 1, 2 and 6 patients with entries and log: {counts:?} statements");
}

#[tokio::test]
async fn records_are_kept_as_long_as_the_country_says() {
    let ward = Ward::open().await;
    let until = |answer: Value| answer["data"]["appointment"]["patient"]["record"]["retainUntil"].clone();
    assert_eq!(until(ward.ask(&ward.doctor, "record { retainUntil }").await), "2026-07-13");
    ward.signed("nota").await;
    assert_eq!(until(ward.ask(&ward.doctor, "record { retainUntil }").await), "2041-07-13");
    for (country, year) in [("ES", 2031), ("MX", 2031), ("AR", 2036), ("PE", 2046), ("CO", 2041), ("UY", 2041)] {
        ward.centre.run("UPDATE centre_profile SET country = $1", vec![country.into()]).await;
        assert_eq!(until(ward.ask(&ward.doctor, "record { retainUntil }").await), format!("{year}-07-13"), "{country}");
    }
}

#[tokio::test]
async fn entries_come_newest_first_in_pages_of_one_form_or_range() {
    let ward = Ward::open().await;
    let other = ward
        .publish(json!({"name": "Otra", "fields": [{"key": "a", "label": "A", "type": "TEXT", "position": 1}]}))
        .await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ward.app.clock.advance(chrono::TimeDelta::minutes(1));
        let mut input = ward.input(&[]);
        if n == 2 {
            input["templateId"] = other["id"].clone();
        }
        ids.push(entry(ward.save(&ward.doctor, input).await)["id"].clone());
    }
    ids.reverse();
    let page = async |arguments: &str| {
        let fields = format!(
            "record {{ entries({arguments}) {{ nodes {{ id }} totalCount pageInfo {{ endCursor startCursor hasNextPage hasPreviousPage }} }} }}"
        );
        let answer = ward.ask(&ward.doctor, &fields).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        let page = answer["data"]["appointment"]["patient"]["record"]["entries"].clone();
        let found: Vec<Value> = page["nodes"].as_array().unwrap().iter().map(|node| node["id"].clone()).collect();
        (found, page)
    };
    let (first, info) = page("first: 2").await;
    assert_eq!(
        (first.as_slice(), &info["totalCount"], &info["pageInfo"]["hasNextPage"]),
        (&ids[..2], &json!(5), &json!(true))
    );
    let (second, _) = page(&format!("first: 10, after: {}", info["pageInfo"]["endCursor"])).await;
    assert_eq!(second, ids[2..]);
    let (last, info) = page("last: 2").await;
    assert_eq!((last.as_slice(), &info["pageInfo"]["hasPreviousPage"]), (&ids[3..], &json!(true)));
    let (before, _) = page(&format!("last: 10, before: {}", info["pageInfo"]["startCursor"])).await;
    assert_eq!(before, ids[..3]);
    assert_eq!(page(&format!("first: 10, templateId: {}", other["id"])).await.0, ids[2..3]);
    let range = "range: {from: \"2026-07-13T12:02:00Z\", to: \"2026-07-13T12:04:00Z\"}";
    assert_eq!(page(&format!("first: 10, {range}")).await.0, ids[2..4]);
    let nothing = ward.id(Kind::RecordTemplate, uuid::Uuid::new_v4());
    let answer = ward
        .ask(&ward.doctor, &format!("record {{ entries(first: 1, templateId: {nothing}) {{ nodes {{ id }} }} }}"))
        .await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "NOT_FOUND", "{answer:#}");
}

#[tokio::test]
async fn a_record_is_erased_when_nobody_has_to_keep_it_and_not_before() {
    let ward = Ward::open().await;
    let first = ward.signed("nota").await;
    let draft = entry(ward.amend(&ward.doctor, &first, ward.input(&[]), "corrige").await);
    entry(ward.sign(&ward.doctor, &draft).await);
    let (cx, system) = (&ward.centre.cx, &ward.centre.system);
    let tx = cx.write(system).await.unwrap();
    const ERASE: &str = "SELECT erase_record($1)";
    let refused = tx.scalar::<i64>(ERASE, [vec![ward.patient].into()]).await.unwrap_err();
    assert!(refused.violates("record_is_kept"), "{refused}");
    drop(tx);
    // Its name for the setting opens nothing to the centre's own role.
    for sql in ["DELETE FROM record_values", "DELETE FROM record_entries"] {
        let tx = cx.write(system).await.unwrap();
        tx.run("SELECT set_config('horae.erases_records', 'on', true)", []).await.unwrap();
        tx.run(sql, []).await.unwrap_err();
    }
    // Sixteen years later.
    let mut owner = PgConnection::connect(&ward.app.database_url).await.unwrap();
    let schema = &system.tenant.schema_name;
    let old = format!(
        "SET search_path TO {schema}; ALTER TABLE record_entries DISABLE TRIGGER USER;
        UPDATE record_entries SET at = at - interval '16 years', signed_at = signed_at - interval '16 years';
        ALTER TABLE record_entries ENABLE TRIGGER USER"
    );
    sqlx::raw_sql(AssertSqlSafe(old)).execute(&mut owner).await.unwrap();
    let tx = cx.write(system).await.unwrap();
    assert_eq!(tx.scalar::<i64>(ERASE, [vec![ward.patient].into()]).await.unwrap(), Some(2));
    tx.commit().await.unwrap();
    assert_eq!(ward.centre.count("SELECT count(*) FROM record_values").await, 0);
    assert!(ward.entries(&ward.doctor).await.is_empty());
}

#[tokio::test]
async fn the_record_of_a_patient_who_was_merged_is_read_with_the_one_who_is_kept() {
    let ward = Ward::open().await;
    let old = ward.signed("antes de unir").await;
    let (keep, visit) = ward.patient("Rosa María").await;
    let merge = "mutation($keep: ID!, $merge: ID!, $key: IdempotencyKey!) {
        mergePatients(keepId: $keep, mergeId: $merge, idempotencyKey: $key) { patient { id } userErrors { message } } }";
    let variables = json!({
        "keep": ward.id(Kind::Patient, keep), "merge": ward.id(Kind::Patient, ward.patient), "key": uuid::Uuid::new_v4(),
    });
    let merged = ward.admin.ok(merge, variables).await;
    assert_eq!(merged["mergePatients"]["userErrors"], json!([]), "{merged}");
    // Written about the old id, it is about the one that is kept.
    let new = ward.draft("después de unir").await;
    assert_eq!(ward.entry(&ward.doctor, &old["id"]).await, old, "what was signed is as it was signed");
    let document = "query($id: ID!) { appointment(id: $id) { patient { id record { entries(first: 5) { nodes { id } } accessLog(first: 50) { nodes { action } } } } } }";
    let seen = ward.doctor.ok(document, json!({"id": ward.id(Kind::Appointment, visit)})).await;
    let patient = &seen["appointment"]["patient"];
    assert_eq!(patient["id"], ward.id(Kind::Patient, keep));
    let nodes = patient["record"]["entries"]["nodes"].as_array().unwrap();
    assert!(nodes.contains(&json!({"id": old["id"]})) && nodes.contains(&json!({"id": new["id"]})), "{nodes:?}");
    let log = patient["record"]["accessLog"]["nodes"].to_string();
    assert!(log.contains("signRecordEntry") && log.contains("viewRecord"), "{log}");
}
