//! [`House`]: one centre with something of everything, so that every place of the API can be given a word that exists.

use std::collections::HashMap;

use horae::schema::id::{GlobalIds, Kind};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    app::{Client, TestApp},
    fixtures::Centre,
};

/// Both houses are alike: names, times and numbers are the same, ids are not.
pub(super) struct House {
    pub(super) slug: &'static str,
    pub(super) centre: Centre,
    pub(super) ids: GlobalIds,
    pub(super) admin: Client,
    pub(super) page: Client,
    pub(super) anonymous: Client,
    pub(super) furniture: HashMap<String, Value>,
    /// What a call may use up: made when it is asked for.
    pub(super) made: HashMap<String, Value>,
    pub(super) branch: Uuid,
    pub(super) patient: Uuid,
    pub(super) treatment: Uuid,
    pub(super) professional: Uuid,
    pub(super) used: i64,
}

impl House {
    pub(super) async fn open(app: &TestApp, slug: &'static str) -> Self {
        let centre = Centre::of(app, slug).await;
        let ids = GlobalIds::new(centre.cx.seal.clone(), &centre.system.tenant);
        let (admin, page) = (app.admin(slug).await, app.page(slug).await);
        let branch = centre.branch("Centro", "America/Santiago").await;
        centre.opens(branch, &[(1..=7, "00:00", "00:00")]).await;
        let professional = centre.professional("Ana", branch).await;
        centre.works(professional, branch, &[(1..=7, "00:00", "00:00")]).await;
        let (room, equipment) = (centre.room("Box 1", branch, 1).await, centre.equipment("Láser", branch).await);
        let treatment = centre.treatment("Limpieza", 30).await;
        centre.needs(treatment, &[("PROFESSIONAL", 1, &[]), ("ROOM", 1, &[])]).await;
        let patient = centre.patient("Rosa", "Soto").await;
        let category = centre.cx.new_id();
        let sql = "INSERT INTO treatment_categories (id, name) VALUES ($1, 'Dental')";
        centre.run(sql, vec![category.into()]).await;
        let sql = "UPDATE treatments SET category_id = $2 WHERE id = $1";
        centre.run(sql, vec![treatment.into(), category.into()]).await;
        let club = centre.cx.new_id();
        centre.run("INSERT INTO patient_categories (id, name) VALUES ($1, 'Club')", vec![club.into()]).await;
        centre.run("UPDATE patients SET category_id = $2 WHERE id = $1", vec![patient.into(), club.into()]).await;
        let sql =
            "INSERT INTO suppressions (id, email, reason, at) VALUES ($1, 'nadie@example.com', 'HARD_BOUNCE', $2)";
        centre.run(sql, vec![centre.cx.new_id().into(), app.now().into()]).await;
        let boss = app.actor_of(&admin).await.id.unwrap();
        let [form, entry, photo] = std::array::from_fn(|_| centre.cx.new_id());
        let sql = "INSERT INTO record_templates (id, created_at, updated_at) VALUES ($1, $2, $2)";
        centre.run(sql, vec![form.into(), app.now().into()]).await;
        let fields = json!([{"key": "note", "label": "Nota", "type": "TEXT", "required": false, "position": 1}]);
        let sql = "INSERT INTO record_template_versions (template_id, version, name, fields, published_at) VALUES ($1, 1, 'Ficha', $2, $3)";
        centre.run(sql, vec![form.into(), fields.into(), app.now().into()]).await;
        let sql = "INSERT INTO record_entries (id, patient_id, template_id, template_version, author_id, status, at, updated_at)
            VALUES ($1, $2, $3, 1, $4, 'DRAFT', $5, $5)";
        centre.run(sql, vec![entry.into(), patient.into(), form.into(), boss.into(), app.now().into()]).await;
        let sql = "INSERT INTO attachments (id, patient_id, status, file_name, mime_type, size_bytes, sha256, created_at, uploaded_at)
            VALUES ($1, $2, 'READY', 'a.png', 'image/png', 1, sha256('x'), $3, $3)";
        centre.run(sql, vec![photo.into(), patient.into(), app.now().into()]).await;
        let anonymous = app.anonymous();
        let (furniture, made) = (HashMap::new(), HashMap::new());
        let mut house = Self {
            slug,
            centre,
            ids,
            admin,
            page,
            anonymous,
            furniture,
            made,
            branch,
            patient,
            treatment,
            professional,
            used: 0,
        };
        let cashier = house.one("SELECT id FROM roles WHERE builtin = 'CASHIER'", vec![]).await;
        let own = app.actor_of(&house.admin).await.id.unwrap();
        for (name, kind, id) in [
            ("branch", Kind::Branch, branch),
            ("professional", Kind::Resource, professional),
            ("room", Kind::Resource, room),
            ("equipment", Kind::Resource, equipment),
            ("treatment", Kind::Treatment, treatment),
            ("category", Kind::TreatmentCategory, category),
            ("patient", Kind::Patient, patient),
            ("form", Kind::RecordTemplate, form),
            ("photo", Kind::Attachment, photo),
            ("patientCategory", Kind::PatientCategory, club),
            ("role", Kind::Role, cashier),
            ("admin", Kind::User, own),
        ] {
            house.furniture.insert(name.to_owned(), house.id(kind, id));
        }
        house.furniture.insert("slug".to_owned(), json!(slug));
        house
    }

