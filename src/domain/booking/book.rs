//! Books an appointment on somebody's behalf: at the desk, by telephone, by a program.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::{
    consume_hold,
    hold::outcome_id,
    input::{self, ClockPolicies, ItemInput},
    plan::{Rules, WantedItem},
    record::{self, ChangeKind, Happened, NewAppointment},
    secure::{self, Outrun, Tried, Turn},
    slot::SlotToken,
    status::AppointmentStatus,
};
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{
        centre::{
            model::{Branch, CentreProfile, OperatingMode},
            query,
        },
        change::Changes,
        cx::Cx,
        facts::{Facts, facts, masked, text},
        idempotency::{Claim, Receipt},
        notifications::{self, AppointmentTimes},
        patients::{
            booked::{self, BookedPatient},
            input::PatientInput,
        },
        refusal::{Code, Failure, Refusal},
        time::{GapPolicy, OverlapPolicy},
    },
};

/// Longest text of notes and reasons.
pub const MAX_TEXT: usize = 2_000;

/// Why a text cannot be kept, if it cannot: it is too long, or holds the one character that PostgreSQL has no room for.
pub(super) fn text_refusal(field: &str, text: &str, longest: usize) -> Option<Refusal> {
    if text.chars().count() > longest {
        return Some(Refusal::invalid(field, format!("at most {longest} characters")));
    }
    text.contains('\0').then(|| Refusal::invalid(field, "a text cannot hold the character U+0000"))
}

/// For whom.
#[derive(Clone, Debug, Serialize)]
pub enum PatientChoice {
    /// A patient of the centre.
    Known(Uuid),
    /// Typed in now.
    New(Box<PatientInput>),
}

/// An appointment to book.
#[derive(Clone, Debug, Serialize)]
pub struct Book {
    /// Of the client.
    #[serde(skip)]
    pub key: Uuid,
    /// Where.
    pub branch: Uuid,
    /// For whom.
    pub patient: Option<PatientChoice>,
    /// What and when; empty when a hold or a slot says it.
    pub items: Vec<ItemInput>,
    /// The hold that becomes the appointment.
    pub hold: Option<Uuid>,
    /// A slot as `availability` gave it.
    pub slot_token: Option<String>,
    /// `STAFF`, `PHONE` …
    pub channel: String,
    /// For the patient too.
    pub notes: Option<String>,
    /// On top of others.
    pub overbook: bool,
    /// Why.
    pub overbook_reason: Option<String>,
    /// Wall times that do not exist.
    #[serde(skip)]
    pub gap: GapPolicy,
    /// Wall times that exist twice.
    #[serde(skip)]
    pub overlap: OverlapPolicy,
    /// Whether a confirmation is mailed.
    pub send_confirmation: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Booked {
    /// The appointment.
    pub id: Uuid,
    /// Whether it had been booked before with the same key.
    pub replayed: bool,
    /// What the desk should know; nothing of it was in the way.
    pub warnings: Vec<Refusal>,
}

/// Books. Everything the appointment takes is taken together or not at all.
///
/// # Errors
/// Every refusal of the contract; faults.
pub async fn run(cx: &Cx, actor: &Actor, book: Book) -> Result<Booked, Failure> {
    actor.require(Permission::AgendaWrite, Scope::Branch(book.branch))?;
    check(actor, &book, cx.now())?;
    let booked = secure::in_rounds(cx, actor, "items", |turn| attempt(cx, actor, &book, turn)).await;
    // The items are the slot's then, and who sent its token knows of none.
    if book.slot_token.is_some() { booked.map_err(|failure| failure.at_instead("items", "slotToken")) } else { booked }
}

fn check(actor: &Actor, book: &Book, now: DateTime<Utc>) -> Result<(), Failure> {
    let mut refusals = Vec::new();
    match &book.patient {
        None => refusals.push(Refusal::required("patientId", "say for whom: patientId or newPatient")),
        Some(PatientChoice::New(new)) => refusals.extend(booked::refusals(new, "newPatient", now)),
        Some(PatientChoice::Known(_)) => {}
    }
    refusals.extend(overbook_refusals(actor, book.branch, book.overbook, book.overbook_reason.as_deref()));
    refusals.extend(book.notes.as_ref().and_then(|notes| text_refusal("notes", notes, MAX_TEXT)));
    if book.hold.is_some() && book.slot_token.is_some() {
        refusals.push(Refusal::invalid("slotToken", "give holdId or slotToken, not both"));
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals.into()) }
}

