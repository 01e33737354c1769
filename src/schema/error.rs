//! From the domain's refusals to the API's errors: data in a payload where the client can act, top-level errors with a
//! closed set of `extensions.code` where it cannot.

use std::sync::Arc;

use async_graphql::{Enum, ErrorExtensions, ID, InputType, Interface, SimpleObject};

use super::{
    booking::types::Slot,
    id::Kind,
    request::Reader,
    scalar::{Decimal, Instant, LocalDateTime, TimeZone},
};
use crate::{
    db::with_causes,
    domain::refusal::{Code, Detail, Failure, Fault, Refusal},
    telemetry::operation,
};

/// Why a request was refused.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// A value is not acceptable; `field` names it.
    Invalid,
    /// A value is missing; `field` names it.
    Required,
    /// There is no such thing, or you may not see it.
    NotFound,
    /// You lack the permission.
    Forbidden,
    /// Something with this name, address or number exists already.
    AlreadyExists,
    /// Somebody or something needed is busy then.
    SlotTaken,
    /// Outside working hours, or blocked.
    OutsideAvailability,
    /// Too close to the start.
    NoticeTooShort,
    /// Overbooking needs a permission and a reason, and is never possible online.
    OverbookNotAllowed,
    /// The state machine has no such step.
    InvalidTransition,
    /// Somebody changed it since you read it.
    VersionConflict,
    /// The idempotency key was used for a different input.
    IdempotencyKeyReused,
    /// A balance does not suffice.
    InsufficientBalance,
    /// There is not enough in stock.
    InsufficientStock,
    /// No mail credits are left.
    CreditsExhausted,
    /// It is over: a hold, a link, a token.
    Expired,
    /// The cash session is closed.
    CashSessionClosed,
    /// The register has an open session already.
    CashSessionAlreadyOpen,
    /// Amounts of two currencies do not mix.
    CurrencyMismatch,
    /// The clock jumps over this wall time.
    NonexistentLocalTime,
    /// The clock shows this wall time twice.
    AmbiguousLocalTime,
    /// More than is allowed.
    QuotaExceeded,
    /// The centre can only be read at the moment.
    TenantInMaintenance,
    /// The token is not one of ours, or not for this.
    TokenInvalid,
    /// The token has been used.
    TokenUsed,
    /// The file is too large.
    FileTooLarge,
    /// Files of this type are not accepted.
    FileTypeNotAllowed,
}

impl From<Code> for ErrorCode {
    fn from(code: Code) -> Self {
        match code {
            Code::Invalid => Self::Invalid,
            Code::Required => Self::Required,
            Code::NotFound => Self::NotFound,
            Code::Forbidden => Self::Forbidden,
            Code::AlreadyExists => Self::AlreadyExists,
            Code::SlotTaken => Self::SlotTaken,
            Code::OutsideAvailability => Self::OutsideAvailability,
            Code::NoticeTooShort => Self::NoticeTooShort,
            Code::OverbookNotAllowed => Self::OverbookNotAllowed,
            Code::InvalidTransition => Self::InvalidTransition,
            Code::VersionConflict => Self::VersionConflict,
            Code::IdempotencyKeyReused => Self::IdempotencyKeyReused,
            Code::Expired => Self::Expired,
            Code::CurrencyMismatch => Self::CurrencyMismatch,
            Code::NonexistentLocalTime => Self::NonexistentLocalTime,
            Code::AmbiguousLocalTime => Self::AmbiguousLocalTime,
            Code::QuotaExceeded => Self::QuotaExceeded,
            Code::TenantInMaintenance => Self::TenantInMaintenance,
            Code::TokenInvalid => Self::TokenInvalid,
            Code::TokenUsed => Self::TokenUsed,
            Code::FileTooLarge => Self::FileTooLarge,
            Code::FileTypeNotAllowed => Self::FileTypeNotAllowed,
        }
    }
}

impl ErrorCode {
    /// The word in the API.
    #[must_use]
    pub fn word(self) -> String {
        self.to_value().to_string()
    }
}

