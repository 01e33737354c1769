//! Forms that the centre makes: what is published never changes, and old entries are read in their own version.

use horae::db::Access;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use super::{Ward, entry, value};

fn form(name: &str, keys: &[&str]) -> Value {
    let field = |(at, key): (usize, &&str)| json!({"key": key, "label": key, "type": "TEXT", "position": at});
    json!({"name": name, "fields": keys.iter().enumerate().map(field).collect::<Vec<_>>()})
}

async fn list(client: &crate::support::app::Client, arguments: &str) -> Vec<Value> {
    let document = format!(
        "{{ recordTemplates(first: 50{arguments}) {{ nodes {{ id version name published fields {{ key }} }} totalCount }} }}"
    );
    client.ok(&document, json!({})).await["recordTemplates"]["nodes"].as_array().unwrap().clone()
}

#[tokio::test]
async fn old_entries_are_read_in_the_version_they_were_written_in() {
    let ward = Ward::open().await;
    let first = ward.publish(form("Ficha", &["motivo", "examen"])).await;
    let mut input = ward.input(&[("motivo", json!("control")), ("examen", json!("normal"))]);
    input["templateId"] = first["id"].clone();
    let old = entry(ward.save(&ward.doctor, input.clone()).await);
    let old = entry(ward.sign(&ward.doctor, &old).await);
    // A draft of the next version: entries go on in the published one.
    let mut next = form("Ficha nueva", &["motivo", "plan"]);
    (next["id"], next["version"]) = (first["id"].clone(), first["version"].clone());
    let draft = ward.upsert(&ward.admin, next.clone()).await["template"].clone();
    assert_eq!((&draft["published"], &draft["version"]), (&json!(false), &json!(2)));
    assert_eq!(entry(ward.save(&ward.doctor, input.clone()).await)["templateVersion"], first["version"]);
    let seen = |rows: Vec<Value>| rows.into_iter().find(|row| row["id"] == first["id"]).unwrap();
    assert_eq!(seen(list(&ward.admin, "").await)["name"], "Ficha nueva");
    assert_eq!(seen(list(&ward.admin, ", published: true").await)["name"], "Ficha");
    assert_eq!(seen(list(&ward.doctor, "").await)["name"], "Ficha");
    // The draft can be changed, by who has read it.
    let stale = ward.upsert(&ward.admin, next.clone()).await;
    assert_eq!(stale["userErrors"][0]["code"], "VERSION_CONFLICT");
    next["version"] = draft["version"].clone();
    let newest = ward.publish(next).await;
    assert_eq!(seen(list(&ward.doctor, "").await), newest);
    input["values"] = json!([{"key": "plan", "value": "reposo"}]);
    let new = entry(ward.save(&ward.doctor, input).await);
    assert_eq!((&new["templateVersion"], value(&new, "examen")), (&newest["version"], None));
    let again = ward.entry(&ward.doctor, &old["id"]).await;
    assert_eq!(again, old);
    assert_eq!(again["template"]["fields"], json!([{"key": "motivo"}, {"key": "examen"}]));
    assert_eq!(value(&again, "examen"), Some(&json!("normal")));
}

#[tokio::test]
async fn forms_that_do_not_fit_are_refused_at_their_place() {
    let ward = Ward::open().await;
    let mut twice = form("F", &["a", "a"]);
    let mut unknown = form("F", &["a"]);
    unknown["id"] = ward.id(horae::schema::id::Kind::RecordTemplate, uuid::Uuid::new_v4());
    unknown["version"] = json!(1);
    let mut empty = form("F", &[]);
    empty["publish"] = json!(true);
    twice["specialty"] = json!("");
    for (input, fields) in
        [(twice, vec!["specialty"]), (unknown, vec!["id"]), (empty, vec!["fields"]), (form(" ", &["a"]), vec!["name"])]
    {
        let answer = ward.upsert(&ward.admin, input).await;
        let told: Vec<&str> =
            answer["userErrors"].as_array().unwrap().iter().map(|one| one["field"][0].as_str().unwrap()).collect();
        assert_eq!(told, fields, "{answer}");
    }
    let answer = ward.upsert(&ward.doctor, form("F", &["a"])).await;
    assert_eq!(answer["userErrors"][0]["code"], "FORBIDDEN");
}

#[tokio::test]
async fn the_centres_role_cannot_change_what_is_published() {
    let ward = Ward::open().await;
    ward.upsert(&ward.admin, form("Borrador", &["a"])).await;
    for sql in [
        "UPDATE record_template_versions SET name = 'x' WHERE published_at IS NOT NULL",
        "UPDATE record_template_versions SET fields = '[]' WHERE published_at IS NOT NULL",
        "UPDATE record_template_versions SET published_at = NULL WHERE published_at IS NOT NULL",
        "UPDATE record_template_versions SET version = 9 WHERE published_at IS NOT NULL",
        "DELETE FROM record_template_versions WHERE published_at IS NOT NULL",
        "DELETE FROM record_templates",
        "TRUNCATE record_template_versions CASCADE",
        "ALTER TABLE record_template_versions DISABLE TRIGGER ALL",
        "DROP TRIGGER record_template_versions_are_final ON record_template_versions",
    ] {
        let tx = ward.app.app.cx.db.begin(&ward.centre.system.tenant, Access::Write).await.unwrap();
        let error = tx.execute_unprepared(sql).await.unwrap_err().to_string();
        let told = ["never changes", "permission denied", "must be owner"].iter().any(|words| error.contains(words));
        assert!(told, "{sql}: {error}");
    }
    // A draft is nobody's yet.
    assert_eq!(
        ward.centre.run("UPDATE record_template_versions SET name = 'x' WHERE published_at IS NULL", vec![]).await,
        1
    );
}
