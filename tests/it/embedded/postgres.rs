//! The private PostgreSQL: starts, keeps its data, survives what happens to processes.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use horae::embedded::{EmbeddedError, EmbeddedPostgres, Options};
use sqlx::{Connection as _, PgConnection};

use crate::support::folder;

fn test_options(data_dir: &Path) -> Options {
    let mut options = Options::new(data_dir);
    options.durable = false;
    options.max_connections = 20;
    options
}

async fn connect(server: &EmbeddedPostgres) -> PgConnection {
    PgConnection::connect(&server.admin_url()).await.unwrap()
}

async fn count(server: &EmbeddedPostgres) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM kept").fetch_one(&mut connect(server).await).await.unwrap()
}

async fn write_row(server: &EmbeddedPostgres) {
    let mut connection = connect(server).await;
    sqlx::query("CREATE TABLE IF NOT EXISTS kept (at int)").execute(&mut connection).await.unwrap();
    sqlx::query("INSERT INTO kept VALUES (1)").execute(&mut connection).await.unwrap();
}

fn kill(process: u32, signal: &str) {
    // The shell's own, because small systems have no program of that name.
    let command = format!("kill {signal} {process}");
    let status = Command::new("sh").args(["-c", &command]).status().unwrap();
    assert!(status.success(), "{command}");
}

