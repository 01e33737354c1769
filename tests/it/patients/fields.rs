//! Fields that the centre defines for its patients.

use horae::{auth::BuiltinRole, schema::id::Kind};
use serde_json::{Value, json};

use super::Desk;
use crate::centre::refused;

const SHAPE: &str = "key label type required options unit min max expression sensitive visibleTo position";

async fn set(desk: &Desk, fields: Value) -> Value {
    let document = format!(
        "mutation($fields: [TemplateFieldInput!]!) {{ setPatientFields(fields: $fields) {{ fields {{ {SHAPE} }} userErrors {{ code message field }} }} }}"
    );
    desk.admin.ok(&document, json!({ "fields": fields })).await["setPatientFields"].clone()
}

#[tokio::test]
async fn fields_of_every_type_hold_values_in_their_normal_form() {
    let desk = Desk::open().await;
    let field = |at: usize, key: &str, kind: &str, more: Value| {
        let mut field = json!({"key": key, "label": format!("Campo {key}"), "type": kind, "position": at});
        field.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        field
    };
    let all = [
        ("note", "TEXT", json!({}), json!(" hola "), json!("hola")),
        ("story", "LONG_TEXT", json!({}), json!("a\nb"), json!("a\nb")),
        ("count", "INTEGER", json!({"min": "0", "max": "9"}), json!(3), json!(3)),
        ("weight", "DECIMAL", json!({"unit": "kg"}), json!("70.50"), json!("70.5")),
        ("height", "DECIMAL", json!({"unit": "m"}), json!(1.75), json!("1.75")),
        ("smokes", "BOOLEAN", json!({}), json!(false), json!(false)),
        ("since", "DATE", json!({}), json!("2026-07-15"), json!("2026-07-15")),
        ("seen", "DATETIME", json!({}), json!("2026-07-15T08:00:00-04:00"), json!("2026-07-15T08:00:00-04:00")),
        ("level", "SINGLE_CHOICE", json!({"options": ["bajo", "alto"]}), json!("alto"), json!("alto")),
        ("likes", "MULTI_CHOICE", json!({"options": ["té", "café"]}), json!(["café", "té"]), json!(["té", "café"])),
        (
            "map",
            "BODY_MAP",
            json!({}),
            json!([{"x": 0.5, "y": 0.25, "view": "BACK", "label": "dolor"}]),
            json!([{"x": 0.5, "y": 0.25, "view": "BACK", "label": "dolor"}]),
        ),
        (
            "signed",
            "SIGNATURE",
            json!({}),
            json!({"name": "Ana", "strokes": [[[0.1, 0.2], [0.3, 0.4]]]}),
            json!({"name": "Ana", "strokes": [[[0.1, 0.2], [0.3, 0.4]]]}),
        ),
        (
            "drugs",
            "TABLE",
            json!({"options": ["Fármaco", "Dosis"]}),
            json!([{"Fármaco": "Ibuprofeno", "Dosis": 400}]),
            json!([{"Fármaco": "Ibuprofeno", "Dosis": "400"}]),
        ),
    ];
    let mut fields: Vec<Value> =
        all.iter().enumerate().map(|(at, (key, kind, more, ..))| field(at, key, kind, more.clone())).collect();
    fields.push(field(90, "head", "SECTION", json!({})));
    fields.push(field(91, "bmi", "CALCULATED", json!({"expression": "weight / (height * height)", "unit": "kg/m²"})));
    let payload = set(&desk, json!(fields)).await;
    assert_eq!(payload["userErrors"], json!([]), "{payload:#}");
    let read = desk.admin.ok(&format!("{{ patientFields {{ {SHAPE} }} }}"), json!({})).await;
    assert_eq!(read["patientFields"], payload["fields"]);
    assert_eq!(read["patientFields"][2]["max"], "9");

    let given: Vec<Value> = all.iter().map(|(key, _, _, value, _)| json!({"key": key, "value": value})).collect();
    let made = desk.created(json!({"givenNames": "Ana", "customFields": given})).await;
    let values = made["customFields"].as_array().unwrap();
    assert_eq!(values.len(), all.len() + 1, "a heading has no value");
    for ((key, _, _, _, kept), value) in all.iter().zip(values) {
        assert_eq!(*value, json!({"key": key, "label": format!("Campo {key}"), "value": kept}));
    }
    assert_eq!(values[all.len()]["value"], "23.020408");

    // A change names only what changes; null takes away.
    let more = json!([{"key": "height", "value": null}, {"key": "note", "value": "otra"}]);
    let after = desk.update(&made, json!({"givenNames": "Ana", "customFields": more})).await["patient"].clone();
    let value = |key: &str| {
        after["customFields"].as_array().unwrap().iter().find(|one| one["key"] == key).unwrap()["value"].clone()
    };
    assert_eq!(
        (value("note"), value("height"), value("bmi"), value("count")),
        (json!("otra"), json!(null), json!(null), json!(3))
    );
}

