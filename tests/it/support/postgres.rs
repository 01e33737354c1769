//! One PostgreSQL for the whole run, and a fresh database for each test, copied from a template with two centres.

use std::{
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

use horae::embedded::{EmbeddedPostgres, Options};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::OnceCell,
};

static SERVER: OnceLock<String> = OnceLock::new();
static TEMPLATE: OnceCell<String> = OnceCell::const_new();
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// URL of a server's owner: of `DATABASE_URL`, or of a private server that ends with this process.
pub fn server_url() -> &'static str {
    SERVER.get_or_init(|| {
        if let Ok(url) = std::env::var("DATABASE_URL") {
            return url;
        }
        let (sender, receiver) = mpsc::channel();
        // A thread of its own: the server must outlive the runtime of the test that happens to come first.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let folder = super::folder::passable().keep();
                #[expect(clippy::zombie_processes, reason = "it outlives this process, which is its purpose")]
                let _sweeper = sweep_when_over(&folder);
                let mut options = Options::new(folder);
                options.durable = false;
                options.max_connections = 400;
                let server = EmbeddedPostgres::start(options).await.expect("PostgreSQL for the tests starts");
                sender.send(server.admin_url()).unwrap();
                std::future::pending::<()>().await;
            });
        });
        receiver.recv_timeout(Duration::from_secs(120)).expect("PostgreSQL for the tests starts")
    })
}

/// Removes the server's files (gigabytes, after a whole run) when this process is gone, however it went, and the server
/// with it. A static is never dropped, and a killed process drops nothing; the end of a pipe reaches a child always.
fn sweep_when_over(folder: &Path) -> Child {
    const SCRIPT: &str = r#"trap "" HUP INT TERM
read -r word
until [ -z "$(find "$1" -name postmaster.pid 2>/dev/null)" ]; do sleep 1; done
rm -rf "$1""#;
    Command::new("sh")
        .args(["-c", SCRIPT, "sh"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("sh starts")
}

/// The server's URL with another database.
pub fn with_database(url: &str, database: &str) -> String {
    let (head, query) = url.split_once('?').map_or((url, None), |(head, query)| (head, Some(query)));
    let (base, _) = head.rsplit_once('/').unwrap();
    query.map_or_else(|| format!("{base}/{database}"), |query| format!("{base}/{database}?{query}"))
}

/// Owner's URL of a fresh, empty database.
pub async fn empty_database() -> String {
    let name = next_name();
    admin(&format!("CREATE DATABASE {name}")).await;
    with_database(server_url(), &name)
}

/// Owner's URL of a fresh database that holds what `fill` put into the template, once per run.
pub async fn database_from_template<F: Future<Output = ()>>(fill: impl FnOnce(String) -> F) -> String {
    let template = TEMPLATE
        .get_or_init(|| async {
            let name = next_name();
            admin(&format!("CREATE DATABASE {name}")).await;
            fill(with_database(server_url(), &name)).await;
            name
        })
        .await;
    let name = next_name();
    admin(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
    let url = with_database(server_url(), &name);
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::query("UPDATE catalogue.cells SET database = current_database()").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    url
}

/// URL of the same database behind a door that names another zone at the beginning of each session. The driver says UTC
/// there, which beats what the URL, the role and the database say.
pub async fn with_sessions_in(url: &str, zone: &'static str) -> String {
    let server: PgConnectOptions = url.parse().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let door = server.clone().host("127.0.0.1").port(listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let address = (server.get_host().to_owned(), server.get_port());
            tokio::spawn(async move { begin_in(zone, client, TcpStream::connect(address).await?).await });
        }
    });
    door.ssl_mode(PgSslMode::Disable).to_url_lossy().to_string()
}

async fn begin_in(zone: &str, mut client: TcpStream, mut server: TcpStream) -> std::io::Result<()> {
    const SAID: &[u8] = b"TimeZone\0UTC\0";
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let length = usize::try_from(client.read_i32().await?).unwrap();
    let mut startup = vec![0; length - 4];
    client.read_exact(&mut startup).await?;
    let at = startup.windows(SAID.len()).position(|said| said == SAID).expect("the driver says UTC");
    startup.splice(at..at + SAID.len(), format!("TimeZone\0{zone}\0").into_bytes());
    server.write_i32(i32::try_from(startup.len()).unwrap() + 4).await?;
    server.write_all(&startup).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

fn next_name() -> String {
    format!("it_{}_{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

async fn admin(sql: &str) {
    let mut connection = PgConnection::connect(server_url()).await.expect("the test server answers");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
