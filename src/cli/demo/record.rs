//! A form of the sample clinic, and what its professional has written and signed in it.

use serde_json::{Value, json};

use super::desk::Desk;
use crate::cli::CliError;

const TEMPLATE: &str = "mutation($input: RecordTemplateInput!) { upsertRecordTemplate(input: $input) { template { id } userErrors { message field } } }";
const SAVE: &str = "mutation($input: RecordEntryInput!) { saveRecordEntry(input: $input) { entry { id version } userErrors { message field } } }";
const SIGN: &str = "mutation($id: ID!, $version: Int!) { signRecordEntry(id: $id, version: $version) { entry { id } userErrors { message field } } }";

/// The form, as the centre makes it; its id.
pub(super) async fn publish_form(desk: &Desk<'_>) -> Result<Value, CliError> {
    let fields = json!([
        {"key": "reason", "label": "Motivo de consulta", "type": "TEXT", "required": true, "position": 1},
        {"key": "notes", "label": "Evolución", "type": "LONG_TEXT", "sensitive": true, "position": 2},
        {"key": "weight", "label": "Peso", "type": "DECIMAL", "unit": "kg", "min": "0.5", "max": "400", "position": 3},
        {"key": "height", "label": "Estatura", "type": "DECIMAL", "unit": "m", "min": "0.3", "max": "2.5", "position": 4},
        {"key": "bmi", "label": "Índice de masa corporal", "type": "CALCULATED", "expression": "weight / (height * height)", "position": 5},
        {"key": "smokes", "label": "Tabaco", "type": "SINGLE_CHOICE", "options": ["No fuma", "Fuma", "Ex fumador"], "position": 6},
        {"key": "pain", "label": "Dolor", "type": "BODY_MAP", "position": 7},
    ]);
    desk.id(TEMPLATE, json!({"input": {"name": "Consulta general", "publish": true, "fields": fields}})).await
}

/// One entry about a visit's patient, signed by who wrote it.
pub(super) async fn write(doctor: &Desk<'_>, form: &Value, visit: &Value) -> Result<(), CliError> {
    let values = json!([
        {"key": "reason", "value": "Control anual"},
        {"key": "notes", "value": "Sin molestias. Se piden exámenes de rutina."},
        {"key": "weight", "value": "64.5"},
        {"key": "height", "value": "1.62"},
        {"key": "smokes", "value": "No fuma"},
        {"key": "pain", "value": [{"x": 0.5, "y": 0.4, "view": "BACK", "label": "lumbar, leve"}]},
    ]);
    let input = json!({
        "patientId": visit["patient"]["id"], "appointmentId": visit["id"], "templateId": form, "values": values,
    });
    let entry = doctor.find("/saveRecordEntry/entry", SAVE, json!({ "input": input })).await?;
    doctor.call(SIGN, entry).await?;
    Ok(())
}