#[tokio::test]
async fn what_does_not_fit_its_field_is_refused_at_its_place() {
    let desk = Desk::open().await;
    set(
        &desk,
        json!([
            {"key": "temp", "label": "T", "type": "DECIMAL", "min": "30", "max": "45", "position": 1},
            {"key": "bmi", "label": "B", "type": "CALCULATED", "expression": "temp * 2", "position": 2},
            {"key": "photo", "label": "F", "type": "PHOTO", "position": 3},
        ]),
    )
    .await;
    let attachment = desk.id(Kind::Patient, uuid::Uuid::new_v4());
    for (key, value, place) in [
        ("temp", json!("45.1"), "INVALID customFields.0.value"),
        ("temp", json!("treinta"), "INVALID customFields.0.value"),
        ("bmi", json!("3"), "INVALID customFields.0.value"),
        ("photo", attachment, "INVALID customFields.0.value"),
        ("nada", json!(1), "NOT_FOUND customFields.0.key"),
    ] {
        let payload = desk.create(json!({"givenNames": "Ana", "customFields": [{"key": key, "value": value}]})).await;
        assert_eq!(refused(&payload), [place], "{key} {value}");
    }
    let twice = json!([{"key": "temp", "value": "36"}, {"key": "temp", "value": "37"}]);
    let payload = desk.create(json!({"givenNames": "Ana", "customFields": twice})).await;
    assert_eq!(refused(&payload), ["INVALID customFields.1.key"]);
}

#[tokio::test]
async fn a_required_field_is_filled_in_new_patients_and_not_emptied_in_old_ones() {
    let desk = Desk::open().await;
    let old = desk.created(json!({"givenNames": "Vieja"})).await;
    set(&desk, json!([{"key": "club", "label": "Club", "type": "TEXT", "required": true, "position": 1}])).await;
    assert_eq!(refused(&desk.create(json!({"givenNames": "Ana"})).await), ["REQUIRED customFields"]);
    let blank = json!({"givenNames": "Ana", "customFields": [{"key": "club", "value": " "}]});
    assert_eq!(refused(&desk.create(blank).await), ["REQUIRED customFields.0.value"]);
    let touched = desk.update(&old, json!({"givenNames": "Vieja", "rating": 3})).await;
    assert_eq!(touched["userErrors"], json!([]), "nobody has to fill it to change something else");
    let filled = desk.created(json!({"givenNames": "Ana", "customFields": [{"key": "club", "value": "sí"}]})).await;
    let emptied = json!({"givenNames": "Ana", "customFields": [{"key": "club", "value": null}]});
    assert_eq!(refused(&desk.update(&filled, emptied).await), ["REQUIRED customFields.0.value"]);
}

