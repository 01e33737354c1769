//! `appointments`: pages of appointments by start. Every page is one statement over an index, however long the history.

use std::{collections::HashMap, ops::Range, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    appointment::{AppointmentView, Related, Row, Wanted, appointment_select, assemble},
    visibility::Sight,
};
use crate::{
    auth::{Actor, Scope},
    db::{Sql, TenantTx},
    domain::{
        cx::Cx,
        known::{Named, Thing},
        page::{Page, PageRequest, counting, known},
        refusal::{Failure, Refusal},
    },
};

/// Longest range of starts, and furthest look back for changes.
const MAX_RANGE: TimeDelta = TimeDelta::days(366);

/// Which appointments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Of this branch.
    pub branch: Option<Uuid>,
    /// Of this patient.
    pub patient: Option<Uuid>,
    /// That take this resource, or did.
    pub resource: Option<Uuid>,
    /// In one of these states.
    pub statuses: Option<Vec<&'static str>>,
    /// Booked this way.
    pub channel: Option<&'static str>,
    /// That start in this range.
    pub range: Option<Range<DateTime<Utc>>>,
    /// Changed at or after.
    pub updated_since: Option<DateTime<Utc>>,
}

/// Position in the list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key(pub DateTime<Utc>, pub Uuid);

impl Key {
    /// Where an appointment is in the list.
    #[must_use]
    pub fn of(view: &AppointmentView) -> Self {
        Self(view.start, view.id)
    }
}

/// The index that the list is read from: static texts for each, because one text with optional conditions would get one
/// plan for all of them.
#[derive(Clone, Copy)]
enum Path {
    Branch,
    Patient,
    Updated,
    Start,
}

/// The appointments of a page. $1 is what the path is keyed by; the rest are bounds and filters.
macro_rules! bare {
    ($keyed_by:literal, $beyond:literal, $order:literal) => {
        concat!(
            "SELECT * FROM appointments a WHERE ",
            $keyed_by,
            " AND a.start_at >= $2 AND a.start_at < $3 AND (a.start_at, a.id) ",
            $beyond,
            " ($4, $5)
               AND ($6::uuid[] IS NULL OR a.branch_id = ANY ($6))
               AND ($7::uuid IS NULL OR EXISTS (SELECT 1 FROM occupancies o WHERE o.appointment_id = a.id AND o.resource_id = $7))
               AND ($8::uuid IS NULL OR EXISTS (SELECT 1 FROM occupancies o WHERE o.appointment_id = a.id AND o.resource_id = $8))
               AND ($9::text[] IS NULL OR a.status = ANY ($9)) AND ($10::text IS NULL OR a.channel = $10)
               AND ($11::timestamptz IS NULL OR a.updated_at >= $11)
             ORDER BY ",
            $order,
            " LIMIT $12"
        )
    };
}

/// What is asked of a path.
#[derive(Clone, Copy)]
enum Ask {
    Ascending,
    Descending,
    Count,
}

macro_rules! texts {
    ($keyed_by:literal, $ask:expr) => {
        match $ask {
            Ask::Ascending => appointment_select!(
                (concat!("(", bare!($keyed_by, ">", "a.start_at, a.id"), ") a")),
                "ORDER BY a.start_at, a.id, i.position"
            ),
            Ask::Descending => appointment_select!(
                (concat!("(", bare!($keyed_by, "<", "a.start_at DESC, a.id DESC"), ") a")),
                "ORDER BY a.start_at DESC, a.id DESC, i.position"
            ),
            Ask::Count => counting!(bare!($keyed_by, ">", "a.start_at, a.id")),
        }
    };
}

fn text(path: Path, ask: Ask) -> Sql {
    match path {
        Path::Branch => texts!("a.branch_id = $1", ask),
        // The id of one that was merged leads to the one that was kept.
        Path::Patient => {
            texts!("a.patient_id = (SELECT coalesce(k.merged_into, k.id) FROM patients k WHERE k.id = $1)", ask)
        }
        Path::Updated => texts!("a.updated_at >= $11 AND ($1::uuid IS NULL OR true)", ask),
        Path::Start => texts!("($1::uuid IS NULL OR true)", ask),
    }
}

