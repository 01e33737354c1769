//! Types of logins and callers.

use std::sync::Arc;

use async_graphql::{Enum, ID, Object, SimpleObject};

use super::{
    loader::UserKey,
    user::{User, permissions},
};
use crate::{
    auth, db,
    domain::identity::{Tokens, mfa::Challenge},
    schema::{
        centre::types::TenantSummary,
        error::{ApiError, UserError},
        id::Kind,
        request::Reader,
        scalar::Instant,
    },
};

/// One thing that a user may be allowed to do.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::auth::Permission")]
pub enum PermissionCode {
    /// See the agenda.
    AgendaRead,
    /// Book, move and end appointments.
    AgendaWrite,
    /// Book on top of another appointment, with a reason.
    AgendaOverbook,
    /// See the own column of the agenda.
    AgendaReadOwn,
    /// See patients.
    PatientRead,
    /// Create and change patients.
    PatientWrite,
    /// Merge patients that are one person.
    PatientMerge,
    /// Read clinical records.
    RecordRead,
    /// Write clinical records.
    RecordWrite,
    /// Sign record entries.
    RecordSign,
    /// Build record templates.
    RecordTemplate,
    /// See recipient lists and campaigns.
    CrmRead,
    /// Send campaigns.
    CrmSend,
    /// See finance.
    FinanceRead,
    /// Sell and take payments.
    FinanceSell,
    /// Refund payments.
    FinanceRefund,
    /// Open and close the cash register.
    CashOpenClose,
    /// Take cash out of the register.
    CashWithdraw,
    /// See everybody's commissions.
    CommissionReadAll,
    /// Settle commissions.
    CommissionSettle,
    /// See reports.
    ReportRead,
    /// Take data out by reports.
    ReportExport,
    /// Configure the centre.
    ConfigWrite,
    /// Administer users, roles and keys.
    UserAdmin,
    /// See work orders.
    WorkorderRead,
    /// Create and change work orders.
    WorkorderWrite,
    /// Assign work orders.
    WorkorderAssign,
    /// Carry out work orders.
    WorkorderExecute,
    /// Approve work orders.
    WorkorderApprove,
    /// Delete evidence.
    EvidenceDelete,
    /// Edit invested time.
    TimeEdit,
    /// Administer webhooks.
    WebhookAdmin,
    /// Read the audit trail.
    AuditRead,
    /// Write to the vendor's support.
    SupportAdmin,
}

/// A permission, and where it holds.
#[derive(SimpleObject, Clone, Debug)]
pub struct Permission {
    /// What.
    pub code: PermissionCode,
    /// In these branches; null: in every branch.
    pub branch_ids: Option<Vec<ID>>,
}

/// What kind of caller it is.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::auth::ActorKind")]
pub enum ActorKind {
    /// A user of the centre.
    User,
    /// A patient, by a link in a mail.
    Patient,
    /// A program with a key.
    ApiKey,
    /// Horae itself.
    System,
    /// Somebody who runs Horae.
    PlatformOperator,
}

/// Who did something.
#[derive(SimpleObject, Clone, Debug)]
pub struct Actor {
    /// What kind of caller.
    pub kind: ActorKind,
    /// The user, when it was one.
    pub id: Option<ID>,
    /// How to show it.
    pub display_name: String,
}

/// Whether a centre may be used.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::db::TenantStatus")]
pub enum TenantStatus {
    /// Being created.
    Provisioning,
    /// In use.
    Active,
    /// Can only be read at the moment.
    Maintenance,
    /// Closed.
    Disabled,
    /// Gone.
    Deleted,
}

