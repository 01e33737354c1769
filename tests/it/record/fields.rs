//! Fields that are not for everybody: neither read nor written, and nothing of them in any answer.

use horae::schema::id::Kind;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Ward, entry, refused, value};

#[tokio::test]
async fn a_field_is_for_who_has_one_of_its_permissions() {
    let ward = Ward::open().await;
    let form = ward.publish(json!({"name": "Psicología", "fields": [
        {"key": "motive", "label": "Motivo", "type": "TEXT", "position": 1},
        {"key": "score", "label": "Puntaje", "type": "INTEGER", "position": 2, "visibleTo": ["RECORD_SIGN"], "sensitive": true},
        {"key": "fine", "label": "Índice", "type": "CALCULATED", "expression": "score * 10", "position": 3, "sensitive": true},
    ]})).await;
    let with = |values: &[(&str, Value)]| {
        let mut input = ward.input(values);
        input["templateId"] = form["id"].clone();
        input
    };
    let assistant = ward.somebody(&["AGENDA_READ", "PATIENT_READ", "RECORD_READ", "RECORD_WRITE"]).await;
    // Who may not see it cannot write it either.
    let payload = ward.save(&assistant, with(&[("motive", json!("x")), ("score", json!(7))])).await;
    assert_eq!(refused(&payload), ("FORBIDDEN".to_owned(), "values.1.key".to_owned()));
    let draft = entry(ward.save(&ward.doctor, with(&[("motive", json!("control")), ("score", json!(7))])).await);
    assert_eq!(value(&draft, "fine").unwrap().as_str().unwrap().parse::<f64>().unwrap(), 70.0);
    let seen = ward.entry(&assistant, &draft["id"]).await;
    let keys: Vec<&Value> = seen["values"].as_array().unwrap().iter().map(|value| &value["key"]).collect();
    assert_eq!(keys, [&json!("motive")], "what is calculated from it tells of it");
    let all = ward.entries(&assistant).await;
    assert!(all.iter().all(|one| value(one, "score").is_none() && value(one, "fine").is_none()), "{all:?}");
    // An amendment by who does not see it keeps it.
    let signed = entry(ward.sign(&ward.doctor, &draft).await);
    let amendment = entry(ward.amend(&assistant, &signed, with(&[("motive", json!("urgencia"))]), "error").await);
    assert_eq!(value(&amendment, "score"), None);
    let after = entry(ward.sign(&ward.doctor, &amendment).await);
    assert_eq!((value(&after, "score"), value(&after, "motive")), (Some(&json!(7)), Some(&json!("urgencia"))));
}

#[tokio::test]
async fn every_type_of_field_comes_back_as_it_was_written() {
    let ward = Ward::open().await;
    let types = [
        ("text", "TEXT", json!("uno"), json!(null)),
        ("long", "LONG_TEXT", json!("uno\ndos"), json!(null)),
        ("whole", "INTEGER", json!(42), json!(null)),
        ("yes", "BOOLEAN", json!(true), json!(null)),
        ("day", "DATE", json!("2026-07-13"), json!(null)),
        ("one", "SINGLE_CHOICE", json!("b"), json!(["a", "b"])),
        ("some", "MULTI_CHOICE", json!(["a", "c"]), json!(["a", "b", "c"])),
        ("doses", "TABLE", json!([{"Fármaco": "Ibuprofeno", "Dosis": "400 mg"}]), json!(["Fármaco", "Dosis"])),
        ("body", "BODY_MAP", json!([{"x": 0.5, "y": 0.25, "view": "FRONT", "label": "dolor"}]), json!(null)),
    ];
    let fields: Vec<Value> = types
        .iter()
        .enumerate()
        .map(|(at, (key, kind, _, options))| json!({"key": key, "label": key, "type": kind, "options": options, "position": at, "sensitive": true}))
        .collect();
    let form = ward.publish(json!({"name": "Todo", "fields": fields})).await;
    let given: Vec<(&str, Value)> = types.iter().map(|(key, _, value, _)| (*key, value.clone())).collect();
    let mut input = ward.input(&given);
    input["templateId"] = form["id"].clone();
    let saved = entry(ward.save(&ward.doctor, input).await);
    let signed = entry(ward.sign(&ward.doctor, &saved).await);
    for (key, _, written, _) in &types {
        let back = value(&signed, key).unwrap_or_else(|| panic!("{key} is missing: {signed}"));
        let alike = back == written || back.to_string().contains("0.5") && back.to_string().contains("dolor");
        assert!(alike, "{key}: {back} instead of {written}");
    }
}

/// A file of a patient's that is ready.
pub(super) async fn file(ward: &Ward, patient: Uuid) -> Value {
    let id = ward.centre.cx.new_id();
    let sql = "INSERT INTO attachments (id, patient_id, status, file_name, mime_type, size_bytes, sha256, created_at, uploaded_at)
        VALUES ($1, $2, 'READY', 'foto.png', 'image/png', 1, sha256('x'), $3, $3)";
    ward.centre.run(sql, vec![id.into(), patient.into(), ward.app.now().into()]).await;
    ward.id(Kind::Attachment, id)
}

