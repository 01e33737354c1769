//! One socket from the upgrade to the closing handshake.

use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Data, Executor, Response, Value};
use axum::extract::ws::{Message, WebSocket};
use axum::http::request::Parts;
use futures::future::{BoxFuture, MaybeDone, maybe_done};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::close::Closing;
use super::message::{ClientMessage, parse};
use super::operation::{Operation, Operations, start};
use super::{PROTOCOL, SocketOptions, frame};
use crate::auth::alarm;
use crate::http::RequestId;
use crate::http::graphql::gate::{Admission, Gate, Party, Refusal};
use crate::http::graphql::meter::{Meter, Outcome};
use crate::http::graphql::{Transport, code};
use crate::http::tally::Place;

/// How far the handshake of the sub-protocol has come.
enum Stage {
    /// Nothing but pings until `connection_init`. What the gate needs is dropped when it has decided.
    Waiting(Box<Parts>),
    Admitting(MaybeDone<BoxFuture<'static, Result<Admission, Refusal>>>),
    Open {
        data: Arc<Data>,
        party: Option<Party>,
        ended: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
        expires: Option<Instant>,
    },
    /// Nothing is asked any more.
    Over,
}

impl Stage {
    /// Pending where the stage itself has nothing to wait for.
    async fn wake(&mut self) -> Wake {
        match self {
            Self::Admitting(judging) => {
                (&mut *judging).await;
                match Pin::new(judging).take_output() {
                    Some(judged) => Wake::Admitted(judged),
                    None => pending().await,
                }
            }
            Self::Open { ended: Some(ended), .. } => {
                ended.as_mut().await;
                Wake::Revoked
            }
            Self::Waiting(_) | Self::Open { ended: None, .. } | Self::Over => pending().await,
        }
    }

    /// Lets what it waits for go on while nobody can take the result.
    async fn go_on(&mut self) -> Infallible {
        if let Self::Admitting(judging) = self {
            judging.await;
        }
        pending().await
    }
}

/// What made the task wake.
#[expect(clippy::large_enum_variant, reason = "lives for one turn of the loop; a box would be an allocation per event")]
enum Wake {
    Received(Option<Result<Message, axum::Error>>),
    Produced(Option<Response>, Operation),
    Admitted(Result<Admission, Refusal>),
    Tick,
    Stopping,
    Revoked,
}

/// How a socket ends.
enum End {
    /// We close it.
    Close(Closing),
    /// The peer closes it, or it is gone.
    Gone,
}

impl From<Closing> for End {
    fn from(closing: Closing) -> Self {
        Self::Close(closing)
    }
}

pub(super) struct Session<E, G> {
    transport: Arc<Transport<E, G>>,
    socket: WebSocket,
    stage: Stage,
    operations: Operations,
    /// When the next deadline of any kind is due; one timer for all of them.
    timer: Pin<Box<Sleep>>,
    init_due: Instant,
    ping_due: Instant,
    /// Whether nothing was received since the last ping.
    silent: bool,
    stopping: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Set when the server stops: until then running queries and mutations may finish.
    drain_due: Option<Instant>,
    request_id: RequestId,
    /// Of the address at first, then of the caller and its tenant, or of the address and nobody.
    places: Vec<Place>,
}

impl<E: Executor, G: Gate> Session<E, G> {
    pub(super) fn new(
        transport: Arc<Transport<E, G>>,
        socket: WebSocket,
        parts: Box<Parts>,
        request_id: RequestId,
        place: Place,
    ) -> Self {
        let now = Instant::now();
        let options = &transport.options.socket;
        let init_due = now + options.init_timeout;
        let ping_due = now + options.ping_interval;
        // A token of its own: all sockets of a node waiting at one token would contend for its lock at every event.
        let stopping = Box::pin(transport.sockets.stopping.child_token().cancelled_owned());
        Self {
            timer: Box::pin(sleep_until(init_due.min(ping_due))),
            stage: Stage::Waiting(parts),
            operations: Operations::default(),
            silent: false,
            drain_due: None,
            transport,
            socket,
            init_due,
            ping_due,
            stopping,
            request_id,
            places: vec![place],
        }
    }

    /// Serves the socket until it is closed.
    pub(super) async fn run(&mut self) {
        let open = metrics::gauge!("graphql_sockets");
        open.increment(1.0);
        let end = if self.socket.protocol().is_some_and(|chosen| chosen == PROTOCOL) {
            self.serve().await
        } else {
            End::Close(Closing::SUBPROTOCOL)
        };
        // Subscriptions end before the handshake, and an admission too: a peer that does not answer must not keep them, nor
        // what they hold of the database.
        self.operations = Operations::default();
        self.stage = Stage::Over;
        let code = match end {
            End::Close(closing) => self.close(closing).await,
            End::Gone => {
                self.read_out().await;
                None
            }
        };
        open.decrement(1.0);
        let label = code.map_or_else(|| "peer".to_owned(), |code| code.to_string());
        metrics::counter!("graphql_socket_closes_total", "code" => label).increment(1);
        tracing::debug!(request.id = %self.request_id, code, "A socket was closed.");
    }

