//! SMTP hand-over on reused connections.
//!
//! lettre speaks the protocol; the pool is ours for two reasons. lettre's pool puts a connection back when the sending
//! future is dropped half-way (a timeout): the next mail then reads the previous mail's answer and may be reported as
//! accepted although it was refused. And its one-call `send` does not tell at which point a conversation ended, which
//! decides whether the mail may have been delivered and whether a 5xx is about the address. So: here a connection goes
//! back only after a complete exchange, and every failure carries its stage.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::{AsyncSmtpConnection, Tls};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{Extension, MailParameter};
use lettre::transport::smtp::{Error as SmtpError, response::Response};
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    time::{error::Elapsed, timeout},
};

use super::error::{SendError, Stage, classify};
use super::message::{Accepted, OutgoingMail};

mod url;

use url::Relay;
pub use url::SmtpUrlError;

/// How to reach and treat a relay.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// `smtps://user:password@host:465`, or `smtp://…` with `?tls=required` (STARTTLS or nothing),
    /// `?tls=opportunistic` (STARTTLS if offered) or no `tls` (plain text, for a relay on the same host). User and
    /// password are percent-encoded; a path gives the name said in EHLO.
    pub url: secrecy::SecretString,
    /// Most conversations at once; further mails wait for a free one.
    pub max_connections: usize,
    /// Limit for connecting, greeting, TLS and log-in together.
    pub connect_timeout: Duration,
    /// Limit for one mail on an open connection, from MAIL to its last byte.
    pub send_timeout: Duration,
    /// Limit for the answer to a mail's last byte, after `send_timeout`: relays look into what they are given, and what is
    /// cut here may have been taken. RFC 5321 §4.5.3.2.6 speaks of ten minutes.
    pub answer_timeout: Duration,
    /// An idle connection older than this is not used again; relays close them on their side after some minutes.
    pub idle_timeout: Duration,
}

impl SmtpSettings {
    /// Settings that suit a relay in the same region: 8 connections, 10 s to connect, 60 s per mail, 5 minutes for its
    /// answer, 30 s idle.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: secrecy::SecretString::from(url.into()),
            max_connections: 8,
            connect_timeout: Duration::from_secs(10),
            send_timeout: Duration::from_secs(60),
            answer_timeout: Duration::from_secs(300),
            idle_timeout: Duration::from_secs(30),
        }
    }
}

/// A relay and the connections that are open to it.
pub struct SmtpMailer {
    relay: Relay,
    slots: Semaphore,
    idle: Mutex<Vec<Idle>>,
    connect_timeout: Duration,
    send_timeout: Duration,
    answer_timeout: Duration,
    idle_timeout: Duration,
}

struct Idle {
    connection: AsyncSmtpConnection,
    since: Instant,
}

/// Says only where mail goes; never the credentials.
impl std::fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmtpMailer")
            .field("host", &self.relay.host)
            .field("port", &self.relay.port)
            .finish_non_exhaustive()
    }
}

impl SmtpMailer {
    /// Reads the settings; opens nothing.
    ///
    /// # Errors
    /// When the URL does not name a relay.
    pub fn new(settings: &SmtpSettings) -> Result<Self, SmtpUrlError> {
        Ok(Self {
            relay: Relay::from_url(&settings.url)?,
            slots: Semaphore::new(settings.max_connections.max(1)),
            idle: Mutex::new(Vec::new()),
            connect_timeout: settings.connect_timeout,
            send_timeout: settings.send_timeout,
            answer_timeout: settings.answer_timeout,
            idle_timeout: settings.idle_timeout,
        })
    }

    /// Hands over one mail; see [`super::Mailer::send`].
    ///
    /// # Errors
    /// As [`SendError`] describes.
    pub async fn send(&self, mail: &OutgoingMail) -> Result<Accepted, SendError> {
        let content = mail.to_mime()?;
        let _slot = self
            .slots
            .acquire()
            .await
            .map_err(|_| SendError::Unreachable { detail: "the mailer is closed".to_owned() })?;
        loop {
            let (mut connection, reused) = match self.take_idle() {
                Some(connection) => (connection, true),
                None => (self.connect().await?, false),
            };
            let content_sent = AtomicBool::new(false);
            match self.in_time(&content_sent, offer(&mut connection, mail, &content, &content_sent)).await {
                Ok(Ok(response)) => {
                    self.park(connection);
                    let reply = response.message().collect::<Vec<_>>().join(" ");
                    return Ok(Accepted { reply });
                }
                Ok(Err(Refusal::Unsendable(error))) => {
                    self.park(connection);
                    return Err(error);
                }
                // The relay had closed the idle connection; nothing was offered on it, so a fresh one is no repeat.
                Ok(Err(Refusal::Smtp(error, Stage::Sender | Stage::SenderUtf8))) if reused && is_gone(&error) => {}
                Ok(Err(Refusal::Smtp(error, stage))) => {
                    self.settle(connection, &error, stage).await;
                    return Err(classify(&error, stage));
                }
                Err(_elapsed) => {
                    // The connection is dropped: an answer still on its way must not be read by another mail.
                    return Err(SendError::Timeout { may_have_been_delivered: content_sent.load(Ordering::Relaxed) });
                }
            }
        }
    }

