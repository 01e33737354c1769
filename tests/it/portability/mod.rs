//! What comes in from elsewhere and what goes out.

mod anonymise;
mod export;
mod import;
mod large;
mod own_fields;

use std::{fs::File, io::Write, sync::Arc};

use horae::{
    auth::{Actor, BuiltinRole},
    domain::files::deposit::{self, Made},
    schema::id::{GlobalIds, Kind},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    record::Ward,
    support::{
        app::{Client, TestApp},
        fixtures::Centre,
    },
};

pub const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// The office of a centre, where lists of patients come in.
pub struct Office {
    pub app: TestApp,
    pub centre: Centre,
    pub clerk: Client,
    pub actor: Arc<Actor>,
    pub folder: tempfile::TempDir,
}

const IMPORT: &str = "mutation($file: ID!, $mapping: Json!, $key: IdempotencyKey!) {
    importPatients(attachmentId: $file, mapping: $mapping, idempotencyKey: $key) {
        job { id status } userErrors { __typename code message field ... on QuotaError { quota limit used } } } }";
const JOB: &str =
    "query($id: ID!) { job(id: $id) { kind status progress total errorCount skippedCount problem resultUrl } }";

impl Office {
    pub async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let app = TestApp::start_with(&[("HORAE_FILES", folder.path().to_str().unwrap())]).await;
        let centre = Centre::of(&app, "alfa").await;
        let clerk = app.user("alfa", BuiltinRole::Receptionist).await;
        let actor = app.actor_of(&clerk).await;
        Self { app, centre, clerk, actor, folder }
    }

    pub fn id(&self, kind: Kind, id: Uuid) -> Value {
        json!(GlobalIds::new(self.centre.cx.seal.clone(), &self.actor.tenant).encode(kind, id))
    }

    /// A file that the clerk has brought.
    pub async fn bring(&self, mime_type: &'static str, file: File) -> Value {
        let made = Made { requested_by: self.actor.id.unwrap(), file_name: "pacientes".to_owned(), mime_type, file };
        let kept = deposit::run(&self.centre.cx, &self.centre.system, made).await.unwrap();
        self.id(Kind::Attachment, kept.id)
    }

    pub async fn bring_text(&self, text: &[u8]) -> Value {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        self.bring("text/csv", file).await
    }

    /// The payload of `importPatients`.
    pub async fn import(&self, file: &Value, mapping: Value) -> Value {
        let variables = json!({"file": file, "mapping": mapping, "key": Uuid::new_v4()});
        self.clerk.ok(IMPORT, variables).await["importPatients"].clone()
    }

    pub async fn job(&self, id: &Value) -> Value {
        self.clerk.ok(JOB, json!({ "id": id })).await["job"].clone()
    }

    /// The job of an import that has run.
    pub async fn imported(&self, file: &Value, mapping: Value) -> Value {
        let payload = self.import(file, mapping).await;
        assert_eq!(payload["userErrors"], json!([]), "{payload:#}");
        self.app.run_jobs().await;
        self.job(&payload["job"]["id"]).await
    }

    pub async fn patients(&self) -> i64 {
        self.centre.count("SELECT count(*) FROM patients").await
    }

    pub async fn one<T: sea_orm::TryGetable>(&self, sql: &'static str) -> T {
        let tx = self.centre.cx.read(&self.centre.system).await.unwrap();
        let found: Option<T> = tx.scalar(sql, []).await.unwrap();
        tx.commit().await.unwrap();
        found.unwrap_or_else(|| panic!("nothing: {sql}"))
    }
}

/// A file of a patient's.
pub async fn file_of(ward: &Ward, patient: Uuid, name: &str, bytes: &[u8]) -> Uuid {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let made = Made { requested_by: ward.centre.cx.new_id(), file_name: name.to_owned(), mime_type: "text/csv", file };
    let kept = deposit::run(&ward.centre.cx, &ward.centre.system, made).await.unwrap();
    let sql = "UPDATE attachments SET patient_id = $1, expires_at = NULL WHERE id = $2";
    ward.centre.run(sql, vec![patient.into(), kept.id.into()]).await;
    kept.id
}

/// Done, in error, there already.
pub fn counts(job: &Value) -> (&Value, i64, i64, i64) {
    let number = |name: &str| job[name].as_i64().unwrap_or(-1);
    (&job["status"], number("progress"), number("errorCount"), number("skippedCount"))
}