/// What is wrong with putting something on top of others: that takes a permission, and a reason that the trail keeps.
pub(super) fn overbook_refusals(actor: &Actor, branch: Uuid, overbook: bool, reason: Option<&str>) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    if overbook && !actor.may(Permission::AgendaOverbook, Scope::Branch(branch)) {
        refusals.push(Refusal::new(Code::OverbookNotAllowed, "you may not overbook").at("overbook"));
    }
    if overbook && reason.is_none_or(|reason| reason.trim().is_empty()) {
        refusals.push(Refusal::required("overbookReason", "say why it has to be on top of others"));
    }
    refusals.extend(reason.and_then(|reason| text_refusal("overbookReason", reason, MAX_TEXT)));
    refusals
}

async fn attempt(cx: &Cx, actor: &Actor, book: &Book, turn: Turn) -> Result<Tried<Booked>, Failure> {
    let now = cx.now();
    let receipt =
        Receipt::new(actor, "bookAppointment", book.key, &(book, format!("{:?}{:?}", book.gap, book.overlap)))?;
    let tx = cx.write(actor).await?;
    if let Claim::Done(outcome) = receipt.claim(&tx, now).await? {
        let id = outcome_id(&outcome)?;
        let warnings = elsewhere(&tx, id).await?;
        tx.commit().await?;
        let booked = Booked { id, replayed: true, warnings };
        return Ok(Tried::Done(booked));
    }
    let mut changes = Changes::by(actor);
    let id = match book.hold {
        Some(hold) => {
            let patient = choose_patient(cx, &tx, book, &mut changes).await?;
            let terms = consume_hold::Terms {
                branch: Some(book.branch),
                online: false,
                channel: Some(&book.channel),
                notes: book.notes.as_deref(),
                send_confirmation: book.send_confirmation,
                action: "bookAppointment",
            };
            consume_hold::in_tx(cx, &tx, hold, &patient, &terms, &mut changes).await?;
            hold
        }
        None => match insert(cx, actor, &tx, book, turn, &mut changes).await? {
            Tried::Done(id) => id,
            Tried::Outrun(outrun) => {
                tx.rollback().await?;
                return Ok(Tried::Outrun(outrun));
            }
            Tried::Taken(taken) => {
                tx.rollback().await?;
                return Ok(Tried::Taken(taken));
            }
        },
    };
    let warnings = elsewhere(&tx, id).await?;
    receipt.keep(&tx, json!({ "appointment": id })).await?;
    cx.commit(tx, changes).await?;
    metrics::counter!("horae_bookings_total", "channel" => book.channel.clone()).increment(1);
    Ok(Tried::Done(Booked { id, replayed: false, warnings }))
}

async fn insert(
    cx: &Cx,
    actor: &Actor,
    tx: &TenantTx,
    book: &Book,
    turn: Turn,
    changes: &mut Changes,
) -> Result<Tried<Uuid>, Failure> {
    let now = cx.now();
    let branch = query::hold_branch(tx, book.branch).await?.ok_or_else(|| Refusal::not_found("branchId"))?;
    if !branch.active {
        return Err(Refusal::invalid("branchId", "this branch is closed").into());
    }
    let profile = query::profile(tx).await?;
    let wanted = wanted(cx, actor, tx, book, &branch, &profile).await?;
    let rules = Rules { mode: profile.operating_mode, moving: None, overbook: book.overbook, online: false };
    let plan = match secure::plan_now(tx, &branch, &wanted, rules, turn, now).await? {
        Ok(plan) => plan,
        Err(taken) => return Ok(Tried::Taken(taken)),
    };
    let patient = choose_patient(cx, tx, book, changes).await?;
    let id = cx.new_id();
    let new = NewAppointment {
        id,
        branch: &branch,
        patient: Some(patient.id),
        status: AppointmentStatus::Booked,
        channel: &book.channel,
        overbook_reason: book.overbook_reason.as_deref().filter(|_| book.overbook),
        notes: book.notes.as_deref(),
        hold_expires_at: None,
        send_confirmation: book.send_confirmation,
        now,
    };
    if !record::insert(tx, &new, &plan).await? {
        return Ok(Tried::Outrun(Box::new(Outrun { branch, wanted, rules, plan })));
    }
    patient.keep_contact(tx, id).await?;
    let times = AppointmentTimes {
        id,
        revision: 0,
        start: plan.start,
        previous_start: None,
        only_time_changed: false,
        patient_email: patient.mail_address().map(str::to_owned),
        send_confirmation: book.send_confirmation,
        booked_at: now,
    };
    notifications::on_booked(cx, tx, &branch, &times).await?;
    super::quota::count_appointment(cx, tx, actor, &profile).await?;
    changes.push(
        Happened {
            event: "appointment.booked",
            action: "bookAppointment",
            id,
            branch: branch.id,
            kind: ChangeKind::Created,
            status: AppointmentStatus::Booked,
            previous: None,
            channel: &book.channel,
            start: plan.start,
            resources: &plan.resources(),
            reason: new.overbook_reason.map(str::to_owned),
            before: Facts::default(),
            after: plan.facts().and(facts!({
                "branchId": branch.id,
                "patientId": patient.id,
                "channel": text(&book.channel),
                "overbooked": new.overbook_reason.is_some(),
                "notes": masked(&book.notes),
                "sendConfirmation": book.send_confirmation,
            })),
        }
        .into(),
    );
    Ok(Tried::Done(id))
}

