//! What a use case answers when it does not do what it was asked: one closed vocabulary for the whole product.
//!
//! A [`Refusal`] is data for the client, who can act on it. Everything else is a [`Failure::Fault`]: logged, and shown
//! as nothing but a request id.

use chrono::{DateTime, FixedOffset, NaiveDateTime, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use super::{booking::slot::Slot, time::LocalTimeError};
use crate::{auth::Denied, db::DbError, files::FilesError};

/// Why. The words are the API's `ErrorCode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the API describes each")]
pub enum Code {
    Invalid,
    Required,
    NotFound,
    Forbidden,
    AlreadyExists,
    SlotTaken,
    OutsideAvailability,
    NoticeTooShort,
    OverbookNotAllowed,
    InvalidTransition,
    VersionConflict,
    IdempotencyKeyReused,
    Expired,
    CurrencyMismatch,
    NonexistentLocalTime,
    AmbiguousLocalTime,
    QuotaExceeded,
    TenantInMaintenance,
    TokenInvalid,
    TokenUsed,
    FileTooLarge,
    FileTypeNotAllowed,
}

/// What a client needs besides code and message to act.
#[derive(Clone, Debug, Default)]
pub enum Detail {
    /// Nothing.
    #[default]
    None,
    /// Who was busy, and what is free.
    SlotTaken {
        /// Busy resources.
        conflicting: Vec<Uuid>,
        /// Free slots nearby, soonest first.
        alternatives: Vec<Slot>,
    },
    /// The state machine has no such step.
    Transition {
        /// Where it is.
        from: String,
        /// Where it was to go.
        to: String,
        /// Where it can go.
        allowed: Vec<String>,
    },
    /// Somebody else changed it first.
    Version {
        /// The version it has now.
        current: i32,
    },
    /// The clock jumps over this wall time.
    Nonexistent {
        /// Asked for.
        requested: NaiveDateTime,
        /// Where.
        zone: Tz,
        /// First time after the gap.
        next_valid: DateTime<FixedOffset>,
    },
    /// The clock shows this wall time twice.
    Ambiguous {
        /// Asked for.
        requested: NaiveDateTime,
        /// Where.
        zone: Tz,
        /// Both.
        candidates: Vec<DateTime<FixedOffset>>,
    },
    /// So many are allowed, so many there are.
    Quota {
        /// Its name.
        quota: String,
        /// Allowed.
        limit: i32,
        /// There are.
        used: i32,
        /// When it starts again.
        resets_at: Option<DateTime<Utc>>,
    },
}

/// One thing that is wrong with what the client asked for.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Why.
    pub code: Code,
    /// For people; says what to do.
    pub message: String,
    /// Path into the input.
    pub field: Option<Vec<String>>,
    /// More, by code.
    pub detail: Detail,
}

impl Refusal {
    /// A refusal that names no field.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, detail: Detail::None }
    }

    /// A wall time that its zone's clock never shows, or shows twice.
    #[must_use]
    pub fn local_time(error: LocalTimeError, message: impl Into<String>) -> Self {
        let (code, detail) = match error {
            LocalTimeError::Nonexistent { requested, zone, next_valid } => (
                Code::NonexistentLocalTime,
                Detail::Nonexistent { requested, zone, next_valid: next_valid.fixed_offset() },
            ),
            LocalTimeError::Ambiguous { requested, zone, candidates } => {
                let candidates = candidates.iter().map(DateTime::fixed_offset).collect();
                (Code::AmbiguousLocalTime, Detail::Ambiguous { requested, zone, candidates })
            }
        };
        Self { detail, ..Self::new(code, message) }
    }

    /// A value that is not acceptable. `field` is a dotted path into the input.
    #[must_use]
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::new(Code::Invalid, message).at(field)
    }

    /// A value that is missing.
    #[must_use]
    pub fn required(field: &str, message: impl Into<String>) -> Self {
        Self::new(Code::Required, message).at(field)
    }

    /// There is no such thing, or not for this caller: the answer is the same.
    #[must_use]
    pub fn not_found(field: &str) -> Self {
        Self::new(Code::NotFound, "not found").at(field)
    }

    /// Somebody else changed it first.
    #[must_use]
    pub fn version_conflict(current: i32) -> Self {
        let message =
            format!("it has been changed meanwhile; read it again (version {current}) and repeat your change");
        Self { detail: Detail::Version { current }, ..Self::new(Code::VersionConflict, message).at("version") }
    }

    /// The same refusal at a dotted path into the input.
    #[must_use]
    pub fn at(mut self, field: &str) -> Self {
        self.field = Some(field.split('.').map(str::to_owned).collect());
        self
    }
}

/// Why a use case did not happen.
#[derive(Debug)]
pub enum Failure {
    /// The client asked for something it cannot have; nothing was changed.
    Refused(Vec<Refusal>),
    /// Something broke; nothing was changed.
    Fault(Fault),
}

/// Something broke on our side.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// PostgreSQL.
    #[error("database fault")]
    Db(#[from] DbError),
    /// The file store.
    #[error("fault of the file store")]
    Files(#[from] FilesError),
    /// Anything else, in words for the log.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// A fault in words for the log.
    #[must_use]
    pub fn fault(what: impl Into<String>) -> Self {
        Self::Fault(Fault::Other(what.into()))
    }

    /// The same, for who sent the field `to` where others send `from`: what is refused at `from` or within it, is
    /// refused at `to`.
    #[must_use]
    pub fn at_instead(self, from: &str, to: &str) -> Self {
        let there =
            |refusal: &Refusal| refusal.field.as_ref().and_then(|path| path.first()).is_some_and(|at| at == from);
        let moved = |refusal: Refusal| if there(&refusal) { refusal.at(to) } else { refusal };
        match self {
            Self::Refused(refusals) => Self::Refused(refusals.into_iter().map(moved).collect()),
            Self::Fault(fault) => Self::Fault(fault),
        }
    }

    /// Whether the same transaction may simply be run again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Fault(Fault::Db(error)) if error.is_retryable())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(vec![refusal])
    }
}

impl From<Vec<Refusal>> for Failure {
    fn from(refusals: Vec<Refusal>) -> Self {
        Self::Refused(refusals)
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        // U+0000 is text everywhere but in PostgreSQL. Use cases name the field where they look; this is for the rest.
        if matches!(error.sqlstate().as_deref(), Some("22021" | "22P05")) {
            return Refusal::new(Code::Invalid, "a text holds the character U+0000, which cannot be kept").into();
        }
        // Characters that are many when they are written out (㌖) pass limits that count them as typed.
        if error.sqlstate().as_deref() == Some("54000") {
            return Refusal::new(Code::Invalid, "a text is longer than can be kept or searched for").into();
        }
        Self::Fault(Fault::Db(error))
    }
}

impl From<FilesError> for Failure {
    fn from(error: FilesError) -> Self {
        Self::Fault(Fault::Files(error))
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        Self::Refused(vec![Refusal::new(
            Code::Forbidden,
            format!("you need the permission {} for this", denied.0.as_str()),
        )])
    }
}
