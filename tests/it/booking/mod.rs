//! Holding, booking, moving and ending appointments.

pub mod api;
mod book;
mod input;
mod needs;
pub mod patient_link;
mod public;
mod public_mails;
mod races;
mod reschedule;
mod transition;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use horae::{
    auth::Actor,
    domain::{
        booking::{
            book::{Book, PatientChoice},
            input::ItemInput,
        },
        time::{GapPolicy, OverlapPolicy},
    },
};
use uuid::Uuid;

use crate::support::{
    app::{Client, TestApp},
    fixtures::Centre,
};

/// A branch in Santiago with two professionals and two rooms, open every day from 8 to 20, and a treatment of half an
/// hour that takes one of each.
pub struct Clinic {
    pub app: TestApp,
    pub centre: Centre,
    pub admin: Client,
    pub actor: Arc<Actor>,
    pub branch: Uuid,
    pub professionals: Vec<Uuid>,
    pub rooms: Vec<Uuid>,
    pub treatment: Uuid,
    pub patient: Uuid,
}

impl Clinic {
    pub async fn open() -> Self {
        Self::open_on(TestApp::start().await).await
    }

    pub async fn open_on(app: TestApp) -> Self {
        let centre = Centre::of(&app, "alfa").await;
        let branch = centre.branch("Santiago", "America/Santiago").await;
        centre.opens(branch, &[(1..=7, "08:00", "20:00")]).await;
        let mut professionals = Vec::new();
        for name in ["Ana", "Berta"] {
            let id = centre.professional(name, branch).await;
            centre.works(id, branch, &[(1..=7, "08:00", "20:00")]).await;
            professionals.push(id);
        }
        let rooms = vec![centre.room("Box 1", branch, 1).await, centre.room("Box 2", branch, 1).await];
        let treatment = centre.treatment("Limpieza", 30).await;
        centre.needs(treatment, &[("PROFESSIONAL", 1, &[]), ("ROOM", 1, &[])]).await;
        let patient = centre.patient("Rosa", "Soto").await;
        let admin = app.admin("alfa").await;
        let actor = app.actor_of(&admin).await;
        Self { app, centre, admin, actor, branch, professionals, rooms, treatment, patient }
    }

    /// A booking of the treatment with a named professional in any free room.
    pub fn booking(&self, professional: Uuid, start: DateTime<Utc>) -> Book {
        Book {
            key: self.app.app.cx.new_id(),
            branch: self.branch,
            patient: Some(PatientChoice::Known(self.patient)),
            items: vec![ItemInput {
                treatment: self.treatment,
                start: Some(start.fixed_offset()),
                local_start: None,
                professional: Some(professional),
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
            send_confirmation: true,
        }
    }
}
