//! Capability tokens: a secret word that opens *one* thing for *one* purpose, a limited number of times, for a limited
//! time, without a login. Links in mails are such words, calendar feeds, downloads. One statement uses a token up, so
//! the count is exact on any number of nodes; only a hash of the word is stored; the word names its tenant.

mod authorise;
pub mod find;
pub mod issue;
pub mod redeem;
pub mod revoke;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{
    auth::{Actor, ActorKind, PermissionSet, alarm, token_hash, word},
    db::{Tenant, TenantId, TenantTx},
    domain::{
        cx::Cx,
        refusal::{Code, Failure, Refusal},
    },
};

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the API describes each")]
pub enum Purpose {
    AppointmentManage,
    AppointmentConfirm,
    FileDownload,
    FileUpload,
    QuoteView,
    Unsubscribe,
    CalendarFeed,
    DataAccess,
    PasswordReset,
    Invite,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 10] = [
        Self::AppointmentManage,
        Self::AppointmentConfirm,
        Self::FileDownload,
        Self::FileUpload,
        Self::QuoteView,
        Self::Unsubscribe,
        Self::CalendarFeed,
        Self::DataAccess,
        Self::PasswordReset,
        Self::Invite,
    ];

    /// The word in the database and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AppointmentManage => "APPOINTMENT_MANAGE",
            Self::AppointmentConfirm => "APPOINTMENT_CONFIRM",
            Self::FileDownload => "FILE_DOWNLOAD",
            Self::FileUpload => "FILE_UPLOAD",
            Self::QuoteView => "QUOTE_VIEW",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::CalendarFeed => "CALENDAR_FEED",
            Self::DataAccess => "DATA_ACCESS",
            Self::PasswordReset => "PASSWORD_RESET",
            Self::Invite => "INVITE",
        }
    }

    /// The purpose that the database's word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == word)
    }
}

/// The one thing that a token opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// An appointment.
    Appointment(Uuid),
    /// The agenda of a professional or room.
    Resource(Uuid),
    /// The agenda of a branch.
    Branch(Uuid),
}

impl Subject {
    /// Its id.
    #[must_use]
    pub fn id(self) -> Uuid {
        match self {
            Self::Appointment(id) | Self::Resource(id) | Self::Branch(id) => id,
        }
    }
}

/// Whether a token still opens anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the API describes each")]
pub enum Status {
    Issued,
    Used,
    Expired,
    Revoked,
}

/// A token, as who issued or redeemed it sees it.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration, the fields in the API")]
pub struct Capability {
    pub id: Uuid,
    pub purpose: Purpose,
    pub subject: Subject,
    pub max_uses: i32,
    pub uses: i32,
    pub expires_at: DateTime<Utc>,
    pub revoked: bool,
}

impl Capability {
    /// How it stands at this moment.
    #[must_use]
    pub fn status(&self, now: DateTime<Utc>) -> Status {
        if self.revoked {
            Status::Revoked
        } else if self.uses >= self.max_uses {
            Status::Used
        } else if self.expires_at <= now {
            Status::Expired
        } else {
            Status::Issued
        }
    }
}

/// A token to store.
pub struct NewToken<'a> {
    /// The secret word.
    pub word: &'a str,
    /// What for.
    pub purpose: Purpose,
    /// The thing it opens.
    pub resource: Uuid,
    /// How often.
    pub max_uses: i32,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