    async fn serve(&mut self) -> End {
        loop {
            let wake = self.wake().await;
            // In a box while something happens: a quiet socket need not keep room for it.
            if let Err(end) = Box::pin(self.handle(wake)).await {
                return end;
            }
        }
    }

    async fn wake(&mut self) -> Wake {
        let draining = self.drain_due.is_some();
        let said = async {
            tokio::select! {
                received = self.socket.recv() => Wake::Received(received),
                (result, operation) = self.operations.next(), if !self.operations.is_idle() => {
                    Wake::Produced(result, operation)
                }
            }
        };
        // What ends a session comes before what it would be told: results may lie there that came while a frame was written.
        tokio::select! {
            biased;
            () = &mut self.stopping, if !draining => Wake::Stopping,
            wake = self.stage.wake() => wake,
            () = &mut self.timer => Wake::Tick,
            wake = said => wake,
        }
    }

    async fn handle(&mut self, wake: Wake) -> Result<(), End> {
        match wake {
            Wake::Received(Some(Ok(message))) => self.received(message).await,
            Wake::Received(Some(Err(error))) => Err(Closing::after(error).map_or(End::Gone, End::Close)),
            Wake::Received(None) => Err(End::Gone),
            Wake::Produced(Some(response), operation) => self.produced(response, operation).await,
            Wake::Produced(None, operation) => self.finished(operation).await,
            Wake::Admitted(Ok(admission)) => self.admitted(admission).await,
            Wake::Admitted(Err(refusal)) => Err(Closing::refused(&refusal).into()),
            Wake::Tick => self.tick().await,
            Wake::Revoked => Err(Closing::REVOKED.into()),
            Wake::Stopping => {
                let due = Instant::now() + self.options().drain_timeout;
                self.drain_due = Some(due);
                self.set_timer();
                self.check_drained()
            }
        }
    }

    async fn received(&mut self, message: Message) -> Result<(), End> {
        self.silent = false;
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => return Err(Closing::bad_request("A message must be text").into()),
            Message::Close(_) => return Err(End::Gone),
            // Answered by the WebSocket library.
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
        };
        match parse(&text)? {
            ClientMessage::Init(payload) => self.init(payload),
            ClientMessage::Subscribe { id, request } => {
                let Stage::Open { data, party, .. } = &self.stage else {
                    return Err(Closing::UNAUTHORIZED.into());
                };
                if self.operations.contains(&id) {
                    return Err(Closing::id_in_use(&id).into());
                }
                let refused = if self.drain_due.is_some() {
                    Some(code::error(code::UNAVAILABLE, "The server is about to stop."))
                } else if self.operations.len() >= self.options().max_operations {
                    Some(code::error(code::RATE_LIMITED, "Too many operations run on this connection."))
                } else {
                    None
                };
                if let Some(error) = refused {
                    Meter::new("ws").refused(&error);
                    return self.send(frame::error(&id, &[error])).await;
                }
                let data = data.clone();
                let started = start(&self.transport.executor, &self.transport.options, *request, data);
                let places = match party.as_ref().filter(|_| started.is_subscription) {
                    Some(party) => self.subscription_places(party),
                    None => Some(Vec::new()),
                };
                let Some(places) = places else {
                    alarm::limited("subscriptions");
                    let error =
                        code::error(code::RATE_LIMITED, "Too many subscriptions of yours or your centre run here.");
                    return self.send(frame::error(&id, &[error])).await;
                };
                self.operations.start(id, started, places);
                Ok(())
            }
            ClientMessage::Complete { id } => {
                self.operations.stop(&id);
                self.check_drained()
            }
            ClientMessage::Ping(payload) => self.send(frame::pong(payload)).await,
            ClientMessage::Pong => Ok(()),
        }
    }

    fn init(&mut self, payload: serde_json::Value) -> Result<(), End> {
        let Stage::Waiting(parts) = &mut self.stage else {
            return Err(Closing::TOO_MANY_INITS.into());
        };
        let parts = std::mem::replace(parts, Box::new(axum::http::Request::new(()).into_parts().0));
        let gate = self.transport.gate.clone();
        let judging: BoxFuture<'static, _> = Box::pin(async move { gate.admit_socket(&parts, payload).await });
        self.stage = Stage::Admitting(maybe_done(judging));
        Ok(())
    }

    async fn admitted(&mut self, admission: Admission) -> Result<(), End> {
        let Admission { party, data, expires_in, ended } = admission;
        let (taken, most) = (&self.transport.sockets.taken, self.options().places);
        let over = |closing| {
            alarm::limited("sockets");
            closing
        };
        if let Some(party) = &party {
            let places = [(&party.actor, most.actor), (&party.tenant, most.tenant)];
            let places: Option<Vec<Place>> = places.into_iter().map(|(name, most)| taken.take(name, most)).collect();
            // The address's place is free from here on.
            self.places = places.ok_or_else(|| over(Closing::TOO_MANY_SOCKETS))?;
        } else {
            let place = taken.take(&"nobody".into(), most.nobodys());
            let place = place.ok_or_else(|| over(Closing::TOO_MANY_NOBODYS))?;
            self.places.push(place);
        }
        self.stage = Stage::Open {
            data: Arc::new(data),
            party,
            ended: ended.map(|token| Box::pin(token.cancelled_owned())),
            expires: expires_in.and_then(|left| Instant::now().checked_add(left)),
        };
        self.set_timer();
        self.send(frame::ack()).await
    }

