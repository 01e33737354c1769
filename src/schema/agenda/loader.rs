//! Loaders of the agenda. Ask for history and exceptions only with what the caller sees.

use std::{collections::HashMap, ops::Range, sync::Arc};

use async_graphql::dataloader::Loader;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    auth::ActorKind,
    domain::{
        agenda::{
            appointment::{self, AppointmentView, Wanted},
            history::{self, Key},
            list,
            model::ScheduleException,
            schedule,
        },
        identity::audit::Entry,
        page::{Page, PageRequest},
        refusal::Failure,
    },
    schema::loader::{Batch, SharedFailure, by_id},
};

by_id!(
    /// An appointment by its id.
    AppointmentKey => Arc<AppointmentView>, appointment::visible
);
by_id!(
    /// A schedule by its id.
    ScheduleKey => schedule::Schedule, schedule::visible
);
by_id!(
    /// An exception by its id.
    ScheduleExceptionKey => ScheduleException, schedule::visible_exceptions
);

/// A page of what happened to something. The things of one level ask for the same page, so that one statement answers
/// all of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct History {
    /// To what.
    pub subject: Uuid,
    /// Which page.
    pub page: PageRequest<Key>,
}

impl Loader<History> for Batch {
    type Value = Page<Entry>;
    type Error = SharedFailure;

    async fn load(&self, keys: &[History]) -> Result<HashMap<History, Page<Entry>>, SharedFailure> {
        let mut alike: HashMap<&PageRequest<Key>, Vec<Uuid>> = HashMap::new();
        for key in keys {
            alike.entry(&key.page).or_default().push(key.subject);
        }
        let tx = self.cx.read(&self.actor).await?;
        let mut found = HashMap::new();
        for (page, subjects) in alike {
            let pages = history::of_subjects(&tx, subjects, page).await?;
            found.extend(pages.into_iter().map(|(subject, found)| (History { subject, page: page.clone() }, found)));
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

/// A page of a patient's appointments. The patients of one level ask for the same page, so that one statement answers
/// all of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AppointmentsOf {
    /// Whose.
    pub patient: Uuid,
    /// Which of them.
    pub filter: list::Filter,
    /// Which page.
    pub page: PageRequest<list::Key>,
    /// What is going to be asked of them.
    pub wanted: Wanted,
}

impl Loader<AppointmentsOf> for Batch {
    /// What is refused of one filter is not refused of another that the same operation asks with.
    type Value = Result<Page<Arc<AppointmentView>>, SharedFailure>;
    type Error = SharedFailure;

    async fn load(&self, keys: &[AppointmentsOf]) -> Result<HashMap<AppointmentsOf, Self::Value>, SharedFailure> {
        let mut alike: HashMap<(&list::Filter, &PageRequest<list::Key>, Wanted), Vec<Uuid>> = HashMap::new();
        for key in keys {
            alike.entry((&key.filter, &key.page, key.wanted)).or_default().push(key.patient);
        }
        let tx = self.cx.read(&self.actor).await?;
        let mut found = HashMap::new();
        for ((filter, page, wanted), patients) in alike {
            let key = |patient| AppointmentsOf { patient, filter: filter.clone(), page: page.clone(), wanted };
            match list::of_patients(&tx, &self.actor, patients.clone(), filter, page, wanted).await {
                Ok(pages) => found.extend(pages.into_iter().map(|(patient, page)| (key(patient), Ok(page)))),
                Err(refused @ Failure::Refused(_)) => {
                    let shared = SharedFailure::from(refused);
                    found.extend(patients.into_iter().map(|patient| (key(patient), Err(shared.clone()))));
                }
                Err(fault) => return Err(fault.into()),
            }
        }
        tx.commit().await.map_err(Failure::from)?;
        Ok(found)
    }
}
