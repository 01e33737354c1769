//! [`AppointmentView`]: an appointment with everything that a list of appointments shows, read by one statement for
//! any number of them. Changing appointments is [`crate::domain::booking`]'s.

use std::{collections::HashMap, ops::Range, sync::Arc};

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;
use sea_orm::{DbErr, FromQueryResult, QueryResult};
use uuid::Uuid;

use super::visibility::Sight;
use crate::{
    auth::{Actor, ActorKind, Scope},
    db::TenantTx,
    domain::{
        centre::{
            model::{Branch, Resource, Treatment, zone},
            query,
        },
        columns::Columns,
        cx::Cx,
        money::Money,
        patients::brief::{self, PatientBrief},
        refusal::Failure,
    },
};

/// An appointment as it is shown.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration, the fields in the API")]
pub struct AppointmentView {
    pub id: Uuid,
    pub version: i32,
    pub code: String,
    pub branch: Uuid,
    pub zone: Tz,
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
    pub local_start: NaiveDateTime,
    pub patient: Option<Arc<PatientBrief>>,
    pub items: Vec<ItemView>,
    /// Everything it makes busy, or did before it ended early; by id.
    pub resources: Vec<Uuid>,
    pub status: String,
    pub payment_status: String,
    pub channel: String,
    pub overbooked: bool,
    pub overbook_reason: Option<String>,
    pub notes: Option<String>,
    pub internal_notes: Option<String>,
    pub cancel_reason: Option<String>,
    pub cancelled_by: Option<(ActorKind, Option<Uuid>)>,
    pub hold_expires_at: Option<DateTime<Utc>>,
    pub revision: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// Objects that were loaded along, shared by all appointments of one read.
    pub related: Arc<Related>,
}

/// One treatment of an appointment.
#[derive(Clone, Debug)]
pub struct ItemView {
    /// What.
    pub treatment: Uuid,
    /// Who.
    pub professional: Option<Uuid>,
    /// Where.
    pub room: Option<Uuid>,
    /// When, without buffers.
    pub during: Range<DateTime<Utc>>,
    /// Price when it was booked.
    pub price: Money,
}

/// Objects that appointments refer to. What is missing here is loaded when somebody asks for it.
#[derive(Clone, Debug, Default)]
pub struct Related {
    /// Branches.
    pub branches: HashMap<Uuid, Arc<Branch>>,
    /// Professionals, rooms, equipment.
    pub resources: HashMap<Uuid, Arc<Resource>>,
    /// Treatments.
    pub treatments: HashMap<Uuid, Arc<Treatment>>,
}

/// Which related objects a reader is going to ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The branch of each appointment.
    pub branches: bool,
    /// Professionals, rooms, equipment.
    pub resources: bool,
    /// Treatments of the items.
    pub treatments: bool,
}

/// Columns of an appointment, its patient, its resources and one of its items, one row per item; to be followed by
/// WHERE and ORDER BY on `a` (all rows of one appointment in a row, by `i.position`). Read by position, see [`Row`].
macro_rules! appointment_select {
    ($from:literal, $rest:literal) => {
        appointment_select!(($from), $rest)
    };
    (($from:expr), $rest:expr) => {
        concat!(
            "SELECT a.id, a.version, a.code, a.branch_id, a.time_zone, a.start_at, a.end_at, a.local_start, a.status,
                 a.payment_status, a.channel, a.overbooked, a.overbook_reason, a.notes, a.internal_notes, a.cancel_reason,
                 a.cancelled_by_kind, a.cancelled_by_id, a.hold_expires_at, a.revision, a.created_at, a.updated_at,
                 ARRAY(SELECT o.resource_id FROM occupancies o WHERE o.appointment_id = a.id),
                 i.treatment_id, i.professional_id, i.room_id, i.start_at, i.end_at, i.price_minor, i.currency, ",
            $crate::domain::patients::brief::patient_columns!(),
            " FROM ",
            $from,
            " LEFT JOIN appointment_items i ON i.appointment_id = a.id LEFT JOIN patients p ON p.id = a.patient_id ",
            $rest
        )
    };
}
pub(super) use appointment_select;