/// A page of appointments by (start, id).
///
/// # Errors
/// FORBIDDEN without a permission on the agenda; REQUIRED when the filter bounds nothing; INVALID for ranges out of
/// bounds; faults of the database.
pub async fn run(
    cx: &Cx,
    actor: &Actor,
    filter: Filter,
    descending: bool,
    page: PageRequest<Key>,
    wanted: Wanted,
) -> Result<Page<Arc<AppointmentView>>, Failure> {
    let sight = Sight::of(actor, filter.branch.map_or(Scope::Anywhere, Scope::Branch))?;
    check(&filter, cx.now())?;
    let (path, keyed_by) = match (filter.patient, filter.branch, &filter.range) {
        (Some(patient), ..) => (Path::Patient, Some(patient)),
        (None, Some(branch), Some(_)) => (Path::Branch, Some(branch)),
        (None, None, Some(_)) => (Path::Start, None),
        (None, _, None) => (Path::Updated, None),
    };
    let scan = Scan::new(keyed_by.into(), &filter, &sight);
    let ascending = descending == page.backwards;
    let ask = if ascending { Ask::Ascending } else { Ask::Descending };
    let tx = cx.read(actor).await?;
    let rows: Vec<Row> = tx.all(text(path, ask), scan.values(page.from.as_ref(), ascending, page.fetch())).await?;
    let total = page.total(&tx, text(path, Ask::Count), |whole| scan.values(None, true, whole.fetch())).await?;
    if rows.is_empty() {
        let named = Named::default()
            .one(Thing::Branch, filter.branch, "filter.branchId")
            .one(Thing::Patient, filter.patient, "filter.patientId")
            .one(Thing::Resource, filter.resource, "filter.resourceId");
        named.require(&tx, actor).await?;
    }
    let views = assemble(&tx, rows, wanted, Related::default()).await?;
    tx.commit().await?;
    Ok(Page { total, ..page.page(views) })
}

/// What a statement of the list is given.
struct Scan<'a> {
    keyed_by: sea_orm::Value,
    branches: Option<Vec<Uuid>>,
    own: Option<Uuid>,
    range: Range<DateTime<Utc>>,
    filter: &'a Filter,
}

impl<'a> Scan<'a> {
    fn new(keyed_by: sea_orm::Value, filter: &'a Filter, sight: &Sight) -> Self {
        let everything =
            (DateTime::UNIX_EPOCH - TimeDelta::days(36_500))..(DateTime::UNIX_EPOCH + TimeDelta::days(365_000));
        Self {
            keyed_by,
            branches: filter
                .branch
                .map(|branch| vec![branch])
                .or_else(|| sight.branches.as_ref().map(|ids| ids.to_vec())),
            own: sight.own,
            range: filter.range.clone().unwrap_or(everything),
            filter,
        }
    }

    fn values(&self, from: Option<&Key>, ascending: bool, limit: i64) -> [sea_orm::Value; 12] {
        let (filter, range) = (self.filter, &self.range);
        // The index is entered at the key, so without one it is the range's end, not the beginning of time.
        let edge = if ascending { range.start } else { range.end };
        let Key(at, id) = match from.cloned() {
            Some(Key(at, id)) if range.contains(&at) => Key(at, id),
            // A cursor from beyond the range that the scan begins at is as good as none.
            Some(Key(at, _)) if (at < range.start) == ascending => Key(edge, Uuid::nil()),
            Some(Key(at, id)) => Key(at, id),
            None => Key(edge, Uuid::nil()),
        };
        [
            self.keyed_by.clone(),
            range.start.into(),
            range.end.into(),
            at.into(),
            id.into(),
            self.branches.clone().into(),
            filter.resource.into(),
            self.own.into(),
            filter.statuses.as_ref().map(|words| words.iter().copied().map(str::to_owned).collect::<Vec<_>>()).into(),
            filter.channel.into(),
            filter.updated_since.into(),
            limit.into(),
        ]
    }
}

/// The appointments of each of several patients.
macro_rules! of_patients {
    ($beyond:literal, $order:literal) => {
        appointment_select!(
            (concat!(
                "(SELECT x.* FROM unnest($1::uuid[]) AS k (patient) CROSS JOIN LATERAL (",
                bare!("a.patient_id = k.patient", $beyond, $order),
                ") x) a"
            )),
            "ORDER BY a.start_at, a.id, i.position"
        )
    };
}