#[tokio::test]
async fn a_second_start_finds_data_password_and_port_again() {
    let folder = folder::passable();
    let data_dir = folder.path().join("new").join("pg");

    let server = EmbeddedPostgres::start(test_options(&data_dir)).await.unwrap();
    let one: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&mut connect(&server).await).await.unwrap();
    assert_eq!(one, 1);
    write_row(&server).await;
    let (url, process) = (server.admin_url(), server.process_id().unwrap());
    server.stop().await.unwrap();
    assert!(!is_alive(&process.to_string()), "the server is gone when stop returns");

    let server = EmbeddedPostgres::start(test_options(&data_dir)).await.unwrap();
    assert_eq!(server.admin_url(), url);
    assert_eq!(count(&server).await, 1);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn only_this_machine_with_the_password_gets_in() {
    let folder = folder::passable();
    let server = EmbeddedPostgres::start(test_options(&folder.path().join("pg"))).await.unwrap();

    let password_file = fs::metadata(server.home().join("admin.password")).unwrap();
    assert_eq!(password_file.permissions().mode() & 0o777, 0o600);
    let url = server.admin_url();
    let password = url.split([':', '@']).nth(2).unwrap();
    let refused = PgConnection::connect(&url.replace(password, "wrong")).await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "28P01");
    let addresses: String =
        sqlx::query_scalar("SHOW listen_addresses").fetch_one(&mut connect(&server).await).await.unwrap();
    assert_eq!(addresses, "127.0.0.1");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_server_starts_again() {
    let folder = folder::passable();
    let data_dir = folder.path().join("pg");
    // Without `durable` the last commits may be lost here, which is why it is the default.
    let options = Options::new(&data_dir);
    let mut server = EmbeddedPostgres::start(options.clone()).await.unwrap();
    write_row(&server).await;
    kill(server.process_id().unwrap(), "-KILL");
    assert!(!server.ended().await.unwrap().success());
    assert!(server.home().join("cluster/postmaster.pid").exists(), "a killed server leaves its pid file");
    server.stop().await.unwrap();

    let server = EmbeddedPostgres::start(options).await.unwrap();
    assert_eq!(count(&server).await, 1);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn the_data_has_one_user_at_a_time() {
    let folder = folder::passable();
    let data_dir = folder.path().join("pg");
    let server = EmbeddedPostgres::start(test_options(&data_dir)).await.unwrap();

    let second = EmbeddedPostgres::start(test_options(&data_dir)).await.unwrap_err();
    assert!(matches!(second, EmbeddedError::InUse(_)), "{second}");
    assert_eq!(connect(&server).await.ping().await.ok(), Some(()), "the first goes on");

    // Dropped without stop, its successor waits for it or ends it, and finds the data.
    write_row(&server).await;
    drop(server);
    let server = EmbeddedPostgres::start(test_options(&data_dir)).await.unwrap();
    assert_eq!(count(&server).await, 1);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_pid_file_of_a_number_that_went_to_another_program_is_no_obstacle() {
    let folder = folder::passable();
    let data_dir = folder.path().join("pg");
    let server = EmbeddedPostgres::start(test_options(&data_dir)).await.unwrap();
    let pid_file = server.home().join("cluster/postmaster.pid");
    let text = fs::read_to_string(&pid_file).unwrap();
    let (own, rest) = text.split_once('\n').unwrap();
    assert_eq!(own, server.process_id().unwrap().to_string());
    let rest = rest.to_owned();
    server.stop().await.unwrap();

    let mut other = Command::new("sleep").arg("600").stdout(Stdio::null()).spawn().unwrap();
    fs::write(&pid_file, format!("{}\n{rest}", other.id())).unwrap();
    let server = EmbeddedPostgres::start(test_options(&data_dir)).await.unwrap();
    assert_eq!(other.try_wait().unwrap(), None, "the other program was left alone");
    other.kill().unwrap();
    other.wait().unwrap();
    server.stop().await.unwrap();
}

/// Not a test by itself: the process that the next test starts and kills.
#[tokio::test]
#[ignore = "started by a_server_does_not_outlive_a_killed_owner"]
async fn owner_to_be_killed() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let server = EmbeddedPostgres::start(test_options(Path::new(line.trim()))).await.unwrap();
    eprintln!("server {}", server.process_id().unwrap());
    std::future::pending::<()>().await;
    drop(server);
}

#[tokio::test]
async fn a_server_does_not_outlive_a_killed_owner() {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

    let folder = folder::passable();
    let data_dir = folder.path().join("pg");
    let mut owner = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "embedded::postgres::owner_to_be_killed"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let line = format!("{}\n", data_dir.display());
    owner.stdin.take().unwrap().write_all(line.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(owner.stderr.take().unwrap()).lines();
    let process = loop {
        let line = lines.next_line().await.unwrap().expect("the owner says which process its server is");
        if let Some(process) = line.strip_prefix("server ") {
            break process.to_owned();
        }
    };
    assert!(is_alive(&process));

    owner.kill().await.unwrap();
    let gone = tokio::time::timeout(Duration::from_secs(30), async {
        while is_alive(&process) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    gone.await.expect("the watchdog ends the server");

    let server = EmbeddedPostgres::start(test_options(&data_dir)).await.unwrap();
    server.stop().await.unwrap();
}

/// A zombie that nobody has collected yet has ended.
fn is_alive(process: &str) -> bool {
    let state = if cfg!(target_os = "linux") {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().unwrap_or_default().to_owned()
    } else {
        let output = Command::new("ps").args(["-o", "stat=", "-p", process]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    !state.is_empty() && !state.starts_with('Z')
}

#[tokio::test]
async fn a_folder_that_the_servers_account_cannot_reach_is_replaced_when_we_are_root() {
    let folder = tempfile::tempdir().unwrap();
    // As `/root` is.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let data_dir = folder.path().join("pg");
    let root = fs::metadata(folder.path()).unwrap().uid() == 0;

    let server = EmbeddedPostgres::start(test_options(&data_dir)).await.unwrap();
    let home = server.home().to_owned();
    assert_eq!(home != data_dir, root, "{}", home.display());
    write_row(&server).await;
    server.stop().await.unwrap();

    let server = EmbeddedPostgres::start(test_options(&data_dir)).await.unwrap();
    assert_eq!(server.home(), home);
    assert_eq!(count(&server).await, 1);
    server.stop().await.unwrap();
    fs::remove_dir_all(home).unwrap();
}

#[tokio::test]
async fn missing_programs_and_a_taken_port_are_named() {
    let folder = folder::passable();
    let mut options = test_options(&folder.path().join("pg"));
    options.bin_dir = Some(folder.path().join("nothing"));
    let error = EmbeddedPostgres::start(options.clone()).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::BinariesUnusable { .. }));
    assert!(error.to_string().contains("HORAE_PG_BIN"), "{error}");
    assert!(error.to_string().contains("initdb"), "{error}");

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    options.bin_dir = None;
    options.port = Some(listener.local_addr().unwrap().port());
    let error = EmbeddedPostgres::start(options).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::PortTaken(_)), "{error}");
}