/// One row of [`appointment_select`]. By position: looking 47 columns up by name costs more than the rest of the read.
pub(super) struct Row {
    view: AppointmentView,
    item: Option<ItemView>,
    zone: String,
}

impl FromQueryResult for Row {
    fn from_query_result(row: &QueryResult, _prefix: &str) -> Result<Self, DbErr> {
        let mut c = Columns::of(row);
        let mut view = AppointmentView {
            id: c.take()?,
            version: c.take()?,
            code: c.take()?,
            branch: c.take()?,
            zone: Tz::UTC,
            start: DateTime::UNIX_EPOCH,
            end: DateTime::UNIX_EPOCH,
            local_start: NaiveDateTime::default(),
            patient: None,
            items: Vec::new(),
            resources: Vec::new(),
            status: String::new(),
            payment_status: String::new(),
            channel: String::new(),
            overbooked: false,
            overbook_reason: None,
            notes: None,
            internal_notes: None,
            cancel_reason: None,
            cancelled_by: None,
            hold_expires_at: None,
            revision: 0,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
            related: Arc::default(),
        };
        let zone = c.take()?;
        view.start = c.take()?;
        view.end = c.take()?;
        view.local_start = c.take()?;
        view.status = c.take()?;
        view.payment_status = c.take()?;
        view.channel = c.take()?;
        view.overbooked = c.take()?;
        view.overbook_reason = c.take()?;
        view.notes = c.take()?;
        view.internal_notes = c.take()?;
        view.cancel_reason = c.take()?;
        let kind: Option<String> = c.take()?;
        let by: Option<Uuid> = c.take()?;
        view.cancelled_by = kind.map(|kind| (ActorKind::parse(&kind), by));
        view.hold_expires_at = c.take()?;
        view.revision = c.take()?;
        view.created_at = c.take()?;
        view.updated_at = c.take()?;
        // One resource may have several ranges. Sorting a handful here is cheaper than a sort per row there.
        view.resources = c.take()?;
        view.resources.sort_unstable();
        view.resources.dedup();
        let item = item(&mut c)?;
        view.patient = brief::read(&mut c)?;
        Ok(Self { view, item, zone })
    }
}

fn item(c: &mut Columns<'_>) -> Result<Option<ItemView>, DbErr> {
    let treatment: Option<Uuid> = c.take()?;
    let Some(treatment) = treatment else {
        c.skip(6);
        return Ok(None);
    };
    let (professional, room, start, end) = (c.take()?, c.take()?, c.take()?, c.take()?);
    Ok(Some(ItemView {
        treatment,
        professional,
        room,
        during: start..end,
        price: Money { minor: c.take()?, currency: c.take()? },
    }))
}

/// The appointments of rows that hold one item each, with what `wanted` says; `known` is not read again.
///
/// # Errors
/// Faults of the database.
pub(super) async fn assemble(
    tx: &TenantTx,
    rows: Vec<Row>,
    wanted: Wanted,
    mut known: Related,
) -> Result<Vec<Arc<AppointmentView>>, Failure> {
    let mut views: Vec<AppointmentView> = Vec::with_capacity(rows.len());
    for Row { mut view, item, zone: name } in rows {
        match views.last_mut() {
            Some(last) if last.id == view.id => last.items.extend(item),
            _ => {
                view.zone = zone(&name)?;
                view.items.extend(item);
                views.push(view);
            }
        }
    }
    complete(tx, &views, wanted, &mut known).await?;
    let related = Arc::new(known);
    Ok(views.into_iter().map(|view| Arc::new(AppointmentView { related: Arc::clone(&related), ..view })).collect())
}

