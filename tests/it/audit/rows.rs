//! How each mutation of the contract is sent so that it succeeds, and how it is refused.

use std::sync::Arc;

use chrono::TimeDelta;
use horae::{
    auth::{Actor, BuiltinRole, totp},
    domain::identity::account_link::{self, Purpose},
    schema::id::Kind,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{files, patients, portability, record};
use crate::{
    booking::{
        Clinic,
        api::{call, done, key},
        patient_link::mailed,
    },
    centre::local,
    identity::people::GOOD,
    support::app::{Client, PASSWORD},
};

/// How one mutation is sent: once so that it succeeds, once so that it is refused.
pub struct Row {
    pub client: Client,
    /// `($input: BranchInput!)`
    pub declares: &'static str,
    /// `(input: $input)`
    pub passes: &'static str,
    pub good: Value,
    pub bad: Value,
    /// Who is refused; none: the same client, for what it sends.
    pub refused: Option<Client>,
    /// The kind of actor in the entry.
    pub actor: &'static str,
    /// Which user does it, if not the administrator.
    pub user: Option<Uuid>,
    /// Refused because the centre is in maintenance.
    pub maintenance: bool,
}

impl Row {
    pub(super) fn new(client: &Client, declares: &'static str, passes: &'static str, good: Value, bad: Value) -> Self {
        Self {
            client: client.clone(),
            declares,
            passes,
            good,
            bad,
            refused: None,
            actor: "USER",
            user: None,
            maintenance: false,
        }
    }

    /// One that takes an `input` of this declaration.
    pub(super) fn input(client: &Client, declares: &'static str, good: &Value, bad: &Value) -> Self {
        Self::new(client, declares, "(input: $input)", json!({ "input": good }), json!({ "input": bad }))
    }

    /// Its entry is by an actor of this kind.
    fn by(self, actor: &'static str) -> Self {
        Self { actor, ..self }
    }

    /// Its entry is by this user.
    fn by_user(self, user: Uuid) -> Self {
        Self { user: Some(user), ..self }
    }

    /// Refused in maintenance, and otherwise never.
    fn refused_in_maintenance(self) -> Self {
        Self { maintenance: true, ..self }
    }

    /// Refused because of who sends it.
    fn refused_to(self, client: Client) -> Self {
        Self { refused: Some(client), ..self }
    }

    pub fn document(&self, mutation: &str) -> String {
        let Self { declares, passes, .. } = self;
        format!("mutation{declares} {{ {mutation}{passes} {{ userErrors {{ code message field }} }} }}")
    }
}

/// A clinic, and a time that nobody has used yet.
pub struct World {
    pub clinic: Clinic,
    /// Who will call, if not the administrator: files are for who brought them.
    pub asker: Option<Uuid>,
    pub used: i64,
}

impl World {
    /// The next free half hour.
    pub fn start(&mut self) -> String {
        let first: chrono::DateTime<chrono::Utc> = "2026-07-15T13:00:00Z".parse().unwrap();
        self.used += 1;
        let (day, slot) = (self.used / 16, self.used % 16);
        (first + TimeDelta::days(day) + TimeDelta::minutes(30 * slot)).to_rfc3339()
    }

    pub async fn booked(&mut self) -> Value {
        let start = self.start();
        self.clinic.booked(self.clinic.professionals[0], &start).await
    }

    async fn slot(&mut self, client: &Client, public: bool) -> Value {
        let start: chrono::DateTime<chrono::Utc> = self.start().parse().unwrap();
        let until = (start + TimeDelta::minutes(30)).to_rfc3339();
        self.clinic.slots(client, public, &start.to_rfc3339(), &until).await[0]["token"].clone()
    }

    async fn held(&mut self, client: &Client, public: bool) -> Value {
        let token = self.slot(client, public).await;
        let input = json!({"idempotencyKey": key(), "slotToken": token});
        done(&call(client, "holdSlot", json!({ "input": input })).await)["id"].clone()
    }
}

/// Users, and what they need to prove who they are.
impl World {
    /// Somebody else of the branch, who is logged in and may nothing, so that whoever administers users may change it all.
    pub async fn colleague(&self) -> (Client, Arc<Actor>, Uuid) {
        let client = self.clinic.app.user("alfa", BuiltinRole::Patient).await;
        let actor = self.clinic.app.actor_of(&client).await;
        let user = actor.id.unwrap();
        let sql = "UPDATE users SET branch_ids = ARRAY[$2] WHERE id = $1";
        self.clinic.centre.run(sql, vec![user.into(), self.clinic.branch.into()]).await;
        (client, actor, user)
    }

    pub async fn one<T: sea_orm::TryGetable>(&self, sql: &'static str, values: Vec<sea_orm::Value>) -> T {
        let tx = self.clinic.centre.cx.read(&self.clinic.centre.system).await.unwrap();
        let found: Option<T> = tx.scalar(sql, values).await.unwrap();
        tx.commit().await.unwrap();
        found.unwrap_or_else(|| panic!("nothing: {sql}"))
    }

    /// What `inviteUser` is given for somebody new.
    async fn guest(&mut self) -> Value {
        self.used += 1;
        let role: Uuid = self.one("SELECT id FROM roles WHERE builtin = 'PATIENT'", vec![]).await;
        json!({
            "email": format!("rosamunda{}@alfa.test", self.used), "name": "Rosamunda",
            "roleIds": [self.clinic.id(Kind::Role, role)], "branchIds": [self.clinic.id(Kind::Branch, self.clinic.branch)],
        })
    }

    /// The word of the newest link that was mailed to a user.
    async fn account_word(&self, purpose: Purpose, user: Uuid) -> String {
        let sql = "SELECT id FROM email_messages WHERE related_id = $1 ORDER BY created_at DESC LIMIT 1";
        let email: Uuid = self.one(sql, vec![user.into()]).await;
        account_link::word(&self.clinic.app.app.cx, &self.clinic.actor.tenant, purpose, email)
    }

    /// An open enrolment: its challenge and the app's code.
    async fn enrolment(&self, client: &Client) -> (Value, String) {
        let enrol = "mutation { enrolMfa { otpauthUri mfaChallengeId } }";
        let enrolled = client.ok(enrol, json!({})).await["enrolMfa"].clone();
        let secret = crate::identity::secret_of(enrolled["otpauthUri"].as_str().unwrap());
        (enrolled["mfaChallengeId"].clone(), totp::digits(&secret, self.clinic.app.now()).unwrap())
    }

    /// A calendar's token: its id and its word.
    pub async fn calendar(&self) -> (Value, Value) {
        let issue =
            "mutation($input: IssueCapabilityInput!) { issueCapability(input: $input) { capability { id } token } }";
        let input = json!({ "input": self.calendar_input(3_600) });
        let issued = self.clinic.admin.ok(issue, input).await["issueCapability"].clone();
        (issued["capability"]["id"].clone(), issued["token"].clone())
    }

    fn calendar_input(&self, ttl: i32) -> Value {
        let branch = self.clinic.id(Kind::Branch, self.clinic.branch);
        json!({"purpose": "CALENDAR_FEED", "resourceId": branch, "ttlSeconds": ttl})
    }
}

fn key_input(name: &str) -> Value {
    json!({"name": name, "permissions": ["AGENDA_READ"], "publishable": false})
}

/// The mutations of users, second factors, keys and tokens.
async fn row_of_identity(world: &mut World, mutation: &str) -> Option<Row> {
    let admin = world.clinic.admin.clone();
    let anonymous = world.clinic.app.anonymous();
    let branch = world.clinic.id(Kind::Branch, world.clinic.branch);
    let n = world.used;
    Some(match mutation {
        "inviteUser" => {
            let good = world.guest().await;
            let mut bad = good.clone();
            bad["roleIds"] = json!([]);
            Row::input(&admin, "($input: InviteUserInput!)", &good, &bad)
        }
        "acceptInvite" => {
            let invite = "mutation($input: InviteUserInput!) { inviteUser(input: $input) { user { id } } }";
            let invited = admin.ok(invite, json!({ "input": world.guest().await })).await;
            let user = local(&world.clinic.app, "alfa", Kind::User, &invited["inviteUser"]["user"]["id"]).await;
            let input = |token: &str| json!({"token": token, "password": GOOD});
            let good = input(&world.account_word(Purpose::Invite, user).await);
            let (declares, passes) = ("($token: String!, $password: String!)", "(token: $token, password: $password)");
            Row::new(&anonymous, declares, passes, good, input("ul1.guess")).by_user(user)
        }
        "requestPasswordReset" => {
            let variables = json!({"email": "rosamunda@alfa.test", "slug": "alfa"});
            let (declares, passes) = ("($email: EmailAddress!, $slug: String!)", "(email: $email, tenantSlug: $slug)");
            let row = Row::new(&anonymous, declares, passes, variables.clone(), variables);
            row.by("SYSTEM").refused_in_maintenance()
        }
        "resetPassword" => {
            let (_, _, user) = world.colleague().await;
            let email: String = world.one("SELECT email FROM users WHERE id = $1", vec![user.into()]).await;
            let forgot = "mutation($email: EmailAddress!) { requestPasswordReset(email: $email, tenantSlug: \"alfa\") { accepted } }";
            anonymous.ok(forgot, json!({ "email": email })).await;
            world.clinic.app.run_jobs().await;
            let input = |token: &str| json!({"token": token, "password": GOOD});
            let good = input(&world.account_word(Purpose::PasswordReset, user).await);
            let (declares, passes) =
                ("($token: String!, $password: String!)", "(token: $token, newPassword: $password)");
            Row::new(&anonymous, declares, passes, good, input("ul1.guess")).by_user(user)
        }
        "changePassword" => {
            let (client, _, user) = world.colleague().await;
            // Another session, which ends with the old password.
            let email: String = world.one("SELECT email FROM users WHERE id = $1", vec![user.into()]).await;
            world.clinic.app.login("alfa", &email).await;
            let input = |current: &str| json!({"current": current, "next": GOOD});
            let (declares, passes) = ("($current: String!, $next: String!)", "(current: $current, next: $next)");
            Row::new(&client, declares, passes, input(PASSWORD), input("guess")).by_user(user)
        }
        "revokeSession" => {
            let (_, actor, _) = world.colleague().await;
            let good = json!({"id": world.clinic.id(Kind::Session, actor.session.unwrap())});
            Row::new(&admin, "($id: ID!)", "(sessionId: $id)", good, json!({ "id": branch }))
        }
        "updateUser" => {
            let (_, _, user) = world.colleague().await;
            let id = world.clinic.id(Kind::User, user);
            let version: i32 = world.one("SELECT version FROM users WHERE id = $1", vec![user.into()]).await;
            let input = |version: i32| json!({"id": id, "version": version, "name": "Rosamunda", "status": "LOCKED"});
            Row::input(&admin, "($input: UpdateUserInput!)", &input(version), &input(version + 8))
        }
        "upsertRole" => {
            let input = |name: &str| json!({"name": name, "permissions": ["USER_ADMIN"], "mfaRequired": true});
            Row::input(&admin, "($input: RoleInput!)", &input(&format!("Caja {n}")), &input(""))
        }
        "enrolMfa" => {
            let (client, _, user) = world.colleague().await;
            Row::new(&client, "", "", json!({}), json!({})).refused_to(anonymous).by_user(user)
        }
        "completeMfa" => {
            let (client, _, user) = world.colleague().await;
            let (challenge, code) = world.enrolment(&client).await;
            let input = |challenge: &Value| json!({"id": challenge, "code": code});
            let (declares, passes) = ("($id: ID!, $code: String!)", "(challengeId: $id, code: $code)");
            Row::new(&anonymous, declares, passes, input(&challenge), input(&json!("mc1.guess"))).by_user(user)
        }
        "disableMfa" => {
            let (client, _, user) = world.colleague().await;
            let (challenge, code) = world.enrolment(&client).await;
            let complete = "mutation($id: ID!, $code: String!) { completeMfa(challengeId: $id, code: $code) { userErrors { code } } }";
            let completed = anonymous.ok(complete, json!({"id": challenge, "code": code})).await;
            assert_eq!(completed["completeMfa"]["userErrors"], json!([]));
            let good = json!({"user": world.clinic.id(Kind::User, user)});
            Row::new(&admin, "($user: ID)", "(userId: $user)", good, json!({ "user": branch }))
        }
        "createApiKey" => Row::input(&admin, "($input: CreateApiKeyInput!)", &key_input("Informes"), &key_input(" ")),
        "revokeApiKey" => {
            let create = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } } }";
            let created = admin.ok(create, json!({ "input": key_input("Informes") })).await;
            let good = json!({"id": created["createApiKey"]["apiKey"]["id"]});
            Row::new(&admin, "($id: ID!)", "(id: $id)", good, json!({ "id": branch }))
        }
        "issueCapability" => {
            let (good, bad) = (world.calendar_input(3_600), world.calendar_input(1));
            Row::input(&admin, "($input: IssueCapabilityInput!)", &good, &bad)
        }
        "redeemCapability" => {
            let (_, token) = world.calendar().await;
            let (good, bad) = (json!({ "token": token }), json!({"token": "ct1.guess"}));
            Row::new(&anonymous, "($token: String!)", "(token: $token)", good, bad).by("PATIENT")
        }
        "revokeCapability" => {
            let (id, _) = world.calendar().await;
            Row::new(&admin, "($id: ID!)", "(id: $id)", json!({ "id": id }), json!({ "id": branch }))
        }
        _ => return None,
    })
}

