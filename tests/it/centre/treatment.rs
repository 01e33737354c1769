//! Treatments and their categories.

use horae::{auth::BuiltinRole, schema::id::Kind};
use serde_json::{Value, json};

use super::{contents, events_after, global, refused, refuses, upsert};
use crate::support::{app::TestApp, fixtures::Centre};

const TREATMENT: (&str, &str) = ("upsertTreatment", "TreatmentInput");
const FIELDS: &str =
    "treatment { id version name category { name } durationMinutes bufferBeforeMinutes bufferAfterMinutes
    price { amount currency } taxRate onlineBookable requiresApproval capacity requirements { kind quantity anyOf }
    depositPolicy { percent fixed { amount currency } refundableUntil } active }";

fn minimal() -> Value {
    json!({"name": "Limpieza", "durationMinutes": 30, "price": {"amount": "12500", "currency": "CLP"}})
}

#[tokio::test]
async fn a_treatment_is_created_and_changed_exactly() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let branch = centre.branch("A", "America/Santiago").await;
    let room = global(&app, "alfa", Kind::Resource, centre.room("Box", branch, 1).await).await;
    let category = admin.ok(r#"mutation { upsertTreatmentCategory(name: "Dental", position: 2) { category { id name position } userErrors { code } } }"#, json!({})).await;
    let category = &category["upsertTreatmentCategory"]["category"];
    assert_eq!((&category["name"], &category["position"]), (&json!("Dental"), &json!(2)));
    let (_, head) = events_after(&centre, 0).await;
    let mut input = minimal();
    for (field, value) in [
        ("categoryId", category["id"].clone()),
        ("bufferAfterMinutes", json!(10)),
        ("taxRate", json!("19.5")),
        ("capacity", json!(4)),
        (
            "requirements",
            json!([{"kind": "PROFESSIONAL", "quantity": 1}, {"kind": "ROOM", "quantity": 1, "anyOf": [room, room]}]),
        ),
        ("depositPolicy", json!({"percent": "50", "refundableUntil": "P1D"})),
    ] {
        input[field] = value;
    }
    let created = upsert(&admin, TREATMENT.0, TREATMENT.1, FIELDS, input).await;
    assert_eq!(refused(&created), Vec::<String>::new());
    let t = &created["treatment"];
    assert_eq!(t["price"], json!({"amount": "12500", "currency": "CLP"}));
    assert_eq!(t["taxRate"], "19.500");
    assert_eq!(t["category"]["name"], "Dental");
    assert_eq!(
        t["requirements"],
        json!([{"kind": "PROFESSIONAL", "quantity": 1, "anyOf": null}, {"kind": "ROOM", "quantity": 1, "anyOf": [room]}])
    );
    assert_eq!(t["depositPolicy"], json!({"percent": "50.000", "fixed": null, "refundableUntil": "P1D"}));

    let mut input = minimal();
    input["id"] = t["id"].clone();
    input["version"] = json!(1);
    input["depositPolicy"] = json!({"fixed": {"amount": "5000", "currency": "CLP"}});
    let second = upsert(&admin, TREATMENT.0, TREATMENT.1, FIELDS, input.clone()).await["treatment"].clone();
    assert_eq!(
        second["depositPolicy"],
        json!({"percent": null, "fixed": {"amount": "5000", "currency": "CLP"}, "refundableUntil": null})
    );
    for kept in ["category", "bufferAfterMinutes", "taxRate", "requirements", "capacity"] {
        assert_eq!(second[kept], t[kept], "{kept}");
    }
    // The deposit would stay.
    let mut cheap = minimal();
    (cheap["id"], cheap["version"], cheap["price"]["amount"]) = (t["id"].clone(), json!(2), json!("4999"));
    refuses(&centre, &admin, TREATMENT, cheap, &["INVALID price.amount"]).await;
    input["version"] = json!(2);
    input["depositPolicy"] = Value::Null;
    input["categoryId"] = Value::Null;
    input["requirements"] = json!([]);
    input["active"] = json!(false);
    let third = upsert(&admin, TREATMENT.0, TREATMENT.1, FIELDS, input).await["treatment"].clone();
    assert_eq!(
        (&third["depositPolicy"], &third["category"], &third["requirements"]),
        (&Value::Null, &Value::Null, &json!([]))
    );
    assert_eq!((&third["active"], &third["version"]), (&json!(false), &json!(3)));
    assert_eq!(events_after(&centre, head).await.0, ["treatment.created", "treatment.changed", "treatment.changed"]);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_at_its_field() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let beta = Centre::of(&app, "beta").await;
    let branch = centre.branch("A", "America/Santiago").await;
    let room = global(&app, "alfa", Kind::Resource, centre.room("Box", branch, 1).await).await;
    let gone = global(&app, "alfa", Kind::Resource, centre.cx.new_id()).await;
    let gone_category = global(&app, "alfa", Kind::TreatmentCategory, centre.cx.new_id()).await;
    let foreign_branch = beta.branch("B", "Europe/Madrid").await;
    let foreign_room = global(&app, "beta", Kind::Resource, beta.room("Sala", foreign_branch, 1).await).await;
    let money = |amount: &str, currency: &str| json!({"amount": amount, "currency": currency});
    let needs = |kind: &str, quantity: i32, any_of: Value| json!([{"kind": "PROFESSIONAL", "quantity": 1}, {"kind": kind, "quantity": quantity, "anyOf": any_of}]);
    for (field, value, expected) in [
        ("name", json!("x".repeat(200_000)), "INVALID name"),
        ("durationMinutes", json!(4), "INVALID durationMinutes"),
        ("durationMinutes", json!(-30), "INVALID durationMinutes"),
        ("durationMinutes", json!(1441), "INVALID durationMinutes"),
        ("bufferBeforeMinutes", json!(-1), "INVALID bufferBeforeMinutes"),
        ("bufferAfterMinutes", json!(481), "INVALID bufferAfterMinutes"),
        ("capacity", json!(0), "INVALID capacity"),
        ("price", money("-1", "CLP"), "INVALID price.amount"),
        ("price", money("0.5", "CLP"), "INVALID price.amount"),
        ("price", money("99999999999999999999", "CLP"), "INVALID price.amount"),
        ("price", money("10", "EUR"), "CURRENCY_MISMATCH price.currency"),
        ("taxRate", json!("-1"), "INVALID taxRate"),
        ("taxRate", json!("100.1"), "INVALID taxRate"),
        ("requirements", json!(vec![json!({"kind": "ROOM", "quantity": 1}); 11]), "INVALID requirements"),
        ("requirements", needs("ROOM", 0, json!([])), "INVALID requirements.1.quantity"),
        ("requirements", needs("ROOM", 2, json!([room, room])), "INVALID requirements.1.anyOf"),
        ("requirements", needs("EQUIPMENT", 1, json!([room])), "INVALID requirements.1.anyOf.0"),
        ("requirements", needs("ROOM", 1, json!([room, gone])), "NOT_FOUND requirements.1.anyOf.1"),
        ("requirements", needs("ROOM", 1, json!([foreign_room])), "NOT_FOUND requirements.1.anyOf.0"),
        ("categoryId", json!(gone_category), "NOT_FOUND categoryId"),
        ("categoryId", json!(room), "NOT_FOUND categoryId"),
        ("depositPolicy", json!({}), "REQUIRED depositPolicy.percent"),
        ("depositPolicy", json!({"percent": "101"}), "INVALID depositPolicy.percent"),
        ("depositPolicy", json!({"percent": "10", "fixed": money("1", "CLP")}), "INVALID depositPolicy.fixed"),
        ("depositPolicy", json!({"fixed": money("12501", "CLP")}), "INVALID depositPolicy.fixed.amount"),
        ("depositPolicy", json!({"fixed": money("1", "EUR")}), "CURRENCY_MISMATCH depositPolicy.fixed.currency"),
        (
            "depositPolicy",
            json!({"percent": "10", "refundableUntil": "P366D"}),
            "INVALID depositPolicy.refundableUntil",
        ),
        ("version", json!(1), "INVALID version"),
        ("id", json!(room), "NOT_FOUND id"),
    ] {
        let mut input = minimal();
        input[field] = value;
        refuses(&centre, &admin, TREATMENT, input, &[expected]).await;
    }
    let treatment = global(&app, "alfa", Kind::Treatment, centre.treatment("T", 30).await).await;
    let mut stale = minimal();
    stale["id"] = json!(treatment);
    stale["version"] = json!(7);
    refuses(&centre, &admin, TREATMENT, stale, &["VERSION_CONFLICT version"]).await;
    let reception = app.user("alfa", BuiltinRole::Receptionist).await;
    refuses(&centre, &reception, TREATMENT, minimal(), &["FORBIDDEN "]).await;
}

