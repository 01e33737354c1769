//! Whether what a caller names is there. A list that is narrowed by an id says NOT_FOUND for an id of nothing, as it does
//! for another centre's: an answer must not tell the two apart.

use uuid::Uuid;

use super::refusal::{Failure, Refusal};
use crate::{auth::Actor, db::TenantTx};

/// What an id is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are the API's types")]
pub enum Thing {
    Branch,
    Resource,
    Treatment,
    TreatmentCategory,
    Role,
    Patient,
    PatientCategory,
    Appointment,
    RecordTemplate,
    /// Whatever something can be done to or by; that it is gone does not matter to the trail.
    Anything,
}

impl Thing {
    fn word(self) -> &'static str {
        match self {
            Self::Branch => "BRANCH",
            Self::Resource => "RESOURCE",
            Self::Treatment => "TREATMENT",
            Self::TreatmentCategory => "CATEGORY",
            Self::Role => "ROLE",
            Self::Patient => "PATIENT",
            Self::PatientCategory => "PATIENT_CATEGORY",
            Self::Appointment => "APPOINTMENT",
            Self::RecordTemplate => "TEMPLATE",
            Self::Anything => "ANYTHING",
        }
    }
}

/// What was named, and where in the input.
#[derive(Debug, Default)]
pub struct Named(Vec<(Thing, Uuid, String)>);

impl Named {
    /// One id, if there is one.
    #[must_use]
    pub fn one(mut self, thing: Thing, id: Option<Uuid>, field: &str) -> Self {
        self.0.extend(id.map(|id| (thing, id, field.to_owned())));
        self
    }

    /// A list of ids; a refusal names the place in it.
    #[must_use]
    pub fn all(mut self, thing: Thing, ids: &[Uuid], field: &str) -> Self {
        self.0.extend(ids.iter().enumerate().map(|(at, id)| (thing, *id, format!("{field}.{at}"))));
        self
    }

    /// Refuses the first that is not there or is a branch that the caller does not see: one statement for any number,
    /// and none for none.
    ///
    /// # Errors
    /// NOT_FOUND at its field; faults of the database.
    pub async fn require(self, tx: &TenantTx, actor: &Actor) -> Result<(), Failure> {
        let Self(mut named) = self;
        // The centre itself is in no table of its own.
        named.retain(|(thing, id, _)| *thing != Thing::Anything || *id != actor.tenant.id.0);
        if named.is_empty() {
            return Ok(());
        }
        let unseen = |(thing, id, _): &(Thing, Uuid, String)| {
            *thing == Thing::Branch && actor.branches.as_ref().is_some_and(|seen| !seen.contains(id))
        };
        let unseen = named.iter().position(unseen);
        let missing: Option<i64> = tx
            .scalar(
                MISSING,
                [
                    named.iter().map(|(thing, ..)| thing.word().to_owned()).collect::<Vec<_>>().into(),
                    named.iter().map(|(_, id, _)| *id).collect::<Vec<_>>().into(),
                ],
            )
            .await?;
        let missing = missing.and_then(|at| usize::try_from(at - 1).ok());
        let first = unseen.into_iter().chain(missing).min().and_then(|at| named.get(at));
        first.map_or(Ok(()), |(_, _, field)| Err(Refusal::not_found(field).into()))
    }
}

const MISSING: &str = "SELECT n.at FROM unnest($1::text[], $2::uuid[]) WITH ORDINALITY AS n (thing, id, at)
    WHERE NOT CASE n.thing
        WHEN 'BRANCH' THEN EXISTS (SELECT 1 FROM branches x WHERE x.id = n.id)
        WHEN 'RESOURCE' THEN EXISTS (SELECT 1 FROM resources x WHERE x.id = n.id)
        WHEN 'TREATMENT' THEN EXISTS (SELECT 1 FROM treatments x WHERE x.id = n.id)
        WHEN 'CATEGORY' THEN EXISTS (SELECT 1 FROM treatment_categories x WHERE x.id = n.id)
        WHEN 'ROLE' THEN EXISTS (SELECT 1 FROM roles x WHERE x.id = n.id)
        WHEN 'PATIENT' THEN EXISTS (SELECT 1 FROM patients x WHERE x.id = n.id)
        WHEN 'PATIENT_CATEGORY' THEN EXISTS (SELECT 1 FROM patient_categories x WHERE x.id = n.id)
        WHEN 'APPOINTMENT' THEN EXISTS (SELECT 1 FROM appointments x WHERE x.id = n.id)
        WHEN 'TEMPLATE' THEN EXISTS (SELECT 1 FROM record_templates x WHERE x.id = n.id)
        ELSE EXISTS (SELECT 1 FROM audit_entries x WHERE x.subject_id = n.id)
            OR EXISTS (SELECT 1 FROM users x WHERE x.id = n.id)
            OR EXISTS (SELECT 1 FROM patients x WHERE x.id = n.id)
            OR EXISTS (SELECT 1 FROM patient_categories x WHERE x.id = n.id)
            OR EXISTS (SELECT 1 FROM appointments x WHERE x.id = n.id)
            OR EXISTS (SELECT 1 FROM branches x WHERE x.id = n.id)
            OR EXISTS (SELECT 1 FROM resources x WHERE x.id = n.id)
            OR EXISTS (SELECT 1 FROM treatments x WHERE x.id = n.id)
            OR EXISTS (SELECT 1 FROM treatment_categories x WHERE x.id = n.id)
            OR EXISTS (SELECT 1 FROM roles x WHERE x.id = n.id)
            OR EXISTS (SELECT 1 FROM sessions x WHERE x.id = n.id)
            OR EXISTS (SELECT 1 FROM schedules x WHERE x.id = n.id)
            OR EXISTS (SELECT 1 FROM schedule_exceptions x WHERE x.id = n.id)
            OR EXISTS (SELECT 1 FROM email_messages x WHERE x.id = n.id)
            OR EXISTS (SELECT 1 FROM suppressions x WHERE x.id = n.id)
            OR EXISTS (SELECT 1 FROM api_keys x WHERE x.id = n.id)
            OR EXISTS (SELECT 1 FROM capability_tokens x WHERE x.id = n.id)
            OR EXISTS (SELECT 1 FROM background_jobs x WHERE x.id = n.id)
            OR EXISTS (SELECT 1 FROM attachments x WHERE x.id = n.id)
            OR EXISTS (SELECT 1 FROM record_templates x WHERE x.id = n.id)
            OR EXISTS (SELECT 1 FROM record_entries x WHERE x.id = n.id)
        END
    ORDER BY n.at LIMIT 1";
