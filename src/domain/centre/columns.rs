//! What screens are told when the columns of a branch's agenda, or the hours that they span, are others.

use std::collections::BTreeSet;

use serde_json::json;
use uuid::Uuid;

use super::model::Resource;
use crate::domain::change::Change;

/// Whoever watches the branch reads this column again from now on; without a resource, all of them. What has changed is
/// audited by an entry of its own.
pub(super) fn read_again(branch: Uuid, resource: Option<Uuid>, action: &'static str) -> Change {
    Change {
        branch_id: Some(branch),
        data: json!({ "resourceId": resource }),
        audited: false,
        ..Change::event("schedule.changed", action, "Branch", branch)
    }
}

/// What watchers are told of a resource that was created or changed, in each branch where its column is another.
pub(super) fn of_resource(before: Option<&Resource>, after: &Resource, action: &'static str) -> Vec<Change> {
    let shown_in = |resource: &Resource, branch: &Uuid| resource.active && resource.branches().contains(branch);
    let same_looks = before.is_some_and(|before| {
        (&before.name, &before.color, before.capacity) == (&after.name, &after.color, after.capacity)
    });
    let is_other = |branch: &&Uuid| {
        let was = before.is_some_and(|before| shown_in(before, branch));
        let is = shown_in(after, branch);
        was != is || (is && !same_looks)
    };
    let branches: BTreeSet<&Uuid> = before.into_iter().chain([after]).flat_map(Resource::branches).collect();
    branches.into_iter().filter(is_other).map(|branch| read_again(*branch, Some(after.id), action)).collect()
}
