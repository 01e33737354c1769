//! Sample data of a demo centre, put in through the API itself: what works here works for a client.

use std::sync::Arc;

use async_graphql::{Executor as _, Request, Variables};
use chrono::{Days, NaiveTime};
use serde_json::{Value, json};

use crate::{app::App, auth::Actor, cli::CliError, domain::time, schema::request::Caller};

/// Speaks to the schema as the centre's administrator.
struct Desk<'a> {
    app: &'a App,
    actor: Arc<Actor>,
}

impl Desk<'_> {
    /// The data of a document; refusals and errors end the demo with their text.
    async fn call(&self, document: &str, variables: Value) -> Result<Value, CliError> {
        let request = Request::new(document)
            .variables(Variables::from_json(variables))
            .data(Caller(Some(Arc::clone(&self.actor))));
        let response = self.app.schema.execute(request).await;
        if let Some(error) = response.errors.first() {
            return Err(CliError(format!("sample data: {}", error.message)));
        }
        let data = response.data.into_json()?;
        let refused = data.as_object().into_iter().flatten().find_map(|(_, payload)| {
            payload.get("userErrors").and_then(Value::as_array).filter(|errors| !errors.is_empty()).cloned()
        });
        match refused {
            Some(errors) => Err(CliError(format!("sample data: {}", Value::Array(errors)))),
            None => Ok(data),
        }
    }

    /// The id that a mutation answered with.
    async fn id(&self, document: &str, variables: Value) -> Result<Value, CliError> {
        let data = self.call(document, variables).await?;
        let object = data.as_object().and_then(|data| data.values().next()).and_then(Value::as_object);
        let id = object.and_then(|payload| payload.values().find_map(|object| object.get("id")));
        id.cloned().ok_or_else(|| CliError("sample data: an answer without an id".to_owned()))
    }
}

const BRANCH: &str =
    "mutation($input: BranchInput!) { upsertBranch(input: $input) { branch { id } userErrors { message field } } }";
const ROOM: &str =
    "mutation($input: RoomInput!) { upsertRoom(input: $input) { room { id } userErrors { message field } } }";
const EQUIPMENT: &str =
    "mutation($input: RoomInput!) { upsertEquipment(input: $input) { equipment { id } userErrors { message field } } }";
const CATEGORY: &str = "mutation($name: String!) { upsertTreatmentCategory(name: $name) { category { id } userErrors { message field } } }";
const TREATMENT: &str = "mutation($input: TreatmentInput!) { upsertTreatment(input: $input) { treatment { id } userErrors { message field } } }";
const PROFESSIONAL: &str = "mutation($input: ProfessionalInput!) { upsertProfessional(input: $input) { professional { id } userErrors { message field } } }";
const SCHEDULE: &str = "mutation($input: ScheduleInput!) { upsertSchedule(input: $input) { schedule { id } userErrors { message field } } }";
const BOOK: &str = "mutation($input: BookAppointmentInput!) { bookAppointment(input: $input) { appointment { id } userErrors { message field } } }";

/// Branches, people, rooms, treatments, schedules and a few appointments.
pub(super) async fn fill(app: &App, actor: Actor, slug: &str) -> Result<(), CliError> {
    let desk = Desk { app, actor: Arc::new(actor) };
    if slug == "clinica-sur" { clinic(&desk).await } else { beauty(&desk).await }
}

/// Every day, so that the tour works on any.
fn week(start: &str, end: &str) -> Value {
    ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
        .iter()
        .map(|day| json!({"day": day, "start": start, "end": end}))
        .collect()
}

