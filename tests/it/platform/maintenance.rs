//! Centres in maintenance can be read and not changed; disabled ones tell nothing but that.

use std::time::{Duration, Instant};

use horae::{
    auth::BuiltinRole,
    db::{CATALOGUE_STALENESS, TenantStatus},
    schema::id::{GlobalIds, Kind},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    app::{Client, TestApp},
    fingerprint::fingerprint,
    fixtures::{Booking, Centre},
};

const STATUS: &str = "{ viewer { tenant { slug status } } }";
const READ: &str = "{ branches(first: 5) { nodes { name } } }";

struct Stage {
    app: TestApp,
    admin: Client,
    ids: GlobalIds,
    appointment: Uuid,
    branch: Uuid,
    patient: Uuid,
    treatment: Uuid,
}

impl Stage {
    async fn open() -> Self {
        let app = TestApp::start().await;
        let centre = Centre::of(&app, "alfa").await;
        let branch = centre.branch("Centro", "America/Santiago").await;
        let (treatment, patient) = (centre.treatment("Corte", 30).await, centre.patient("Rosa", "Soto").await);
        let appointment = centre.book(Booking::new(branch, patient, treatment, "2026-07-14T14:00:00Z", 30)).await;
        let ids = GlobalIds::new(centre.cx.seal.clone(), &centre.system.tenant);
        let admin = app.admin("alfa").await;
        Self { app, admin, ids, appointment, branch, patient, treatment }
    }

    async fn set(&self, status: TenantStatus, reason: Option<&str>) {
        self.app.app.cx.db.set_tenant_status("alfa", status, reason, self.app.now()).await.unwrap();
    }

    /// One of each area's changes, with their payload's name.
    fn changes(&self) -> Vec<(&'static str, String, Value)> {
        let errors = "{ userErrors { code message } }";
        let id = |kind, id| json!(self.ids.encode(kind, id));
        let book = json!({
            "idempotencyKey": Uuid::new_v4(), "branchId": id(Kind::Branch, self.branch), "patientId": id(Kind::Patient, self.patient),
            "items": [{"treatmentId": id(Kind::Treatment, self.treatment), "start": "2026-07-14T15:00:00Z"}],
        });
        let mut moved = book.clone();
        let fields = moved.as_object_mut().unwrap();
        fields.retain(|name, _| name == "idempotencyKey" || name == "items");
        fields.insert("appointmentId".to_owned(), id(Kind::Appointment, self.appointment));
        fields.insert("version".to_owned(), json!(1));
        let step = json!({"id": id(Kind::Appointment, self.appointment)});
        vec![
            (
                "bookAppointment",
                format!("mutation($input: BookAppointmentInput!) {{ bookAppointment(input: $input) {errors} }}"),
                json!({"input": book}),
            ),
            (
                "rescheduleAppointment",
                format!("mutation($input: RescheduleInput!) {{ rescheduleAppointment(input: $input) {errors} }}"),
                json!({"input": moved}),
            ),
            (
                "transitionAppointment",
                format!("mutation($id: ID!) {{ transitionAppointment(id: $id, version: 1, to: CONFIRMED) {errors} }}"),
                step.clone(),
            ),
            ("releaseHold", format!("mutation($id: ID!) {{ releaseHold(appointmentId: $id) {errors} }}"), step),
            (
                "upsertBranch",
                format!(
                    "mutation {{ upsertBranch(input: {{name: \"Norte\", timeZone: \"America/Santiago\"}}) {errors} }}"
                ),
                json!({}),
            ),
            (
                "upsertTreatmentCategory",
                format!("mutation {{ upsertTreatmentCategory(name: \"Dental\") {errors} }}"),
                json!({}),
            ),
        ]
    }
}

