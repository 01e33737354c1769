//! The whole state machine, as the design's table has it, for everybody who may be logged in.

use chrono::TimeDelta;
use horae::{
    auth::{Actor, BuiltinRole, Permission},
    domain::{
        booking::{
            book,
            status::AppointmentStatus,
            transition::{self, Transition},
        },
        refusal::{Code, Failure},
    },
    schema::id::Kind,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Clinic,
    api::{call, done, refusal, refused},
};
use crate::support::{app::Client, fingerprint::fingerprint, fixtures::Booking};

const STATES: [&str; 12] = [
    "HELD",
    "PENDING_APPROVAL",
    "BOOKED",
    "CONFIRMED",
    "ARRIVED",
    "READY",
    "IN_PROGRESS",
    "COMPLETED",
    "NO_SHOW",
    "CANCELLED",
    "EXPIRED",
    "REJECTED",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Administrator,
    Receptionist,
    /// The professional who attends this appointment.
    Own,
    /// Another one, who does not even see it.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Yesterday,
    Earlier,
    Later,
    Tomorrow,
}

impl When {
    const ALL: [Self; 4] = [Self::Yesterday, Self::Earlier, Self::Later, Self::Tomorrow];

    /// Seen from Monday, 08:00 in Santiago.
    fn start(self) -> &'static str {
        match self {
            Self::Yesterday => "2026-07-12T14:00:00Z",
            Self::Earlier => "2026-07-13T11:00:00Z",
            Self::Later => "2026-07-14T03:30:00Z",
            Self::Tomorrow => "2026-07-14T04:00:00Z",
        }
    }
}

#[derive(Clone, Copy)]
enum By {
    /// Who runs the agenda.
    Staff,
    /// The professional in person; the administrator may stand in.
    Attending,
    Either,
    Administrator,
}

#[derive(Clone, Copy)]
enum Time {
    Any,
    /// Not before the local date of the start.
    DayHasCome,
    Started,
    SameDay,
}

/// The design's table: from, to, who, when. What is not in it cannot happen.
const TABLE: &[(&str, &str, By, Time)] = &[
    ("PENDING_APPROVAL", "BOOKED", By::Staff, Time::Any),
    ("PENDING_APPROVAL", "REJECTED", By::Staff, Time::Any),
    ("PENDING_APPROVAL", "CANCELLED", By::Staff, Time::Any),
    ("BOOKED", "CONFIRMED", By::Staff, Time::Any),
    ("BOOKED", "ARRIVED", By::Staff, Time::DayHasCome),
    ("CONFIRMED", "ARRIVED", By::Staff, Time::DayHasCome),
    ("ARRIVED", "READY", By::Staff, Time::Any),
    ("ARRIVED", "IN_PROGRESS", By::Attending, Time::Any),
    ("READY", "IN_PROGRESS", By::Attending, Time::Any),
    ("ARRIVED", "COMPLETED", By::Either, Time::Any),
    ("READY", "COMPLETED", By::Either, Time::Any),
    ("IN_PROGRESS", "COMPLETED", By::Either, Time::Any),
    ("BOOKED", "COMPLETED", By::Staff, Time::Started),
    ("CONFIRMED", "COMPLETED", By::Staff, Time::Started),
    ("BOOKED", "NO_SHOW", By::Staff, Time::Started),
    ("CONFIRMED", "NO_SHOW", By::Staff, Time::Started),
    ("BOOKED", "CANCELLED", By::Staff, Time::Any),
    ("CONFIRMED", "CANCELLED", By::Staff, Time::Any),
    ("ARRIVED", "CANCELLED", By::Staff, Time::Any),
    ("NO_SHOW", "ARRIVED", By::Staff, Time::SameDay),
    ("COMPLETED", "IN_PROGRESS", By::Administrator, Time::Any),
];

fn expected(who: Who, from: &str, to: &str, when: When) -> bool {
    TABLE.iter().any(|(f, t, by, time)| {
        let person = match by {
            By::Staff => matches!(who, Who::Administrator | Who::Receptionist),
            By::Attending => matches!(who, Who::Administrator | Who::Own),
            By::Either => who != Who::Other,
            By::Administrator => who == Who::Administrator,
        };
        let moment = match time {
            Time::Any => true,
            Time::DayHasCome => when != When::Tomorrow,
            Time::Started => matches!(when, When::Yesterday | When::Earlier),
            Time::SameDay => matches!(when, When::Earlier | When::Later),
        };
        *f == from && *t == to && person && moment
    })
}

struct Stage {
    clinic: Clinic,
    people: Vec<(Who, Client)>,
}

