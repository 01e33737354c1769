//! How a [`House`] makes the word of a name, by the API where it can.

use chrono::{DateTime, TimeDelta, Utc};
use horae::{
    auth::{BuiltinRole, totp},
    domain::identity::account_link::{self, Purpose},
    schema::id::Kind,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::house::House;
use crate::{
    audit::files,
    support::{
        app::{PASSWORD, TestApp},
        fixtures::Booking,
    },
};

const CANCEL: &str = "APPOINTMENT_MANAGE";
const CONFIRM: &str = "APPOINTMENT_CONFIRM";

impl House {
    pub(super) async fn make(&mut self, app: &TestApp, name: &str) -> Value {
        self.used += 1;
        match name {
            "key" => json!(Uuid::new_v4()),
            "mail" => json!(format!("nueva{}@{}.test", self.used, self.slug)),
            "start" => json!(self.start().to_rfc3339()),
            "colleague" | "newRoom" | "newEquipment" => {
                let id = match name {
                    "colleague" => self.centre.professional("Berta", self.branch).await,
                    "newRoom" => self.centre.room("Box 2", self.branch, 1).await,
                    _ => self.centre.equipment("Otro", self.branch).await,
                };
                self.id(Kind::Resource, id)
            }
            "newTreatment" => {
                let treatment = self.centre.treatment("Corte", 30).await;
                self.id(Kind::Treatment, treatment)
            }
            "newPatient" | "otherPatient" => {
                let patient = self.centre.patient("Nora", "Paz").await;
                self.id(Kind::Patient, patient)
            }
            "newBranch" => {
                let branch = self.centre.branch("Otra", "America/Santiago").await;
                self.id(Kind::Branch, branch)
            }
            "user" => {
                let actor = app.actor_of(&app.user(self.slug, BuiltinRole::Cashier).await).await;
                self.made.insert("session".to_owned(), self.id(Kind::Session, actor.session.unwrap()));
                let version: i32 = self.one("SELECT version FROM users WHERE id = $1", vec![actor.id.into()]).await;
                self.made.insert("userVersion".to_owned(), json!(version));
                self.id(Kind::User, actor.id.unwrap())
            }
            "session" => {
                let actor = app.actor_of(&app.user(self.slug, BuiltinRole::Cashier).await).await;
                self.id(Kind::Session, actor.session.unwrap())
            }
            "secured" | "challenge" => {
                let client = app.user(self.slug, BuiltinRole::Cashier).await;
                let user = app.actor_of(&client).await.id.unwrap();
                let enrol = "mutation { enrolMfa { otpauthUri mfaChallengeId } }";
                let enrolled = client.ok(enrol, json!({})).await["enrolMfa"].clone();
                let secret = crate::identity::secret_of(enrolled["otpauthUri"].as_str().unwrap());
                let code = json!(totp::digits(&secret, app.now()).unwrap());
                if name == "challenge" {
                    self.made.insert("code".to_owned(), code);
                    return enrolled["mfaChallengeId"].clone();
                }
                let complete = "mutation($id: ID!, $code: String!) { completeMfa(challengeId: $id, code: $code) { userErrors { code } } }";
                let variables = json!({"id": enrolled["mfaChallengeId"], "code": code});
                assert_eq!(self.anonymous.ok(complete, variables).await["completeMfa"]["userErrors"], json!([]));
                self.id(Kind::User, user)
            }
            "refresh" => {
                let login = "mutation($email: EmailAddress!, $slug: String!, $password: String!) {
                    login(email: $email, tenantSlug: $slug, password: $password) { tokens { refreshToken } } }";
                let email = format!("admin@{}.test", self.slug);
                let variables = json!({"email": email, "slug": self.slug, "password": PASSWORD});
                self.anonymous.ok(login, variables).await["login"]["tokens"]["refreshToken"].clone()
            }
            "invite" => {
                let invite = "mutation($input: InviteUserInput!) { inviteUser(input: $input) { user { id } } }";
                let email = format!("invitada{}@{}.test", self.used, self.slug);
                let input = json!({"email": email, "name": "Eva", "roleIds": [self.furniture["role"]]});
                self.admin.ok(invite, json!({ "input": input })).await;
                self.account_word(&email, Purpose::Invite).await
            }
            "reset" => {
                let client = app.user(self.slug, BuiltinRole::Cashier).await;
                let user = app.actor_of(&client).await.id.unwrap();
                let email: String = self.one("SELECT email FROM users WHERE id = $1", vec![user.into()]).await;
                let request = "mutation($email: EmailAddress!, $slug: String!) { requestPasswordReset(email: $email, tenantSlug: $slug) { accepted } }";
                self.anonymous.ok(request, json!({"email": email, "slug": self.slug})).await;
                app.run_jobs().await;
                self.account_word(&email, Purpose::PasswordReset).await
            }
            "ownRole" => {
                let create = "mutation($input: RoleInput!) { upsertRole(input: $input) { role { id } } }";
                let input = json!({"name": format!("Caja {}", self.used), "permissions": ["FINANCE_READ"]});
                self.admin.ok(create, json!({ "input": input })).await["upsertRole"]["role"]["id"].clone()
            }
            "apiKey" => {
                let create =
                    "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } secret } }";
                let input = json!({"name": "Informes", "permissions": ["AGENDA_READ"], "publishable": false});
                let created = self.admin.ok(create, json!({ "input": input })).await["createApiKey"].clone();
                self.made.insert("secretKey".to_owned(), created["secret"].clone());
                created["apiKey"]["id"].clone()
            }
            "scheduled" => {
                let resource = self.centre.professional("Carla", self.branch).await;
                let hours = [(1..=5, "09:00", "13:00")];
                let schedule = self.centre.works(resource, self.branch, &hours).await;
                self.made.insert("schedule".to_owned(), self.id(Kind::Schedule, schedule));
                self.id(Kind::Resource, resource)
            }
            "exception" => {
                let add = "mutation($input: ScheduleExceptionInput!) { addScheduleException(input: $input) { exception { id } } }";
                let input = json!({
                    "branchId": self.furniture["branch"], "resourceId": self.furniture["professional"], "kind": "BLOCK",
                    "localStart": "2026-10-01T10:00", "localEnd": "2026-10-01T11:00",
                });
                self.admin.ok(add, json!({ "input": input })).await["addScheduleException"]["exception"]["id"].clone()
            }
            "appointment" => {
                let id = self.appointment().await;
                self.id(Kind::Appointment, id)
            }
            "mailed" => {
                let book = "mutation($input: BookAppointmentInput!) { bookAppointment(input: $input) { appointment { id } userErrors { message } } }";
                let item = json!({
                    "treatmentId": self.furniture["treatment"], "professionalId": self.furniture["professional"],
                    "start": self.start().to_rfc3339(),
                });
                let input = json!({
                    "idempotencyKey": Uuid::new_v4(), "branchId": self.furniture["branch"],
                    "patientId": self.furniture["patient"], "items": [item],
                });
                let booked = self.admin.ok(book, json!({ "input": input })).await["bookAppointment"].clone();
                assert_eq!(booked["userErrors"], json!([]));
                booked["appointment"]["id"].clone()
            }
            "email" => {
                Box::pin(self.make(app, "mailed")).await;
                let sql = "SELECT id FROM email_messages WHERE kind = 'APPOINTMENT_CONFIRMATION' ORDER BY created_at DESC, id DESC LIMIT 1";
                let id: Uuid = self.one(sql, vec![]).await;
                self.centre.run("UPDATE email_messages SET status = 'FAILED' WHERE id = $1", vec![id.into()]).await;
                self.id(Kind::EmailMessage, id)
            }
            "slot" | "pageSlot" => self.slot(name == "pageSlot").await,
            "hold" | "pageHold" => {
                let token = self.slot(name == "pageHold").await;
                let hold = "mutation($input: HoldSlotInput!) { holdSlot(input: $input) { appointment { id } userErrors { message } } }";
                let client = if name == "hold" { &self.admin } else { &self.page };
                let input = json!({"idempotencyKey": Uuid::new_v4(), "slotToken": token});
                let held = client.ok(hold, json!({ "input": input })).await["holdSlot"].clone();
                assert_eq!(held["userErrors"], json!([]));
                held["appointment"]["id"].clone()
            }
            "capability" | "calendar" => {
                let branch = self.furniture["branch"].clone();
                self.capability("CALENDAR_FEED", branch, name == "capability").await
            }
            "confirm" | "cancel" => {
                let appointment = self.appointment().await;
                let appointment = self.id(Kind::Appointment, appointment);
                self.capability(if name == "confirm" { CONFIRM } else { CANCEL }, appointment, false).await
            }
            "list" => {
                let admin = app.actor_of(&self.admin).await.id.unwrap();
                let file = self.centre.list_of_patients(admin).await;
                self.id(Kind::Attachment, file)
            }
            "stranger" => {
                let patient = self.centre.patient("Rosa", "Soto").await;
                self.id(Kind::Patient, patient)
            }
            "job" => {
                let job = self.centre.cx.new_id();
                self.centre.import_job(job).await;
                self.id(Kind::BackgroundJob, job)
            }
            "photo" => {
                let file = self.centre.cx.new_id();
                let sql = "INSERT INTO attachments (id, patient_id, status, file_name, mime_type, size_bytes, sha256, created_at, uploaded_at)
                    VALUES ($1, $2, 'READY', 'a.png', 'image/png', 1, sha256('x'), $3, $3)";
                self.centre.run(sql, vec![file.into(), self.patient.into(), app.now().into()]).await;
                self.id(Kind::Attachment, file)
            }
            "newForm" => {
                let upsert = "mutation($input: RecordTemplateInput!) { upsertRecordTemplate(input: $input) { template { id } } }";
                let field = json!({"key": "note", "label": "Nota", "type": "TEXT", "position": 1});
                let input = json!({"name": "Ficha", "fields": [field], "publish": true});
                self.admin.ok(upsert, json!({ "input": input })).await["upsertRecordTemplate"]["template"]["id"].clone()
            }
            "draft" | "signed" => {
                let form = self.furniture["form"].clone();
                let save = "mutation($input: RecordEntryInput!) { saveRecordEntry(input: $input) { entry { id } userErrors { message } } }";
                // The patient is one who has a visit.
                self.appointment().await;
                let input = json!({"patientId": self.furniture["patient"], "templateId": form, "values": []});
                let saved = self.admin.ok(save, json!({ "input": input })).await["saveRecordEntry"].clone();
                assert_eq!(saved["userErrors"], json!([]));
                let id = saved["entry"]["id"].clone();
                if name == "signed" {
                    let sign = "mutation($id: ID!) { signRecordEntry(id: $id, version: 1) { userErrors { message } } }";
                    let signed = self.admin.ok(sign, json!({ "id": id })).await;
                    assert_eq!(signed["signRecordEntry"]["userErrors"], json!([]));
                }
                id
            }
            "cursor" => {
                let agenda = "query($b: ID!) { agenda(branchId: $b, from: \"2026-07-14\", to: \"2026-07-14\", groupBy: ROOM) { cursor } }";
                self.admin.ok(agenda, json!({"b": self.furniture["branch"]})).await["agenda"]["cursor"].clone()
            }
            "upload" | "fileLink" => {
                // A patient is seen by the appointments.
                self.appointment().await;
                let patient = self.furniture["patient"].clone();
                let id = files::send_file(app, &self.admin, &patient).await;
                if name == "upload" {
                    return id;
                }
                let complete = "mutation($id: ID!, $hash: String!) {
                    completeUpload(attachmentId: $id, sha256: $hash) { attachment { downloadUrl } }
                }";
                let done = self.admin.ok(complete, json!({"id": id, "hash": files::FILE_HASH})).await;
                let link = done["completeUpload"]["attachment"]["downloadUrl"].as_str().unwrap().to_owned();
                json!(link.rsplit_once('/').unwrap().1)
            }
            other => panic!("tests/it/isolation/making.rs does not know how to make `#{other}`"),
        }
    }

    /// The next half hour that nobody has used.
    fn start(&mut self) -> DateTime<Utc> {
        self.used += 1;
        let first: DateTime<Utc> = "2026-07-15T13:00:00Z".parse().unwrap();
        first + TimeDelta::minutes(30) * i32::try_from(self.used).unwrap()
    }

    async fn appointment(&mut self) -> Uuid {
        let start = self.start().to_rfc3339();
        let booking = Booking::new(self.branch, self.patient, self.treatment, &start, 30).with(self.professional);
        self.centre.book(booking).await
    }

    async fn slot(&mut self, public: bool) -> Value {
        let start = self.start();
        let input = json!({
            "branchId": self.furniture["branch"], "treatmentIds": [self.furniture["treatment"]],
            "range": {"from": start.to_rfc3339(), "to": (start + TimeDelta::minutes(30)).to_rfc3339()},
        });
        if public {
            let query = "query($slug: String!, $i: AvailabilityInput!) { publicAvailability(tenantSlug: $slug, input: $i) { token } }";
            let slots = self.page.ok(query, json!({"slug": self.slug, "i": input})).await;
            return slots["publicAvailability"][0]["token"].clone();
        }
        let query = "query($i: AvailabilityInput!) { availability(input: $i) { token } }";
        self.admin.ok(query, json!({ "i": input })).await["availability"][0]["token"].clone()
    }

    async fn capability(&self, purpose: &str, resource: Value, id: bool) -> Value {
        let issue = "mutation($input: IssueCapabilityInput!) { issueCapability(input: $input) { capability { id } token userErrors { message } } }";
        let input = json!({"purpose": purpose, "resourceId": resource, "ttlSeconds": 86_400});
        let issued = self.admin.ok(issue, json!({ "input": input })).await["issueCapability"].clone();
        assert_eq!(issued["userErrors"], json!([]));
        if id { issued["capability"]["id"].clone() } else { issued["token"].clone() }
    }

    /// The word of the newest link that was mailed to somebody.
    async fn account_word(&self, email: &str, purpose: Purpose) -> Value {
        let sql = "SELECT m.id FROM email_messages m JOIN users u ON u.id = m.related_id WHERE u.email = $1 ORDER BY m.created_at DESC LIMIT 1";
        let mail: Uuid = self.one(sql, vec![email.into()]).await;
        json!(account_link::word(&self.centre.cx, &self.centre.system.tenant, purpose, mail))
    }
}