#[tokio::test]
async fn categories_are_listed_in_their_order() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let mutation = "mutation($id: ID, $name: String!, $position: Int) {
        upsertTreatmentCategory(id: $id, name: $name, position: $position) { category { id name position } userErrors { code field } } }";
    let save = async |variables: Value| admin.ok(mutation, variables).await["upsertTreatmentCategory"].clone();
    let b = save(json!({"name": "B", "position": 1})).await;
    save(json!({"name": "A", "position": 1})).await;
    save(json!({"name": "C"})).await;
    let renamed = save(json!({"id": b["category"]["id"], "name": "Z"})).await;
    assert_eq!(renamed["category"], json!({"id": b["category"]["id"], "name": "Z", "position": 1}));
    let listed = admin.ok("{ treatmentCategories { name } }", json!({})).await;
    assert_eq!(listed["treatmentCategories"], json!([{"name": "C"}, {"name": "A"}, {"name": "Z"}]));

    let before = contents(&centre).await;
    let gone = global(&app, "alfa", Kind::TreatmentCategory, centre.cx.new_id()).await;
    let foreign = global(&app, "beta", Kind::TreatmentCategory, centre.cx.new_id()).await;
    for (variables, expected) in [
        (json!({"name": " "}), "REQUIRED name"),
        (json!({"name": "x".repeat(201)}), "INVALID name"),
        (json!({"name": "x", "position": -1}), "INVALID position"),
        (json!({"name": "x", "id": gone}), "NOT_FOUND id"),
        (json!({"name": "x", "id": foreign}), "NOT_FOUND id"),
    ] {
        assert_eq!(refused(&save(variables).await), [expected]);
    }
    let reception = app.user("alfa", BuiltinRole::Receptionist).await;
    let payload = reception.ok(mutation, json!({"name": "x"})).await["upsertTreatmentCategory"].clone();
    assert_eq!(refused(&payload), ["FORBIDDEN "]);
    assert_eq!(contents(&centre).await, before);
}
