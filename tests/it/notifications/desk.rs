//! Arranges branches and appointments, and reads what became of their mails.

use chrono::{DateTime, Duration, Utc};
use horae::{
    auth::Actor,
    db::TenantTx,
    domain::{
        centre::{model::Branch, query},
        notifications::{self, AppointmentTimes},
    },
};
use uuid::Uuid;

use crate::support::app::TestApp;

/// A front desk of the centre `alfa`, below the API: appointments are written as booking writes them.
pub struct Desk {
    pub app: TestApp,
    pub system: Actor,
}

/// A mail's row: kind, status, due, attempts.
pub type Row = (String, String, DateTime<Utc>, i32);

impl Desk {
    pub async fn open() -> Self {
        Self::of(TestApp::start().await, "alfa").await
    }

    pub async fn of(app: TestApp, slug: &str) -> Self {
        let system = app.system(slug).await;
        Self { app, system }
    }

    pub async fn tx(&self) -> TenantTx {
        self.app.app.cx.write(&self.system).await.unwrap()
    }

    pub async fn branch(&self, name: &str, zone: &str, copies: &[&str]) -> Branch {
        let tx = self.tx().await;
        let id = self.app.app.cx.new_id();
        let copies: Vec<String> = copies.iter().map(|to| (*to).to_owned()).collect();
        tx.run(
            "INSERT INTO branches (id, name, time_zone, address, phone, email, copy_confirmations_to, created_at, updated_at)
             VALUES ($1, $2, $3, $4, '+56223456789', 'hola@alfa.test', $5, $6, $6)",
            [
                id.into(),
                name.into(),
                zone.into(),
                serde_json::json!({"line1": "Av. Providencia 1234", "city": "Santiago", "country": "CL"}).into(),
                copies.into(),
                self.app.now().into(),
            ],
        )
        .await
        .unwrap();
        let branch = query::find_branch(&tx, id).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        branch
    }

    /// Books an appointment of 45 minutes for a new patient.
    pub async fn book(&self, branch: &Branch, start: &str, email: &str) -> AppointmentTimes {
        self.book_at(branch, start.parse().unwrap(), email, self.app.now()).await
    }

    pub async fn book_at(
        &self,
        branch: &Branch,
        start: DateTime<Utc>,
        email: &str,
        booked_at: DateTime<Utc>,
    ) -> AppointmentTimes {
        let tx = self.tx().await;
        let times = self.insert(&tx, branch, start, email, booked_at).await;
        notifications::on_booked(&self.app.app.cx, &tx, branch, &times).await.unwrap();
        tx.commit().await.unwrap();
        times
    }

    pub async fn insert(
        &self,
        tx: &TenantTx,
        branch: &Branch,
        start: DateTime<Utc>,
        email: &str,
        booked_at: DateTime<Utc>,
    ) -> AppointmentTimes {
        let cx = &self.app.app.cx;
        let (patient, id) = (cx.new_id(), cx.new_id());
        tx.run(
            "INSERT INTO patients (id, given_names, paternal_surname, email, created_at, updated_at) VALUES ($1, 'María', 'Muñoz', $2, $3, $3)",
            [patient.into(), email.into(), booked_at.into()],
        )
        .await
        .unwrap();
        tx.run(
            "INSERT INTO appointments (id, code, branch_id, patient_id, start_at, end_at, local_start, time_zone, status, channel, created_at, updated_at)
             VALUES ($1, 'A' || lpad(nextval('appointment_codes')::text, 7, '0'), $2, $3, $4, $5, $6, $7, 'BOOKED', 'STAFF', $8, $8)",
            [
                id.into(),
                branch.id.into(),
                patient.into(),
                start.into(),
                (start + Duration::minutes(45)).into(),
                start.with_timezone(&branch.zone).naive_local().into(),
                branch.zone.name().into(),
                booked_at.into(),
            ],
        )
        .await
        .unwrap();
        AppointmentTimes {
            id,
            revision: 0,
            start,
            previous_start: None,
            only_time_changed: true,
            patient_email: Some(email.to_owned()),
            send_confirmation: true,
            booked_at,
        }
    }

    pub async fn move_to(&self, branch: &Branch, times: &mut AppointmentTimes, start: &str, notify: bool) {
        let tx = self.tx().await;
        self.move_in(&tx, branch, times, start, notify).await;
        tx.commit().await.unwrap();
    }

    /// Moves it in a transaction that goes on.
    pub async fn move_in(
        &self,
        tx: &TenantTx,
        branch: &Branch,
        times: &mut AppointmentTimes,
        start: &str,
        notify: bool,
    ) {
        times.previous_start = Some(times.start);
        times.start = start.parse().unwrap();
        times.revision += 1;
        times.booked_at = self.app.now();
        tx.run(
            "UPDATE appointments SET start_at = $2, end_at = $2 + interval '45 minutes', local_start = $3, revision = $4 WHERE id = $1",
            [
                times.id.into(),
                times.start.into(),
                times.start.with_timezone(&branch.zone).naive_local().into(),
                times.revision.into(),
            ],
        )
        .await
        .unwrap();
        notifications::on_rescheduled(&self.app.app.cx, tx, branch, times, notify).await.unwrap();
    }

    pub async fn cancel(&self, times: &AppointmentTimes) {
        let tx = self.tx().await;
        tx.run("UPDATE appointments SET status = 'CANCELLED' WHERE id = $1", [times.id.into()]).await.unwrap();
        notifications::on_cancelled(&self.app.app.cx, &tx, times, false).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Moves the clock to an instant and runs what is due.
    pub async fn at(&self, instant: &str) {
        self.app.clock.set(instant.parse().unwrap());
        self.app.run_jobs().await;
    }

    /// Mails about an appointment, in order of their making.
    pub async fn emails(&self, appointment: Uuid) -> Vec<Row> {
        let tx = self.tx().await;
        let rows: Vec<serde_json::Value> = tx
            .scalars(
                "SELECT jsonb_build_array(kind, status, due_at, attempts) FROM email_messages WHERE related_id = $1 ORDER BY created_at, id",
                [appointment.into()],
            )
            .await
            .unwrap();
        rows.into_iter().map(|row| serde_json::from_value(row).unwrap()).collect()
    }

    /// Kind and status of each.
    pub async fn states(&self, appointment: Uuid) -> Vec<(String, String)> {
        let mut states: Vec<_> = self.emails(appointment).await.into_iter().map(|row| (row.0, row.1)).collect();
        states.sort();
        states
    }

    /// Subjects, senders and the like of what really went out, decoded.
    pub fn sent(&self) -> Vec<Sent> {
        self.app.mails().iter().map(|mail| Sent::read(mail)).collect()
    }
}

/// A mail in the mailbox.
#[derive(Debug)]
pub struct Sent {
    pub message_id: String,
    pub to: String,
    /// The whole file with soft line breaks and equals signs decoded.
    pub text: String,
}

impl Sent {
    fn read(mail: &str) -> Self {
        let header = |name: &str| {
            let line = mail.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}:")));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        Self { message_id: header("message-id"), to: header("to"), text: mail.replace("=\r\n", "").replace("=3D", "=") }
    }
}

pub fn states(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut states: Vec<_> = expected.iter().map(|(kind, status)| ((*kind).to_owned(), (*status).to_owned())).collect();
    states.sort();
    states
}
