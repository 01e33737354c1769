//! A patient with everything that the centre knows.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::{DbErr, FromQueryResult, QueryResult};
use serde_json::Value;
use uuid::Uuid;

use super::brief::{self, PatientBrief};
use crate::domain::{columns::Columns, fields::Values, refusal::Failure};

/// What patients' profiles have besides what agendas show.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration, the fields in the API")]
pub struct Profile {
    pub usual_professional: Option<Uuid>,
    pub category: Option<Uuid>,
    pub referral_source: Option<String>,
    pub rating: Option<i16>,
    pub comments: Vec<String>,
    pub custom: Values,
    pub marketing: Consent,
    pub guardians: Vec<Uuid>,
    /// The patient that this one is, if it was merged.
    pub merged_into: Option<Uuid>,
}

/// Whether the patient agreed to something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    /// Did.
    pub granted: bool,
    /// When it was last said.
    pub at: Option<DateTime<Utc>>,
    /// How it was said.
    pub source: Option<String>,
}

/// A patient of the centre.
#[derive(Clone, Debug)]
pub struct Patient {
    /// The id again, so that it is a loader's.
    pub id: Uuid,
    /// What agendas show.
    pub brief: Arc<PatientBrief>,
    /// The rest.
    pub profile: Arc<Profile>,
    /// What lists are ordered by.
    pub sort_name: String,
}

/// Columns of a patient `p`, in the order that [`Row`] takes them in; to be followed by FROM.
macro_rules! patient_select {
    ($($rest:expr),+) => {
        concat!(
            "SELECT ",
            $crate::domain::patients::brief::patient_columns!(),
            ", p.usual_professional_id, p.category_id, p.referral_source, p.rating, p.comments, p.custom_values,
                 p.marketing_granted, p.marketing_at, p.marketing_source,
                 ARRAY(SELECT g.guardian_id FROM patient_guardians g WHERE g.patient_id = p.id ORDER BY g.position),
                 p.merged_into, p.sort_name FROM patients p ",
            $($rest),+
        )
    };
}
pub(super) use patient_select;

/// One row of [`patient_select`].
pub(super) struct Row {
    brief: Option<Arc<PatientBrief>>,
    profile: Profile,
    custom: Value,
    sort_name: String,
}

impl FromQueryResult for Row {
    fn from_query_result(row: &QueryResult, _prefix: &str) -> Result<Self, DbErr> {
        let mut c = Columns::of(row);
        let brief = brief::read(&mut c)?;
        let usual_professional = c.take()?;
        let category = c.take()?;
        let referral_source = c.take()?;
        let rating = c.take()?;
        let comments = c.take()?;
        let custom = c.take()?;
        let marketing = Consent { granted: c.take()?, at: c.take()?, source: c.take()? };
        let guardians = c.take()?;
        let merged_into = c.take()?;
        let profile = Profile {
            usual_professional,
            category,
            referral_source,
            rating,
            comments,
            custom: Values::new(),
            marketing,
            guardians,
            merged_into,
        };
        Ok(Self { brief, profile, custom, sort_name: c.take()? })
    }
}

impl TryFrom<Row> for Patient {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let Row { brief, profile, custom, sort_name } = row;
        let brief = brief.ok_or_else(|| Failure::fault("a patient without an id"))?;
        let Value::Object(custom) = custom else {
            return Err(Failure::fault("the values of a patient's own fields are no object"));
        };
        let profile = Profile { custom: custom.into_iter().collect(), ..profile };
        Ok(Self { id: brief.id, brief, profile: Arc::new(profile), sort_name })
    }
}