/// Loads the wanted objects that are not known yet: at most one statement per kind.
async fn complete(
    tx: &TenantTx,
    views: &[AppointmentView],
    wanted: Wanted,
    known: &mut Related,
) -> Result<(), Failure> {
    if wanted.branches {
        let ids = unknown(views.iter().map(|view| view.branch), |id| known.branches.contains_key(id));
        if !ids.is_empty() {
            known
                .branches
                .extend(query::branches(tx, ids).await?.into_iter().map(|branch| (branch.id, Arc::new(branch))));
        }
    }
    if wanted.resources {
        let ids = unknown(views.iter().flat_map(resources_of), |id| known.resources.contains_key(id));
        if !ids.is_empty() {
            known
                .resources
                .extend(query::resources(tx, ids).await?.into_iter().map(|resource| (resource.id, Arc::new(resource))));
        }
    }
    if wanted.treatments {
        let ids = unknown(views.iter().flat_map(treatments_of), |id| known.treatments.contains_key(id));
        if !ids.is_empty() {
            known.treatments.extend(
                query::treatments(tx, ids).await?.into_iter().map(|treatment| (treatment.id, Arc::new(treatment))),
            );
        }
    }
    Ok(())
}

fn resources_of(view: &AppointmentView) -> Vec<Uuid> {
    let of_items = view.items.iter().flat_map(|item| [item.professional, item.room]).flatten();
    view.resources.iter().copied().chain(of_items).collect()
}

fn treatments_of(view: &AppointmentView) -> Vec<Uuid> {
    view.items.iter().map(|item| item.treatment).collect()
}

/// Each id once that is not known. Not a closure in an async function: its borrows would live across the awaits there,
/// and the future could not go to another thread.
fn unknown(ids: impl Iterator<Item = Uuid>, known: impl Fn(&Uuid) -> bool) -> Vec<Uuid> {
    let mut ids: Vec<Uuid> = ids.filter(|id| !known(id)).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The appointments with these ids by start, as far as `sight` includes them. Never more than one statement, and one
/// per kind of wanted object.
///
/// # Errors
/// Faults of the database.
pub async fn load_appointments(
    tx: &TenantTx,
    ids: Vec<Uuid>,
    sight: &Sight,
    wanted: Wanted,
) -> Result<Vec<Arc<AppointmentView>>, Failure> {
    let rows: Vec<Row> = tx
        .all(
            appointment_select!(
                "appointments a",
                "WHERE a.id = ANY ($1) AND ($2::uuid[] IS NULL OR a.branch_id = ANY ($2))
                   AND ($3::uuid IS NULL OR EXISTS (SELECT 1 FROM occupancies o WHERE o.appointment_id = a.id AND o.resource_id = $3))
                 ORDER BY a.start_at, a.id, i.position"
            ),
            [ids.into(), sight.branches_value(), sight.own.into()],
        )
        .await?;
    assemble(tx, rows, wanted, Related::default()).await
}

/// One appointment that the caller may see.
///
/// # Errors
/// FORBIDDEN without a permission on the agenda; faults of the database.
pub async fn find(cx: &Cx, actor: &Actor, id: Uuid, wanted: Wanted) -> Result<Option<Arc<AppointmentView>>, Failure> {
    let sight = Sight::of(actor, Scope::Anywhere)?;
    let tx = cx.read(actor).await?;
    let found = load_appointments(&tx, vec![id], &sight, wanted).await?.pop();
    tx.commit().await?;
    Ok(found)
}

/// The appointments with these ids that the caller may see, by start.
///
/// # Errors
/// FORBIDDEN without a permission on the agenda; faults of the database.
pub async fn visible(tx: &TenantTx, actor: &Actor, ids: Vec<Uuid>) -> Result<Vec<Arc<AppointmentView>>, Failure> {
    load_appointments(tx, ids, &Sight::of(actor, Scope::Anywhere)?, Wanted::default()).await
}
