//! What a treatment needs, resource by resource.

use uuid::Uuid;

use super::model::{OperatingMode, Requirement, ResourceKind, Treatment};

/// One resource that a treatment needs.
#[derive(Clone, Debug)]
pub struct Need {
    /// Of this kind …
    pub kind: ResourceKind,
    /// … one of these; empty: any.
    pub any_of: Vec<Uuid>,
}

impl Need {
    /// Whether a resource is of the kind, and one of those that are named if any are.
    #[must_use]
    pub fn accepts(&self, kind: ResourceKind, id: Uuid) -> bool {
        kind == self.kind && (self.any_of.is_empty() || self.any_of.contains(&id))
    }
}

/// What a treatment needs; without requirements of its own, what the centre's way of working says.
#[must_use]
pub fn needs(treatment: &Treatment, mode: OperatingMode) -> Vec<Need> {
    if treatment.requirements.is_empty() {
        return vec![Need { kind: mode.needs(), any_of: Vec::new() }];
    }
    let each = |all: &Requirement| {
        let one = Need { kind: all.kind, any_of: all.any_of.clone() };
        std::iter::repeat_n(one, usize::try_from(all.quantity).unwrap_or_default())
    };
    treatment.requirements.iter().flat_map(each).collect()
}