/// A pair of tokens, or what is missing for one.
///
/// `mfaRequired` with an `mfaChallengeId`: the user has a second factor; both tokens are empty until `completeMfa`.
/// `mfaRequired` without one: a role of the user needs a second factor and there is none; the tokens can do nothing but
/// `enrolMfa`, `completeMfa`, `refreshSession` and `logout`.
#[derive(SimpleObject, Clone)]
pub struct AuthTokens {
    /// Send it as `Authorization: Bearer …`, and in `connection_init` of a WebSocket. Empty while a challenge waits.
    pub access_token: String,
    /// Until when the access token holds; while a challenge waits, until when it does.
    pub access_expires_at: Instant,
    /// Give it to `refreshSession` for the next pair; it is good for one use. Empty while a challenge waits.
    pub refresh_token: String,
    /// Until when the session lives without a refresh; while a challenge waits, until when it does.
    pub refresh_expires_at: Instant,
    /// Whether a second factor is still to be given or enrolled.
    pub mfa_required: bool,
    /// Give it to `completeMfa` with a code; null when no challenge waits.
    pub mfa_challenge_id: Option<ID>,
}

impl AuthTokens {
    /// No tokens yet: a challenge waits for its code.
    #[must_use]
    pub fn waiting(challenge: Challenge) -> Self {
        let until = Instant::utc(challenge.expires_at);
        Self {
            access_token: String::new(),
            access_expires_at: until,
            refresh_token: String::new(),
            refresh_expires_at: until,
            mfa_required: true,
            mfa_challenge_id: Some(ID(challenge.id)),
        }
    }
}

impl From<Tokens> for AuthTokens {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access,
            access_expires_at: Instant::utc(tokens.access_expires_at),
            refresh_token: tokens.refresh,
            refresh_expires_at: Instant::utc(tokens.refresh_expires_at),
            mfa_required: false,
            mfa_challenge_id: None,
        }
    }
}

/// Who is calling.
#[derive(Clone, Debug)]
pub struct Viewer(pub Arc<Reader>);

/// Who is calling, for which centre, with which rights.
#[Object]
impl Viewer {
    /// The caller.
    async fn actor(&self) -> Actor {
        actor(&self.0, self.0.actor.kind, self.0.actor.id, &self.0.actor.name)
    }

    /// The caller as a user; null for programs.
    async fn user(&self) -> Option<Result<User, ApiError>> {
        let reader = &self.0;
        let id = reader.actor.id.filter(|_| reader.actor.kind == auth::ActorKind::User)?;
        match reader.loader.load_one(UserKey(id)).await {
            Ok(user) => user.map(|user| Ok(User::new(Arc::clone(reader), user))),
            Err(failure) => Some(Err(failure.into())),
        }
    }

    /// The centre that every read and change is in.
    async fn tenant(&self) -> Result<TenantSummary, ApiError> {
        TenantSummary::load(&self.0).await
    }

    /// What the caller may do, and where.
    async fn permissions(&self) -> Vec<Permission> {
        permissions(&self.0, self.0.actor.permissions, self.0.actor.branches.as_deref())
    }
}

/// The API's form of an actor.
#[must_use]
pub fn actor(reader: &Reader, kind: auth::ActorKind, id: Option<uuid::Uuid>, name: &str) -> Actor {
    let global = match kind {
        auth::ActorKind::User => id.map(|id| reader.ids.encode(Kind::User, id)),
        auth::ActorKind::ApiKey => id.map(|id| reader.ids.encode(Kind::ApiKey, id)),
        auth::ActorKind::Patient => id.map(|id| reader.ids.encode(Kind::Patient, id)),
        auth::ActorKind::System | auth::ActorKind::PlatformOperator => None,
    };
    Actor { kind: kind.into(), id: global, display_name: name.to_owned() }
}

/// The API's form of a tenant's status.
#[must_use]
pub fn tenant_status(status: db::TenantStatus) -> TenantStatus {
    status.into()
}

/// Answer of `login`, `completeMfa` and `refreshSession`.
#[derive(SimpleObject)]
pub struct LoginPayload {
    /// The tokens, when the login succeeded.
    pub tokens: Option<AuthTokens>,
    /// Who logged in.
    pub viewer: Option<Viewer>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Answer of `logout`.
#[derive(SimpleObject)]
pub struct LogoutPayload {
    /// Whether the session is over now.
    pub ok: bool,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}
