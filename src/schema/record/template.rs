//! Forms of records.

use std::sync::Arc;

use async_graphql::{ID, InputObject, Object};

use crate::{
    domain::{
        record::{model::Template, upsert_template},
        refusal::Failure,
    },
    schema::{
        fields::{TemplateField, TemplateFieldInput},
        id::Kind,
        page::connection,
        request::Reader,
    },
};

/// A form that the centre has made.
#[derive(Clone, Debug)]
pub struct RecordTemplate {
    reader: Arc<Reader>,
    model: Arc<Template>,
}

connection!(RecordTemplateConnection, RecordTemplateEdge, RecordTemplate, "forms of records");

impl RecordTemplate {
    /// The API's form of a template.
    #[must_use]
    pub fn new(reader: &Arc<Reader>, model: Arc<Template>) -> Self {
        Self { reader: Arc::clone(reader), model }
    }
}

/// A form that the centre has made, in one of its versions: entries show the version that they were written in, so keep
/// them apart by `id` and `version`.
#[Object]
impl RecordTemplate {
    /// Opaque identifier, the same in all versions.
    pub async fn id(&self) -> ID {
        self.reader.ids.encode(Kind::RecordTemplate, self.model.id)
    }

    /// Goes up with every change; give it with the next one. A published version never changes.
    pub async fn version(&self) -> i32 {
        self.model.version
    }

    /// Shown to people.
    async fn name(&self) -> &str {
        &self.model.name
    }

    /// Which specialty uses it.
    async fn specialty(&self) -> Option<&str> {
        self.model.specialty.as_deref()
    }

    /// Whether entries can be written in this version; otherwise it is a draft.
    async fn published(&self) -> bool {
        self.model.published
    }

    /// Its fields, in their order.
    async fn fields(&self) -> Vec<TemplateField> {
        self.model.fields.iter().cloned().map(Into::into).collect()
    }
}

/// A form to make or to change. What is given stands in the place of what is there.
#[derive(InputObject, Clone, Debug)]
pub struct RecordTemplateInput {
    /// Which to change; absent: a new one.
    pub id: Option<ID>,
    /// The version that you read, of one to change.
    pub version: Option<i32>,
    /// Shown to people.
    pub name: String,
    /// Which specialty uses it.
    pub specialty: Option<String>,
    /// Its fields, at most 200.
    pub fields: Vec<TemplateFieldInput>,
    /// True: entries can be written in it from now on, and this version never changes again. Otherwise it is a draft,
    /// and entries are written in the version published last.
    pub publish: Option<bool>,
}

impl RecordTemplateInput {
    pub(super) fn open(self, reader: &Reader) -> Result<upsert_template::Input, Failure> {
        Ok(upsert_template::Input {
            id: reader.ids.decode_opt(Kind::RecordTemplate, self.id.as_ref(), "id")?,
            version: self.version,
            name: self.name,
            specialty: self.specialty,
            fields: self.fields.into_iter().map(Into::into).collect(),
            publish: self.publish.unwrap_or_default(),
        })
    }
}