    fn subscription_places(&self, party: &Party) -> Option<Vec<Place>> {
        let (taken, most) = (&self.transport.sockets.subscriptions, self.options().places);
        let places = [(&party.actor, most.subscriptions_of_actor), (&party.tenant, most.subscriptions_of_tenant)];
        places.into_iter().map(|(name, most)| taken.take(name, most)).collect()
    }

    async fn produced(&mut self, mut response: Response, mut operation: Operation) -> Result<(), End> {
        if !self.operations.is_current(&operation) {
            return Ok(());
        }
        code::complete(&mut response, &operation.request_id);
        operation.meter.answered(Some(&Outcome::of(&response)));
        if !operation.has_begun && code::is_request_error(&response) {
            self.operations.forget(&operation);
            self.send(frame::error(&operation.id, &response.errors)).await?;
            return self.check_drained();
        }
        // Events of a subscription carry no id of their own while all is well, so that what one event becomes can be
        // the same for all who see it.
        if !operation.is_subscription || !response.errors.is_empty() {
            let id = Value::from(operation.request_id.as_str());
            response.extensions.insert("requestId".to_owned(), id);
        }
        operation.has_begun = true;
        let message = frame::next(&operation.id, &response);
        drop(response);
        self.operations.resume(operation);
        self.send(message).await
    }

    async fn finished(&mut self, operation: Operation) -> Result<(), End> {
        // The client that ended it itself wants no echo.
        if self.operations.is_current(&operation) {
            self.operations.forget(&operation);
            self.send(frame::complete(&operation.id)).await?;
        }
        self.check_drained()
    }

    fn check_drained(&self) -> Result<(), End> {
        if self.drain_due.is_some() && self.operations.only_subscriptions() {
            return Err(Closing::GOING_AWAY.into());
        }
        Ok(())
    }

    /// Does what is due and sets the timer to what is due next.
    async fn tick(&mut self) -> Result<(), End> {
        let now = Instant::now();
        match &self.stage {
            Stage::Open { expires, .. } if expires.is_some_and(|due| due <= now) => {
                return Err(Closing::EXPIRED.into());
            }
            Stage::Open { .. } => {}
            _ if self.init_due <= now => return Err(Closing::INIT_TIMEOUT.into()),
            _ => {}
        }
        if self.drain_due.is_some_and(|due| due <= now) {
            return Err(Closing::GOING_AWAY.into());
        }
        if self.ping_due <= now {
            if self.silent {
                return Err(Closing::NO_ANSWER.into());
            }
            self.silent = true;
            self.ping_due = now + self.options().ping_interval;
            self.send(Message::Ping(axum::body::Bytes::new())).await?;
        }
        self.set_timer();
        Ok(())
    }

    fn set_timer(&mut self) {
        let stage_due = match &self.stage {
            Stage::Open { expires, .. } => *expires,
            _ => Some(self.init_due),
        };
        let due = [stage_due, self.drain_due].into_iter().flatten().fold(self.ping_due, Instant::min);
        self.timer.as_mut().reset(due);
    }

    /// Writes one frame, all of it, before anything else is said on this socket. What runs goes on meanwhile: a peer that
    /// takes nothing must not keep it from giving back its connection to the database and its locks.
    async fn send(&mut self, message: Message) -> Result<(), End> {
        let writing = timeout(self.transport.options.socket.write_timeout, self.socket.send(message));
        tokio::select! {
            biased;
            written = writing => match written {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) | Err(_) => Err(End::Gone),
            },
            never = self.stage.go_on() => match never {},
            never = self.operations.go_on() => match never {},
        }
    }

    /// Sends our half of the closing handshake and waits for the other. Without the wait, dropping a connection that
    /// has unread data resets it, and the peer never sees the code.
    async fn close(&mut self, closing: Closing) -> Option<u16> {
        let limit = self.options().close_timeout;
        let message = Message::Close(Some(closing.frame()));
        if !matches!(timeout(limit, self.socket.send(message)).await, Ok(Ok(()))) {
            return Some(closing.code);
        }
        if futures::stream::FusedStream::is_terminated(&self.socket) {
            // A read failed, so no more can be read; leave the peer time to take the frame.
            tokio::time::sleep(limit.min(Duration::from_secs(1))).await;
        } else {
            self.read_out().await;
        }
        Some(closing.code)
    }

    async fn read_out(&mut self) {
        let limit = self.options().close_timeout;
        let reading = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        let _ = timeout(limit, reading).await;
    }

    fn options(&self) -> &SocketOptions {
        &self.transport.options.socket
    }
}
