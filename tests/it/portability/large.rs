//! Fifty thousand rows, one in a hundred of them bad: watched while they come in, through killed workers, in bounded
//! memory, and exactly once.

use std::{io::Write as _, process::Stdio, time::Instant};

use horae::domain::clock::{Clock, SystemClock};
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::process::{Child, Command};

use super::{Office, counts};
use crate::support::{app::SECRET, socket::Socket};

const ROWS: usize = 50_000;
const KILLS: usize = 2;

/// A worker as operators run it.
fn worker(office: &Office) -> Child {
    Command::new(env!("CARGO_BIN_EXE_horae"))
        .arg("work")
        .env_clear()
        .env("HORAE_SECRET", SECRET)
        .env("DATABASE_URL", &office.app.database_url)
        .env("HORAE_FILES", office.folder.path())
        .env("RUST_LOG", "warn")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the worker starts")
}

/// The most memory that a process has had, in MiB.
fn peak(process: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()?)).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}

fn list() -> Vec<u8> {
    let mut text = b"Ficha,Nombres,Apellido paterno,Correo,Celular,Fecha nacimiento,Sexo,Observaciones\n".to_vec();
    for n in 0..ROWS {
        let birth = if n % 100 == 7 { "mañana" } else { "12/03/1985" };
        writeln!(
            text,
            "F-{n},Paciente {n},Apellido{},p{n}@example.com,+569{:08},{birth},F,\"Observación de la fila {n}, larga como suelen ser\"",
            n % 997,
            10_000_000 + n
        )
        .unwrap();
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_thousand_rows_come_in_once_through_killed_workers() {
    let office = Office::open().await;
    // Workers are real processes and live in the present.
    office.app.clock.set(SystemClock.now());
    let email: String = office.one("SELECT email FROM users WHERE email LIKE 'receptionist%'").await;
    let office = Office { clerk: office.app.login("alfa", &email).await, ..office };
    let before = office.patients().await;
    let file = office.bring_text(&list()).await;
    let payload = office.import(&file, json!({})).await;
    let id = payload["job"]["id"].clone();
    let mut socket = Socket::open(&office.app, office.clerk.token.as_deref().unwrap()).await;
    let watch = "subscription($id: ID!) { jobProgress(jobId: $id) { status progress total errorCount } }";
    socket.subscribe("1", watch, json!({ "id": id })).await;
    let mut connection = PgConnection::connect(&office.app.database_url).await.unwrap();
    let (began, mut heard, mut kills, mut most) = (Instant::now(), Vec::<i64>::new(), 0, 0);
    let mut running = worker(&office);
    loop {
        let message = socket.hear().await;
        if message["type"] == "complete" {
            break;
        }
        let job = &message["payload"]["data"]["jobProgress"];
        let progress = job["progress"].as_i64().unwrap_or_else(|| panic!("{message:#}"));
        heard.push(progress);
        most = most.max(peak(&running).unwrap_or_default());
        if kills < KILLS && progress > i64::try_from((kills + 1) * ROWS / 4).unwrap() {
            kills += 1;
            running.start_kill().unwrap();
            running.wait().await.unwrap();
            // The minute of its lease is made to pass.
            sqlx::query(
                "UPDATE queue.jobs SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 'RUNNING'",
            )
            .execute(&mut connection)
            .await
            .unwrap();
            running = worker(&office);
        }
    }
    let took = began.elapsed();
    let job = office.job(&id).await;
    let bad = i64::try_from(ROWS / 100).unwrap();
    let rows = i64::try_from(ROWS).unwrap();
    assert_eq!(counts(&job), (&json!("SUCCEEDED"), rows, bad, 0), "{job:#}");
    assert_eq!((&job["total"], job["resultUrl"].is_string()), (&json!(rows), true));
    assert_eq!(office.patients().await, before + rows - bad);
    let twice = office.centre.count("SELECT count(*) FROM (SELECT 1 FROM patients GROUP BY file_number HAVING count(*) > 1 AND file_number IS NOT NULL) x").await;
    assert_eq!((kills, twice), (KILLS, 0));
    // Without Redis the node hears of another process every two seconds, however fast that one is.
    assert!(heard.len() > 5 && heard.is_sorted(), "progress is heard as it is made: {heard:?}");
    let events: i64 = office.centre.count("SELECT count(*) FROM events WHERE type = 'patient.created'").await;
    assert_eq!(events, rows - bad);
    println!(
        "import of {ROWS} rows with {bad} bad ones: {} s, {} progress messages, killed {kills} times, at most {most} MiB in a worker",
        took.as_secs(),
        heard.len()
    );
    // An unoptimised worker starts with some fifty; the rest does not grow with the file.
    // Only Linux tells.
    assert!((most > 0 || !cfg!(target_os = "linux")) && most < 400, "{most} MiB");
    drop(running);
}