async fn wanted(
    cx: &Cx,
    actor: &Actor,
    tx: &TenantTx,
    book: &Book,
    branch: &Branch,
    profile: &CentreProfile,
) -> Result<Vec<WantedItem>, Failure> {
    if let Some(word) = &book.slot_token {
        let slot = SlotToken::open(&cx.seal, word, actor.tenant.id.0, cx.now())
            .filter(|slot| slot.branch == branch.id)
            .ok_or_else(|| {
                Refusal::new(Code::TokenInvalid, "this slot is not valid any more; ask for availability again")
                    .at("slotToken")
            })?;
        return input::from_slot(tx, &slot.items).await;
    }
    require_named(&book.items, profile.operating_mode)?;
    let policies = ClockPolicies { gap: book.gap, overlap: book.overlap };
    input::from_person(tx, branch, &book.items, policies, &[], cx.now()).await
}

/// The centre's way of working says what must be named.
pub(super) fn require_named(items: &[ItemInput], mode: OperatingMode) -> Result<(), Failure> {
    let missing: Vec<Refusal> = items
        .iter()
        .enumerate()
        .filter_map(|(at, item)| match mode {
            OperatingMode::ByProfessional if item.professional.is_none() => Some(Refusal::required(
                &format!("items.{at}.professionalId"),
                "this centre books by professional: say with whom",
            )),
            OperatingMode::ByRoom if item.room.is_none() => {
                Some(Refusal::required(&format!("items.{at}.roomId"), "this centre books by room: say where"))
            }
            _ => None,
        })
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(missing.into()) }
}

async fn choose_patient(cx: &Cx, tx: &TenantTx, book: &Book, changes: &mut Changes) -> Result<BookedPatient, Failure> {
    match &book.patient {
        Some(PatientChoice::Known(id)) => booked::get(tx, *id, "patientId").await,
        Some(PatientChoice::New(new)) => booked::find_or_create(cx, tx, new, "newPatient", changes).await,
        None => Err(Refusal::required("patientId", "say for whom: patientId or newPatient").into()),
    }
}

/// One patient is not in two places at once: worth a warning, but the desk may know better.
pub(super) async fn elsewhere(tx: &TenantTx, id: Uuid) -> Result<Vec<Refusal>, Failure> {
    let codes: Vec<String> = tx
        .scalars(
            "SELECT other.code FROM appointments mine JOIN appointments other
                 ON other.patient_id = mine.patient_id AND other.id <> mine.id
                 AND other.start_at < mine.end_at AND other.end_at > mine.start_at AND other.start_at > mine.start_at - interval '24 hours'
             WHERE mine.id = $1 AND other.status NOT IN ('CANCELLED', 'EXPIRED', 'REJECTED', 'NO_SHOW')
             ORDER BY other.start_at LIMIT 5",
            [id.into()],
        )
        .await?;
    Ok(codes
        .into_iter()
        .map(|code| Refusal::invalid("patientId", format!("the patient has another appointment at that time: {code}")))
        .collect())
}