    /// Waits longer for an exchange of which only the answer to the content is missing.
    async fn in_time<F: Future>(&self, content_sent: &AtomicBool, exchange: F) -> Result<F::Output, Elapsed> {
        let mut exchange = std::pin::pin!(exchange);
        match timeout(self.send_timeout, &mut exchange).await {
            Err(_) if content_sent.load(Ordering::Relaxed) => timeout(self.answer_timeout, exchange).await,
            ended => ended,
        }
    }

    /// Ends the idle connections politely. Mails in progress finish; later ones open new connections.
    pub async fn close(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        let goodbyes = idle.into_iter().map(|mut idle| async move {
            // A relay that does not answer QUIT must not delay our stopping.
            let _ = timeout(Duration::from_secs(2), idle.connection.abort()).await;
        });
        futures::future::join_all(goodbyes).await;
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        match timeout(self.connect_timeout, self.relay.connect()).await {
            Ok(connected) => connected,
            // As one that refuses the connection: no mail is at fault.
            Err(_elapsed) => {
                let detail = format!("no answer within {:?}", self.connect_timeout);
                Err(SendError::Unreachable { detail })
            }
        }
    }

    fn take_idle(&self) -> Option<AsyncSmtpConnection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|parked| parked.since.elapsed() < self.idle_timeout);
        idle.pop().map(|parked| parked.connection)
    }

    fn park(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(Idle { connection, since: Instant::now() });
    }

    /// After a refusal the conversation can go on with the next mail, unless the relay is hanging up.
    async fn settle(&self, mut connection: AsyncSmtpConnection, error: &SmtpError, stage: Stage) {
        if is_gone(error) {
            return;
        }
        let reset = async {
            match stage {
                // The answer to the content ends the transaction by itself.
                Stage::Content => true,
                _ => connection.command(Rset).await.is_ok(),
            }
        };
        if timeout(self.connect_timeout, reset).await.unwrap_or(false) {
            self.park(connection);
        }
    }
}

impl Relay {
    async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        let refused = |error: SmtpError| classify(&error, Stage::Connect);
        let mut connection = match &self.tls {
            Tls::Wrapper(parameters) => {
                let address = (self.host.as_str(), self.port);
                let parameters = Some(parameters.clone());
                AsyncSmtpConnection::connect_tokio1(address, None, &self.hello, parameters, None).await
            }
            _ => AsyncSmtpConnection::connect_with_transport(Box::new(self.dial().await?), &self.hello).await,
        }
        .map_err(refused)?;
        let login = self.log_in(&mut connection).await;
        login.map_err(refused)?;
        Ok(connection)
    }

    /// lettre writes a mail and its final dot one after the other. Without `TCP_NODELAY` the dot waits until the relay
    /// has acknowledged the mail, which relays put off: 40 ms for nothing, in every mail.
    async fn dial(&self) -> Result<TcpStream, SendError> {
        let dialled = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        dialled.await.map_err(|error: std::io::Error| SendError::Unreachable { detail: error.to_string() })
    }

    async fn log_in(&self, connection: &mut AsyncSmtpConnection) -> Result<(), SmtpError> {
        match &self.tls {
            Tls::Required(parameters) => {
                connection.starttls(parameters.clone(), &self.hello).await?;
            }
            Tls::Opportunistic(parameters) if connection.can_starttls() => {
                connection.starttls(parameters.clone(), &self.hello).await?;
            }
            Tls::Opportunistic(_) | Tls::Wrapper(_) | Tls::None => {}
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await?;
        }
        Ok(())
    }
}

enum Refusal {
    Smtp(SmtpError, Stage),
    Unsendable(SendError),
}

async fn offer(
    connection: &mut AsyncSmtpConnection,
    mail: &OutgoingMail,
    content: &[u8],
    content_sent: &AtomicBool,
) -> Result<Response, Refusal> {
    let (from, to) = (&mail.from.email, &mail.to.email);
    let (mut parameters, mut stage) = (Vec::new(), Stage::Sender);
    if !AsRef::<str>::as_ref(from).is_ascii() || !AsRef::<str>::as_ref(to).is_ascii() {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            return Err(Refusal::Unsendable(SendError::unsendable(
                "the relay cannot carry an address with letters outside ASCII",
            )));
        }
        parameters.push(MailParameter::SmtpUtfEight);
        stage = Stage::SenderUtf8;
    }
    connection.command(Mail::new(Some(from.clone()), parameters)).await.map_err(|error| Refusal::Smtp(error, stage))?;
    connection
        .command(Rcpt::new(to.clone(), Vec::new()))
        .await
        .map_err(|error| Refusal::Smtp(error, Stage::Recipient))?;
    connection.command(Data).await.map_err(|error| Refusal::Smtp(error, Stage::Data))?;
    // Before, not after: from the first byte on, only the relay knows what became of the mail.
    content_sent.store(true, Ordering::Relaxed);
    connection.message(content).await.map_err(|error| Refusal::Smtp(error, Stage::Content))
}

/// No reply at all, or the reply that announces the end of the connection.
fn is_gone(error: &SmtpError) -> bool {
    error.status().is_none_or(|code| code.to_string() == "421")
}