async fn clinic(desk: &Desk<'_>) -> Result<(), CliError> {
    let santiago = desk
        .id(
            BRANCH,
            json!({"input": {
                "name": "Santiago Centro", "timeZone": "America/Santiago", "phone": "+56223456789", "email": "santiago@clinica-sur.example",
                "address": {"line1": "Alameda 1234", "city": "Santiago", "country": "CL"},
                "openingHours": week("08:00", "21:00"), "confirmationDelay": "PT20S", "minBookingNotice": "PT0S",
                "copyConfirmationsTo": ["recepcion@clinica-sur.example"], "minCancelNotice": "PT2H",
            }}),
        )
        .await?;
    let magallanes = desk
        .id(
            BRANCH,
            json!({"input": {
                "name": "Punta Arenas", "timeZone": "America/Punta_Arenas", "address": {"line1": "Bories 55", "city": "Punta Arenas", "country": "CL"},
                "openingHours": week("08:00", "20:00"), "confirmationDelay": "PT20S", "minBookingNotice": "PT0S",
            }}),
        )
        .await?;
    let mut boxes = Vec::new();
    for name in ["Box 1", "Box 2"] {
        boxes.push(desk.id(ROOM, json!({"input": {"branchId": santiago, "name": name}})).await?);
    }
    desk.id(ROOM, json!({"input": {"branchId": magallanes, "name": "Box A"}})).await?;
    let scanner = desk.id(EQUIPMENT, json!({"input": {"branchId": santiago, "name": "Ecógrafo"}})).await?;
    let general = desk.id(CATEGORY, json!({"name": "Medicina general"})).await?;
    let dental = desk.id(CATEGORY, json!({"name": "Odontología"})).await?;
    let room = json!({"kind": "ROOM", "quantity": 1});
    let who = json!({"kind": "PROFESSIONAL", "quantity": 1});
    let visit = desk
        .id(
            TREATMENT,
            json!({"input": {
                "name": "Consulta general", "categoryId": general, "durationMinutes": 30, "onlineBookable": true,
                "price": {"amount": "25000", "currency": "CLP"}, "requirements": [who, room],
            }}),
        )
        .await?;
    desk.id(
        TREATMENT,
        json!({"input": {
            "name": "Limpieza dental", "categoryId": dental, "durationMinutes": 45, "bufferAfterMinutes": 10, "onlineBookable": true,
            "price": {"amount": "38000", "currency": "CLP"}, "requirements": [who, room],
        }}),
    )
    .await?;
    desk.id(
        TREATMENT,
        json!({"input": {
            "name": "Ecografía abdominal", "categoryId": general, "durationMinutes": 30, "onlineBookable": true, "requiresApproval": true,
            "price": {"amount": "45000", "currency": "CLP"},
            "requirements": [who, room, {"kind": "EQUIPMENT", "quantity": 1, "anyOf": [scanner]}],
        }}),
    )
    .await?;
    let mut professionals = Vec::new();
    for (name, specialty, branches) in [
        ("Dra. Ana Rojas", "Medicina general", json!([santiago])),
        ("Dr. Luis Soto", "Odontología", json!([santiago])),
        ("Dra. Marta Díaz", "Medicina general", json!([magallanes])),
    ] {
        let input = json!({"name": name, "specialties": [specialty], "branchIds": branches, "acceptsOnline": true});
        let id = desk.id(PROFESSIONAL, json!({ "input": input })).await?;
        let branch = branches.get(0).cloned().unwrap_or_default();
        let input = json!({"resourceId": id, "branchId": branch, "name": "Horario", "windows": week("09:00", "20:00")});
        desk.id(SCHEDULE, json!({ "input": input })).await?;
        professionals.push(id);
    }
    let patients = [
        ("Rosa", "Fuentes", "rosa.fuentes@example.com"),
        ("Pedro", "Vera", "pedro.vera@example.com"),
        ("Inés", "Mora", "ines.mora@example.com"),
    ];
    for (hour, (given, surname, mail)) in (10_u32..).zip(patients) {
        let tomorrow = tomorrow_at(desk, chrono_tz::America::Santiago, hour)?;
        desk.id(
            BOOK,
            json!({"input": {
                "idempotencyKey": desk.app.cx.new_id(), "branchId": santiago, "channel": "PHONE",
                "newPatient": {"givenNames": given, "paternalSurname": surname, "email": mail},
                "items": [{"treatmentId": visit, "localStart": tomorrow, "professionalId": professionals.first(), "roomId": boxes.first()}],
            }}),
        )
        .await?;
    }
    Ok(())
}

async fn beauty(desk: &Desk<'_>) -> Result<(), CliError> {
    for (name, zone, city, rooms) in [
        ("Madrid Chamberí", "Europe/Madrid", "Madrid", ["Cabina 1", "Cabina 2"]),
        ("Las Palmas", "Atlantic/Canary", "Las Palmas de Gran Canaria", ["Cabina A", "Cabina B"]),
    ] {
        let branch = desk
            .id(
                BRANCH,
                json!({"input": {
                    "name": name, "timeZone": zone, "address": {"line1": "Calle Mayor 1", "city": city, "country": "ES"},
                    "openingHours": week("09:00", "21:00"), "confirmationDelay": "PT20S", "minBookingNotice": "PT0S",
                }}),
            )
            .await?;
        for room in rooms {
            desk.id(ROOM, json!({"input": {"branchId": branch, "name": room}})).await?;
        }
    }
    for (name, minutes, price) in [("Masaje relajante", 60, "55.00"), ("Limpieza facial", 45, "42.50")] {
        let input = json!({
            "name": name, "durationMinutes": minutes, "bufferAfterMinutes": 15, "onlineBookable": true,
            "price": {"amount": price, "currency": "EUR"}, "taxRate": "21", "requirements": [{"kind": "ROOM", "quantity": 1}],
        });
        desk.id(TREATMENT, json!({ "input": input })).await?;
    }
    Ok(())
}

fn tomorrow_at(desk: &Desk<'_>, zone: chrono_tz::Tz, hour: u32) -> Result<String, CliError> {
    let tomorrow = time::day_of(zone, desk.app.cx.now()).checked_add_days(Days::new(1));
    let at = tomorrow.zip(NaiveTime::from_hms_opt(hour, 0, 0)).map(|(day, time)| day.and_time(time));
    at.map(|at| at.format("%Y-%m-%dT%H:%M").to_string()).ok_or_else(|| CliError("sample data: no tomorrow".to_owned()))
}
