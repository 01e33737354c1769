//! An SMTP server that takes everything at once and counts the mails that the measurement has put in: their Message-IDs
//! end with `@bench>`. It has a thread of its own: in the generator's, answers to bookings would wait for its mails.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::{Notify, oneshot},
    task::JoinSet,
    time::timeout,
};

use crate::fail::{Fail, Result};

/// What it has taken: how often each Message-ID came, and when the first and last mail did.
#[derive(Debug, Default)]
pub struct Taken {
    /// By Message-ID.
    pub copies: HashMap<String, usize>,
    /// Of the first mail.
    pub first: Option<Instant>,
    /// Of the last one.
    pub last: Option<Instant>,
}

/// A running one.
pub struct Sink {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    /// Gone with the sink, it ends the thread.
    _stop: oneshot::Sender<()>,
}

#[derive(Default)]
struct Shared {
    taken: Mutex<Taken>,
    more: Notify,
}

impl Sink {
    /// Starts it.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let listener = listener.into_std()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let sharing = Arc::clone(&shared);
        thread::Builder::new().name("sink".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ended = serve(listener, sharing) => {}
                    _stopped = stopped => {}
                }
            });
        })?;
        Ok(Self { address, shared, _stop: stop })
    }

    /// Waits for so many different mails, as long as some come.
    pub async fn wait(&self, count: usize, patience: Duration) -> Result<()> {
        loop {
            let more = self.shared.more.notified();
            let have = self.read(|taken| taken.copies.len());
            if have >= count {
                return Ok(());
            }
            if timeout(patience, more).await.is_err() {
                return Err(Fail::new(format!("{have} of {count} mails came, and then none for {patience:?}")));
            }
        }
    }

    /// Looks at what it has taken.
    pub fn read<T>(&self, look: impl FnOnce(&Taken) -> T) -> T {
        look(&self.shared.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn serve(listener: std::net::TcpListener, shared: Arc<Shared>) -> Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut sessions = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let shared = Arc::clone(&shared);
        sessions.spawn(async move {
            let _ended = session(stream, &shared).await;
        });
    }
}

async fn session(stream: TcpStream, shared: &Shared) -> Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader);
    writer.write_all(b"220 bench\r\n").await?;
    let mut line = String::new();
    loop {
        line.clear();
        if lines.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer = match verb.as_str() {
            "QUIT" => {
                writer.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            "DATA" => {
                writer.write_all(b"354 go on\r\n").await?;
                let id = take(&mut lines).await?;
                let now = Instant::now();
                if !id.ends_with("@bench>") {
                    writer.write_all(b"250 taken\r\n").await?;
                    continue;
                }
                let mut taken = shared.taken.lock().unwrap_or_else(PoisonError::into_inner);
                *taken.copies.entry(id).or_default() += 1;
                taken.first.get_or_insert(now);
                taken.last = Some(now);
                drop(taken);
                shared.more.notify_waiters();
                "250 taken\r\n"
            }
            _ => "250 ok\r\n",
        };
        writer.write_all(answer.as_bytes()).await?;
    }
}

/// Reads a mail up to its end and gives its Message-ID.
async fn take(lines: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> Result<String> {
    let mut id = String::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).await? == 0 {
            return Err(Fail::new("the line was cut in mid-mail"));
        }
        if line == b".\r\n" {
            return Ok(id);
        }
        if id.is_empty() && line.get(..11).is_some_and(|name| name.eq_ignore_ascii_case(b"message-id:")) {
            id = String::from_utf8_lossy(line.get(11..).unwrap_or_default()).trim().to_owned();
        }
    }
}