    pub(super) fn id(&self, kind: Kind, id: Uuid) -> Value {
        json!(self.ids.encode(kind, id))
    }

    /// A word that every house has from the beginning.
    pub(super) fn known(&self, name: &str) -> String {
        self.furniture[name].as_str().unwrap().to_owned()
    }

    /// That a key was used is noted on the side, once a minute of a clock that stands still here: it is noted now, and
    /// not in the middle of what is compared.
    pub(super) async fn keys_were_used(&self, app: &TestApp) {
        self.centre.run("UPDATE api_keys SET last_used_at = $1", vec![app.now().into()]).await;
    }

    /// Forgets what may have been used up.
    pub(super) fn clear(&mut self) {
        self.made.clear();
    }

    /// `variables` with this house's words for every `#name` in it.
    pub(super) async fn furnish(&mut self, app: &TestApp, variables: &Value) -> Value {
        let mut names = Vec::new();
        each_name(variables, &mut |name| names.push(name.to_owned()));
        for name in names {
            self.word(app, &name).await;
        }
        self.put(variables)
    }

    fn put(&self, value: &Value) -> Value {
        match value {
            Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), self.put(value))).collect(),
            Value::Array(values) => values.iter().map(|value| self.put(value)).collect(),
            Value::String(text) => match name_of(text) {
                Some(name) => self.furniture.get(name).or_else(|| self.made.get(name)).unwrap().clone(),
                None => value.clone(),
            },
            other => other.clone(),
        }
    }

    /// This house's word of a name, which is made if need be.
    pub(super) async fn word(&mut self, app: &TestApp, name: &str) -> Value {
        if let Some(known) = self.furniture.get(name).or_else(|| self.made.get(name)) {
            return known.clone();
        }
        // Made along with another.
        let with = match name {
            "schedule" => "scheduled",
            "code" => "challenge",
            "userVersion" => "user",
            _ => name,
        };
        let word = self.make(app, with).await;
        self.made.insert(with.to_owned(), word);
        self.made[name].clone()
    }

    pub(super) async fn one<T: sea_orm::TryGetable>(&self, sql: &'static str, values: Vec<sea_orm::Value>) -> T {
        let tx = self.centre.cx.read(&self.centre.system).await.unwrap();
        let found: Option<T> = tx.scalar(sql, values).await.unwrap();
        tx.commit().await.unwrap();
        found.unwrap_or_else(|| panic!("nothing: {sql}"))
    }
}

/// The name that a text of a table asks for: `#branch`, or `#any:branch` where a word of any kind will do.
pub(super) fn name_of(text: &str) -> Option<&str> {
    let name = text.strip_prefix('#')?;
    Some(name.strip_prefix("any:").unwrap_or(name))
}

fn each_name(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::Object(fields) => fields.values().for_each(|value| each_name(value, found)),
        Value::Array(values) => values.iter().for_each(|value| each_name(value, found)),
        Value::String(text) => name_of(text).into_iter().for_each(found),
        _ => {}
    }
}
