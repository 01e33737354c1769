//! Reads records. Whoever reads leaves an entry in the trail, one for each patient and request, in the same transaction:
//! what cannot be noted is not shown.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{DbErr, FromQueryResult, QueryResult};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    access::{self, same_person},
    entry::{self, Row},
    model::Entry,
};
use crate::{
    auth::Actor,
    db::{Sql, TenantTx},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::{facts, many},
        files::{
            Attachment,
            query::{AttachmentKey, of_patients_unchecked},
        },
        known::{Named, Thing},
        page::{Page, PageRequest, counting},
        refusal::Failure,
    },
};

/// Which entries; absent: any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// In this form, whatever its version.
    pub template: Option<Uuid>,
    /// Begun from this instant on …
    pub from: Option<DateTime<Utc>>,
    /// … and before this one.
    pub to: Option<DateTime<Utc>>,
}

/// Position in a record: newest first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key(pub DateTime<Utc>, pub Uuid);

impl Key {
    /// Where an entry is in its record.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        Self(entry.at, entry.id)
    }
}

/// The entries of a page of one record.
macro_rules! bare {
    ($beyond:literal, $order:literal) => {
        concat!(
            "SELECT * FROM record_entries WHERE patient_id = ANY (ARRAY(",
            same_person!("wanted.id"),
            "))
                 AND ($2::uuid IS NULL OR template_id = $2) AND ($3::timestamptz IS NULL OR at >= $3)
                 AND ($4::timestamptz IS NULL OR at < $4) AND (at, id) ",
            $beyond,
            " ($5, $6) ORDER BY ",
            $order,
            " LIMIT $7"
        )
    };
}

macro_rules! select {
    ($beyond:literal, $order:literal, $outer:literal) => {
        concat!(
            "SELECT wanted.id AS record_of, ",
            entry::columns!(),
            " FROM unnest($1::uuid[]) AS wanted (id), LATERAL (",
            bare!($beyond, $order),
            ") e",
            entry::joins!(),
            "ORDER BY ",
            $outer
        )
    };
}

const FORWARDS: Sql = select!("<", "at DESC, id DESC", "e.at DESC, e.id DESC");
const BACKWARDS: Sql = select!(">", "at, id", "e.at, e.id");
const COUNT: Sql = concat!(
    "SELECT (",
    counting!(bare!("<", "at DESC, id DESC")),
    ") FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, place) ORDER BY wanted.place"
);

/// A row, and whose record it is in.
struct Placed(Uuid, Row);

impl FromQueryResult for Placed {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        Ok(Self(row.try_get(prefix, "record_of")?, Row::from_query_result(row, prefix)?))
    }
}

/// What is asked for at once.
#[derive(Debug, Default)]
pub struct Asked {
    /// Pages of entries, of these patients.
    pub entries: Vec<(Uuid, Filter, PageRequest<Key>)>,
    /// Pages of files, of these patients.
    pub files: Vec<(Uuid, PageRequest<AttachmentKey>)>,
}

/// What was found, in the order in which it was asked for.
#[derive(Debug)]
pub struct Looked {
    /// Pages of entries, newest first.
    pub entries: Vec<Page<Entry>>,
    /// Pages of files, newest first.
    pub files: Vec<Page<Attachment>>,
}

/// Pages of the records of these patients. Those whom the caller does not see have none.
///
/// # Errors
/// FORBIDDEN without RECORD_READ, and in a centre that keeps no records; faults of the database.
pub async fn pages(cx: &Cx, actor: &Actor, asked: Asked) -> Result<Looked, Failure> {
    access::require_read(actor)?;
    let tx = cx.write(actor).await?;
    access::require_kept(&tx).await?;
    let Asked { entries: asked, files } = asked;
    let of_entries = asked.iter().map(|(patient, ..)| *patient);
    let all: BTreeSet<Uuid> = of_entries.chain(files.iter().map(|(patient, _)| *patient)).collect();
    let seen = access::visible(&tx, actor, all.into_iter().collect()).await?;
    let mut files_of = of_files(&tx, actor, &seen, &files).await?;
    let mut alike: HashMap<(&Filter, &PageRequest<Key>), Vec<Uuid>> = HashMap::new();
    for (patient, filter, page) in asked.iter().filter(|(patient, ..)| seen.contains(patient)) {
        alike.entry((filter, page)).or_default().push(*patient);
    }
    let mut found = HashMap::new();
    for ((filter, page), patients) in alike {
        for (patient, page_of) in of_patients(cx, &tx, actor, patients, filter, page).await? {
            found.insert((patient, filter.clone(), page.clone()), page_of);
        }
    }
    let named = asked.iter().filter(|key| found.get(*key).is_none_or(|page| page.rows.is_empty()));
    let named = named.fold(Named::default(), |named, (_, filter, _)| {
        named.one(Thing::RecordTemplate, filter.template, "templateId")
    });
    named.require(&tx, actor).await?;
    let viewed = found.iter().map(|((patient, ..), page)| (*patient, page.rows.iter()));
    let changes = viewed_entries(actor, &seen, viewed);
    cx.commit(tx, changes).await?;
    Ok(Looked {
        entries: asked.iter().map(|key| found.remove(key).unwrap_or_else(|| key.2.empty())).collect(),
        files: files.iter().map(|key| files_of.remove(key).unwrap_or_else(|| key.1.empty())).collect(),
    })
}