#[tokio::test]
async fn in_maintenance_everything_is_read_and_nothing_written() {
    let stage = Stage::open().await;
    let receptionist = stage.app.user("alfa", BuiltinRole::Receptionist).await;
    stage.set(TenantStatus::Maintenance, Some("mudanza")).await;
    let before = fingerprint(&stage.app, "alfa").await;
    let viewer = stage.admin.ok(STATUS, json!({})).await;
    assert_eq!(viewer["viewer"]["tenant"], json!({"slug": "alfa", "status": "MAINTENANCE"}));
    assert_eq!(receptionist.ok(READ, json!({})).await["branches"]["nodes"], json!([{"name": "Centro"}]));
    let one = json!({"id": stage.ids.encode(Kind::Appointment, stage.appointment)});
    let read = stage.admin.ok("query($id: ID!) { appointment(id: $id) { status } }", one).await;
    assert_eq!(read["appointment"]["status"], "BOOKED");
    for (name, document, variables) in stage.changes() {
        let answer = stage.admin.ok(&document, variables).await;
        let errors = &answer[name]["userErrors"];
        assert_eq!(errors[0]["code"], "TENANT_IN_MAINTENANCE", "{name}: {answer}");
        assert!(errors[0]["message"].as_str().unwrap().contains("mudanza"), "{answer}");
    }
    assert_eq!(fingerprint(&stage.app, "alfa").await, before);
    stage
        .app
        .admin("beta")
        .await
        .ok("mutation { upsertTreatmentCategory(name: \"Dental\") { userErrors { code } } }", json!({}))
        .await;
    stage.set(TenantStatus::Active, None).await;
    let (name, document, variables) = stage.changes().pop().unwrap();
    assert_eq!(stage.admin.ok(&document, variables).await[name]["userErrors"], json!([]));
}

#[tokio::test]
async fn disabled_it_tells_its_status_and_nothing_else() {
    let stage = Stage::open().await;
    let page = stage.app.page("alfa").await;
    stage.set(TenantStatus::Disabled, Some("impago")).await;
    let before = fingerprint(&stage.app, "alfa").await;
    assert_eq!(stage.admin.ok(STATUS, json!({})).await["viewer"]["tenant"]["status"], "DISABLED");
    assert_eq!(stage.admin.error_code(READ, json!({})).await, "FORBIDDEN");
    let one = json!({"id": stage.ids.encode(Kind::Appointment, stage.appointment)});
    let answer = stage.admin.send("query($id: ID!) { appointment(id: $id) { status } }", one).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{answer}");
    assert_eq!(
        page.error_code("{ publicBookingPage(tenantSlug: \"alfa\") { tenantName } }", json!({})).await,
        "FORBIDDEN"
    );
    for (name, document, variables) in stage.changes() {
        let answer = stage.admin.ok(&document, variables).await;
        assert_eq!(answer[name]["userErrors"][0]["code"], "FORBIDDEN", "{name}: {answer}");
    }
    assert_eq!(fingerprint(&stage.app, "alfa").await, before);
}

#[tokio::test]
async fn another_node_knows_within_the_promised_time_and_without_a_restart() {
    let stage = Stage::open().await;
    let other = TestApp::on(&stage.app.database_url, &[]).await;
    let there = Client { router: other.router.clone(), token: stage.admin.token.clone() };
    for status in [TenantStatus::Maintenance, TenantStatus::Disabled, TenantStatus::Active] {
        // The other node has just looked: its memory is as fresh as it can be.
        there.ok(STATUS, json!({})).await;
        stage.set(status, None).await;
        let began = Instant::now();
        loop {
            let seen = there.ok(STATUS, json!({})).await["viewer"]["tenant"]["status"].clone();
            if seen == status.as_str() {
                break;
            }
            assert!(
                began.elapsed() < CATALOGUE_STALENESS + Duration::from_secs(1),
                "{seen} instead of {}",
                status.as_str()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        println!("{} after {:?}", status.as_str(), began.elapsed());
        let (name, document, variables) = stage.changes().swap_remove(2);
        let answer = there.ok(&document, variables).await;
        let code = &answer[name]["userErrors"][0]["code"];
        match status {
            TenantStatus::Maintenance => assert_eq!(code, "TENANT_IN_MAINTENANCE"),
            TenantStatus::Disabled => assert_eq!(code, "FORBIDDEN"),
            _ => assert_eq!(code, &Value::Null, "{answer}"),
        }
    }
}
