//! The clinical record: forms, entries, signatures, who sees it, and what the database keeps of it.

mod access;
mod entries;
mod fields;
mod finality;
mod plaintext;
mod races;
mod rotation;
mod templates;

use horae::{
    auth::BuiltinRole,
    schema::id::{GlobalIds, Kind},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    app::{Client, TestApp},
    fixtures::{Booking, Centre},
};

/// What an answer tells of an entry.
pub const ENTRY: &str = "id version templateVersion status template { id version name fields { key } } author { displayName }
    values { key value } signedAt signedBy { displayName } signatureHash signatureValid amends { id status } amendmentReason voidReason at
    appointment { id }";

/// A centre with a professional who attends patients, and a form.
pub struct Ward {
    pub app: TestApp,
    pub centre: Centre,
    pub ids: GlobalIds,
    pub admin: Client,
    pub doctor: Client,
    pub branch: Uuid,
    pub professional: Uuid,
    pub treatment: Uuid,
    pub patient: Uuid,
    pub appointment: Uuid,
    pub template: Value,
}

impl Ward {
    pub async fn open() -> Self {
        Self::open_on(TestApp::start().await).await
    }

    pub async fn open_on(app: TestApp) -> Self {
        let centre = Centre::of(&app, "alfa").await;
        let ids = GlobalIds::new(centre.cx.seal.clone(), &centre.system.tenant);
        let branch = centre.branch("Centro", "America/Santiago").await;
        let treatment = centre.treatment("Consulta", 30).await;
        let professional = centre.professional("Ana", branch).await;
        let (admin, doctor) = (app.admin("alfa").await, app.user("alfa", BuiltinRole::Professional).await);
        let user = app.actor_of(&doctor).await.id.unwrap();
        centre.is_user(professional, user).await;
        // Who somebody is, is looked up again within seconds; a new login knows at once.
        let doctor = again(&app, &centre, user).await;
        let nil = Uuid::nil();
        let mut ward = Self {
            app,
            centre,
            ids,
            admin,
            doctor,
            branch,
            professional,
            treatment,
            patient: nil,
            appointment: nil,
            template: json!(null),
        };
        (ward.patient, ward.appointment) = ward.patient("Rosa").await;
        ward.template = ward.publish(json!({"name": "Evolución", "fields": [
            {"key": "note", "label": "Nota", "type": "LONG_TEXT", "required": true, "sensitive": true, "position": 1},
            {"key": "weight", "label": "Peso", "type": "DECIMAL", "unit": "kg", "min": "0.5", "max": "400", "position": 2},
            {"key": "double", "label": "Doble", "type": "CALCULATED", "expression": "weight * 2", "position": 3},
        ]})).await;
        ward
    }

    /// A patient with a visit to the professional.
    pub async fn patient(&self, name: &str) -> (Uuid, Uuid) {
        let patient = self.centre.patient(name, "Soto").await;
        let taken = self.centre.count("SELECT count(*) FROM appointments").await;
        let start = self.app.now() + chrono::TimeDelta::minutes(30 * taken);
        let booking = Booking::new(self.branch, patient, self.treatment, &start.to_rfc3339(), 30);
        (patient, self.centre.book(booking.with(self.professional)).await)
    }

    pub fn id(&self, kind: Kind, id: Uuid) -> Value {
        json!(self.ids.encode(kind, id))
    }

    /// The object that an id of the API names.
    pub fn local(&self, kind: Kind, id: &Value) -> Uuid {
        self.ids.open(kind, &async_graphql::ID(id.as_str().unwrap().to_owned())).unwrap()
    }

