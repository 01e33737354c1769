//! Live events: what was committed reaches every subscriber once and in order, whatever breaks on the way.

mod api;
mod fanout;
mod moves;
mod nodes;
mod processes;
mod resets;
mod resume;
mod scope;
mod sharing;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use horae::{
    auth::{Actor, BuiltinRole},
    domain::{
        booking::{
            book::{self, Book, PatientChoice},
            input::ItemInput,
        },
        change::{Change, Changes},
        time::{GapPolicy, OverlapPolicy},
    },
    events::{Delivery, Ready, Reset, Subscription, Topic, Wanted},
};
use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::{app::TestApp, fixtures::Centre};

const PATIENCE: Duration = Duration::from_secs(20);

/// A branch of `alfa` where anything can be booked at any hour, by any number of desks at once.
pub struct Desk {
    pub centre: Centre,
    pub actor: Arc<Actor>,
    pub branch: Uuid,
    pub treatment: Uuid,
    pub patient: Uuid,
    pub professionals: Vec<Uuid>,
}

impl Desk {
    pub async fn with(app: &TestApp, professionals: usize) -> Self {
        let centre = Centre::of(app, "alfa").await;
        let branch = centre.branch("Providencia", "America/Santiago").await;
        let treatment = centre.treatment("Limpieza", 30).await;
        let patient = centre.patient("Rosa", "Soto").await;
        let mut ids = Vec::new();
        for n in 0..professionals {
            let id = centre.professional(&format!("Ana {n}"), branch).await;
            centre.works(id, branch, &[(1..=7, "00:00", "00:00")]).await;
            ids.push(id);
        }
        Self { centre, actor: app.actor("alfa").await, branch, treatment, patient, professionals: ids }
    }

    /// Books the `slot`th half hour of the `writer`th professional, through `app`.
    pub async fn book(&self, app: &TestApp, writer: usize, slot: i32) -> Uuid {
        let start: DateTime<Utc> = "2026-07-14T04:00:00Z".parse().unwrap();
        let start = start + TimeDelta::minutes(30) * slot;
        let book = Book {
            key: app.app.cx.new_id(),
            branch: self.branch,
            patient: Some(PatientChoice::Known(self.patient)),
            items: vec![ItemInput {
                treatment: self.treatment,
                start: Some(start.fixed_offset()),
                local_start: None,
                professional: Some(self.professionals[writer]),
                room: None,
                duration_minutes: None,
            }],
            hold: None,
            slot_token: None,
            channel: "STAFF".to_owned(),
            notes: None,
            overbook: false,
            overbook_reason: None,
            gap: GapPolicy::Reject,
            overlap: OverlapPolicy::Reject,
            send_confirmation: false,
        };
        book::run(&app.app.cx, &self.actor, book).await.unwrap().id
    }

    /// Writes `count` events about an appointment in one transaction.
    pub async fn happen(&self, app: &TestApp, appointment: Uuid, count: usize) {
        let mut changes = Changes::by(&self.centre.system);
        for _ in 0..count {
            changes.push(Change {
                branch_id: Some(self.branch),
                data: json!({"kind": "UPDATED", "resources": self.professionals}),
                ..Change::event("appointment.status_changed", "test", "Appointment", appointment)
            });
        }
        let tx = app.app.cx.write(&self.centre.system).await.unwrap();
        app.app.cx.commit(tx, changes).await.unwrap();
    }

    /// The login of the `n`th professional, who sees the own column alone.
    pub async fn professional(&self, app: &TestApp, n: usize) -> Arc<Actor> {
        let client = app.user("alfa", BuiltinRole::Professional).await;
        let known = app.actor_of(&client).await;
        self.centre.is_user(self.professionals[n], known.id.unwrap()).await;
        app.app.authenticator.forget(self.actor.tenant.id, known.session.unwrap()).await;
        let actor = app.actor_of(&client).await;
        assert_eq!(actor.professional, Some(self.professionals[n]));
        actor
    }

    pub fn agenda(&self, after: Option<String>) -> Wanted {
        Wanted { topic: Topic::Agenda, branches: Some(vec![self.branch]), resources: None, after }
    }

    /// A stream of the branch's agenda on this node, and how it begins.
    pub async fn listen(&self, app: &TestApp, after: Option<String>) -> (Subscription, Ready) {
        let mut stream = app.app.live.subscribe(Arc::clone(&self.actor), self.agenda(after)).await.unwrap();
        let ready = ready(&mut stream).await;
        (stream, ready)
    }

    /// Everything the log of the centre says about appointments behind a position.
    pub async fn log(&self, after: i64) -> Vec<(i64, Uuid)> {
        let tx = self.centre.cx.read(&self.centre.system).await.unwrap();
        let positions: Vec<i64> = tx
            .scalars(
                "SELECT position FROM events WHERE position > $1 AND type LIKE 'appointment.%' ORDER BY position",
                [after.into()],
            )
            .await
            .unwrap();
        let subjects: Vec<Uuid> = tx
            .scalars(
                "SELECT subject_id FROM events WHERE position > $1 AND type LIKE 'appointment.%' ORDER BY position",
                [after.into()],
            )
            .await
            .unwrap();
        tx.commit().await.unwrap();
        positions.into_iter().zip(subjects).collect()
    }
}

/// The next item; fails instead of waiting forever.
pub async fn next(stream: &mut Subscription) -> Option<Delivery> {
    timeout(PATIENCE, stream.next()).await.expect("the stream says something in time")
}

pub async fn ready(stream: &mut Subscription) -> Ready {
    match next(stream).await {
        Some(Delivery::Ready(ready)) => ready,
        other => panic!("expected Ready, got {other:?}"),
    }
}

pub async fn reset(stream: &mut Subscription) -> Reset {
    let found = loop {
        match next(stream).await {
            Some(Delivery::Reset(reset)) => break reset,
            Some(_) => {}
            None => panic!("the stream ended without saying why"),
        }
    };
    assert!(next(stream).await.is_none(), "nothing follows a reset");
    found
}

/// Position and appointment of the next `count` events.
pub async fn events(stream: &mut Subscription, count: usize) -> Vec<(i64, Uuid)> {
    let mut found = Vec::with_capacity(count);
    while found.len() < count {
        match next(stream).await {
            Some(Delivery::Appointment(event, change)) => found.push((event.cursor.position, change.appointment.id)),
            other => panic!("expected an event after {} of {count}, got {other:?}", found.len()),
        }
    }
    found
}

/// Nothing more has been sent, and after one more booking that one comes next.
pub async fn is_up_to_date(stream: &mut Subscription, desk: &Desk, app: &TestApp, slot: i32) {
    let id = desk.book(app, 0, slot).await;
    assert_eq!(events(stream, 1).await[0].1, id, "something came between the last event and a new one");
}
