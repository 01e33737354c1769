//! Branches, resources, treatments, profile, and what a change of zone does.

mod branch;
mod deactivate;
mod list;
mod page;
mod profile;
mod resource;
mod rezone;
mod treatment;

use async_graphql::ID;
use horae::{
    domain::notifications::{self, AppointmentTimes},
    schema::id::{GlobalIds, Kind},
};
use sea_orm::Value as Sql;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    app::{Client, TestApp},
    fixtures::Centre,
};

/// The API's word for an object of a centre.
pub async fn global(app: &TestApp, slug: &str, kind: Kind, id: Uuid) -> String {
    let tenant = app.app.cx.db.find_tenant_by_slug(slug).await.unwrap().unwrap();
    GlobalIds::new(app.app.cx.seal.clone(), &tenant).encode(kind, id).0
}

/// The object that the API's word names.
pub async fn local(app: &TestApp, slug: &str, kind: Kind, id: &Value) -> Uuid {
    let tenant = app.app.cx.db.find_tenant_by_slug(slug).await.unwrap().unwrap();
    GlobalIds::new(app.app.cx.seal.clone(), &tenant).open(kind, &ID(id.as_str().unwrap().to_owned())).unwrap()
}

/// Codes and dotted fields of a payload's `userErrors`, in order.
pub fn refused(payload: &Value) -> Vec<String> {
    let errors = payload["userErrors"].as_array().unwrap_or_else(|| panic!("{payload}"));
    let field = |error: &Value| {
        let path = error["field"].as_array().cloned().unwrap_or_default();
        path.iter().map(|part| part.as_str().unwrap().to_owned()).collect::<Vec<_>>().join(".")
    };
    errors.iter().map(|error| format!("{} {}", error["code"].as_str().unwrap(), field(error))).collect()
}

/// Everything in a centre that use cases of this area write, as one text: two of them are equal when nothing changed.
pub async fn contents(centre: &Centre) -> String {
    let tx = centre.cx.read(&centre.system).await.unwrap();
    let text: Option<String> = tx
        .scalar(
            "SELECT concat(
                 (SELECT jsonb_agg(t ORDER BY t.id) FROM branches t), (SELECT jsonb_agg(t ORDER BY t) FROM branch_windows t),
                 (SELECT jsonb_agg(t ORDER BY t.id) FROM resources t), (SELECT jsonb_agg(t ORDER BY t.id) FROM professionals t),
                 (SELECT jsonb_agg(t ORDER BY t) FROM professional_branches t), (SELECT jsonb_agg(t ORDER BY t) FROM professional_treatments t),
                 (SELECT jsonb_agg(t ORDER BY t.id) FROM treatments t), (SELECT jsonb_agg(t ORDER BY t) FROM treatment_requirements t),
                 (SELECT jsonb_agg(t ORDER BY t.id) FROM treatment_categories t), (SELECT jsonb_agg(t) FROM centre_profile t),
                 (SELECT jsonb_agg(t ORDER BY t.id) FROM appointments t), (SELECT jsonb_agg(t ORDER BY t.appointment_id, t.position) FROM appointment_items t),
                 (SELECT jsonb_agg(t ORDER BY t.id) FROM occupancies t), (SELECT count(*) FROM events WHERE type NOT LIKE 'user.%'),
                 (SELECT count(*) FROM audit_entries WHERE subject_type NOT IN ('User', 'Session')))",
            [],
        )
        .await
        .unwrap();
    tx.commit().await.unwrap();
    text.unwrap()
}

/// The types of the events since a position but for logins, in order, and the newest position.
pub async fn events_after(centre: &Centre, position: i64) -> (Vec<String>, i64) {
    let tx = centre.cx.read(&centre.system).await.unwrap();
    let types = tx
        .scalars(
            "SELECT type FROM events WHERE position > $1 AND type NOT LIKE 'user.%' ORDER BY position",
            [position.into()],
        )
        .await
        .unwrap();
    let head: Option<i64> = tx.scalar("SELECT position FROM event_head", []).await.unwrap();
    tx.commit().await.unwrap();
    (types, head.unwrap())
}

/// The first column of a statement's only row, as text.
pub async fn text(centre: &Centre, sql: &'static str, values: Vec<Sql>) -> String {
    let tx = centre.cx.read(&centre.system).await.unwrap();
    let found: Option<String> = tx.scalar(sql, values).await.unwrap();
    tx.commit().await.unwrap();
    found.unwrap()
}

/// Sends a mutation that takes one input, and gives back its payload.
pub async fn upsert(client: &Client, mutation: &str, kind: &str, fields: &str, input: Value) -> Value {
    let query = format!(
        "mutation($input: {kind}!) {{ {mutation}(input: $input) {{ {fields} userErrors {{ code message field }} }} }}"
    );
    client.ok(&query, json!({ "input": input })).await[mutation].clone()
}

/// Refused as said, and nothing has changed.
pub async fn refuses(
    centre: &Centre,
    client: &Client,
    (mutation, kind): (&str, &str),
    input: Value,
    expected: &[&str],
) {
    let before = contents(centre).await;
    let payload = upsert(client, mutation, kind, "", input.clone()).await;
    assert_eq!(refused(&payload), expected, "{input} {payload}");
    assert_eq!(contents(centre).await, before, "a refusal changed the database: {input}");
}

/// The mails that booking would have put in for an appointment.
pub async fn with_mails(app: &TestApp, centre: &Centre, branch: Uuid, id: Uuid, start: &str) {
    let tx = centre.cx.write(&centre.system).await.unwrap();
    let branch = horae::domain::centre::query::find_branch(&tx, branch).await.unwrap().unwrap();
    let times = AppointmentTimes {
        id,
        revision: 0,
        start: start.parse().unwrap(),
        previous_start: None,
        only_time_changed: false,
        patient_email: Some("rosa@pacientes.test".to_owned()),
        send_confirmation: true,
        booked_at: app.now(),
    };
    notifications::on_booked(&app.app.cx, &tx, &branch, &times).await.unwrap();
    tx.commit().await.unwrap();
}
