//! A closed loop: so many connections, each sending its next request when the last one is answered.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures::future::try_join_all;

use crate::{
    fail::{Fail, Result},
    http::{Connection, is_clean},
    stats::Latencies,
};

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Of the answers that were data without errors.
    pub latencies: Latencies,
    /// Answers that were not.
    pub refused: usize,
    /// How long it ran.
    pub elapsed: Duration,
    /// The first answer that was refused.
    pub complaint: Option<String>,
}

impl Run {
    /// The run, if nothing was refused: a refusal costs less than an answer, and would look like speed.
    pub fn complete(self) -> Result<Self> {
        match &self.complaint {
            Some(said) => Err(Fail::new(format!("{} requests were refused, the first: {said}", self.refused))),
            None => Ok(self),
        }
    }

    /// Good answers in a second.
    pub fn throughput(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

/// Runs for `time`; `next` gives each request. Ends early when there is none left.
pub async fn closed_loop(
    address: SocketAddr,
    clients: usize,
    time: Duration,
    next: impl FnMut() -> Option<Vec<u8>>,
) -> Result<Run> {
    let connections = try_join_all((0..clients).map(|_| Connection::open(address))).await?;
    let run = RefCell::new(Run::default());
    let next = RefCell::new(next);
    let dry = Cell::new(false);
    let start = Instant::now();
    let client = async |mut connection: Connection| -> Result<()> {
        while start.elapsed() < time {
            let Some(request) = (next.borrow_mut())() else {
                dry.set(true);
                break;
            };
            let sent = Instant::now();
            let answer = connection.call(&request).await?;
            let took = sent.elapsed();
            let mut run = run.borrow_mut();
            if answer.status == 200 && is_clean(answer.body) {
                run.latencies.push(took);
            } else {
                run.refused += 1;
                run.complaint.get_or_insert_with(|| String::from_utf8_lossy(answer.body).into_owned());
            }
        }
        Ok(())
    };
    try_join_all(connections.into_iter().map(client)).await?;
    let mut run = run.into_inner();
    run.elapsed = start.elapsed();
    if run.latencies.len() == 0 {
        let said = run.complaint.unwrap_or_else(|| "no request was sent".to_owned());
        return Err(Fail::new(format!("no request succeeded: {said}")));
    }
    if dry.get() {
        crate::say::note("the requests ran out before the time did");
    }
    Ok(run)
}