const COUNT_OF_PATIENTS: Sql = concat!(
    "SELECT (",
    counting!(bare!("a.patient_id = k.patient", ">", "a.start_at, a.id")),
    ") FROM unnest($1::uuid[]) WITH ORDINALITY AS k (patient, at) ORDER BY k.at"
);

#[derive(sea_orm::FromQueryResult)]
struct KeptRow {
    id: Uuid,
    kept: Uuid,
}

/// The same page of the appointments of each of these patients, by start: one statement for all of them, one more when
/// they are counted, and one that leads from merged patients to those that were kept.
///
/// # Errors
/// FORBIDDEN without a permission on the agenda; INVALID for ranges out of bounds; faults of the database.
pub async fn of_patients(
    tx: &TenantTx,
    actor: &Actor,
    patients: Vec<Uuid>,
    filter: &Filter,
    page: &PageRequest<Key>,
    wanted: Wanted,
) -> Result<Vec<(Uuid, Page<Arc<AppointmentView>>)>, Failure> {
    let sight = Sight::of(actor, filter.branch.map_or(Scope::Anywhere, Scope::Branch))?;
    let of: Vec<KeptRow> = tx
        .all("SELECT id, coalesce(merged_into, id) AS kept FROM patients WHERE id = ANY ($1)", [patients.into()])
        .await?;
    let mut kept: Vec<Uuid> = of.iter().map(|row| row.kept).collect();
    kept.sort_unstable();
    kept.dedup();
    let scan = Scan::new(kept.clone().into(), filter, &sight);
    let sql = if page.backwards {
        of_patients!("<", "a.start_at DESC, a.id DESC")
    } else {
        of_patients!(">", "a.start_at, a.id")
    };
    let rows: Vec<Row> = tx.all(sql, scan.values(page.from.as_ref(), !page.backwards, page.fetch())).await?;
    if rows.is_empty() {
        let named = Named::default().one(Thing::Branch, filter.branch, "filter.branchId").one(
            Thing::Resource,
            filter.resource,
            "filter.resourceId",
        );
        named.require(tx, actor).await?;
    }
    let totals: Vec<i32> = if page.counted {
        tx.scalars(COUNT_OF_PATIENTS, scan.values(None, true, page.whole().fetch())).await?
    } else {
        Vec::new()
    };
    let totals: HashMap<Uuid, i32> = kept.into_iter().zip(totals).collect();
    let mut views: HashMap<Uuid, Vec<Arc<AppointmentView>>> = HashMap::new();
    for view in assemble(tx, rows, wanted, Related::default()).await? {
        if let Some(patient) = view.patient.as_ref().map(|patient| patient.id) {
            views.entry(patient).or_default().push(view);
        }
    }
    let pages = of.into_iter().map(|KeptRow { id, kept }| {
        let mut rows = views.get(&kept).cloned().unwrap_or_default();
        if page.backwards {
            rows.reverse();
        }
        (id, Page { total: totals.get(&kept).copied().and_then(known), ..page.page(rows) })
    });
    Ok(pages.collect())
}

fn check(filter: &Filter, now: DateTime<Utc>) -> Result<(), Failure> {
    let mut refusals = Vec::new();
    if let Some(range) = &filter.range {
        if range.end <= range.start {
            refusals.push(Refusal::invalid("filter.range", "a range ends after it starts"));
        } else if range.end.signed_duration_since(range.start) > MAX_RANGE && filter.patient.is_none() {
            let message = format!("ask for at most {} days at a time, or for one patient", MAX_RANGE.num_days());
            refusals.push(Refusal::invalid("filter.range", message));
        }
    }
    if filter.updated_since.is_some_and(|since| now.signed_duration_since(since) > MAX_RANGE) {
        let message = format!("ask for changes of at most {} days", MAX_RANGE.num_days());
        refusals.push(Refusal::invalid("filter.updatedSince", message));
    }
    if filter.range.is_none() && filter.patient.is_none() && filter.updated_since.is_none() {
        let message = "say which: a range of starts, a patient, or since when they have changed";
        refusals.push(Refusal::required("filter.range", message));
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals.into()) }
}
