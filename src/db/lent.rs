//! [`Lent`]: a connection on loan from a pool, whose server is waited for no longer than it may take.
//!
//! PostgreSQL's own limits end with its host. One that vanishes without a word would be waited for until the kernel gives
//! up, a quarter of an hour or for ever. A connection that was waited for in vain is closed, never used again.

use std::{task::Poll, time::Duration};

use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use scopeguard::ScopeGuard;
use sqlx::{
    Either, Error, Execute, Executor, Postgres, SqlStr,
    pool::PoolConnection,
    postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{sleep, timeout},
};

/// How long PostgreSQL works on one statement of the application.
pub(super) const STATEMENT_LIMIT: Duration = Duration::from_secs(20);

/// What its answer may take besides: the way there and back, and the queue of a PgBouncer.
pub(super) const WAY: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Loan {
    connection: PoolConnection<Postgres>,
    place: Option<OwnedSemaphorePermit>,
    /// For one answer.
    limit: Duration,
    /// Whether a transaction may be open.
    is_open: bool,
    /// Not to be used again.
    is_broken: bool,
}

/// A connection, perhaps in a transaction and on one of a tenant's places. Dropping it rolls back. The place is free when
/// the connection is: one that is dropped in the middle of a statement keeps both until PostgreSQL has answered.
#[derive(Debug)]
pub(super) struct Lent(ScopeGuard<Loan, fn(Loan)>);

impl Lent {
    /// The place must be one of the tenant that it is lent to.
    pub fn new(connection: PoolConnection<Postgres>, place: Option<OwnedSemaphorePermit>, limit: Duration) -> Self {
        let loan = Loan { connection, place, limit, is_open: false, is_broken: false };
        Self(scopeguard::guard(loan, give_back))
    }

    /// From now on PostgreSQL works on a statement for so long at most.
    pub fn take_time(&mut self, statement: Duration) {
        self.0.limit = statement + WAY;
    }

    /// Begins a transaction with these words.
    ///
    /// # Errors
    /// When PostgreSQL refuses or does not answer.
    pub async fn begin(&mut self, begin: SqlStr) -> Result<(), Error> {
        self.0.is_open = true;
        let begun = sqlx::raw_sql(begin).execute(&mut *self).await;
        // Nobody knows how much of it was done.
        self.0.is_broken |= begun.is_err();
        begun.map(drop)
    }

    /// Makes what was written durable; the place is free afterwards.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn commit(self) -> Result<(), Error> {
        self.end("COMMIT").await
    }

    /// Undoes what was written; the place is free afterwards.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn rollback(self) -> Result<(), Error> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, end: &'static str) -> Result<(), Error> {
        sqlx::raw_sql(end).execute(&mut self).await?;
        self.0.is_open = false;
        self.0.place = None;
        Ok(())
    }
}

fn give_back(loan: Loan) {
    #[expect(clippy::disallowed_methods, reason = "ends with the statement that runs, or with its limit")]
    tokio::spawn(async move {
        let Loan { mut connection, place, limit, is_open, mut is_broken } = loan;
        if is_open && !is_broken {
            is_broken = !undone(&mut connection, limit).await;
        }
        if is_broken {
            connection.close_on_drop();
        } else {
            // The pool asks whether it is still good. What does not answer in time is closed by being dropped.
            let _ = timeout(limit, connection.return_to_pool()).await;
        }
        drop(place);
    });
}

/// Whether PostgreSQL says that nothing is open any more. Only then may anybody else have the connection.
async fn undone(connection: &mut PoolConnection<Postgres>, limit: Duration) -> bool {
    let mut is_broken = false;
    if within(limit, &mut is_broken, connection.execute("ROLLBACK")).await.is_ok() {
        return true;
    }
    // What failed may be the statement in whose middle it was dropped, whose answer the driver reads before it asks anew.
    !is_broken && within(limit, &mut is_broken, connection.execute("ROLLBACK")).await.is_ok()
}

/// The answer, if it comes in time. After a fault of the line the connection is broken.
async fn within<T>(
    limit: Duration,
    is_broken: &mut bool,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let answer = timeout(limit, answer).await.unwrap_or_else(|_| Err(late()));
    *is_broken |= matches!(answer, Err(Error::Io(_)));
    answer
}

fn late() -> Error {
    Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "PostgreSQL did not answer in time"))
}

impl<'c> Executor<'c> for &'c mut Lent {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let Loan { connection, limit, is_broken, .. } = &mut *self.0;
        let mut answer = (**connection).fetch_many(query);
        let mut limit = Box::pin(sleep(*limit));
        Box::pin(stream::poll_fn(move |context| {
            let polled = answer.poll_next_unpin(context);
            let polled =
                if polled.is_pending() { limit.poll_unpin(context).map(|()| Some(Err(late()))) } else { polled };
            *is_broken |= matches!(polled, Poll::Ready(Some(Err(Error::Io(_)))));
            polled
        }))
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let Loan { connection, limit, is_broken, .. } = &mut *self.0;
        Box::pin(within(*limit, is_broken, connection.fetch_optional(query)))
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        let Loan { connection, limit, is_broken, .. } = &mut *self.0;
        Box::pin(within(*limit, is_broken, connection.prepare_with(sql, parameters)))
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        let Loan { connection, limit, is_broken, .. } = &mut *self.0;
        Box::pin(within(*limit, is_broken, connection.describe(sql)))
    }
}
