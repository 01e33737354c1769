//! `horae demo` as a newcomer meets it: the README's tour by the tabs that GraphiQL opens with, as they are, and a second
//! start. Only the private PostgreSQL is left to the tests of `embedded`.

mod starts;

use std::{path::Path, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{folder, node::Node, postgres::empty_database, socket::Socket};

/// The tabs, by the names of their operations.
struct Tabs(Vec<Value>);

impl Tabs {
    async fn of(node: &Node) -> Self {
        let (status, page) = node.get("/graphiql").await;
        assert_eq!(status, 200);
        let settings = page.split_once("id=\"settings\">").unwrap().1.split_once("</script>").unwrap().0;
        let mut settings: Value = serde_json::from_str(settings).unwrap();
        Self(serde_json::from_value(settings["tabs"].take()).unwrap())
    }

    fn named(&self, name: &str) -> &Value {
        let is_it = |tab: &&Value| tab["query"].as_str().unwrap().split([' ', '(']).nth(1) == Some(name);
        self.0.iter().find(is_it).unwrap_or_else(|| panic!("no tab is called {name}"))
    }

    /// The data that a tab is answered with, which refuses nothing.
    async fn run(&self, node: &Node, name: &str, change: impl FnOnce(&mut Value)) -> Value {
        let tab = self.named(name);
        let mut variables = tab["variables"].clone();
        change(&mut variables);
        let headers: Vec<(&str, &str)> = tab["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let answer = node.ask(&headers, tab["query"].as_str().unwrap(), variables).await;
        assert_eq!(answer.get("errors"), None, "{name}: {answer:#}");
        let field = answer["data"].as_object().unwrap().values().next().unwrap();
        if let Some(errors) = field.get("userErrors") {
            assert_eq!(errors, &json!([]), "{name}");
        }
        field.clone()
    }
}

/// What the README's `curl` sends to log in.
fn login_of_the_readme() -> Value {
    let readme = include_str!("../../../README.md");
    let body = readme.split_once("curl ").unwrap().1.split_once("-d '").unwrap().1.split_once("'\n```").unwrap().0;
    serde_json::from_str(body).unwrap_or_else(|error| panic!("not JSON: {error}: {body}"))
}

/// A demo whose folders are this one.
async fn start(folder: &TempDir, database: &str) -> Node {
    let mut node = begin(folder, database, &[]).await;
    node.until("The API is ready").await;
    node
}

/// The same with further settings, whether or not it will ever be ready.
async fn begin(folder: &TempDir, database: &str, more: &[(&'static str, String)]) -> Node {
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut settings = vec![
        ("HORAE_DATA_DIR", place("data")),
        ("HORAE_MAIL_FOLDER", place("mailbox")),
        ("HORAE_FILES", place("files")),
    ];
    settings.extend_from_slice(more);
    Node::begin(&[env!("CARGO_BIN_EXE_horae"), "demo"], database, &settings).await
}

/// The mails to an address, when there are any.
async fn mails_to(mailbox: &Path, address: &str) -> Vec<String> {
    let found = async {
        loop {
            let files = std::fs::read_dir(mailbox).into_iter().flatten().map(|file| file.unwrap().path());
            let texts = files.filter_map(|file| std::fs::read_to_string(file).ok());
            let to_them = |mail: &String| mail.lines().any(|line| line.starts_with("To: ") && line.contains(address));
            let mails: Vec<String> = texts.filter(to_them).collect();
            if !mails.is_empty() {
                return mails;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), found).await.expect("the mail comes")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_of_the_readme_works_and_a_second_start_finds_it_again() {
    let (folder, database) = (folder::passable(), empty_database().await);
    let node = start(&folder, &database).await;
    let tabs = Tabs::of(&node).await;

    let login = tabs.run(&node, "LogIn", |_| ()).await;
    assert_eq!(login["viewer"]["tenant"]["tradeName"], "Clínica Sur");

    let pasted = node.ask(&[], login_of_the_readme()["query"].as_str().unwrap(), Value::Null).await;
    assert!(pasted["data"]["login"]["tokens"]["accessToken"].is_string(), "{pasted:#}");

    let watch = tabs.named("WatchBookings");
    let token = watch["headers"]["Authorization"].as_str().unwrap().strip_prefix("Bearer ").unwrap();
    let mut screen = Socket::open_at(node.address, token).await;
    screen.subscribe("1", watch["query"].as_str().unwrap(), json!({})).await;
    assert_eq!(screen.data().await["bookingReceived"]["recovered"], false, "it is ready");

    let times = tabs.run(&node, "FindTime", |_| ()).await;
    assert_eq!(times.as_array().unwrap().len(), 5);
    let held = tabs.run(&node, "HoldTime", |_| ()).await["appointment"].clone();
    let booked = tabs.run(&node, "BookAsPatient", |variables| variables["input"]["holdId"] = held["id"].clone()).await;
    let code = booked["appointment"]["code"].clone();
    let seen = screen.data().await["bookingReceived"].clone();
    assert_eq!((&seen["appointment"]["code"], &seen["channel"]), (&code, &json!("WEB_WIDGET")));

    let agenda = tabs.run(&node, "DayAgenda", |_| ()).await.to_string();
    assert!(agenda.contains("Fuentes"), "{agenda}");
    let found = tabs.run(&node, "FindPatient", |_| ()).await;
    assert_eq!(found["nodes"][0]["paternalSurname"], "Fuentes");
    let record = tabs.run(&node, "ReadRecord", |_| ()).await;
    let entry = &record["record"]["entries"]["nodes"][0];
    assert_eq!((&entry["status"], &entry["signatureValid"]), (&json!("SIGNED"), &json!(true)), "{record:#}");
    assert!(entry["values"].as_array().unwrap().contains(&json!({"key": "bmi", "value": "24.577046"})), "{entry:#}");

    let confirmation = mails_to(&folder.path().join("mailbox"), "carla.munoz@example.com").await;
    assert_eq!(confirmation.len(), 1);
    assert!(confirmation[0].contains("Content-Type: text/calendar"), "{}", confirmation[0]);
    let copy = mails_to(&folder.path().join("mailbox"), "recepcion@clinica-sur.example").await;
    assert!(!copy.is_empty());
    let mails = tabs.run(&node, "Mails", |_| ()).await.to_string();
    assert!(mails.contains("APPOINTMENT_REMINDER") && mails.contains("carla.munoz@example.com"), "{mails}");
    node.stop().await;

    let node = start(&folder, &database).await;
    let tabs = Tabs::of(&node).await;
    let mails = tabs.run(&node, "Mails", |_| ()).await.to_string();
    assert!(mails.contains("carla.munoz@example.com"), "{mails}");
    tabs.run(&node, "FindTime", |_| ()).await;
    node.stop().await;
}
