//! Changes of forms and records.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};

use super::types::{RecordEntry, RecordEntryInput, RecordTemplate, RecordTemplateInput};
use crate::{
    domain::{
        record::{amend, model::Entry, save, sign, upsert_template, void},
        refusal::{Failure, Refusal},
    },
    schema::{
        auth::{P, auth},
        error::{ApiError, UserError, payload},
        id::Kind,
        request::{Reader, staff},
    },
};

/// Answer of `upsertRecordTemplate`.
#[derive(SimpleObject, Clone, Debug)]
pub struct UpsertRecordTemplatePayload {
    /// As it is now.
    pub template: Option<RecordTemplate>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Answer of every change of an entry.
#[derive(SimpleObject, Clone, Debug)]
pub struct SaveRecordEntryPayload {
    /// As it is now.
    pub entry: Option<RecordEntry>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

fn answer(reader: &Arc<Reader>, result: Result<Entry, Failure>) -> Result<SaveRecordEntryPayload, ApiError> {
    let (done, user_errors) = payload(result, Some(reader))?;
    Ok(SaveRecordEntryPayload { entry: done.map(|model| RecordEntry::new(reader, Arc::new(model))), user_errors })
}

/// Mutations of forms and records.
#[derive(Default)]
pub struct RecordMutation;

#[Object]
impl RecordMutation {
    /// Makes or changes a form of records. A published version never changes: its change is a draft of the next version,
    /// until that is published too. Needs `RECORD_TEMPLATE` in the whole centre.
    #[graphql(directive = auth::apply(vec![P::RecordTemplate]))]
    async fn upsert_record_template(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The form.")] input: RecordTemplateInput,
    ) -> Result<UpsertRecordTemplatePayload, ApiError> {
        let reader = staff(ctx)?;
        let result = async { upsert_template::run(&reader.cx, &reader.actor, input.open(reader)?).await }.await;
        let (done, user_errors) = payload(result, Some(reader))?;
        let template = done.map(|model| RecordTemplate::new(reader, Arc::new(model)));
        Ok(UpsertRecordTemplatePayload { template, user_errors })
    }

    /// Begins a draft about a patient whom you see, or changes one that you began. Needs `RECORD_WRITE`; only people
    /// write in records.
    #[graphql(directive = auth::apply(vec![P::RecordWrite]))]
    async fn save_record_entry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to write.")] input: RecordEntryInput,
    ) -> Result<SaveRecordEntryPayload, ApiError> {
        let reader = staff(ctx)?;
        let result = async {
            let (cx, input) = (&reader.cx, input.open(reader)?);
            cx.retrying(|| save::run(cx, &reader.actor, input.clone())).await
        };
        answer(reader, result.await)
    }

    /// Signs a draft, whoever began it: from then on it never changes. What it amends counts as amended. Needs
    /// `RECORD_SIGN` and `RECORD_READ`; only people sign.
    #[graphql(directive = auth::apply(vec![P::RecordSign]))]
    async fn sign_record_entry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The draft.")] id: ID,
        #[graphql(desc = "The version of it that you read and sign.")] version: i32,
    ) -> Result<SaveRecordEntryPayload, ApiError> {
        let reader = staff(ctx)?;
        let id = reader.ids.decode(Kind::RecordEntry, &id, "id").map_err(Failure::from);
        let result = async {
            let (cx, id) = (&reader.cx, id?);
            cx.retrying(|| sign::run(cx, &reader.actor, id, version)).await
        };
        answer(reader, result.await)
    }

    /// Begins the entry that will stand in the place of a signed one: a draft in the same form, with its values and those
    /// that are given besides. Needs `RECORD_WRITE` and `RECORD_READ`; only people write in records.
    #[graphql(directive = auth::apply(vec![P::RecordWrite]))]
    async fn amend_record_entry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The signed entry.")] id: ID,
        #[graphql(desc = "What to write instead; without id and version.")] input: RecordEntryInput,
        #[graphql(desc = "Why, up to 1000 characters.")] reason: String,
    ) -> Result<SaveRecordEntryPayload, ApiError> {
        let reader = staff(ctx)?;
        let id = reader.ids.decode(Kind::RecordEntry, &id, "id").map_err(Failure::from);
        let result = async {
            // Whatever it names: nothing that an amendment could be.
            if input.id.is_some() {
                return Err(Refusal::not_found("id").into());
            }
            if input.version.is_some() {
                return Err(Refusal::invalid("version", "an amendment is a new entry, and has no version yet").into());
            }
            let (cx, id, input) = (&reader.cx, id?, input.open(reader)?);
            cx.retrying(|| amend::run(cx, &reader.actor, id, input.writing.clone(), &reason)).await
        };
        answer(reader, result.await)
    }

    /// Gives a draft up. It stays in the record as what was given up. Needs `RECORD_WRITE`, and to be its author or
    /// `RECORD_SIGN` and `RECORD_READ`.
    #[graphql(directive = auth::apply(vec![P::RecordWrite]))]
    async fn void_record_entry(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The draft.")] id: ID,
        #[graphql(desc = "The version of it that you read.")] version: i32,
        #[graphql(desc = "Why, up to 1000 characters.")] reason: String,
    ) -> Result<SaveRecordEntryPayload, ApiError> {
        let reader = staff(ctx)?;
        let id = reader.ids.decode(Kind::RecordEntry, &id, "id").map_err(Failure::from);
        let result = async {
            let (cx, id) = (&reader.cx, id?);
            cx.retrying(|| void::run(cx, &reader.actor, id, version, &reason)).await
        };
        answer(reader, result.await)
    }
}
