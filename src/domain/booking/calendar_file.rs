//! One appointment as a calendar file behind a link that needs no login. The word in the link is sealed for this one
//! appointment and nothing else: no row is written for it, it is the same at every reading, and it ends with the visit.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::status::AppointmentStatus;
use crate::{
    auth::SealedKind,
    db::Tenant,
    domain::{
        cx::Cx,
        identity::capability,
        notifications::{
            calendar_domain,
            content::{self, AppointmentContent},
        },
        refusal::Failure,
    },
};

/// The link holds until so long after the appointment's end, wherever that was moved to.
const KEPT: TimeDelta = TimeDelta::days(1);

/// An appointment about to be written as a calendar.
#[derive(Clone, Debug)]
pub struct CalendarFile {
    /// What it tells.
    pub content: AppointmentContent,
    /// What makes its id worldwide unique; the same as in its mails.
    pub id_domain: String,
    /// When it was read.
    pub read_at: DateTime<Utc>,
    status: AppointmentStatus,
}

impl CalendarFile {
    /// Whether calendars are to take the event out.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.status.is_called_off()
    }
}

/// Whether an appointment has a file now: a hold is nobody's appointment yet.
fn has_file(status: AppointmentStatus, end: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    !matches!(status, AppointmentStatus::Held | AppointmentStatus::Expired) && now < end + KEPT
}

/// Where the file of an appointment is, while it has one.
#[must_use]
pub fn address(
    cx: &Cx,
    tenant: &Tenant,
    appointment: Uuid,
    status: AppointmentStatus,
    end: DateTime<Utc>,
) -> Option<String> {
    has_file(status, end, cx.now()).then(|| {
        let body = [tenant.key.to_be_bytes().as_slice(), appointment.as_bytes()].concat();
        format!("{}/e/{}.ics", cx.public_url, cx.seal.seal(SealedKind::CalendarFile, &body))
    })
}

/// Reads the file that a link's word opens. None, without a difference: no word of ours, of a closed centre, of an
/// appointment that is gone or long over.
///
/// # Errors
/// Faults of the database.
pub async fn run(cx: &Cx, word: &str, request_id: &str) -> Result<Option<CalendarFile>, Failure> {
    let Some((key, appointment)) = open(cx, word) else { return Ok(None) };
    let Some(tenant) = cx.db.find_tenant_by_key(key).await? else { return Ok(None) };
    let tx = match cx.read(&capability::holder(&tenant, request_id)).await {
        Err(Failure::Refused(_)) => return Ok(None),
        begun => begun?,
    };
    let content = content::of_appointment(&tx, appointment).await?;
    tx.commit().await?;
    let Some(content) = content else { return Ok(None) };
    let (status, now) = (AppointmentStatus::parse(&content.status)?, cx.now());
    let id_domain = calendar_domain(cx, &tenant);
    Ok(has_file(status, content.end, now).then_some(CalendarFile { content, id_domain, read_at: now, status }))
}

fn open(cx: &Cx, word: &str) -> Option<(i32, Uuid)> {
    let body = cx.seal.open(SealedKind::CalendarFile, word)?;
    let (key, appointment) = body.split_first_chunk()?;
    Some((i32::from_be_bytes(*key), Uuid::from_slice(appointment).ok()?))
}