    /// Saves a template; the answer.
    pub async fn upsert(&self, client: &Client, input: Value) -> Value {
        let document = "mutation($input: RecordTemplateInput!) { upsertRecordTemplate(input: $input) {
            template { id version name published fields { key } } userErrors { code message field } } }";
        client.ok(document, json!({ "input": input })).await["upsertRecordTemplate"].clone()
    }

    /// Publishes a template.
    pub async fn publish(&self, mut input: Value) -> Value {
        input["publish"] = json!(true);
        let answer = self.upsert(&self.admin, input).await;
        assert_eq!(answer["userErrors"], json!([]), "{answer}");
        answer["template"].clone()
    }

    /// What a draft about the patient says.
    pub fn input(&self, values: &[(&str, Value)]) -> Value {
        let values: Vec<Value> = values.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        json!({
            "patientId": self.id(Kind::Patient, self.patient), "templateId": self.template["id"], "values": values,
        })
    }

    /// Any change of an entry; the payload.
    pub async fn change(&self, client: &Client, call: &str, declares: &str, variables: Value) -> Value {
        let name = call.split('(').next().unwrap();
        let document = format!(
            "mutation{declares} {{ {call} {{ entry {{ {ENTRY} }} userErrors {{ code message field ... on InvalidTransitionError {{ from to allowed }} ... on VersionConflictError {{ currentVersion }} }} }} }}"
        );
        client.ok(&document, variables).await[name].clone()
    }

    pub async fn save(&self, client: &Client, input: Value) -> Value {
        self.change(client, "saveRecordEntry(input: $input)", "($input: RecordEntryInput!)", json!({ "input": input }))
            .await
    }

    pub async fn sign(&self, client: &Client, entry: &Value) -> Value {
        let variables = json!({"id": entry["id"], "version": entry["version"]});
        self.change(client, "signRecordEntry(id: $id, version: $version)", "($id: ID!, $version: Int!)", variables)
            .await
    }

    pub async fn amend(&self, client: &Client, entry: &Value, input: Value, reason: &str) -> Value {
        let variables = json!({"id": entry["id"], "input": input, "reason": reason});
        let declares = "($id: ID!, $input: RecordEntryInput!, $reason: String!)";
        self.change(client, "amendRecordEntry(id: $id, input: $input, reason: $reason)", declares, variables).await
    }

    pub async fn void(&self, client: &Client, entry: &Value, reason: &str) -> Value {
        let variables = json!({"id": entry["id"], "version": entry["version"], "reason": reason});
        let declares = "($id: ID!, $version: Int!, $reason: String!)";
        self.change(client, "voidRecordEntry(id: $id, version: $version, reason: $reason)", declares, variables).await
    }

    /// A draft that says this.
    pub async fn draft(&self, note: &str) -> Value {
        entry(self.save(&self.doctor, self.input(&[("note", json!(note)), ("weight", json!("70.5"))])).await)
    }

    /// A signed entry that says this.
    pub async fn signed(&self, note: &str) -> Value {
        let draft = self.draft(note).await;
        entry(self.sign(&self.doctor, &draft).await)
    }

    /// The whole answer to a question about the patient, through the visit.
    pub async fn ask(&self, client: &Client, fields: &str) -> Value {
        let document = format!("query($id: ID!) {{ appointment(id: $id) {{ id patient {{ givenNames {fields} }} }} }}");
        client.send(&document, json!({"id": self.id(Kind::Appointment, self.appointment)})).await
    }

    /// The record's entries, newest first.
    pub async fn entries(&self, client: &Client) -> Vec<Value> {
        let answer = self.ask(client, &format!("record {{ entries(first: 100) {{ nodes {{ {ENTRY} }} }} }}")).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"]["appointment"]["patient"]["record"]["entries"]["nodes"].as_array().unwrap().clone()
    }

    /// One entry by its id.
    pub async fn entry(&self, client: &Client, id: &Value) -> Value {
        let document = format!("query($id: ID!) {{ node(id: $id) {{ ... on RecordEntry {{ {ENTRY} }} }} }}");
        client.ok(&document, json!({ "id": id })).await["node"].clone()
    }

    /// Somebody with these permissions.
    pub async fn somebody(&self, permissions: &[&str]) -> Client {
        self.somebody_in(permissions, None).await
    }

    /// Somebody with these permissions, in one branch only.
    pub async fn somebody_in(&self, permissions: &[&str], branch: Option<Uuid>) -> Client {
        let client = self.app.user("alfa", BuiltinRole::Patient).await;
        let user = self.app.actor_of(&client).await.id.unwrap();
        let (role, words): (Uuid, Vec<String>) =
            (self.centre.cx.new_id(), permissions.iter().map(|&word| word.to_owned()).collect());
        let sql = "INSERT INTO roles (id, name, permissions) VALUES ($1, $1::text, $2)";
        self.centre.run(sql, vec![role.into(), words.into()]).await;
        self.centre
            .run("INSERT INTO user_roles (user_id, role_id) VALUES ($1, $2)", vec![user.into(), role.into()])
            .await;
        if let Some(branch) = branch {
            let sql = "UPDATE users SET branch_ids = ARRAY[$2]::uuid[] WHERE id = $1";
            self.centre.run(sql, vec![user.into(), branch.into()]).await;
        }
        again(&self.app, &self.centre, user).await
    }
}

/// A new login of a user.
pub async fn again(app: &TestApp, centre: &Centre, user: Uuid) -> Client {
    let tx = centre.cx.read(&centre.system).await.unwrap();
    let email: Option<String> = tx.scalar("SELECT email FROM users WHERE id = $1", [user.into()]).await.unwrap();
    tx.commit().await.unwrap();
    app.login("alfa", &email.unwrap()).await
}

/// The entry of a payload that has one.
pub fn entry(payload: Value) -> Value {
    assert_eq!(payload["userErrors"], json!([]), "{payload:#}");
    payload["entry"].clone()
}

/// Code and field of the only error of a payload.
pub fn refused(payload: &Value) -> (String, String) {
    assert!(payload["entry"].is_null() && payload["userErrors"].as_array().unwrap().len() == 1, "{payload:#}");
    let error = &payload["userErrors"][0];
    let path = error["field"]
        .as_array()
        .map(|path| path.iter().map(|part| part.as_str().unwrap()).collect::<Vec<_>>().join("."));
    (error["code"].as_str().unwrap().to_owned(), path.unwrap_or_default())
}

/// The value of a field of an entry.
pub fn value<'a>(entry: &'a Value, key: &str) -> Option<&'a Value> {
    entry["values"].as_array().unwrap().iter().find(|value| value["key"] == key).map(|value| &value["value"])
}
