//! What the page behind a mail's link shows: what the link is for, how things stand, and the visit it is about. Reading
//! does not use the link up, because mail scanners follow links too.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::status::AppointmentStatus;
use crate::{
    auth::{alarm, token_hash},
    db::{Tenant, TenantStatus},
    domain::{
        cx::Cx,
        identity::capability,
        notifications::content::{self, AppointmentContent},
        refusal::{Code, Failure},
    },
};

/// The one thing a link does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Says that the patient comes.
    Confirm,
    /// Says that the patient does not come.
    Cancel,
}

/// Whether the link can do it now, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It can.
    Open,
    /// The appointment is confirmed already.
    Confirmed,
    /// The appointment is cancelled, or was not approved.
    Cancelled,
    /// The link has done its work, and the appointment was changed afterwards.
    Used,
    /// The link's time is over.
    Expired,
    /// The branch wants to know of cancellations earlier than this.
    TooLate,
    /// The appointment is in a state that patients do not change.
    Closed,
    /// Nothing can be changed in the centre at the moment.
    Maintenance,
}

/// Whom to ask.
#[derive(Clone, Debug)]
pub struct Contact {
    /// The name that patients know.
    pub centre: String,
    /// BCP 47 tag of the centre's language.
    pub locale: String,
    /// Of the branch.
    pub phone: Option<String>,
    /// Of the branch.
    pub email: Option<String>,
}

/// What, when and where; whom it is for stays in the mail.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The short code that is asked for on the telephone.
    pub code: String,
    /// Start.
    pub start: DateTime<Utc>,
    /// End.
    pub end: DateTime<Utc>,
    /// On whose clock.
    pub zone: Tz,
    /// Name of the branch.
    pub branch: String,
    /// Its address, line by line.
    pub address: Vec<String>,
    /// What is done and by whom.
    pub items: Vec<content::ContentItem>,
}

/// A link as it stands.
#[derive(Clone, Debug)]
pub struct LinkView {
    /// What it is for.
    pub purpose: Purpose,
    /// Whether it can be done.
    pub standing: Standing,
    /// Whom to ask.
    pub contact: Contact,
    /// What it is about; nothing once the link has expired.
    pub visit: Option<Visit>,
}

#[derive(FromQueryResult)]
struct Row {
    purpose: String,
    appointment: Uuid,
    used_up: bool,
    expires_at: DateTime<Utc>,
    status: String,
    start_at: DateTime<Utc>,
    min_cancel_notice_s: i32,
}

/// Looks at a link. None: there is no such link, it was revoked, or the centre is closed.
///
/// # Errors
/// Faults of the database.
pub async fn run(cx: &Cx, token: &str, request_id: &str) -> Result<Option<LinkView>, Failure> {
    let tenant = capability::tenant_of(cx, token).await?;
    let found = match &tenant {
        Some(tenant) => find(cx, tenant, token, request_id).await?,
        None => None,
    };
    if found.is_none() {
        alarm::capability_refused("invalid", tenant.map(|tenant| tenant.id));
    }
    Ok(found)
}

async fn find(cx: &Cx, tenant: &Arc<Tenant>, token: &str, request_id: &str) -> Result<Option<LinkView>, Failure> {
    let tx = match cx.read(&capability::holder(tenant, request_id)).await {
        Err(Failure::Refused(_)) => return Ok(None),
        begun => begun?,
    };
    let row: Option<Row> = tx
        .find(
            "SELECT c.purpose, a.id AS appointment, c.uses >= c.max_uses AS used_up, c.expires_at, a.status, a.start_at,
                 b.min_cancel_notice_s
             FROM capability_tokens c JOIN appointments a ON a.id = c.resource_id JOIN branches b ON b.id = a.branch_id
             WHERE c.token_hash = $1 AND c.revoked_at IS NULL",
            [token_hash(token).into()],
        )
        .await?;
    let content = match &row {
        Some(row) => content::of_appointment(&tx, row.appointment).await?,
        None => None,
    };
    tx.commit().await?;
    let (Some(row), Some(content)) = (row, content) else { return Ok(None) };
    let purpose = match capability::Purpose::parse(&row.purpose) {
        Some(capability::Purpose::AppointmentConfirm) => Purpose::Confirm,
        Some(capability::Purpose::AppointmentManage) => Purpose::Cancel,
        _ => return Ok(None),
    };
    let mut standing = row.standing(purpose, cx.now())?;
    if standing == Standing::Open && tenant.status == TenantStatus::Maintenance {
        standing = Standing::Maintenance;
    }
    Ok(Some(LinkView::new(purpose, standing, content)))
}

impl Row {
    fn standing(&self, purpose: Purpose, now: DateTime<Utc>) -> Result<Standing, Failure> {
        use AppointmentStatus as S;
        if self.expires_at.min(self.start_at) <= now {
            return Ok(Standing::Expired);
        }
        let status = AppointmentStatus::parse(&self.status)?;
        Ok(match (status, purpose) {
            (S::Cancelled | S::Rejected, _) => Standing::Cancelled,
            (S::Confirmed, Purpose::Confirm) => Standing::Confirmed,
            _ if self.used_up => Standing::Used,
            (S::Booked, Purpose::Confirm) => Standing::Open,
            (S::PendingApproval | S::Booked | S::Confirmed, Purpose::Cancel) => {
                let notice = Duration::seconds(i64::from(self.min_cancel_notice_s));
                if now + notice > self.start_at { Standing::TooLate } else { Standing::Open }
            }
            _ => Standing::Closed,
        })
    }
}

impl Standing {
    /// What a refusal of [`super::patient_link::run`] says about the link; none: nothing.
    #[must_use]
    pub fn of_refusal(code: Code) -> Option<Self> {
        Some(match code {
            Code::TokenUsed => Self::Used,
            Code::Expired => Self::Expired,
            Code::NoticeTooShort => Self::TooLate,
            Code::InvalidTransition => Self::Closed,
            Code::TenantInMaintenance => Self::Maintenance,
            _ => return None,
        })
    }
}

impl LinkView {
    fn new(purpose: Purpose, standing: Standing, content: AppointmentContent) -> Self {
        let visit = (standing != Standing::Expired).then_some(Visit {
            code: content.code,
            start: content.start,
            end: content.end,
            zone: content.branch_zone,
            branch: content.branch_name,
            address: content.branch_address,
            items: content.items,
        });
        let contact = Contact {
            centre: content.centre_name,
            locale: content.centre_locale,
            phone: content.branch_phone,
            email: content.branch_email,
        };
        Self { purpose, standing, contact, visit }
    }
}
