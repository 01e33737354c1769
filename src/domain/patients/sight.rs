//! Which patients a caller sees.
//!
//! Patients are the centre's, not a branch's. Who may see patients sees all of them, but for two kinds of callers: who
//! sees only the own column of the agenda sees the own patients, those of the own appointments and those whose usual
//! professional one is, unless it is somebody who writes down who comes and has to find everybody; and who works in some
//! branches only sees those who have come or will come there, and those who have been nowhere yet. Whoever sees a patient
//! sees who answers for the patient. One who was merged is judged as the one who was kept: they are the same person,
//! whatever the old row still says.

use uuid::Uuid;

use crate::{
    auth::{Actor, Permission, Scope},
    domain::refusal::Failure,
};

/// What a caller sees of the patients.
#[derive(Clone, Debug)]
pub(in crate::domain) struct Sight {
    branches: Option<Vec<Uuid>>,
    own: Option<Uuid>,
}

/// The condition that a patient `p` is seen, and the parameters that the branches and the own column are.
macro_rules! seen {
    ($branches:literal, $own:literal) => {
        concat!(
            "((",
            $branches,
            "::uuid[] IS NULL AND ",
            $own,
            "::uuid IS NULL)
                OR CASE WHEN p.merged_into IS NULL THEN p.usual_professional_id
                    ELSE (SELECT k.usual_professional_id FROM patients k WHERE k.id = p.merged_into) END = ",
            $own,
            "
                OR (",
            $own,
            " IS NULL AND NOT EXISTS (SELECT 1 FROM appointments a WHERE a.patient_id = coalesce(p.merged_into, p.id)))
                OR EXISTS (
                    SELECT 1 FROM appointments a
                    WHERE a.patient_id = ANY (ARRAY(
                            SELECT coalesce(p.merged_into, p.id)
                            UNION ALL SELECT g.patient_id FROM patient_guardians g WHERE g.guardian_id = coalesce(p.merged_into, p.id)))
                        AND (",
            $branches,
            " IS NULL OR a.branch_id = ANY (",
            $branches,
            "))
                        AND (",
            $own,
            " IS NULL OR EXISTS (SELECT 1 FROM occupancies o WHERE o.appointment_id = a.id AND o.resource_id = ",
            $own,
            "))))"
        )
    };
}
pub(super) use seen;

impl Sight {
    /// What `actor` sees with `permission`.
    ///
    /// # Errors
    /// FORBIDDEN without the permission.
    pub(in crate::domain) fn of(actor: &Actor, permission: Permission) -> Result<Self, Failure> {
        actor.require(permission, Scope::Anywhere)?;
        let may = |permission| actor.may(permission, Scope::Anywhere);
        let all = may(Permission::AgendaRead) || may(Permission::PatientWrite) || !may(Permission::AgendaReadOwn);
        Ok(Self {
            branches: actor.branches.as_ref().map(|ids| ids.to_vec()),
            // A user who is no professional has no column: the nil id is nobody's, so nothing is found.
            own: (!all).then(|| actor.professional.unwrap_or(Uuid::nil())),
        })
    }

    /// The branches as a parameter of a statement: NULL is every branch.
    pub(in crate::domain) fn branches(&self) -> sea_orm::Value {
        self.branches.clone().into()
    }

    /// The own column as a parameter of a statement: NULL is everybody's.
    pub(in crate::domain) fn own(&self) -> sea_orm::Value {
        self.own.into()
    }
}