async fn of_files(
    tx: &TenantTx,
    actor: &Actor,
    seen: &[Uuid],
    asked: &[(Uuid, PageRequest<AttachmentKey>)],
) -> Result<HashMap<(Uuid, PageRequest<AttachmentKey>), Page<Attachment>>, Failure> {
    let mut alike: HashMap<&PageRequest<AttachmentKey>, Vec<Uuid>> = HashMap::new();
    for (patient, page) in asked.iter().filter(|(patient, _)| seen.contains(patient)) {
        alike.entry(page).or_default().push(*patient);
    }
    let mut found = HashMap::new();
    for (page, patients) in alike {
        let pages = of_patients_unchecked(tx, actor, patients, page).await?;
        found.extend(pages.into_iter().map(|(patient, files)| ((patient, page.clone()), files)));
    }
    Ok(found)
}

async fn of_patients(
    cx: &Cx,
    tx: &TenantTx,
    actor: &Actor,
    patients: Vec<Uuid>,
    filter: &Filter,
    page: &PageRequest<Key>,
) -> Result<HashMap<Uuid, Page<Entry>>, Failure> {
    let values = |page: &PageRequest<Key>| {
        let Key(at, id) = page.from.clone().unwrap_or(match page.backwards {
            true => Key(DateTime::UNIX_EPOCH - TimeDelta::days(36_500), Uuid::nil()),
            false => Key(DateTime::UNIX_EPOCH + TimeDelta::days(365_000), Uuid::max()),
        });
        [
            patients.clone().into(),
            filter.template.into(),
            filter.from.into(),
            filter.to.into(),
            at.into(),
            id.into(),
            page.fetch().into(),
        ]
    };
    let rows: Vec<Placed> = tx.all(if page.backwards { BACKWARDS } else { FORWARDS }, values(page)).await?;
    let totals: Vec<i32> = if page.counted { tx.scalars(COUNT, values(&page.whole())).await? } else { Vec::new() };
    let (owners, rows): (Vec<Uuid>, Vec<Row>) = rows.into_iter().map(|Placed(owner, row)| (owner, row)).unzip();
    let entries = entry::opened(cx, tx, actor, rows).await?;
    Ok(page.pages(patients, totals, owners.into_iter().zip(entries)))
}

/// The entries with these ids, in no order; those of patients that the caller does not see are left out.
///
/// # Errors
/// As for pages.
pub async fn by_ids(cx: &Cx, actor: &Actor, ids: Vec<Uuid>) -> Result<Vec<Entry>, Failure> {
    access::require_read(actor)?;
    let tx = cx.write(actor).await?;
    access::require_kept(&tx).await?;
    let rows = entry::rows(&tx, ids).await?;
    let patients: BTreeSet<Uuid> = rows.iter().map(|row| row.patient_id).collect();
    let seen = access::visible(&tx, actor, patients.into_iter().collect()).await?;
    let rows = rows.into_iter().filter(|row| seen.contains(&row.patient_id)).collect();
    let entries = entry::opened(cx, &tx, actor, rows).await?;
    let viewed = entries.iter().map(|entry| (entry.patient, std::iter::once(entry)));
    let touched: Vec<Uuid> = entries.iter().map(|entry| entry.patient).collect();
    let changes = viewed_entries(actor, &touched, viewed);
    cx.commit(tx, changes).await?;
    Ok(entries)
}

/// That these records were looked at, one change for each patient: which entries, and in which forms.
fn viewed_entries<'a, I: Iterator<Item = &'a Entry>>(
    actor: &Actor,
    patients: &[Uuid],
    viewed: impl Iterator<Item = (Uuid, I)>,
) -> Changes {
    let mut by_patient: BTreeMap<Uuid, (BTreeSet<Uuid>, BTreeSet<Uuid>)> =
        patients.iter().map(|patient| (*patient, Default::default())).collect();
    for (patient, entries) in viewed {
        let (ids, templates) = by_patient.entry(patient).or_default();
        for entry in entries {
            ids.insert(entry.id);
            templates.insert(entry.template.id);
        }
    }
    let mut changes = Changes::by(actor);
    for (patient, (entries, templates)) in by_patient {
        changes.push(Change {
            after: Some(facts!({ "entries": many(entries), "templates": many(templates) })),
            ..Change::event("record.viewed", "viewRecord", "ClinicalRecord", patient)
        });
    }
    changes
}