pub async fn row(world: &mut World, mutation: &str) -> Option<Row> {
    // Mails move the clock, and access tokens end by it.
    world.clinic.admin = world.clinic.app.admin("alfa").await;
    let admin = world.clinic.admin.clone();
    let anonymous = world.clinic.app.anonymous();
    let branch = world.clinic.id(Kind::Branch, world.clinic.branch);
    let ana = world.clinic.id(Kind::Resource, world.clinic.professionals[0]);
    let n = world.used;
    Some(match mutation {
        "login" => {
            let credentials =
                |password: &str| json!({"email": "admin@alfa.test", "password": password, "slug": "alfa"});
            Row::new(
                &anonymous,
                "($email: EmailAddress!, $password: String!, $slug: String!)",
                "(email: $email, password: $password, tenantSlug: $slug)",
                credentials(PASSWORD),
                credentials("guess"),
            )
        }
        "refreshSession" => {
            let login = "mutation { login(email: \"admin@alfa.test\", password: \"correct horse battery\", tenantSlug: \"alfa\") {
                tokens { refreshToken } } }";
            let token = anonymous.ok(login, json!({})).await["login"]["tokens"]["refreshToken"].clone();
            let (good, bad) = (json!({ "token": token }), json!({"token": "rt1.guess"}));
            Row::new(&anonymous, "($token: String!)", "(refreshToken: $token)", good, bad)
        }
        "logout" => Row::new(&admin, "", "", json!({}), json!({})).refused_to(anonymous),
        "updateTenantProfile" => Row::input(
            &admin,
            "($input: TenantProfileInput!)",
            &json!({"tradeName": format!("Centro {n}")}),
            &json!({"tradeName": " "}),
        ),
        "upsertBranch" => Row::input(
            &admin,
            "($input: BranchInput!)",
            &json!({"name": "Ñuñoa", "timeZone": "America/Santiago", "phone": "+56 2 2345 6789"}),
            &json!({"name": "", "timeZone": "America/Santiago"}),
        ),
        "upsertProfessional" => Row::input(
            &admin,
            "($input: ProfessionalInput!)",
            &json!({"name": "Carla", "branchIds": [branch]}),
            &json!({"name": "Carla", "branchIds": []}),
        ),
        "upsertRoom" | "upsertEquipment" => Row::input(
            &admin,
            "($input: RoomInput!)",
            &json!({"name": "Box 9", "branchId": branch}),
            &json!({"name": "Box 9", "branchId": branch, "capacity": 0}),
        ),
        "upsertTreatment" => {
            let input = |minutes: i32| json!({"name": "Corte", "durationMinutes": minutes, "price": {"amount": "9000", "currency": "CLP"}});
            Row::input(&admin, "($input: TreatmentInput!)", &input(30), &input(1))
        }
        "upsertTreatmentCategory" => {
            Row::new(&admin, "($name: String!)", "(name: $name)", json!({"name": "Dental"}), json!({"name": ""}))
        }
        "deactivateResource" => {
            let room = world.clinic.centre.room("Box 7", world.clinic.branch, 1).await;
            let room = world.clinic.id(Kind::Resource, room);
            let input = |version: i32| json!({"id": room, "version": version});
            Row::new(&admin, "($id: ID!, $version: Int!)", "(id: $id, version: $version)", input(1), input(9))
        }
        "upsertSchedule" => {
            let berta = world.clinic.centre.professional("Berta", world.clinic.branch).await;
            let berta = world.clinic.id(Kind::Resource, berta);
            let input = |end: &str| {
                let windows = json!([{"day": "MON", "start": "09:00", "end": end}]);
                json!({"resourceId": berta, "branchId": branch, "name": "Normal", "windows": windows})
            };
            Row::input(&admin, "($input: ScheduleInput!)", &input("13:00"), &input("08:00"))
        }
        "addScheduleException" => {
            let input = |end: &str| exception(&branch, &ana, end);
            Row::input(&admin, "($input: ScheduleExceptionInput!)", &input("11:00"), &input("09:00"))
        }
        "removeScheduleException" => {
            let add = "mutation($input: ScheduleExceptionInput!) { addScheduleException(input: $input) { exception { id } } }";
            let added = admin.ok(add, json!({ "input": exception(&branch, &ana, "11:00") })).await;
            let good = json!({"id": added["addScheduleException"]["exception"]["id"]});
            Row::new(&admin, "($id: ID!)", "(id: $id)", good, json!({ "id": branch }))
        }
        "holdSlot" => {
            let token = world.slot(&admin, false).await;
            let input = |token: &Value| json!({"idempotencyKey": key(), "slotToken": token});
            Row::input(&admin, "($input: HoldSlotInput!)", &input(&token), &input(&json!("guess")))
        }
        "releaseHold" => {
            let held = world.held(&admin, false).await;
            Row::new(&admin, "($id: ID!)", "(appointmentId: $id)", json!({ "id": held }), json!({ "id": branch }))
        }
        "bookAppointment" => {
            let start = world.start();
            let mut good = world.clinic.input(world.clinic.professionals[0], &start);
            if let Some(fields) = good.as_object_mut() {
                fields.remove("patientId");
                fields.insert(
                    "newPatient".to_owned(),
                    json!({"givenNames": "Rosamunda", "email": "rosamunda@example.com"}),
                );
                fields.insert("notes".to_owned(), json!("alergia a la rosamunda"));
            }
            let mut bad = good.clone();
            bad["items"] = json!([]);
            Row::input(&admin, "($input: BookAppointmentInput!)", &good, &bad)
        }
        "publicBook" => {
            let page = world.clinic.app.page("alfa").await;
            let held = world.held(&page, true).await;
            let input = |accepts: bool| {
                json!({
                    "idempotencyKey": key(), "tenantSlug": "alfa", "holdId": held, "channel": "WEB_WIDGET", "acceptPolicies": accepts,
                    "patient": {"givenNames": "Sara", "email": "rosamunda2@example.com"},
                })
            };
            Row::input(&page, "($input: PublicBookInput!)", &input(true), &input(false)).by("API_KEY")
        }
        "rescheduleAppointment" => {
            let (one, start) = (world.booked().await, world.start());
            let input = |version: i32| {
                let items = [world.clinic.item(world.clinic.professionals[0], &start)];
                json!({"idempotencyKey": key(), "appointmentId": one["id"], "version": version, "items": items})
            };
            Row::input(&admin, "($input: RescheduleInput!)", &input(1), &input(9))
        }
        "transitionAppointment" => {
            let one = world.booked().await;
            let input = |to: &str| json!({"id": one["id"], "to": to});
            Row::new(
                &admin,
                "($id: ID!, $to: AppointmentStatus!)",
                "(id: $id, version: 1, to: $to)",
                input("CONFIRMED"),
                input("COMPLETED"),
            )
        }
        "resendEmail" => {
            let one = world.booked().await;
            world.clinic.app.clock.advance(TimeDelta::minutes(6));
            world.clinic.app.run_jobs().await;
            let admin = world.clinic.app.admin("alfa").await;
            let emails = "query($id: ID!) { appointment(id: $id) { emails { id } } }";
            let found = admin.ok(emails, json!({"id": one["id"]})).await;
            let input = |id: &Value| json!({"id": id, "key": key()});
            let (declares, passes) = ("($id: ID!, $key: IdempotencyKey!)", "(id: $id, idempotencyKey: $key)");
            let good = input(&found["appointment"]["emails"][0]["id"]);
            Row::new(&admin, declares, passes, good, input(&json!(branch)))
        }
        "patientConfirm" | "patientCancel" => {
            // Its confirmation is the newest mail.
            world.clinic.app.run_jobs().await;
            world.clinic.app.clock.advance(TimeDelta::minutes(1));
            let start = world.start();
            let (_, confirm, cancel) = mailed(&world.clinic, &start).await;
            let token = if mutation == "patientConfirm" { confirm } else { cancel };
            let (good, bad) = (json!({ "token": token }), json!({"token": "ct1.guess"}));
            Row::new(&anonymous, "($token: String!)", "(token: $token)", good, bad).by("PATIENT")
        }
        "requestUpload" | "completeUpload" => return files::row(world, mutation).await,
        "createPatient" | "updatePatient" | "mergePatients" | "upsertPatientCategory" | "setPatientFields" => {
            return patients::row(world, mutation).await;
        }
        "importPatients" | "exportPatientData" | "anonymisePatient" => {
            return portability::row(world, mutation).await;
        }
        "upsertRecordTemplate" | "saveRecordEntry" | "signRecordEntry" | "amendRecordEntry" | "voidRecordEntry" => {
            return record::row(world, mutation).await;
        }
        _ => return row_of_identity(world, mutation).await,
    })
}

fn exception(branch: &Value, resource: &Value, end: &str) -> Value {
    json!({
        "branchId": branch, "resourceId": resource, "kind": "BLOCK", "reason": "rosamunda",
        "localStart": "2026-09-01T10:00", "localEnd": format!("2026-09-01T{end}"),
    })
}