async fn files_of(client: &crate::support::app::Client, entry: &Value) -> Vec<Value> {
    let document =
        "query($id: ID!) { node(id: $id) { ... on RecordEntry { signatureValid attachments { id fileName } } } }";
    let node = client.ok(document, json!({"id": entry["id"]})).await["node"].clone();
    assert_ne!(node["signatureValid"], false, "{node}");
    node["attachments"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect()
}

/// The files in the list of the record's, and how many there are.
async fn files_in_record(ward: &Ward, client: &crate::support::app::Client) -> (Vec<Value>, i64) {
    let answer = ward.ask(client, "record { attachments(first: 5) { nodes { id } totalCount } }").await;
    let page = &answer["data"]["appointment"]["patient"]["record"]["attachments"];
    let nodes = page["nodes"].as_array().unwrap_or_else(|| panic!("{answer:#}"));
    (nodes.iter().map(|node| node["id"].clone()).collect(), page["totalCount"].as_i64().unwrap())
}

#[tokio::test]
async fn files_belong_to_an_entry_by_list_or_by_field_and_are_signed_with_it() {
    let ward = Ward::open().await;
    let form = ward
        .publish(json!({"name": "Fotos", "fields": [
            {"key": "photos", "label": "Fotos", "type": "PHOTO", "position": 1, "visibleTo": ["RECORD_SIGN"]},
        ]}))
        .await;
    let (stranger, _) = ward.patient("Eva").await;
    let (listed, named, others) =
        (file(&ward, ward.patient).await, file(&ward, ward.patient).await, file(&ward, stranger).await);
    let with = |values: &[(&str, Value)], files: Value| {
        let mut input = ward.input(values);
        (input["templateId"], input["attachmentIds"]) = (form["id"].clone(), files);
        input
    };
    // Another patient's files are nobody's here.
    let payload = ward.save(&ward.doctor, with(&[], json!([listed, others]))).await;
    assert_eq!(refused(&payload), ("NOT_FOUND".to_owned(), "attachmentIds.1".to_owned()));
    let payload = ward.save(&ward.doctor, with(&[("photos", json!([others]))], json!(null))).await;
    assert_eq!(refused(&payload), ("NOT_FOUND".to_owned(), "values.0.value".to_owned()));
    let draft = entry(ward.save(&ward.doctor, with(&[("photos", json!([named]))], json!([listed]))).await);
    assert_eq!(files_of(&ward.doctor, &draft).await, [listed.clone(), named.clone()]);
    assert_eq!(value(&draft, "photos"), Some(&json!([named])));
    // What is in a field that is not for somebody is not among the files either.
    let assistant = ward.somebody(&["AGENDA_READ", "PATIENT_READ", "RECORD_READ", "RECORD_WRITE"]).await;
    assert_eq!(files_of(&assistant, &draft).await, std::slice::from_ref(&listed));
    // … nor anywhere else, and nobody brings it to light by listing it.
    assert_eq!(files_in_record(&ward, &assistant).await, (vec![listed.clone()], 1));
    assert_eq!(files_in_record(&ward, &ward.doctor).await.1, 2);
    let document = "query($id: ID!) { node(id: $id) { id } }";
    assert_eq!(assistant.error_code(document, json!({ "id": named })).await, "NOT_FOUND");
    ward.doctor.ok(document, json!({ "id": named })).await;
    let payload = ward.save(&assistant, with(&[], json!([listed, named]))).await;
    assert_eq!(refused(&payload), ("NOT_FOUND".to_owned(), "attachmentIds.1".to_owned()));
    let signed = entry(ward.sign(&ward.doctor, &draft).await);
    // The amendment has them too, and gives one up.
    let amendment = entry(ward.amend(&ward.doctor, &signed, with(&[], json!([])), "sobra una foto").await);
    assert_eq!(files_of(&ward.doctor, &amendment).await, std::slice::from_ref(&named));
    entry(ward.sign(&ward.doctor, &amendment).await);
    assert_eq!(files_of(&ward.doctor, &signed).await, [listed.clone(), named.clone()]);
    for sql in
        ["DELETE FROM record_attachments", "UPDATE record_attachments SET listed = false", "DELETE FROM attachments"]
    {
        let tx = ward.centre.cx.write(&ward.centre.system).await.unwrap();
        tx.run(sql, []).await.unwrap_err();
    }
    let answer = ward.ask(&ward.doctor, "record { attachments(first: 5) { nodes { id } totalCount } entries(first: 5) { nodes { id } } accessLog(first: 1) { nodes { action } } }").await;
    assert_eq!(answer["data"]["appointment"]["patient"]["record"]["attachments"]["totalCount"], 2, "{answer:#}");
    let log = ward.ask(&ward.doctor, "record { accessLog(first: 2) { nodes { action after requestId } } }").await;
    let lines = log["data"]["appointment"]["patient"]["record"]["accessLog"]["nodes"].clone();
    assert_ne!(
        lines[0]["requestId"], lines[1]["requestId"],
        "entries and files of one request are one line: {lines:#}"
    );
}
