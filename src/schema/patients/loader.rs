//! Loaders of patients.

use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::Loader;
use uuid::Uuid;

use crate::{
    domain::{
        fields::{FieldDefinition, Values},
        patients::{
            category::{self, Category},
            fields, model, query, values,
        },
        refusal::Failure,
    },
    schema::loader::{Batch, SharedFailure, by_id},
};

by_id!(
    /// A patient by the id.
    PatientKey => model::Patient, query::visible
);
by_id!(
    /// A patients' category by its id.
    PatientCategoryKey => Category, category::visible
);

/// The fields that the centre has defined for its patients, as far as the caller sees their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PatientFieldsKey;

impl Loader<PatientFieldsKey> for Batch {
    type Value = Arc<Vec<FieldDefinition>>;
    type Error = SharedFailure;

    async fn load(
        &self,
        _: &[PatientFieldsKey],
    ) -> Result<HashMap<PatientFieldsKey, Arc<Vec<FieldDefinition>>>, SharedFailure> {
        let tx = self.cx.read(&self.actor).await?;
        let all = fields::active(&tx).await?;
        tx.commit().await.map_err(Failure::from)?;
        Ok(HashMap::from([(PatientFieldsKey, Arc::new(fields::seen(&all, &self.actor)))]))
    }
}

/// The sensitive values of a patient whom the caller sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SensitiveKey(pub Uuid);

impl Loader<SensitiveKey> for Batch {
    type Value = Arc<Values>;
    type Error = SharedFailure;

    async fn load(&self, keys: &[SensitiveKey]) -> Result<HashMap<SensitiveKey, Arc<Values>>, SharedFailure> {
        let tx = self.cx.read(&self.actor).await?;
        let found = values::opened(&self.cx, &tx, keys.iter().map(|key| key.0).collect()).await?;
        tx.commit().await.map_err(Failure::from)?;
        Ok(found.into_iter().map(|(id, values)| (SensitiveKey(id), Arc::new(values))).collect())
    }
}