#[tokio::test]
async fn a_field_that_is_gone_keeps_its_values_and_its_type() {
    let desk = Desk::open().await;
    let club = json!([{"key": "club", "label": "Club", "type": "TEXT", "position": 1}]);
    set(&desk, club.clone()).await;
    let one = desk.created(json!({"givenNames": "Ana", "customFields": [{"key": "club", "value": "sí"}]})).await;
    assert_eq!(set(&desk, json!([])).await["fields"], json!([]));
    assert_eq!(desk.patient(&one["id"]).await["customFields"], json!([]));
    let other = json!([{"key": "club", "label": "Club", "type": "INTEGER", "position": 1}]);
    assert_eq!(refused(&set(&desk, other).await), ["INVALID fields.0.type"]);
    let secret = json!([{"key": "club", "label": "Club", "type": "TEXT", "sensitive": true, "position": 1}]);
    assert_eq!(refused(&set(&desk, secret).await), ["INVALID fields.0.sensitive"]);
    set(&desk, club).await;
    assert_eq!(desk.patient(&one["id"]).await["customFields"][0]["value"], "sí");
    let bad = json!([{"key": "1", "label": "", "type": "TEXT", "position": 1}]);
    assert_eq!(refused(&set(&desk, bad).await), ["INVALID fields.0.key", "REQUIRED fields.0.label"]);
}

#[tokio::test]
async fn a_field_is_seen_and_written_by_who_may() {
    let desk = Desk::open().await;
    set(
        &desk,
        json!([
            {"key": "open", "label": "O", "type": "TEXT", "position": 1},
            {"key": "hidden", "label": "H", "type": "INTEGER", "visibleTo": ["RECORD_READ", "AUDIT_READ"], "position": 2},
            {"key": "double", "label": "D", "type": "CALCULATED", "expression": "hidden * 2", "position": 3},
        ]),
    )
    .await;
    let values = json!([{"key": "open", "value": "x"}, {"key": "hidden", "value": 21}]);
    let one = desk.created(json!({"givenNames": "Ana", "customFields": values})).await;
    assert_eq!(one["customFields"][2]["value"], "42");
    let desk_user = desk.app.user("alfa", BuiltinRole::Receptionist).await;
    let query = "query($id: ID!) { patient(id: $id) { version customFields { key value } } }";
    let seen = desk_user.ok(query, json!({"id": one["id"]})).await;
    assert_eq!(seen["patient"]["customFields"], json!([{"key": "open", "value": "x"}]));
    let write = "mutation($id: ID!, $f: [CustomFieldValueInput!]) { updatePatient(id: $id, version: 1, input: {givenNames: \"Ana\", customFields: $f}) { userErrors { code field } } }";
    let attempt = json!({"id": one["id"], "f": [{"key": "hidden", "value": 1}]});
    assert_eq!(refused(&desk_user.ok(write, attempt).await["updatePatient"]), ["NOT_FOUND customFields.0.key"]);
    let allowed = json!({"id": one["id"], "f": [{"key": "open", "value": "y"}]});
    assert_eq!(refused(&desk_user.ok(write, allowed).await["updatePatient"]), [""; 0]);
    assert_eq!(desk.patient(&one["id"]).await["customFields"][1]["value"], 21, "what one does not see stays");
}

