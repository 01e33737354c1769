//! What all objects have in common: found by their ids, counted in their lists, with interfaces that say what they have.

mod counting;
mod find;
mod interfaces;
mod scope;

use horae::{
    auth::Permission::{
        self, AgendaRead, AgendaReadOwn, AgendaWrite, AuditRead, CrmRead, PatientRead, PatientWrite, RecordRead,
        RecordTemplate, RecordWrite, UserAdmin,
    },
    schema::id::Kind,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    identity::people::People,
    support::{app::Client, fixtures::Booking},
};

/// A centre with at least one of everything.
struct House {
    people: People,
    things: Vec<Thing>,
    north: Uuid,
    south: Uuid,
    ana: Uuid,
}

/// Something with an id.
struct Thing {
    what: &'static str,
    typename: &'static str,
    kind: Kind,
    id: Uuid,
    /// Of each group one is needed to see it.
    needs: Vec<Vec<Permission>>,
}

/// The permissions of a role, as the database has them.
fn words(permissions: impl IntoIterator<Item = Permission>) -> Vec<&'static str> {
    permissions.into_iter().map(Permission::as_str).collect()
}

impl House {
    async fn build() -> Self {
        let people = People::open().await;
        let centre = &people.centre;
        let north = centre.branch("Norte", "America/Santiago").await;
        let south = centre.branch("Sur", "America/Santiago").await;
        let ana = centre.professional("Ana", north).await;
        let room = centre.room("Box", north, 1).await;
        let laser = centre.equipment("Láser", north).await;
        let cut = centre.treatment("Corte", 30).await;
        let rosa = centre.patient("Rosa", "Soto").await;
        let visit = centre.book(Booking::new(north, rosa, cut, "2026-07-14T13:00:00Z", 30).with(ana)).await;
        let schedule = centre.works(ana, north, &[(1..=5, "09:00", "18:00")]).await;
        let [category, role, mail, invitation, refused, key] = std::array::from_fn(|_| centre.cx.new_id());
        let [closed, block, link, feed, own_feed, job] = std::array::from_fn(|_| centre.cx.new_id());
        let now = || centre.cx.now().into();
        centre.run("INSERT INTO treatment_categories (id, name) VALUES ($1, 'Pelo')", vec![category.into()]).await;
        let club = centre.cx.new_id();
        centre.run("INSERT INTO patient_categories (id, name) VALUES ($1, 'Club')", vec![club.into()]).await;
        centre.run("INSERT INTO roles (id, name, permissions) VALUES ($1, 'Nada', '{}')", vec![role.into()]).await;
        for (id, resource) in [(closed, None), (block, Some(ana))] {
            centre
                .run(
                    "INSERT INTO schedule_exceptions (id, branch_id, resource_id, kind, local_start, local_end, during)
                     VALUES ($1, $2, $3, 'BLOCK', '2026-07-15T09:00', '2026-07-15T10:00', tstzrange('2026-07-15T13:00Z', '2026-07-15T14:00Z'))",
                    vec![id.into(), north.into(), resource.into()],
                )
                .await;
        }
        for (id, kind, related) in [(mail, "APPOINTMENT_REMINDER", visit), (invitation, "INVITE", role)] {
            centre
                .run(
                    "INSERT INTO email_messages (id, kind, dedup_key, recipient, status, due_at, message_id, related_id, created_at, updated_at)
                     VALUES ($1, $2, $1::text, 'rosa@pacientes.test', 'SCHEDULED', $3, $1::text, $4, $3, $3)",
                    vec![id.into(), kind.into(), now(), related.into()],
                )
                .await;
        }
        centre
            .run(
                "INSERT INTO suppressions (id, email, reason, at) VALUES ($1, 'nadie@pacientes.test', 'HARD_BOUNCE', $2)",
                vec![refused.into(), now()],
            )
            .await;
        centre
            .run(
                "INSERT INTO api_keys (id, name, prefix, secret_hash, publishable, created_at) VALUES ($1, 'Caja', 'hk_', '\\x00', false, $2)",
                vec![key.into(), now()],
            )
            .await;
        centre.import_job(job).await;
        for (id, purpose, subject) in
            [(link, "APPOINTMENT_MANAGE", visit), (feed, "CALENDAR_FEED", north), (own_feed, "CALENDAR_FEED", ana)]
        {
            centre
                .run(
                    "INSERT INTO capability_tokens (id, token_hash, purpose, resource_id, expires_at, created_at)
                     VALUES ($1, sha256($1::text::bytea), $2, $3, '2026-08-01', $4)",
                    vec![id.into(), purpose.into(), subject.into(), now()],
                )
                .await;
        }
        let file = centre.cx.new_id();
        centre
            .run(
                "INSERT INTO attachments (id, patient_id, status, file_name, mime_type, size_bytes, sha256, created_at, uploaded_at)
                 VALUES ($1, $2, 'READY', 'a.png', 'image/png', 1, sha256('x'), $3, $3)",
                vec![file.into(), rosa.into(), now()],
            )
            .await;
        let boss: Uuid = people.one("SELECT id FROM users WHERE email = 'admin@alfa.test'", vec![]).await;
        let session: Uuid = people.one("SELECT id FROM sessions WHERE user_id = $1", vec![boss.into()]).await;
        let entry: Uuid = people.one("SELECT id FROM audit_entries ORDER BY position LIMIT 1", vec![]).await;

        let [form, note] = std::array::from_fn(|_| centre.cx.new_id());
        let insert = "INSERT INTO record_templates (id, created_at, updated_at) VALUES ($1, $2, $2)";
        centre.run(insert, vec![form.into(), now()]).await;
        let insert = "INSERT INTO record_template_versions (template_id, version, name, fields, published_at) VALUES ($1, 1, 'Ficha', '[]', $2)";
        centre.run(insert, vec![form.into(), now()]).await;
        let insert = "INSERT INTO record_entries (id, patient_id, template_id, template_version, author_id, status, at, updated_at)
             VALUES ($1, $2, $3, 1, $4, 'DRAFT', $5, $5)";
        centre.run(insert, vec![note.into(), rosa.into(), form.into(), boss.into(), now()]).await;

        // Who works there at all: whoever may do anything.
        let staff = || vec![[Permission::SupportAdmin].into_iter().chain(Permission::ALL).collect::<Vec<_>>()];
        let all_of = |permissions: &[Permission]| permissions.iter().map(|one| vec![*one]).collect::<Vec<_>>();
        let thing = |what, typename, kind, id, needs| Thing { what, typename, kind, id, needs };
        let things = vec![
            thing("branch", "Branch", Kind::Branch, north, staff()),
            thing("professional", "Professional", Kind::Resource, ana, staff()),
            thing("room", "Room", Kind::Resource, room, staff()),
            thing("equipment", "Equipment", Kind::Resource, laser, staff()),
            thing("category", "TreatmentCategory", Kind::TreatmentCategory, category, staff()),
            thing("treatment", "Treatment", Kind::Treatment, cut, staff()),
            thing("user", "User", Kind::User, boss, all_of(&[UserAdmin])),
            thing("role", "Role", Kind::Role, role, all_of(&[UserAdmin])),
            thing("session", "Session", Kind::Session, session, all_of(&[UserAdmin])),
            thing("key", "ApiKey", Kind::ApiKey, key, all_of(&[UserAdmin])),
            thing("entry", "AuditEntry", Kind::AuditEntry, entry, all_of(&[AuditRead])),
            thing("schedule", "Schedule", Kind::Schedule, schedule, all_of(&[AgendaRead])),
            thing(
                "closed",
                "ScheduleException",
                Kind::ScheduleException,
                closed,
                vec![vec![AgendaRead, AgendaReadOwn]],
            ),
            thing("block", "ScheduleException", Kind::ScheduleException, block, all_of(&[AgendaRead])),
            thing("visit", "Appointment", Kind::Appointment, visit, all_of(&[AgendaRead])),
            thing("patient", "Patient", Kind::Patient, rosa, all_of(&[PatientRead])),
            thing("club", "PatientCategory", Kind::PatientCategory, club, all_of(&[PatientRead])),
            thing("mail", "EmailMessage", Kind::EmailMessage, mail, vec![vec![AgendaRead, CrmRead]]),
            thing(
                "invitation",
                "EmailMessage",
                Kind::EmailMessage,
                invitation,
                vec![vec![AgendaRead, CrmRead], vec![UserAdmin]],
            ),
            thing("refused", "Suppression", Kind::Suppression, refused, all_of(&[CrmRead])),
            thing("link", "CapabilityToken", Kind::CapabilityToken, link, all_of(&[AgendaRead, AgendaWrite])),
            thing("feed", "CapabilityToken", Kind::CapabilityToken, feed, all_of(&[AgendaRead])),
            thing("own_feed", "CapabilityToken", Kind::CapabilityToken, own_feed, all_of(&[AgendaRead])),
            thing("job", "BackgroundJob", Kind::BackgroundJob, job, all_of(&[PatientWrite])),
            thing("file", "Attachment", Kind::Attachment, file, all_of(&[PatientRead, RecordRead])),
            thing(
                "form",
                "RecordTemplate",
                Kind::RecordTemplate,
                form,
                vec![vec![RecordRead, RecordWrite, RecordTemplate]],
            ),
            thing("note", "RecordEntry", Kind::RecordEntry, note, all_of(&[PatientRead, RecordRead])),
        ];
        Self { people, things, north, south, ana }
    }

