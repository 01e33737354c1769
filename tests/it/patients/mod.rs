//! Patients: profile, search, duplicates, merging, categories and the centre's own fields.

mod create;
mod documents;
mod fields;
mod merge;
mod races;
mod search;
mod sight;
mod update;

use horae::schema::id::{GlobalIds, Kind};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    app::{Client, TestApp},
    fixtures::Centre,
};

/// A centre with a desk.
pub struct Desk {
    pub app: TestApp,
    pub centre: Centre,
    pub admin: Client,
}

/// Everything that a client may learn of a patient.
pub const PATIENT: &str = "
    id version fileNumber givenNames paternalSurname maternalSurname document { kind number country } isForeign email phones sex
    birthDate status usualProfessional { id name } category { id name color } referralSource rating comments
    customFields { key label value } marketingConsent { granted at source } guardians { id givenNames } mergedInto { id status }
    createdAt updatedAt";

impl Desk {
    pub async fn open() -> Self {
        let app = TestApp::start().await;
        let centre = Centre::of(&app, "alfa").await;
        let admin = app.admin("alfa").await;
        Self { app, centre, admin }
    }

    pub fn id(&self, kind: Kind, id: Uuid) -> Value {
        json!(GlobalIds::new(self.centre.cx.seal.clone(), &self.centre.system.tenant).encode(kind, id).0)
    }

    /// The payload of `createPatient`.
    pub async fn create(&self, input: Value) -> Value {
        create(&self.admin, &input, Uuid::new_v4()).await
    }

    /// A patient that is created.
    pub async fn created(&self, input: Value) -> Value {
        let payload = self.create(input).await;
        assert_eq!(payload["userErrors"], json!([]), "{payload:#}");
        payload["patient"].clone()
    }

    /// The payload of `updatePatient`.
    pub async fn update(&self, patient: &Value, input: Value) -> Value {
        let document = format!(
            "mutation($id: ID!, $version: Int!, $input: PatientInput!) {{
                 updatePatient(id: $id, version: $version, input: $input) {{ patient {{ {PATIENT} }} userErrors {{ code message field }} }} }}"
        );
        let variables = json!({"id": patient["id"], "version": patient["version"], "input": input});
        self.admin.ok(&document, variables).await["updatePatient"].clone()
    }

    /// The payload of `mergePatients`.
    pub async fn merge(&self, keep: &Value, merge: &Value) -> Value {
        merge_as(&self.admin, keep, merge, Uuid::new_v4()).await
    }

    pub async fn patient(&self, id: &Value) -> Value {
        let document = format!("query($id: ID!) {{ patient(id: $id) {{ {PATIENT} }} }}");
        self.admin.ok(&document, json!({ "id": id })).await["patient"].clone()
    }

    /// The given names that a filter finds, in the list's order.
    pub async fn names(&self, filter: Value) -> Vec<String> {
        names(&self.admin, filter).await
    }
}

pub async fn names(client: &Client, filter: Value) -> Vec<String> {
    let document = "query($filter: PatientFilter) { patients(filter: $filter, first: 100) { nodes { givenNames } } }";
    let found = client.ok(document, json!({ "filter": filter })).await;
    let found = found["patients"]["nodes"].as_array().unwrap();
    found.iter().map(|one| one["givenNames"].as_str().unwrap().to_owned()).collect()
}

pub async fn create(client: &Client, input: &Value, key: Uuid) -> Value {
    let document = format!(
        "mutation($input: PatientInput!, $key: IdempotencyKey!) {{ createPatient(input: $input, idempotencyKey: $key) {{
             patient {{ {PATIENT} }} possibleDuplicates {{ id givenNames }} userErrors {{ code message field }} }} }}"
    );
    client.ok(&document, json!({"input": input, "key": key})).await["createPatient"].clone()
}

pub async fn merge_as(client: &Client, keep: &Value, merge: &Value, key: Uuid) -> Value {
    let document = format!(
        "mutation($keep: ID!, $merge: ID!, $key: IdempotencyKey!) {{ mergePatients(keepId: $keep, mergeId: $merge, idempotencyKey: $key) {{
             patient {{ {PATIENT} }} userErrors {{ code message field }} }} }}"
    );
    let variables = json!({"keep": keep["id"], "merge": merge["id"], "key": key});
    client.ok(&document, variables).await["mergePatients"].clone()
}
