//! Loaders of the agenda. Ask for history and exceptions only with what the caller sees.

use std::{collections::HashMap, ops::Range};

use async_graphql::dataloader::Loader;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    auth::ActorKind,
    domain::{
        agenda::{
            history::{self, Key},
            model::ScheduleException,
            schedule,
        },
        identity::audit::Entry,
        page::{Page, PageRequest},
        refusal::Failure,
    },
    schema::loader::{Batch, SharedFailure},
};

/// A page of what happened to something. The things of one level ask for the same page, so that one statement answers
/// all of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct History {
    /// To what.
    pub subject: Uuid,
    /// How many.
    pub limit: i64,
    /// Forwards or backwards.
    pub backwards: bool,
    /// Behind, or before, this one.
    pub from: Option<Key>,
}

impl Loader<History> for Batch {
    type Value = Page<Entry>;
    type Error = SharedFailure;

    async fn load(&self, keys: &[History]) -> Result<HashMap<History, Page<Entry>>, SharedFailure> {
        let mut alike: HashMap<History, Vec<Uuid>> = HashMap::new();
        for key in keys {
            alike.entry(History { subject: Uuid::nil(), ..key.clone() }).or_default().push(key.subject);
        }
        let tx = self.cx.read(&self.actor).await?;
        let mut found = HashMap::new();
        for (key, subjects) in alike {
            let page = PageRequest { limit: key.limit, backwards: key.backwards, from: key.from.clone() };
            let pages = history::of_subjects(&tx, subjects, &page).await?;
            found.extend(pages.into_iter().map(|(subject, page)| (History { subject, ..key.clone() }, page)));
        }
        tx.commit().await.map_err(Failure::from)?;
        Ok(found)
    }
}

/// How to show who did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ActorName(pub ActorKind, pub Uuid);

impl Loader<ActorName> for Batch {
    type Value = String;
    type Error = SharedFailure;

    async fn load(&self, keys: &[ActorName]) -> Result<HashMap<ActorName, String>, SharedFailure> {
        let tx = self.cx.read(&self.actor).await?;
        let names = history::names(&tx, keys.iter().map(|key| key.1).collect()).await?;
        tx.commit().await.map_err(Failure::from)?;
        Ok(keys.iter().filter_map(|key| names.get(&key.1).map(|name| (*key, name.clone()))).collect())
    }
}

/// The exceptions of a resource in a branch, the branch's own included, in a range.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExceptionsOf {
    /// Where.
    pub branch: Uuid,
    /// Whose.
    pub resource: Uuid,
    /// When.
    pub during: Range<DateTime<Utc>>,
}

impl Loader<ExceptionsOf> for Batch {
    type Value = Vec<ScheduleException>;
    type Error = SharedFailure;

    async fn load(
        &self,
        keys: &[ExceptionsOf],
    ) -> Result<HashMap<ExceptionsOf, Vec<ScheduleException>>, SharedFailure> {
        let mut alike: HashMap<(Uuid, Range<DateTime<Utc>>), Vec<Uuid>> = HashMap::new();
        for key in keys {
            alike.entry((key.branch, key.during.clone())).or_default().push(key.resource);
        }
        let tx = self.cx.read(&self.actor).await?;
        let mut found = HashMap::new();
        for ((branch, during), resources) in alike {
            let all = schedule::exceptions(&tx, branch, resources.clone(), &during).await?;
            for resource in resources {
                let mine = all.iter().filter(|one| one.resource.is_none_or(|id| id == resource)).cloned().collect();
                found.insert(ExceptionsOf { branch, resource, during: during.clone() }, mine);
            }
        }
        tx.commit().await.map_err(Failure::from)?;
        Ok(found)
    }
}
