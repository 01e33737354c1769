//! The keys that patients' data are encrypted with: made once, changed under load, worthless without the master key.

mod columns;
mod fences;
mod keys;

use horae::{
    auth::{Actor, keyring::Place},
    domain::sealing::TenantKeys,
};
use uuid::Uuid;

use crate::support::{app::TestApp, fixtures::Centre};

/// The values of one draft entry, as sealed values to try keys with.
pub struct Safe {
    pub centre: Centre,
    pub entry: Uuid,
}

impl Safe {
    /// An entry without values, by SQL: these tests stand on the keys alone.
    pub async fn of(app: &TestApp) -> Self {
        let centre = Centre::of(app, "alfa").await;
        let author = app.actor("alfa").await.id.unwrap();
        let patient = centre.patient("Rosa", "Soto").await;
        let (template, entry, now) = (centre.cx.new_id(), centre.cx.new_id(), centre.cx.now());
        let insert = "INSERT INTO record_templates (id, created_at, updated_at) VALUES ($1, $2, $2)";
        centre.run(insert, vec![template.into(), now.into()]).await;
        let insert = "INSERT INTO record_template_versions (template_id, version, name, fields, published_at) VALUES ($1, 1, 'T', '[]', $2)";
        centre.run(insert, vec![template.into(), now.into()]).await;
        let insert = "INSERT INTO record_entries (id, patient_id, template_id, template_version, author_id, status, at, updated_at)
             VALUES ($1, $2, $3, 1, $4, 'DRAFT', $5, $5)";
        centre.run(insert, vec![entry.into(), patient.into(), template.into(), author.into(), now.into()]).await;
        Self { centre, entry }
    }

    pub fn place<'a>(&self, field: &'a str) -> Place<'a> {
        Place { table: "record_values", column: "value_sealed", row: self.entry, field }
    }

    /// Seals a text and puts it in.
    pub async fn put(&self, field: &str, text: &str) {
        let (cx, actor) = (&self.centre.cx, &self.centre.system);
        let tx = cx.write(actor).await.unwrap();
        let keys = TenantKeys::to_seal(cx, &tx).await.unwrap();
        let sealed = keys.seal(&self.place(field), text.as_bytes()).unwrap();
        tx.run(
            "INSERT INTO record_values (entry_id, field_key, value_sealed) VALUES ($1, $2, $3)
             ON CONFLICT (entry_id, field_key) DO UPDATE SET value_sealed = EXCLUDED.value_sealed",
            [self.entry.into(), field.into(), sealed.into()],
        )
        .await
        .unwrap();
        tx.commit().await.unwrap();
    }

    /// What lies there, opened; or why not.
    pub async fn get(&self, cx: &horae::domain::cx::Cx, field: &str) -> Result<String, String> {
        let tx = cx.read(&self.centre.system).await.unwrap();
        let sql = "SELECT value_sealed FROM record_values WHERE entry_id = $1 AND field_key = $2";
        let sealed: Option<Vec<u8>> = tx.scalar(sql, [self.entry.into(), field.into()]).await.unwrap();
        let keys = TenantKeys::to_open(cx, &tx).await.unwrap();
        tx.commit().await.unwrap();
        let plain = keys.open(&self.place(field), &sealed.unwrap()).map_err(|failure| format!("{failure:?}"))?;
        Ok(String::from_utf8(plain.to_vec()).unwrap())
    }

    /// How many values have each version of the key.
    pub async fn versions(&self) -> Vec<(i32, i64)> {
        let tx = self.centre.cx.read(&self.centre.system).await.unwrap();
        let rows: Vec<serde_json::Value> = tx
            .scalars(
                "SELECT jsonb_build_array(sealed_version(value_sealed), count(*)) FROM record_values GROUP BY sealed_version(value_sealed)
                 ORDER BY sealed_version(value_sealed)",
                [],
            )
            .await
            .unwrap();
        tx.commit().await.unwrap();
        rows.into_iter().map(|row| serde_json::from_value(row).unwrap()).collect()
    }

    pub fn platform(&self) -> Actor {
        self.centre.system.clone()
    }
}