#[tokio::test]
async fn a_sensitive_value_lies_sealed_and_is_found_by_exactly_that_value() {
    let desk = Desk::open().await;
    set(
        &desk,
        json!([
            {"key": "club", "label": "Club", "type": "TEXT", "position": 1},
            {"key": "diagnosis", "label": "D", "type": "TEXT", "sensitive": true, "position": 2},
            {"key": "score", "label": "S", "type": "INTEGER", "sensitive": true, "visibleTo": ["PATIENT_READ"], "position": 3},
        ]),
    )
    .await;
    let values = |secret: &str| json!([{"key": "club", "value": "Verde"}, {"key": "diagnosis", "value": secret}, {"key": "score", "value": 7_654_321}]);
    let one = desk.created(json!({"givenNames": "Ana", "customFields": values("Melancolía")})).await;
    let other =
        desk.created(json!({"givenNames": "Eva", "customFields": [{"key": "diagnosis", "value": "Otra"}]})).await;
    assert_eq!(one["customFields"][1]["value"], "Melancolía");
    assert_eq!(desk.patient(&one["id"]).await["customFields"], one["customFields"]);
    for sql in [
        "SELECT count(*) FROM patients t WHERE t::text ~* 'melancol|7654321'",
        "SELECT count(*) FROM patient_values t WHERE t::text ~* 'melancol|7654321' OR encode(value_sealed, 'escape') ~* 'melancol|7654321'",
        "SELECT count(*) FROM events t WHERE t::text ~* 'melancol|7654321'",
        "SELECT count(*) FROM audit_entries t WHERE t::text ~* 'melancol|7654321'",
        "SELECT count(*) FROM idempotency_receipts t WHERE t::text ~* 'melancol|7654321'",
    ] {
        assert_eq!(desk.centre.count(sql).await, 0, "{sql}");
    }
    let found = async |key: &str, value: Value| desk.names(json!({"customField": {"key": key, "value": value}})).await;
    assert_eq!(found("diagnosis", json!("melancolía")).await, ["Ana"], "whatever the case");
    assert_eq!(found("diagnosis", json!("Melanc")).await, [""; 0], "exactly that value");
    assert_eq!(found("score", json!(7_654_321)).await, ["Ana"]);
    assert_eq!(found("club", json!("Verde")).await, ["Ana"]);
    assert_eq!(desk.names(json!({"text": "melancolia"})).await, [""; 0]);
    // Without RECORD_READ it is not there, not even to be searched in.
    let user = desk.app.user("alfa", BuiltinRole::Receptionist).await;
    let query = "query($id: ID!) { patient(id: $id) { customFields { key } } }";
    let seen = user.ok(query, json!({"id": one["id"]})).await;
    assert_eq!(seen["patient"]["customFields"], json!([{"key": "club"}, {"key": "score"}]));
    let search = "query($f: CustomFieldValueInput) { patients(filter: {customField: $f}, first: 1) { nodes { id } } }";
    let guess = json!({"f": {"key": "diagnosis", "value": "Melancolía"}});
    assert_eq!(user.error_code(search, guess).await, "NOT_FOUND");
    assert_eq!(desk.admin.error_code(search, json!({"f": {"key": "club", "value": null}})).await, "INVALID");

    // What the other one has goes over, sealed anew.
    let keep = desk.created(json!({"givenNames": "Anita"})).await;
    assert_eq!(desk.merge(&keep, &one).await["userErrors"], json!([]));
    assert_eq!(desk.patient(&keep["id"]).await["customFields"], one["customFields"]);
    assert_eq!(found("diagnosis", json!("Melancolía")).await, ["Anita"]);
    // What the two do not agree on is not lost: the one that is kept goes on, the old id still says the other.
    let third = json!([{"key": "diagnosis", "value": "Distinta"}, {"key": "score", "value": 7_654_321}]);
    let third = desk.created(json!({"givenNames": "Anna", "customFields": third})).await;
    assert_eq!(desk.merge(&desk.patient(&keep["id"]).await, &third).await["userErrors"], json!([]));
    assert_eq!(desk.patient(&keep["id"]).await["customFields"], one["customFields"]);
    let said = desk.patient(&third["id"]).await["customFields"].clone();
    let said: Vec<&Value> = said.as_array().unwrap().iter().map(|field| &field["value"]).collect();
    assert_eq!(said, [&Value::Null, &json!("Distinta"), &Value::Null]);
    let emptied = json!({"givenNames": "Eva", "customFields": [{"key": "diagnosis", "value": null}]});
    assert_eq!(desk.update(&other, emptied).await["userErrors"], json!([]));
    assert_eq!(desk.centre.count("SELECT count(*) FROM patient_values").await, 3);
}