impl Stage {
    async fn open() -> Self {
        let clinic = Clinic::open().await;
        let mut people = vec![
            (Who::Administrator, clinic.admin.clone()),
            (Who::Receptionist, clinic.app.user("alfa", BuiltinRole::Receptionist).await),
        ];
        for (who, professional) in [(Who::Own, clinic.professionals[0]), (Who::Other, clinic.professionals[1])] {
            clinic.app.user("alfa", BuiltinRole::Professional).await;
            let sql = "UPDATE professionals SET user_id = (SELECT u.id FROM users u WHERE u.email LIKE 'professional-%'
                AND NOT EXISTS (SELECT 1 FROM professionals p WHERE p.user_id = u.id)) WHERE id = $1";
            clinic.centre.run(sql, vec![professional.into()]).await;
            // A session of its own: what one may do is remembered for seconds.
            let tx = clinic.app.app.cx.read(&clinic.actor).await.unwrap();
            let sql = "SELECT u.email FROM users u JOIN professionals p ON p.user_id = u.id WHERE p.id = $1";
            let email: Option<String> = tx.scalar(sql, [professional.into()]).await.unwrap();
            tx.commit().await.unwrap();
            people.push((who, clinic.app.login("alfa", &email.unwrap()).await));
        }
        Self { clinic, people }
    }

    /// An appointment of the first professional in this state, which is in nobody's way.
    async fn appointment(&self, state: &'static str, when: When) -> Uuid {
        let c = &self.clinic;
        let mut new = Booking::new(c.branch, c.patient, c.treatment, when.start(), 30)
            .with(c.professionals[0])
            .status(state)
            .overbooked();
        if state == "HELD" {
            new.patient = None;
            new.hold_expires_at = Some("2026-07-13T12:05:00Z".parse().unwrap());
        }
        c.centre.book(new).await
    }

    async fn step(&self, client: &Client, id: Uuid, to: &str) -> Value {
        let variables =
            json!({"id": self.clinic.id(Kind::Appointment, id), "version": 1, "to": to, "reason": "porque sí"});
        call(client, "transitionAppointment", variables).await
    }

    async fn allowed(&self, client: &Client, id: Uuid) -> Value {
        let query = "query($id: ID!) { appointment(id: $id) { allowedTransitions } }";
        let answer = client.send(query, json!({"id": self.clinic.id(Kind::Appointment, id)})).await;
        answer["data"]["appointment"]["allowedTransitions"].clone()
    }
}

#[tokio::test]
async fn everybody_is_offered_what_the_table_allows() {
    let stage = Stage::open().await;
    for from in STATES {
        for when in When::ALL {
            let id = stage.appointment(from, when).await;
            for (who, client) in &stage.people {
                let offered = stage.allowed(client, id).await;
                let wanted: Vec<&str> = STATES.into_iter().filter(|to| expected(*who, from, to, when)).collect();
                let wanted = if *who == Who::Other { Value::Null } else { json!(wanted) };
                assert_eq!(offered, wanted, "{who:?} {from} {when:?}");
            }
        }
    }
}

/// Every pair of states: what is allowed happens, and nothing else.
async fn all_pairs(who: Who, when: When) {
    let stage = Stage::open().await;
    let (_, client) = stage.people.iter().find(|(one, _)| *one == who).unwrap();
    let mut steps = 0;
    for from in STATES {
        let still = stage.appointment(from, when).await;
        let offered = stage.allowed(client, still).await;
        let before = fingerprint(&stage.clinic.app, "alfa").await;
        for to in STATES.into_iter().filter(|to| !expected(who, from, to, when)) {
            let payload = stage.step(client, still, to).await;
            if who == Who::Other {
                assert_eq!(refused(&payload), refusal("NOT_FOUND", "id"), "{from} {to}");
            } else if from == to {
                assert_eq!(done(&payload)["version"], 1, "{from} again changes nothing");
            } else {
                assert_eq!(refused(&payload), refusal("INVALID_TRANSITION", "to"), "{from} {to}");
                let error = &payload["userErrors"][0];
                assert_eq!((&error["from"], &error["to"], &error["allowed"]), (&json!(from), &json!(to), &offered));
            }
        }
        assert_eq!(fingerprint(&stage.clinic.app, "alfa").await, before, "{who:?} {from} {when:?}");
        for to in STATES.into_iter().filter(|to| expected(who, from, to, when)) {
            let id = stage.appointment(from, when).await;
            let one = done(&stage.step(client, id, to).await);
            assert_eq!((&one["status"], &one["version"]), (&json!(to), &json!(2)), "{who:?} {from} {to}");
            steps += 1;
        }
    }
    let events = stage.clinic.centre.count("SELECT count(*) FROM events WHERE subject_type = 'Appointment'").await;
    let audited =
        stage.clinic.centre.count("SELECT count(*) FROM audit_entries WHERE subject_type = 'Appointment'").await;
    assert_eq!((events, audited), (steps, steps));
    let wrong = "SELECT count(*) FROM occupancies o JOIN appointments a ON a.id = o.appointment_id
        WHERE o.active <> (a.status NOT IN ('CANCELLED', 'EXPIRED', 'REJECTED'))";
    assert_eq!(stage.clinic.centre.count(wrong).await, 0, "what is called off makes nobody busy");
}

