//! Loaders of records. The domain reads for all patients of a level at once, and notes in the trail that it did.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use async_graphql::dataloader::Loader;
use chrono::NaiveDate;
use uuid::Uuid;

use crate::{
    domain::{
        files::{Attachment, query::AttachmentKey},
        identity::audit::{self, list},
        page::{Page, PageRequest},
        record::{
            access_log,
            model::{Entry, Template},
            read::{self, Asked, Filter, Key},
            retention, templates,
        },
        refusal::{Code, Failure},
    },
    schema::loader::{Batch, SharedFailure, by_id},
};

by_id!(
    /// A template by its id, in its newest version.
    TemplateKey => Template, templates::visible
);

/// A page of a patient's record. One kind of key for all that is in it, so that one look leaves one line in the trail.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LookAt {
    /// What was written.
    Entries {
        /// Whose.
        patient: Uuid,
        /// Which entries.
        filter: Filter,
        /// Which page of them.
        page: PageRequest<Key>,
    },
    /// The patient's files.
    Files {
        /// Whose.
        patient: Uuid,
        /// Which page of them.
        page: PageRequest<AttachmentKey>,
    },
}

/// What is seen of a record.
#[derive(Clone, Debug)]
pub enum Seen {
    /// What was written.
    Entries(Page<Arc<Entry>>),
    /// The patient's files.
    Files(Page<Attachment>),
}

impl Loader<LookAt> for Batch {
    type Value = Seen;
    type Error = SharedFailure;

    async fn load(&self, keys: &[LookAt]) -> Result<HashMap<LookAt, Seen>, SharedFailure> {
        let (mut asked, mut entries, mut files) = (Asked::default(), Vec::new(), Vec::new());
        for key in keys {
            match key {
                LookAt::Entries { patient, filter, page } => {
                    entries.push(key.clone());
                    asked.entries.push((*patient, filter.clone(), page.clone()));
                }
                LookAt::Files { patient, page } => {
                    files.push(key.clone());
                    asked.files.push((*patient, page.clone()));
                }
            }
        }
        let looked = read::pages(&self.cx, &self.actor, asked).await?;
        let looked_entries = looked.entries.into_iter().map(|page| Seen::Entries(page.map(Arc::new)));
        let looked_files = looked.files.into_iter().map(Seen::Files);
        Ok(entries.into_iter().zip(looked_entries).chain(files.into_iter().zip(looked_files)).collect())
    }
}

/// An entry by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntryKey(pub Uuid);

impl Loader<EntryKey> for Batch {
    type Value = Arc<Entry>;
    type Error = SharedFailure;

    async fn load(&self, keys: &[EntryKey]) -> Result<HashMap<EntryKey, Arc<Entry>>, SharedFailure> {
        let found = match read::by_ids(&self.cx, &self.actor, keys.iter().map(|key| key.0).collect()).await {
            Ok(found) => found,
            // An id is no way to learn what there is.
            Err(Failure::Refused(why)) if why.iter().all(|one| one.code == Code::Forbidden) => Vec::new(),
            Err(other) => return Err(other.into()),
        };
        Ok(found.into_iter().map(|entry| (EntryKey(entry.id), Arc::new(entry))).collect())
    }
}

/// A page of who has read and written a patient's record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogOf {
    /// Whose.
    pub patient: Uuid,
    /// Which page.
    pub page: PageRequest<list::Key>,
}

impl Loader<LogOf> for Batch {
    type Value = Page<audit::Entry>;
    type Error = SharedFailure;

    async fn load(&self, keys: &[LogOf]) -> Result<HashMap<LogOf, Page<audit::Entry>>, SharedFailure> {
        let mut found = HashMap::new();
        let pages: HashSet<&PageRequest<list::Key>> = keys.iter().map(|key| &key.page).collect();
        for page in pages {
            let patients = keys.iter().filter(|key| key.page == *page).map(|key| key.patient).collect();
            let pages = access_log::pages(&self.cx, &self.actor, patients, page).await?;
            found.extend(pages.into_iter().map(|(patient, rows)| (LogOf { patient, page: page.clone() }, rows)));
        }
        Ok(found)
    }
}

/// Until when a patient's record is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RetentionOf(pub Uuid);

impl Loader<RetentionOf> for Batch {
    type Value = NaiveDate;
    type Error = SharedFailure;

    async fn load(&self, keys: &[RetentionOf]) -> Result<HashMap<RetentionOf, NaiveDate>, SharedFailure> {
        let found = retention::run(&self.cx, &self.actor, keys.iter().map(|key| key.0).collect()).await?;
        Ok(found.into_iter().map(|(patient, until)| (RetentionOf(patient), until)).collect())
    }
}
