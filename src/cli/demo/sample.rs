//! Sample data of a demo centre, put in through the API itself: what works here works for a client.

use std::sync::Arc;

use chrono::{Days, NaiveTime};
use serde_json::{Value, json};

use super::{desk::Desk, record};
use crate::{app::App, auth::Actor, cli::CliError, domain::time};

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
const BOOK: &str = "mutation($input: BookAppointmentInput!) { bookAppointment(input: $input) { appointment { id patient { id } } userErrors { message field } } }";

/// Branches, people, rooms, treatments, schedules and a few appointments.
pub(super) async fn fill(app: &App, actor: Actor, slug: &str) -> Result<(), CliError> {
    let desk = Desk::of(app, Arc::new(actor));
    if slug == "clinica-sur" { clinic(&desk, slug).await } else { beauty(&desk).await }
}

/// Every day, so that the tour works on any.
fn week(start: &str, end: &str) -> Value {
    ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
        .iter()
        .map(|day| json!({"day": day, "start": start, "end": end}))
        .collect()
}

async fn clinic(desk: &Desk<'_>, slug: &str) -> Result<(), CliError> {
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
    let consultation = desk
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
    let login = Desk::of_user(desk.app, slug, "ana").await?;
    let ana = login.find("/viewer/user/id", "{ viewer { user { id } } }", json!({})).await?;
    let mut professionals = Vec::new();
    for (name, specialty, branches, user) in [
        ("Dra. Ana Rojas", "Medicina general", json!([santiago]), Some(ana)),
        ("Dr. Luis Soto", "Odontología", json!([santiago]), None),
        ("Dra. Marta Díaz", "Medicina general", json!([magallanes]), None),
    ] {
        let input = json!({
            "name": name, "specialties": [specialty], "branchIds": branches, "acceptsOnline": true, "userId": user,
        });
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
    let mut visits = Vec::new();
    for (hour, (given, surname, mail)) in (10_u32..).zip(patients) {
        let tomorrow = tomorrow_at(desk, chrono_tz::America::Santiago, hour)?;
        let visit = desk.find(
            "/bookAppointment/appointment",
            BOOK,
            json!({"input": {
                "idempotencyKey": desk.app.cx.new_id(), "branchId": santiago, "channel": "PHONE",
                "newPatient": {"givenNames": given, "paternalSurname": surname, "email": mail},
                "items": [{"treatmentId": consultation, "localStart": tomorrow, "professionalId": professionals.first(), "roomId": boxes.first()}],
            }}),
        )
        .await?;
        visits.push(visit);
    }
    let form = record::publish_form(desk).await?;
    // A new login, which knows that it is a professional's.
    let doctor = Desk::of_user(desk.app, slug, "ana").await?;
    if let Some(visit) = visits.first() {
        record::write(&doctor, &form, visit).await?;
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
