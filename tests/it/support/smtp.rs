//! Starts and commands the scripted relay of `tests/smtp/sink.py`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::process::Stdio;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

/// A relay of our own in another process; it ends with this value, or with the test process, whichever is first.
pub struct SmtpSink {
    port: u16,
    control: Mutex<Control>,
    _process: Child,
}

struct Control {
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

/// A mail that arrived whole.
#[derive(Debug, Clone, Deserialize)]
pub struct Received {
    /// With angle brackets.
    pub message_id: String,
    /// Envelope recipients.
    pub to: Vec<String>,
    /// Decoded.
    pub subject: String,
    /// The plain-text part, decoded.
    pub body: String,
    /// Content types in order, containers included.
    pub parts: Vec<String>,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// True when 250 was answered to it.
    pub accepted: bool,
}

/// Which messages to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those answered with 250.
    Accepted,
    /// Also those whose content arrived but that were refused or never answered.
    Completed,
}

/// The point of the conversation at which the relay misbehaves.
#[derive(Debug, Clone, Copy)]
pub enum At {
    /// In answer to EHLO.
    Connect,
    /// In answer to MAIL, where nothing is known of recipients.
    Mail,
    /// In answer to RCPT.
    Rcpt,
    /// In answer to the content.
    Data,
}

/// How the relay misbehaves.
#[derive(Debug, Clone, Copy)]
pub enum Act<'a> {
    /// As it should.
    Ok,
    /// With this reply.
    Reply(&'a str),
    /// By breaking the line without an answer.
    Drop,
    /// By answering properly after so many milliseconds.
    SlowMs(u64),
}

impl SmtpSink {
    /// Starts the relay on a free port.
    pub async fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/smtp/sink.py");
        let mut process = Command::new(super::python::program())
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("python3 starts");
        let mut answers = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = answers.next_line().await.unwrap().expect("the sink ended; `script/test` installs what it needs (aiosmtpd) and names that Python in HORAE_TEST_PYTHON");
        let port = ready.strip_prefix("READY ").unwrap().parse().unwrap();
        let commands = process.stdin.take().unwrap();
        Self { port, control: Mutex::new(Control { commands, answers }), _process: process }
    }

    /// For `SMTP_URL`.
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}/client.test", self.port)
    }

    /// From now on misbehave so: for one recipient or for all, `times` times or for ever.
    pub async fn rule(&self, recipient: Option<&str>, at: At, act: Act<'_>, times: Option<u32>) {
        let stage = match at {
            At::Connect => "connect",
            At::Mail => "mail",
            At::Rcpt => "rcpt",
            At::Data => "data",
        };
        let (action, reply, ms) = match act {
            Act::Ok => ("ok", None, 0),
            Act::Reply(reply) => ("reply", Some(reply), 0),
            Act::Drop => ("drop", None, 0),
            Act::SlowMs(ms) => ("slow", None, ms),
        };
        self.tell(json!({
            "cmd": "rule", "recipient": recipient, "stage": stage, "action": action, "reply": reply, "ms": ms,
            "times": times,
        }))
        .await;
    }

    /// Behave again.
    pub async fn clear_rules(&self) {
        self.tell(json!({"cmd": "clear_rules"})).await;
    }

    /// Break every open connection, as relays do with idle ones.
    pub async fn hang_up(&self) {
        self.tell(json!({"cmd": "hang_up"})).await;
    }

    /// Forget everything.
    pub async fn reset(&self) {
        self.tell(json!({"cmd": "reset"})).await;
    }

    /// What arrived, in order.
    pub async fn messages(&self, which: Which) -> Vec<Received> {
        let mut answer = self.tell(json!({"cmd": "list", "accepted_only": which == Which::Accepted})).await;
        serde_json::from_value(answer["messages"].take()).unwrap()
    }

    /// How often each Message-ID arrived.
    pub async fn counts(&self, which: Which) -> BTreeMap<String, u64> {
        let mut answer = self.tell(json!({"cmd": "counts", "accepted_only": which == Which::Accepted})).await;
        serde_json::from_value(answer["counts"].take()).unwrap()
    }

    /// How many connections were opened.
    pub async fn connections(&self) -> u64 {
        self.tell(json!({"cmd": "stats"})).await["connections"].as_u64().unwrap()
    }

    /// Waits until `count` messages are there, at most so long; returns how many there are.
    pub async fn wait_for(&self, count: u64, limit: std::time::Duration, which: Which) -> u64 {
        self.tell(json!({
            "cmd": "wait", "count": count, "ms": u64::try_from(limit.as_millis()).unwrap(),
            "accepted_only": which == Which::Accepted,
        }))
        .await["count"]
            .as_u64()
            .unwrap()
    }

    async fn tell(&self, command: Value) -> Value {
        let mut control = self.control.lock().await;
        let line = format!("{command}\n");
        control.commands.write_all(line.as_bytes()).await.unwrap();
        control.commands.flush().await.unwrap();
        let answer = control.answers.next_line().await.unwrap();
        let answer: Value = serde_json::from_str(&answer.expect("the sink is alive")).unwrap();
        assert_eq!(answer["ok"], true, "{answer}");
        answer
    }
}
