//! Behind a PgBouncer in transaction mode that knows no prepared statements: many clients on two connections to the
//! server, and nobody sees another's rows.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use futures::future::join_all;
use horae::{
    config::Config,
    schema::id::{GlobalIds, Kind},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::{
    app::{Client, SECRET, TestApp},
    fixtures::Centre,
    folder::passable,
};

/// Ends with this value.
struct Bouncer {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `user:password@host:port/database` in its parts.
fn parts(url: &str) -> (String, String, String, String) {
    let place = url.split_once("://").unwrap().1.split('?').next().unwrap();
    let (who, place) = place.rsplit_once('@').unwrap();
    let (host, database) = place.split_once('/').unwrap();
    let (user, password) = who.split_once(':').unwrap();
    (user.to_owned(), password.to_owned(), host.to_owned(), database.to_owned())
}

impl Bouncer {
    /// In front of the server of this application URL, with two connections to it.
    async fn start(app_url: &str) -> Self {
        let (user, password, place, _) = parts(app_url);
        let (host, server_port) = place.rsplit_once(':').unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = passable();
        let users = folder.path().join("users.txt");
        std::fs::write(&users, format!("\"{user}\" \"{password}\"\n")).unwrap();
        let settings = format!(
            "[databases]\n* = host={host} port={server_port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = plain\nauth_file = {}\npool_mode = transaction\ndefault_pool_size = 2\nmax_client_conn = 200\n\
             ignore_startup_parameters = extra_float_digits\n",
            users.display()
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        let mut command = Command::new(program());
        // It refuses to run as root.
        if std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0) {
            command.args(["-u", "nobody"]);
        }
        let process = command
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pgbouncer starts; apt-get install pgbouncer");
        let bouncer = Self { process, port, _folder: folder };
        let began = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(began.elapsed() < Duration::from_secs(10), "pgbouncer does not answer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bouncer
    }
}

fn program() -> &'static str {
    if Path::new("/usr/sbin/pgbouncer").exists() { "/usr/sbin/pgbouncer" } else { "pgbouncer" }
}

/// A node whose every connection goes through a PgBouncer, on a fresh database.
async fn bounced() -> (TestApp, Bouncer) {
    let direct = TestApp::start().await;
    let config = Config::from_lookup(|name| match name {
        "HORAE_SECRET" => Some(SECRET.to_owned()),
        "DATABASE_URL" => Some(direct.database_url.clone()),
        _ => None,
    })
    .unwrap();
    let app_url = config.db_options().unwrap().servers["main"].app_url.clone();
    let bouncer = Bouncer::start(&app_url).await;
    let (user, password, _, database) = parts(&app_url);
    let through =
        format!("postgres://{user}:{password}@127.0.0.1:{}/{database}?statement-cache-capacity=0", bouncer.port);
    let app =
        TestApp::on(&direct.database_url, &[("DATABASE_APP_URL", &through), ("DATABASE_ACQUIRE_TIMEOUT", "30")]).await;
    (app, bouncer)
}

/// One centre's bookable place.
struct Place {
    slug: &'static str,
    client: Client,
    input: Value,
}

async fn place(app: &TestApp, slug: &'static str, zone: &str) -> Place {
    let centre = Centre::of(app, slug).await;
    let branch = centre.branch(&format!("Sucursal {slug}"), zone).await;
    let professional = centre.professional(&format!("Persona {slug}"), branch).await;
    centre.works(professional, branch, &[(1..=7, "08:00", "20:00")]).await;
    let (treatment, patient) =
        (centre.treatment(&format!("Corte {slug}"), 30).await, centre.patient("Rosa", slug).await);
    let ids = GlobalIds::new(centre.cx.seal.clone(), &centre.system.tenant);
    let input = json!({
        "branchId": ids.encode(Kind::Branch, branch), "patientId": ids.encode(Kind::Patient, patient),
        "items": [{"treatmentId": ids.encode(Kind::Treatment, treatment), "professionalId": ids.encode(Kind::Resource, professional)}],
    });
    Place { slug, client: app.admin(slug).await, input }
}

const READ: &str =
    "{ viewer { tenant { slug } } branches(first: 5) { nodes { name } } professionals(first: 5) { nodes { name } }
    treatments(first: 5) { nodes { name } } }";
const BOOK: &str = "mutation($input: BookAppointmentInput!) { bookAppointment(input: $input) {
    appointment { patient { paternalSurname } branch { name } } userErrors { code message } } }";

impl Place {
    async fn read(&self) {
        let seen = self.client.ok(READ, json!({})).await;
        let slug = self.slug;
        let expected = json!({
            "viewer": {"tenant": {"slug": slug}}, "branches": {"nodes": [{"name": format!("Sucursal {slug}")}]},
            "professionals": {"nodes": [{"name": format!("Persona {slug}")}]}, "treatments": {"nodes": [{"name": format!("Corte {slug}")}]},
        });
        assert_eq!(seen, expected);
    }

    /// Whether it was still free.
    async fn book(&self, local_start: &str) -> bool {
        let mut input = self.input.clone();
        input["idempotencyKey"] = json!(Uuid::new_v4());
        input["items"][0]["localStart"] = json!(local_start);
        let answer = self.client.ok(BOOK, json!({ "input": input })).await["bookAppointment"].clone();
        if answer["appointment"].is_null() {
            assert_eq!(answer["userErrors"][0]["code"], "SLOT_TAKEN", "{answer:#}");
            return false;
        }
        assert_eq!(answer["appointment"]["patient"]["paternalSurname"], self.slug);
        true
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_centres_share_two_connections_and_see_their_own_rows_only() {
    const TASKS: usize = 16;
    let (app, _bouncer) = bounced().await;
    let places = [place(&app, "alfa", "America/Santiago").await, place(&app, "beta", "Europe/Madrid").await];
    let work = (0..TASKS).map(|task| {
        let (places, app) = (&places, &app);
        async move {
            let mut booked = 0;
            for round in 0..12 {
                let place = &places[(task + round) % 2];
                place.read().await;
                // Everybody wants the same six half hours of the same person.
                let start = format!("2026-07-15T{:02}:{:02}", 9 + round % 3, if task % 2 == 0 { 0 } else { 30 });
                booked += usize::from(place.book(&start).await);
                // A client that goes away in the middle of its request, at any point of it.
                let patience = Duration::from_micros(u64::try_from((task * 37 + round * 911) % 6_000).unwrap());
                let _ = tokio::time::timeout(patience, place.client.send(READ, json!({}))).await;
                // And what runs outside of every tenant.
                app.app.cx.db.ping().await.unwrap();
                assert_eq!(app.app.cx.db.list_tenants().await.unwrap().len(), 2);
            }
            booked
        }
    });
    let booked: usize = join_all(work).await.into_iter().sum();
    assert_eq!(booked, 12, "six half hours in each centre");
    for place in &places {
        let centre = Centre::of(&app, place.slug).await;
        assert_eq!(centre.count("SELECT count(*) FROM appointments").await, 6);
        let foreign = "SELECT count(*) FROM patients WHERE paternal_surname <> (SELECT replace(name, 'Sucursal ', '') FROM branches)";
        assert_eq!(centre.count(foreign).await, 0);
    }
}

#[tokio::test]
async fn jobs_and_mails_run_through_it_too() {
    let (app, _bouncer) = bounced().await;
    let place = place(&app, "alfa", "America/Santiago").await;
    assert!(place.book("2026-07-15T10:00").await);
    app.clock.advance(chrono::TimeDelta::minutes(6));
    app.run_jobs().await;
    assert_eq!(app.mails().len(), 1);
}