#[tokio::test]
async fn the_administrator_takes_every_step_of_the_table_today() {
    all_pairs(Who::Administrator, When::Earlier).await;
}

#[tokio::test]
async fn the_administrator_takes_no_step_before_its_day() {
    all_pairs(Who::Administrator, When::Tomorrow).await;
}

#[tokio::test]
async fn the_receptionist_takes_every_step_of_the_table_today() {
    all_pairs(Who::Receptionist, When::Earlier).await;
}

#[tokio::test]
async fn the_professional_attends_and_nothing_else() {
    all_pairs(Who::Own, When::Earlier).await;
}

#[tokio::test]
async fn another_professional_finds_nothing() {
    all_pairs(Who::Other, When::Earlier).await;
}

#[tokio::test]
async fn who_attends_and_may_see_no_column_finds_nothing() {
    let clinic = Clinic::open().await;
    let professional = clinic.professionals[0];
    let start = "2026-07-14T10:00:00-04:00".parse().unwrap();
    let id = book::run(&clinic.app.app.cx, &clinic.actor, clinic.booking(professional, start)).await.unwrap().id;
    let arrive = async |permissions: &[Permission]| {
        let actor = Actor {
            permissions: permissions.iter().copied().collect(),
            professional: Some(professional),
            ..clinic.actor.as_ref().clone()
        };
        let step = Transition { key: None, id, version: 1, to: AppointmentStatus::Cancelled, reason: None };
        transition::run(&clinic.app.app.cx, &actor, step).await
    };
    match arrive(&[Permission::AgendaWrite]).await {
        Err(Failure::Refused(refused)) => assert_eq!(refused[0].code, Code::NotFound),
        other => panic!("{other:?}"),
    }
    arrive(&[Permission::AgendaWrite, Permission::AgendaReadOwn]).await.unwrap();
}

#[tokio::test]
async fn a_completed_visit_goes_on_for_a_reason_only() {
    let stage = Stage::open().await;
    let id = stage.appointment("COMPLETED", When::Earlier).await;
    for reason in [Value::Null, json!(""), json!("  ")] {
        let variables =
            json!({"id": stage.clinic.id(Kind::Appointment, id), "version": 1, "to": "IN_PROGRESS", "reason": reason});
        assert_eq!(
            refused(&call(&stage.clinic.admin, "transitionAppointment", variables).await),
            refusal("REQUIRED", "reason")
        );
    }
    done(&stage.step(&stage.clinic.admin, id, "IN_PROGRESS").await);
    let told = "SELECT count(*) FROM audit_entries WHERE subject_type = 'Appointment' AND reason = 'porque sí'";
    assert_eq!(stage.clinic.centre.count(told).await, 1);
}

#[tokio::test]
async fn who_comes_late_arrives_until_midnight_of_the_branch() {
    let stage = Stage::open().await;
    let (first, second) =
        (stage.appointment("NO_SHOW", When::Earlier).await, stage.appointment("NO_SHOW", When::Earlier).await);
    stage.clinic.app.clock.set("2026-07-14T03:59:59Z".parse().unwrap());
    let admin = stage.clinic.app.admin("alfa").await;
    done(&stage.step(&admin, first, "ARRIVED").await);
    stage.clinic.app.clock.advance(TimeDelta::seconds(1));
    assert_eq!(refused(&stage.step(&admin, second, "ARRIVED").await).0, "INVALID_TRANSITION");
}

#[tokio::test]
async fn a_cancelled_time_is_free_at_once_and_says_who_called_it_off() {
    let clinic = Clinic::open().await;
    let one = clinic.booked(clinic.professionals[0], "2026-07-14T10:00:00-04:00").await;
    let key = super::api::key();
    let step = json!({"id": one["id"], "version": 1, "to": "CANCELLED", "reason": "viaje", "key": key});
    let cancelled = done(&call(&clinic.admin, "transitionAppointment", step.clone()).await);
    assert_eq!((&cancelled["cancelReason"], &cancelled["version"]), (&json!("viaje"), &json!(2)));
    assert_eq!(
        done(&call(&clinic.admin, "transitionAppointment", step.clone()).await)["version"],
        2,
        "the same key, the same answer"
    );
    let mut other = step;
    other["to"] = json!("CONFIRMED");
    let reused = call(&clinic.admin, "transitionAppointment", other).await;
    assert_eq!(refused(&reused), refusal("IDEMPOTENCY_KEY_REUSED", "idempotencyKey"));
    clinic.booked(clinic.professionals[0], "2026-07-14T10:00:00-04:00").await;
}