/// What a mutation answers when it did not do what it was asked. Nothing was changed, unless the mutation says what a
/// refusal changes. Read `code`, `message` and `field`; the concrete types carry what you need to offer the user a way
/// on.
#[derive(Interface, Clone, Debug)]
#[graphql(
    field(name = "code", ty = "&ErrorCode", desc = "Why."),
    field(name = "message", ty = "&String", desc = "For people; says what to do."),
    field(name = "field", ty = "&Option<Vec<String>>", desc = "Path of the value in the input, outermost first.")
)]
pub enum UserError {
    /// No further data.
    Basic(BasicError),
    /// Somebody was faster.
    SlotTaken(SlotTakenError),
    /// No such step.
    InvalidTransition(InvalidTransitionError),
    /// Changed meanwhile.
    VersionConflict(VersionConflictError),
    /// A balance does not suffice.
    InsufficientBalance(InsufficientBalanceError),
    /// The clock jumps over it.
    NonexistentLocalTime(NonexistentLocalTimeError),
    /// The clock shows it twice.
    AmbiguousLocalTime(AmbiguousLocalTimeError),
    /// More than is allowed.
    Quota(QuotaError),
}

macro_rules! user_error {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ty,)* }) => {
        $(#[$doc])*
        #[derive(SimpleObject, Clone, Debug)]
        pub struct $name {
            /// Why.
            pub code: ErrorCode,
            /// For people; says what to do.
            pub message: String,
            /// Path of the value in the input, outermost first.
            pub field: Option<Vec<String>>,
            $($(#[$field_doc])* pub $field: $ty,)*
        }
    };
}

user_error!(
    /// A refusal that code, message and field say all about.
    BasicError {}
);
user_error!(
    /// Somebody or something needed is busy at that time; here is what is free.
    SlotTakenError {
        /// What was busy.
        conflicting_resource_ids: Vec<ID>,
        /// Slots nearby that were free when this was answered, soonest first.
        alternatives: Vec<Slot>,
    }
);
user_error!(
    /// The state machine has no such step.
    InvalidTransitionError {
        /// The state it is in.
        from: String,
        /// The state that was asked for.
        to: String,
        /// The states it can go to.
        allowed: Vec<String>,
    }
);
user_error!(
    /// Somebody changed it since you read it.
    VersionConflictError {
        /// The version it has now.
        current_version: i32,
    }
);
user_error!(
    /// A balance does not suffice.
    InsufficientBalanceError {
        /// What there is.
        available: Decimal,
        /// What it would take.
        required: Decimal,
    }
);
user_error!(
    /// The clock jumps over this wall time, so nothing can happen then.
    NonexistentLocalTimeError {
        /// The wall time asked for.
        requested: LocalDateTime,
        /// The zone whose clock jumps.
        time_zone: TimeZone,
        /// The first time after the jump.
        next_valid: Instant,
    }
);
user_error!(
    /// The clock shows this wall time twice; say which by an offset or an overlap policy.
    AmbiguousLocalTimeError {
        /// The wall time asked for.
        requested: LocalDateTime,
        /// The zone whose clock is set back.
        time_zone: TimeZone,
        /// Both times.
        candidates: Vec<Instant>,
    }
);
user_error!(
    /// More than the centre may create.
    QuotaError {
        /// Which quota.
        quota: String,
        /// How many are allowed.
        limit: i32,
        /// How many there are.
        used: i32,
        /// When counting starts again.
        resets_at: Option<Instant>,
    }
);

impl UserError {
    /// The API's form of a refusal. Without a reader (nobody is logged in) it carries no ids.
    #[must_use]
    pub fn new(refusal: Refusal, reader: Option<&Arc<Reader>>) -> Self {
        let word = ErrorCode::from(refusal.code).word();
        metrics::counter!("horae_user_errors_total", "operation" => operation::current(), "code" => word).increment(1);
        Self::warning(refusal, reader)
    }

    /// The same of what was in nobody's way, which is not counted as a refusal.
    #[must_use]
    pub fn warning(refusal: Refusal, reader: Option<&Arc<Reader>>) -> Self {
        let Refusal { code, message, field, detail } = refusal;
        let code = ErrorCode::from(code);
        match detail {
            Detail::None => Self::Basic(BasicError { code, message, field }),
            Detail::SlotTaken { conflicting, alternatives } => Self::SlotTaken(SlotTakenError {
                code,
                message,
                field,
                conflicting_resource_ids: reader.map_or_else(Vec::new, |reader| {
                    conflicting.into_iter().map(|id| reader.ids.encode(Kind::Resource, id)).collect()
                }),
                alternatives: reader.map_or_else(Vec::new, |reader| {
                    alternatives.into_iter().map(|slot| Slot::new(reader, slot)).collect()
                }),
            }),
            Detail::Transition { from, to, allowed } => {
                Self::InvalidTransition(InvalidTransitionError { code, message, field, from, to, allowed })
            }
            Detail::Version { current } => {
                Self::VersionConflict(VersionConflictError { code, message, field, current_version: current })
            }
            Detail::Nonexistent { requested, zone, next_valid } => {
                Self::NonexistentLocalTime(NonexistentLocalTimeError {
                    code,
                    message,
                    field,
                    requested: LocalDateTime(requested),
                    time_zone: TimeZone(zone),
                    next_valid: Instant(next_valid),
                })
            }
            Detail::Ambiguous { requested, zone, candidates } => Self::AmbiguousLocalTime(AmbiguousLocalTimeError {
                code,
                message,
                field,
                requested: LocalDateTime(requested),
                time_zone: TimeZone(zone),
                candidates: candidates.into_iter().map(Instant).collect(),
            }),
            Detail::Quota { quota, limit, used, resets_at } => Self::Quota(QuotaError {
                code,
                message,
                field,
                quota,
                limit,
                used,
                resets_at: resets_at.map(|at| Instant(at.fixed_offset())),
            }),
        }
    }
}

/// A top-level error. Has no `Display`, so that a database error cannot become one by a stray `?`.
#[derive(Clone, Debug)]
pub struct ApiError {
    code: &'static str,
    message: String,
    field: Option<Vec<String>>,
}

impl ApiError {
    /// Nobody is logged in.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self {
            code: "UNAUTHENTICATED",
            message: "log in first and send the access token as `Authorization: Bearer …`".to_owned(),
            field: None,
        }
    }

    /// A role of the caller needs a second factor, and this session has none.
    #[must_use]
    pub fn second_factor_required() -> Self {
        Self {
            code: "FORBIDDEN",
            message: "your role needs a second factor: enrol one with enrolMfa and completeMfa".to_owned(),
            field: None,
        }
    }

    /// Something broke: it is logged here, once, and the client learns only the request's id (from `extensions`).
    #[must_use]
    pub fn internal(fault: &Fault) -> Self {
        if let Fault::Db(error) = fault
            && error.is_unavailable()
        {
            tracing::warn!(error.chain = %with_causes(fault), "The database does not answer in time");
            let message = "too busy at the moment; try again".to_owned();
            return Self { code: "SERVICE_UNAVAILABLE", message, field: None };
        }
        tracing::error!(error.chain = %with_causes(fault), "A request failed inside the server");
        Self {
            code: "INTERNAL",
            message: "something went wrong on our side; quote the request id when you report it".to_owned(),
            field: None,
        }
    }
}

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusals) => refusals.into_iter().next().map_or_else(
                || Self { code: "INVALID", message: "the request was refused".to_owned(), field: None },
                Self::from,
            ),
            Failure::Fault(fault) => Self::internal(&fault),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal.code {
            Code::Forbidden => "FORBIDDEN",
            Code::NotFound => "NOT_FOUND",
            Code::VersionConflict
            | Code::AlreadyExists
            | Code::IdempotencyKeyReused
            | Code::SlotTaken
            | Code::InvalidTransition
            | Code::TokenUsed => "CONFLICT",
            Code::QuotaExceeded => "RATE_LIMITED",
            Code::TenantInMaintenance => "TENANT_IN_MAINTENANCE",
            Code::Invalid
            | Code::Required
            | Code::OutsideAvailability
            | Code::NoticeTooShort
            | Code::OverbookNotAllowed
            | Code::Expired
            | Code::CurrencyMismatch
            | Code::NonexistentLocalTime
            | Code::AmbiguousLocalTime
            | Code::TokenInvalid
            | Code::FileTooLarge
            | Code::FileTypeNotAllowed => "INVALID",
        };
        Self { code, message: refusal.message, field: refusal.field }
    }
}

impl From<ApiError> for async_graphql::Error {
    fn from(error: ApiError) -> Self {
        Self::new(error.message).extend_with(|_, extensions| {
            extensions.set("code", error.code);
            if let Some(field) = error.field {
                extensions.set("field", field);
            }
        })
    }
}

/// Splits a use case's result: refusals become `userErrors`, faults a top-level error.
///
/// # Errors
/// Faults.
pub fn payload<T>(
    result: Result<T, Failure>,
    reader: Option<&Arc<Reader>>,
) -> Result<(Option<T>, Vec<UserError>), ApiError> {
    match result {
        Ok(done) => Ok((Some(done), Vec::new())),
        Err(Failure::Refused(refusals)) => {
            Ok((None, refusals.into_iter().map(|refusal| UserError::new(refusal, reader)).collect()))
        }
        Err(Failure::Fault(fault)) => Err(ApiError::internal(&fault)),
    }
}
