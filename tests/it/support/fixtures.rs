//! A centre's furniture for tests: written by SQL as the tenant, so that a test of one area does not stand on another's
//! use cases.
//!
//! ```ignore
//! let centre = Centre::of(&app, "alfa").await;
//! let branch = centre.branch("Providencia", "America/Santiago").await;
//! let ana = centre.professional("Ana", branch).await;
//! centre.works(ana, branch, &[(1..=5, "09:00", "18:00")]).await;
//! let cleaning = centre.treatment("Limpieza", 30).await;
//! let rosa = centre.patient("Rosa", "Soto").await;
//! centre.book(Booking::new(branch, rosa, cleaning, "2026-07-14T14:00:00Z", 30).with(ana)).await;
//! ```

use std::{io::Write as _, ops::RangeInclusive};

use chrono::{DateTime, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use horae::{
    auth::Actor,
    db::TenantTx,
    domain::{
        cx::Cx,
        files::deposit::{self, Made},
    },
};
use sea_orm::Value;
use uuid::Uuid;

use super::app::TestApp;

/// One tenant, and the right to write to it.
pub struct Centre {
    pub cx: Cx,
    pub system: Actor,
    currency: &'static str,
}

/// An appointment to put in, as booking would have written it: items, and occupancies of everything it takes.
#[derive(Clone, Debug)]
pub struct Booking {
    pub branch: Uuid,
    pub patient: Option<Uuid>,
    pub treatment: Uuid,
    pub start: DateTime<Utc>,
    pub minutes: i64,
    pub professional: Option<Uuid>,
    pub room: Option<Uuid>,
    pub others: Vec<Uuid>,
    pub unit: i16,
    pub buffers: (i64, i64),
    pub status: &'static str,
    pub channel: &'static str,
    pub overbooked: bool,
    pub hold_expires_at: Option<DateTime<Utc>>,
}

impl Booking {
    pub fn new(branch: Uuid, patient: Uuid, treatment: Uuid, start: &str, minutes: i64) -> Self {
        Self {
            branch,
            patient: Some(patient),
            treatment,
            start: start.parse().unwrap(),
            minutes,
            professional: None,
            room: None,
            others: Vec::new(),
            unit: 0,
            buffers: (0, 0),
            status: "BOOKED",
            channel: "STAFF",
            overbooked: false,
            hold_expires_at: None,
        }
    }

    pub fn with(mut self, professional: Uuid) -> Self {
        self.professional = Some(professional);
        self
    }

    pub fn in_room(mut self, room: Uuid) -> Self {
        self.room = Some(room);
        self
    }

    pub fn also(mut self, resource: Uuid) -> Self {
        self.others.push(resource);
        self
    }

    pub fn unit(mut self, unit: i16) -> Self {
        self.unit = unit;
        self
    }

    pub fn buffers(mut self, before: i64, after: i64) -> Self {
        self.buffers = (before, after);
        self
    }

    pub fn status(mut self, status: &'static str) -> Self {
        self.status = status;
        self
    }

    pub fn overbooked(mut self) -> Self {
        self.overbooked = true;
        self
    }

    pub fn held_until(mut self, until: &str) -> Self {
        self.status = "HELD";
        self.patient = None;
        self.hold_expires_at = Some(until.parse().unwrap());
        self
    }
}

impl Centre {
    /// The tenant with this slug, `alfa` or `beta`.
    pub async fn of(app: &TestApp, slug: &str) -> Self {
        let currency = if slug == "alfa" { "CLP" } else { "EUR" };
        Self { cx: app.app.cx.clone(), system: app.system(slug).await, currency }
    }

    /// One statement in a transaction of its own.
    pub async fn run(&self, sql: &'static str, values: Vec<Value>) -> u64 {
        let tx = self.cx.write(&self.system).await.unwrap();
        let rows = tx.run(sql, values).await.unwrap();
        tx.commit().await.unwrap();
        rows
    }

    /// A transaction that keeps the rows of a statement locked until it ends. With the head of the log locked, use cases
    /// stop when everything but their events is written.
    pub async fn locking(&self, sql: &'static str, values: Vec<Value>) -> TenantTx {
        let tx = self.cx.write(&self.system).await.unwrap();
        tx.run(sql, values).await.unwrap();
        tx
    }

    /// A number that a statement answers with.
    pub async fn count(&self, sql: &'static str) -> i64 {
        let tx = self.cx.read(&self.system).await.unwrap();
        let found: Option<i64> = tx.scalar(sql, []).await.unwrap();
        tx.commit().await.unwrap();
        found.unwrap()
    }

    /// A branch with a grid of 15 minutes, an hour's notice for patients and no opening hours.
    pub async fn branch(&self, name: &str, zone: &str) -> Uuid {
        let id = self.cx.new_id();
        self.run(
            "INSERT INTO branches (id, name, time_zone, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)",
            vec![id.into(), name.into(), zone.into(), self.cx.now().into()],
        )
        .await;
        id
    }

    /// Opening hours: ISO weekdays, from, until (`00:00` is the end of the day).
    pub async fn opens(&self, branch: Uuid, hours: &[(RangeInclusive<i16>, &str, &str)]) {
        for (days, starts, ends) in hours {
            for day in days.clone() {
                self.run(
                    "INSERT INTO branch_windows (branch_id, kind, weekday, starts, ends) VALUES ($1, 'OPENING', $2, $3, $4)",
                    vec![branch.into(), day.into(), time(starts).into(), time(ends).into()],
                )
                .await;
            }
        }
    }

    /// A professional who works in a branch, accepts online bookings and carries out every treatment.
    pub async fn professional(&self, name: &str, branch: Uuid) -> Uuid {
        let id = self.resource("PROFESSIONAL", name, None, 1).await;
        self.run("INSERT INTO professionals (id) VALUES ($1)", vec![id.into()]).await;
        self.also_works_in(id, branch).await;
        id
    }

    pub async fn also_works_in(&self, professional: Uuid, branch: Uuid) {
        let sql = "INSERT INTO professional_branches (professional_id, branch_id) VALUES ($1, $2)";
        self.run(sql, vec![professional.into(), branch.into()]).await;
    }

    /// Limits a professional to treatments.
    pub async fn offers_only(&self, professional: Uuid, treatments: &[Uuid]) {
        for treatment in treatments {
            let sql = "INSERT INTO professional_treatments (professional_id, treatment_id) VALUES ($1, $2)";
            self.run(sql, vec![professional.into(), (*treatment).into()]).await;
        }
    }

    /// Makes a user the login of a professional.
    pub async fn is_user(&self, professional: Uuid, user: Uuid) {
        self.run("UPDATE professionals SET user_id = $2 WHERE id = $1", vec![professional.into(), user.into()]).await;
    }

    /// A room with so many places.
    pub async fn room(&self, name: &str, branch: Uuid, capacity: i32) -> Uuid {
        self.resource("ROOM", name, Some(branch), capacity).await
    }

    /// A piece of equipment.
    pub async fn equipment(&self, name: &str, branch: Uuid) -> Uuid {
        self.resource("EQUIPMENT", name, Some(branch), 1).await
    }

    async fn resource(&self, kind: &str, name: &str, branch: Option<Uuid>, capacity: i32) -> Uuid {
        let id = self.cx.new_id();
        self.run(
            "INSERT INTO resources (id, kind, name, color, capacity, branch_id, created_at, updated_at) VALUES ($1, $2, $3, '#3A7BD5', $4, $5, $6, $6)",
            vec![id.into(), kind.into(), name.into(), capacity.into(), branch.into(), self.cx.now().into()],
        )
        .await;
        id
    }

    /// A schedule of a resource in a branch: ISO weekdays, from, until.
    pub async fn works(&self, resource: Uuid, branch: Uuid, hours: &[(RangeInclusive<i16>, &str, &str)]) -> Uuid {
        let id = self.cx.new_id();
        let name = format!("Horario {}", id.simple());
        self.run(
            "INSERT INTO schedules (id, resource_id, branch_id, name) VALUES ($1, $2, $3, $4)",
            vec![id.into(), resource.into(), branch.into(), name.into()],
        )
        .await;
        for (days, starts, ends) in hours {
            for day in days.clone() {
                self.run(
                    "INSERT INTO schedule_windows (schedule_id, weekday, starts, ends) VALUES ($1, $2, $3, $4)",
                    vec![id.into(), day.into(), time(starts).into(), time(ends).into()],
                )
                .await;
            }
        }
        id
    }

    /// A treatment without requirements, for 10 000 minor units.
    pub async fn treatment(&self, name: &str, minutes: i32) -> Uuid {
        let id = self.cx.new_id();
        self.run(
            "INSERT INTO treatments (id, name, duration_minutes, price_minor, currency, created_at, updated_at) VALUES ($1, $2, $3, 10000, $4, $5, $5)",
            vec![id.into(), name.into(), minutes.into(), self.currency.into(), self.cx.now().into()],
        )
        .await;
        id
    }

    pub async fn buffers(&self, treatment: Uuid, before: i32, after: i32) {
        self.run(
            "UPDATE treatments SET buffer_before_minutes = $2, buffer_after_minutes = $3 WHERE id = $1",
            vec![treatment.into(), before.into(), after.into()],
        )
        .await;
    }

    /// What a treatment needs: kind, how many, of which (none: of any).
    pub async fn needs(&self, treatment: Uuid, needs: &[(&str, i32, &[Uuid])]) {
        for (position, (kind, quantity, any_of)) in (0_i16..).zip(needs) {
            self.run(
                "INSERT INTO treatment_requirements (treatment_id, position, kind, quantity, any_of) VALUES ($1, $2, $3, $4, $5)",
                vec![treatment.into(), position.into(), (*kind).into(), (*quantity).into(), any_of.to_vec().into()],
            )
            .await;
        }
    }

    pub async fn patient(&self, given_names: &str, paternal_surname: &str) -> Uuid {
        let id = self.cx.new_id();
        let email = format!("{}@pacientes.test", id.simple());
        self.run(
            "INSERT INTO patients (id, given_names, paternal_surname, email, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5)",
            vec![id.into(), given_names.into(), paternal_surname.into(), email.into(), self.cx.now().into()],
        )
        .await;
        id
    }

    /// A list of one patient in a file that this user or key has brought.
    pub async fn list_of_patients(&self, requested_by: Uuid) -> Uuid {
        let mut file = tempfile::tempfile().unwrap();
        write!(file, "Nombre;Correo\nRosamunda;{}@pacientes.test\n", self.cx.new_id().simple()).unwrap();
        let made = Made { requested_by, file_name: "pacientes.csv".to_owned(), mime_type: "text/csv", file };
        deposit::run(&self.cx, &self.system, made).await.unwrap().id
    }

    /// Puts an import of patients in, which nothing will run.
    pub async fn import_job(&self, id: Uuid) {
        self.run(
            "INSERT INTO background_jobs (id, kind, creator_kind, permission, shared, input, created_at)
             VALUES ($1, 'patients.import', 'SYSTEM', 'PATIENT_WRITE', true, '{}', $2)",
            vec![id.into(), self.cx.now().into()],
        )
        .await;
    }

    /// Puts an appointment in.
    pub async fn book(&self, new: Booking) -> Uuid {
        let id = self.cx.new_id();
        let end = new.start + TimeDelta::minutes(new.minutes);
        let now = self.cx.now();
        let tx = self.cx.write(&self.system).await.unwrap();
        let zone: Option<String> =
            tx.scalar("SELECT time_zone FROM branches WHERE id = $1", [new.branch.into()]).await.unwrap();
        let zone: Tz = zone.unwrap().parse().unwrap();
        let local: NaiveDateTime = new.start.with_timezone(&zone).naive_local();
        tx.run(
            "INSERT INTO appointments (id, code, branch_id, patient_id, start_at, end_at, local_start, time_zone, status, channel,
                 overbooked, overbook_reason, hold_expires_at, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14)",
            [
                id.into(),
                id.simple().to_string().into(),
                new.branch.into(),
                new.patient.into(),
                new.start.into(),
                end.into(),
                local.into(),
                zone.name().into(),
                new.status.into(),
                new.channel.into(),
                new.overbooked.into(),
                new.overbooked.then_some("asked for").into(),
                new.hold_expires_at.into(),
                now.into(),
            ],
        )
        .await
        .unwrap();
        tx.run(
            "INSERT INTO appointment_items (appointment_id, position, treatment_id, professional_id, room_id, start_at, end_at, price_minor, currency)
             VALUES ($1, 0, $2, $3, $4, $5, $6, 10000, $7)",
            [
                id.into(),
                new.treatment.into(),
                new.professional.into(),
                new.room.into(),
                new.start.into(),
                end.into(),
                self.currency.into(),
            ],
        )
        .await
        .unwrap();
        let active = !matches!(new.status, "CANCELLED" | "REJECTED" | "EXPIRED");
        for resource in new.professional.into_iter().chain(new.room).chain(new.others) {
            tx.run(
                "INSERT INTO occupancies (appointment_id, resource_id, unit, during, active, overbooked) VALUES ($1, $2, $3, tstzrange($4, $5), $6, $7)",
                [
                    id.into(),
                    resource.into(),
                    new.unit.into(),
                    (new.start - TimeDelta::minutes(new.buffers.0)).into(),
                    (end + TimeDelta::minutes(new.buffers.1)).into(),
                    active.into(),
                    new.overbooked.into(),
                ],
            )
            .await
            .unwrap();
        }
        tx.commit().await.unwrap();
        id
    }
}

fn time(text: &str) -> NaiveTime {
    NaiveTime::parse_from_str(text, "%H:%M").unwrap()
}