/// Stores tokens in one statement. A word that is there already, because a mail is written again, gets the new end.
///
/// # Errors
/// Faults of the database.
pub async fn put(cx: &Cx, tx: &TenantTx, tokens: &[NewToken<'_>]) -> Result<Vec<Uuid>, Failure> {
    let ids: Vec<Uuid> = tokens.iter().map(|_| cx.new_id()).collect();
    tx.run(
        "INSERT INTO capability_tokens (id, token_hash, purpose, resource_id, max_uses, expires_at, created_at)
         SELECT token.*, $7 FROM unnest($1::uuid[], $2::bytea[], $3::text[], $4::uuid[], $5::int[], $6::timestamptz[]) AS token
         ON CONFLICT (token_hash) DO UPDATE SET expires_at = EXCLUDED.expires_at",
        [
            ids.clone().into(),
            tokens.iter().map(|token| token_hash(token.word)).collect::<Vec<_>>().into(),
            tokens.iter().map(|token| token.purpose.as_str().to_owned()).collect::<Vec<_>>().into(),
            tokens.iter().map(|token| token.resource).collect::<Vec<_>>().into(),
            tokens.iter().map(|token| token.max_uses).collect::<Vec<_>>().into(),
            tokens.iter().map(|token| token.expires_at).collect::<Vec<_>>().into(),
            cx.now().into(),
        ],
    )
    .await?;
    Ok(ids)
}

/// The centre that a token says it is of; whether it really is one of the centre's is another question.
///
/// # Errors
/// Faults of the catalogue.
pub async fn tenant_of(cx: &Cx, token: &str) -> Result<Option<Arc<Tenant>>, Failure> {
    match word::route(word::CAPABILITY, token) {
        Some(key) => Ok(cx.db.find_tenant_by_key(key).await?),
        None => Ok(None),
    }
}

/// Somebody of whom nothing is known but the token: may do nothing besides.
#[must_use]
pub fn holder(tenant: &Arc<Tenant>, request_id: &str) -> Actor {
    Actor {
        kind: ActorKind::Patient,
        permissions: PermissionSet::default(),
        ..Actor::system(Arc::clone(tenant), "patient", request_id)
    }
}

/// A token that was just used once more.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Taken {
    /// Its id.
    pub id: Uuid,
    purpose: String,
    /// The thing it opens.
    pub resource_id: Uuid,
    /// How often it may be used.
    pub max_uses: i32,
    /// How often it has been, this time included.
    pub uses: i32,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct Row {
    used_up: bool,
    expired: bool,
}

/// Uses the token once more, if it is for one of these purposes and may be. The transaction decides whether it counts:
/// rolled back, the token is as it was. Who comes at the same time waits for the row and then sees what is left.
///
/// # Errors
/// TOKEN_INVALID, TOKEN_USED, EXPIRED; faults of the database.
pub async fn take(tx: &TenantTx, token: &str, purposes: &[Purpose], now: DateTime<Utc>) -> Result<Taken, Failure> {
    let hash = token_hash(token);
    let words: Vec<String> = purposes.iter().map(|purpose| purpose.as_str().to_owned()).collect();
    let taken: Option<Taken> = tx
        .find(
            "UPDATE capability_tokens SET uses = uses + 1
             WHERE token_hash = $1 AND purpose = ANY ($2) AND revoked_at IS NULL AND uses < max_uses AND expires_at > $3
             RETURNING id, purpose, resource_id, max_uses, uses, expires_at",
            [hash.clone().into(), words.clone().into(), now.into()],
        )
        .await?;
    if let Some(taken) = taken {
        return Ok(taken);
    }
    let row: Option<Row> = tx
        .find(
            "SELECT uses >= max_uses AS used_up, expires_at <= $3 AS expired FROM capability_tokens
             WHERE token_hash = $1 AND purpose = ANY ($2) AND revoked_at IS NULL",
            [hash.into(), words.into(), now.into()],
        )
        .await?;
    let tenant = Some(tx.tenant().id);
    Err(match row {
        Some(Row { used_up: true, .. }) => {
            refuse("used", tenant, Refusal::new(Code::TokenUsed, "this link has been used"))
        }
        Some(Row { expired: true, .. }) => expired(tenant),
        _ => invalid(tenant),
    })
}

/// An appointment whose beginning is another now.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    /// Which.
    pub appointment: Uuid,
    /// When it was to begin.
    pub from: DateTime<Utc>,
    /// When it begins.
    pub to: DateTime<Utc>,
}

/// Lets the links to appointments that have moved end at the new beginning, in one statement. One that was issued for less
/// time than until either beginning keeps its end. To be called when the mails have been moved: who is just sending one,
/// and storing its links, has been waited for by then.
///
/// # Errors
/// Faults of the database.
pub async fn follow(tx: &TenantTx, moved: &[Moved]) -> Result<(), Failure> {
    if moved.is_empty() {
        return Ok(());
    }
    tx.run(
        "UPDATE capability_tokens c SET expires_at = m.start_at
         FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS m (appointment_id, previous_start, start_at)
         WHERE c.resource_id = m.appointment_id AND c.purpose IN ('APPOINTMENT_CONFIRM', 'APPOINTMENT_MANAGE')
             AND (c.expires_at = m.previous_start OR c.expires_at > m.start_at)",
        [
            moved.iter().map(|one| one.appointment).collect::<Vec<_>>().into(),
            moved.iter().map(|one| one.from).collect::<Vec<_>>().into(),
            moved.iter().map(|one| one.to).collect::<Vec<_>>().into(),
        ],
    )
    .await?;
    Ok(())
}

/// Takes a use back: what the token was to open was not had.
///
/// # Errors
/// Faults of the database.
pub async fn give_back(tx: &TenantTx, id: Uuid) -> Result<(), Failure> {
    tx.run("UPDATE capability_tokens SET uses = uses - 1 WHERE id = $1 AND uses > 0", [id.into()]).await?;
    Ok(())
}

impl Taken {
    /// What for.
    ///
    /// # Errors
    /// A fault, when the database's word names no purpose.
    pub fn purpose(&self) -> Result<Purpose, Failure> {
        Purpose::parse(&self.purpose).ok_or_else(|| Failure::fault("a capability's purpose is unknown"))
    }
}

/// There is no such token, or it is for something else. `tenant` is the one that it names, if there is one.
#[must_use]
pub fn invalid(tenant: Option<TenantId>) -> Failure {
    refuse("invalid", tenant, Refusal::new(Code::TokenInvalid, "this link is not valid"))
}

/// Its time is over, or that of what it opens. `tenant` is the one that it names.
#[must_use]
pub fn expired(tenant: Option<TenantId>) -> Failure {
    refuse("expired", tenant, Refusal::new(Code::Expired, "this link has expired"))
}

fn refuse(reason: &'static str, tenant: Option<TenantId>, refusal: Refusal) -> Failure {
    alarm::capability_refused(reason, tenant);
    refusal.at("token").into()
}
