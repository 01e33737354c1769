//! Loaders of the centre. Staff of some branches see those branches and what stands in them; people and treatments are
//! the whole centre's. The ids of what a booking page sees come from use cases that chose them for it.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use uuid::Uuid;

use crate::{
    domain::{
        centre::{
            list,
            model::{Branch, CentreProfile, Resource, ResourceKind, Treatment},
            query,
            upsert_category::Category,
        },
        page::{Page, PageRequest},
        refusal::Failure,
        time::WeeklyWindow,
    },
    schema::loader::{Batch, SharedFailure},
};

pub use crate::schema::identity::loader::UserKey;

/// A branch by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BranchKey(pub Uuid);

impl Loader<BranchKey> for Batch {
    type Value = Branch;
    type Error = SharedFailure;

    async fn load(&self, keys: &[BranchKey]) -> Result<HashMap<BranchKey, Branch>, SharedFailure> {
        let visible = |id: &Uuid| self.actor.branches.as_ref().is_none_or(|branches| branches.contains(id));
        let ids = keys.iter().map(|key| key.0).filter(visible).collect();
        let tx = self.cx.read(&self.actor).await?;
        let found = query::branches(&tx, ids).await?;
        tx.commit().await.map_err(Failure::from)?;
        Ok(found.into_iter().map(|branch| (BranchKey(branch.id), branch)).collect())
    }
}

/// A professional, a room or a piece of equipment by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResourceKey(pub Uuid);

impl Loader<ResourceKey> for Batch {
    type Value = Resource;
    type Error = SharedFailure;

    async fn load(&self, keys: &[ResourceKey]) -> Result<HashMap<ResourceKey, Resource>, SharedFailure> {
        let tx = self.cx.read(&self.actor).await?;
        let found = query::resources(&tx, keys.iter().map(|key| key.0).collect()).await?;
        tx.commit().await.map_err(Failure::from)?;
        let visible = |resource: &Resource| match (&self.actor.branches, resource.branch_id) {
            (Some(branches), Some(branch)) => branches.contains(&branch),
            _ => true,
        };
        Ok(found.into_iter().filter(visible).map(|resource| (ResourceKey(resource.id), resource)).collect())
    }
}

/// A treatment by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TreatmentKey(pub Uuid);

impl Loader<TreatmentKey> for Batch {
    type Value = Treatment;
    type Error = SharedFailure;

    async fn load(&self, keys: &[TreatmentKey]) -> Result<HashMap<TreatmentKey, Treatment>, SharedFailure> {
        let tx = self.cx.read(&self.actor).await?;
        let found = query::treatments(&tx, keys.iter().map(|key| key.0).collect()).await?;
        tx.commit().await.map_err(Failure::from)?;
        Ok(found.into_iter().map(|treatment| (TreatmentKey(treatment.id), treatment)).collect())
    }
}

/// A treatment category by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CategoryKey(pub Uuid);

impl Loader<CategoryKey> for Batch {
    type Value = Category;
    type Error = SharedFailure;

    async fn load(&self, keys: &[CategoryKey]) -> Result<HashMap<CategoryKey, Category>, SharedFailure> {
        let tx = self.cx.read(&self.actor).await?;
        let found = query::categories(&tx, keys.iter().map(|key| key.0).collect()).await?;
        tx.commit().await.map_err(Failure::from)?;
        Ok(found.into_iter().map(|category| (CategoryKey(category.id), category)).collect())
    }
}

/// The caller's centre.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProfileKey;

impl Loader<ProfileKey> for Batch {
    type Value = CentreProfile;
    type Error = SharedFailure;

    async fn load(&self, _: &[ProfileKey]) -> Result<HashMap<ProfileKey, CentreProfile>, SharedFailure> {
        let tx = self.cx.read(&self.actor).await?;
        let profile = query::profile(&tx).await?;
        tx.commit().await.map_err(Failure::from)?;
        Ok(HashMap::from([(ProfileKey, profile)]))
    }
}

/// The weekly windows of a branch, by the branch's id. Ask for it only with a branch that the caller sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BranchWindowsKey(pub Uuid);

/// The weekly windows of a branch.
#[derive(Clone, Debug, Default)]
pub struct BranchWindows {
    /// When it is open.
    pub opening: Vec<WeeklyWindow>,
    /// When nobody is to be offered or sold anything by mail.
    pub quiet: Vec<WeeklyWindow>,
}

impl Loader<BranchWindowsKey> for Batch {
    type Value = BranchWindows;
    type Error = SharedFailure;

    async fn load(&self, keys: &[BranchWindowsKey]) -> Result<HashMap<BranchWindowsKey, BranchWindows>, SharedFailure> {
        let tx = self.cx.read(&self.actor).await?;
        let found = query::branch_windows(&tx, keys.iter().map(|key| key.0).collect()).await?;
        tx.commit().await.map_err(Failure::from)?;
        let mut of: HashMap<BranchWindowsKey, BranchWindows> = HashMap::new();
        for (branch, kind, window) in found {
            let windows = of.entry(BranchWindowsKey(branch)).or_default();
            match kind {
                query::WindowKind::Opening => windows.opening.push(window),
                query::WindowKind::Quiet => windows.quiet.push(window),
            }
        }
        Ok(of)
    }
}

/// A page of a branch's active resources of one kind. The branches of one level ask for the same page, so that one
/// statement answers all of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResourcesInBranchKey {
    /// Where.
    pub branch: Uuid,
    /// Which kind.
    pub kind: ResourceKind,
    /// Which page.
    pub page: PageRequest<list::ByName>,
}

impl Loader<ResourcesInBranchKey> for Batch {
    type Value = Page<Resource>;
    type Error = SharedFailure;

    async fn load(
        &self,
        keys: &[ResourcesInBranchKey],
    ) -> Result<HashMap<ResourcesInBranchKey, Page<Resource>>, SharedFailure> {
        let online = self.actor.publishable;
        let mut alike: HashMap<(ResourceKind, &PageRequest<list::ByName>), Vec<Uuid>> = HashMap::new();
        for key in keys.iter().filter(|key| !online || key.kind == ResourceKind::Professional) {
            alike.entry((key.kind, &key.page)).or_default().push(key.branch);
        }
        let mut found = HashMap::new();
        if alike.is_empty() {
            return Ok(found);
        }
        let tx = self.cx.read(&self.actor).await?;
        for ((kind, page), branches) in alike {
            let pages = list::resources_in_branches(&tx, branches, kind, online, page).await?;
            let key = |branch| ResourcesInBranchKey { branch, kind, page: page.clone() };
            found.extend(pages.into_iter().map(|(branch, page)| (key(branch), page)));
        }
        tx.commit().await.map_err(Failure::from)?;
        Ok(found)
    }
}
