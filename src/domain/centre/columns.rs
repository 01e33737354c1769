//! What screens are told when the columns of a branch's agenda, or the hours that they span, are others.

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
    let looks = |resource: &Resource| (resource.name.clone(), resource.color.clone(), resource.capacity);
    let same_looks = before.is_some_and(|before| looks(before) == looks(after));
    let mut branches: Vec<Uuid> = before.map(Resource::branches).unwrap_or_default().to_vec();
    branches.extend(after.branches());
    branches.sort_unstable();
    branches.dedup();
    branches.retain(|branch| {
        let was = before.is_some_and(|before| shown_in(before, branch));
        let is = shown_in(after, branch);
        was != is || (is && !same_looks)
    });
    branches.into_iter().map(|branch| read_again(branch, Some(after.id), action)).collect()
}
