//! What PostgreSQL can answer instead of rows, sorted by what the caller can do about it.

use sea_orm::{DbErr, RuntimeErr};

/// A failure of the database or of the connection to it.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// PostgreSQL or the driver refused.
    #[error("the database refused a statement")]
    Sql(#[source] sqlx::Error),
    /// sea-orm could not build the statement or read the row.
    #[error("a row could not be mapped")]
    Orm(#[source] DbErr),
    /// The configuration or the catalogue asks for something that is not there.
    #[error("{0}")]
    Setup(String),
}

impl DbError {
    /// The five characters PostgreSQL answered with, if it was PostgreSQL.
    #[must_use]
    pub fn sqlstate(&self) -> Option<String> {
        match self {
            Self::Sql(sqlx::Error::Database(error)) => error.code().map(|code| code.into_owned()),
            _ => None,
        }
    }

    /// The constraint that a statement violated.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Sql(sqlx::Error::Database(error)) => error.constraint(),
            _ => None,
        }
    }

    /// Whether it is a violation (unique, exclusion, foreign key, check) of this constraint.
    #[must_use]
    pub fn violates(&self, constraint: &str) -> bool {
        self.constraint() == Some(constraint)
    }

    /// Serialization failure or deadlock victim: the transaction did nothing wrong and may simply be run again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.sqlstate().as_deref(), Some("40001" | "40P01"))
    }

    /// Somebody else kept a row for longer than `lock_timeout`.
    #[must_use]
    pub fn is_lock_timeout(&self) -> bool {
        self.sqlstate().as_deref() == Some("55P03")
    }

    /// No connection or row was free in time (also after all repetitions of what [is retryable](Self::is_retryable)), or
    /// the server went away.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        if let Self::Sql(sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_)) = self {
            return true;
        }
        let Some(code) = self.sqlstate() else { return false };
        let is_lost = code.starts_with("08") || code.starts_with("57P");
        is_lost || code == "53300" || self.is_lock_timeout() || self.is_retryable()
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<DbErr> for DbError {
    fn from(error: DbErr) -> Self {
        match error {
            DbErr::Conn(RuntimeErr::SqlxError(inner))
            | DbErr::Exec(RuntimeErr::SqlxError(inner))
            | DbErr::Query(RuntimeErr::SqlxError(inner)) => match std::sync::Arc::try_unwrap(inner) {
                Ok(inner) => Self::Sql(inner),
                Err(shared) => Self::Orm(DbErr::Query(RuntimeErr::SqlxError(shared))),
            },
            other => Self::Orm(other),
        }
    }
}

/// An error with everything that caused it, for logs and lists that hold one line.
#[must_use]
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