    /// Somebody who may do this in these branches (none: in every branch).
    async fn somebody(&self, permissions: &[&str], branches: &[Uuid]) -> (Uuid, Client) {
        let name = self.people.centre.cx.new_id().simple().to_string();
        let role = self.people.role(&name, permissions).await;
        let email = format!("{name}@alfa.test");
        let id = self.people.hire(&email, &[role], branches).await;
        (id, self.people.login(&email).await)
    }

    fn ids(&self) -> Vec<String> {
        self.things.iter().map(|thing| self.people.id(thing.kind, thing.id)).collect()
    }

    /// What of everything a caller sees.
    async fn seen(&self, client: &Client) -> Vec<&'static str> {
        let answer = nodes(client, &self.ids()).await;
        let found = answer["data"]["nodes"].as_array().unwrap_or_else(|| panic!("{answer:#}"));
        assert_eq!(found.len(), self.things.len());
        let mut errors = answer["errors"].as_array().cloned().unwrap_or_default().into_iter();
        let mut seen = Vec::new();
        for (at, (thing, node)) in self.things.iter().zip(found).enumerate() {
            if node.is_null() {
                let error = errors.next().unwrap_or_else(|| panic!("no error for {}", thing.what));
                assert_eq!(not_found(&error), (json!(["nodes", at]), json!(["ids", at.to_string()])), "{}", thing.what);
            } else {
                let id = self.people.id(thing.kind, thing.id);
                assert_eq!((&node["__typename"], &node["id"]), (&json!(thing.typename), &json!(id)), "{}", thing.what);
                seen.push(thing.what);
            }
        }
        assert_eq!(errors.next(), None);
        seen
    }
}

const NODE: &str = "query($id: ID!) { node(id: $id) { __typename id } }";
const NODES: &str = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }";

async fn nodes(client: &Client, ids: &[String]) -> Value {
    client.send(NODES, json!({ "ids": ids })).await
}

/// Path and field of an error, which says nothing but that there is no such thing.
fn not_found(error: &Value) -> (Value, Value) {
    assert_eq!(
        (&error["message"], &error["extensions"]["code"]),
        (&json!("not found"), &json!("NOT_FOUND")),
        "{error}"
    );
    (error["path"].clone(), error["extensions"]["field"].clone())
}
