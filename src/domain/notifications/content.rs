//! What a mail about an appointment tells, as it is at the moment of sending.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sea_orm::FromQueryResult;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    db::TenantTx,
    domain::{centre::model::zone, refusal::Failure},
};

/// One treatment of the appointment.
#[derive(Clone, Debug, Deserialize)]
pub struct ContentItem {
    /// What is done.
    pub treatment: String,
    /// Who does it.
    pub professional: Option<String>,
    /// Where.
    pub room: Option<String>,
}

/// Everything that a mail about an appointment can say.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration, the fields in the API")]
pub struct AppointmentContent {
    pub appointment: Uuid,
    pub code: String,
    pub status: String,
    pub channel: String,
    pub revision: i32,
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
    pub cancel_reason: Option<String>,
    pub items: Vec<ContentItem>,
    pub patient_name: String,
    pub patient_status: Option<String>,
    pub patient_email: Option<String>,
    pub patient_phone: Option<String>,
    pub contact_name: Option<String>,
    pub contact_email: Option<String>,
    pub branch_name: String,
    pub branch_zone: Tz,
    pub branch_address: Vec<String>,
    pub branch_phone: Option<String>,
    pub branch_email: Option<String>,
    pub copies_to: Vec<String>,
    pub centre_name: String,
    pub centre_locale: String,
    pub centre_logo: Option<String>,
}

impl AppointmentContent {
    /// Whether the branch still wants copies to go to this address.
    #[must_use]
    pub fn is_copied_to(&self, address: &str) -> bool {
        self.copies_to.iter().any(|to| to.to_lowercase() == address.to_lowercase())
    }

    /// Whom the mails to the patient greet, and where they go: the patient, or who booked, where no address of the patient
    /// is on file.
    #[must_use]
    pub fn addressee(&self) -> Option<(&str, &str)> {
        let patient = self.patient_email.as_deref().map(|email| (self.patient_name.as_str(), email));
        patient.or(self.contact_name.as_deref().zip(self.contact_email.as_deref()))
    }

    /// Whether the patient has died: nobody is to be told of appointments any more.
    #[must_use]
    pub fn patient_has_died(&self) -> bool {
        self.patient_status.as_deref() == Some("DECEASED")
    }

    /// Whether it was asked for online and waits to be approved.
    #[must_use]
    pub fn awaits_approval(&self) -> bool {
        self.status == "PENDING_APPROVAL"
    }

    /// Whether it was asked for online and not approved.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.status == "REJECTED"
    }
}

#[derive(FromQueryResult)]
struct Row {
    appointment: Uuid,
    code: String,
    status: String,
    channel: String,
    revision: i32,
    start_at: DateTime<Utc>,
    end_at: DateTime<Utc>,
    cancel_reason: Option<String>,
    items: Value,
    patient_name: Option<String>,
    patient_status: Option<String>,
    patient_email: Option<String>,
    patient_phone: Option<String>,
    contact_name: Option<String>,
    contact_email: Option<String>,
    branch_name: String,
    time_zone: String,
    address: Option<Value>,
    branch_phone: Option<String>,
    branch_email: Option<String>,
    copies_to: Vec<String>,
    centre_name: String,
    centre_locale: String,
    centre_logo: Option<String>,
}

/// What is to be told about an appointment, in one statement.
///
/// # Errors
/// Faults of the database.
pub async fn of_appointment(tx: &TenantTx, appointment: Uuid) -> Result<Option<AppointmentContent>, Failure> {
    Ok(of_appointments(tx, vec![appointment]).await?.remove(&appointment))
}

/// What is to be told about each of these appointments, in one statement.
///
/// # Errors
/// Faults of the database.
pub async fn of_appointments(
    tx: &TenantTx,
    appointments: Vec<Uuid>,
) -> Result<HashMap<Uuid, AppointmentContent>, Failure> {
    if appointments.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<Row> = tx
        .all(
            "SELECT a.id AS appointment, a.code, a.status, a.channel, a.revision, a.start_at, a.end_at, a.cancel_reason,
                 coalesce((
                     SELECT jsonb_agg(jsonb_build_object('treatment', t.name, 'professional', w.name, 'room', r.name) ORDER BY i.position)
                     FROM appointment_items i JOIN treatments t ON t.id = i.treatment_id
                         LEFT JOIN resources w ON w.id = i.professional_id LEFT JOIN resources r ON r.id = i.room_id
                     WHERE i.appointment_id = a.id), '[]') AS items,
                 concat_ws(' ', p.given_names, p.paternal_surname, p.maternal_surname) AS patient_name,
                 p.status AS patient_status, p.email AS patient_email, p.phones[1] AS patient_phone, a.contact_name, a.contact_email,
                 b.name AS branch_name, b.time_zone, b.address, b.phone AS branch_phone, b.email AS branch_email,
                 b.copy_confirmations_to AS copies_to,
                 c.trade_name AS centre_name, c.locale AS centre_locale, c.logo_url AS centre_logo
             FROM appointments a JOIN branches b ON b.id = a.branch_id CROSS JOIN centre_profile c
                 LEFT JOIN patients p ON p.id = a.patient_id
             WHERE a.id = ANY ($1)",
            [appointments.into()],
        )
        .await?;
    rows.into_iter().map(|row| Ok((row.appointment, row.try_into()?))).collect()
}

impl TryFrom<Row> for AppointmentContent {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        Ok(Self {
            appointment: row.appointment,
            code: row.code,
            status: row.status,
            channel: row.channel,
            revision: row.revision,
            start: row.start_at,
            end: row.end_at,
            cancel_reason: row.cancel_reason,
            items: serde_json::from_value(row.items).map_err(|error| Failure::fault(format!("items: {error}")))?,
            patient_name: row.patient_name.unwrap_or_default(),
            patient_status: row.patient_status,
            patient_email: row.patient_email,
            patient_phone: row.patient_phone,
            contact_name: row.contact_name,
            contact_email: row.contact_email,
            branch_name: row.branch_name,
            branch_zone: zone(&row.time_zone)?,
            branch_address: row.address.as_ref().map(address_lines).unwrap_or_default(),
            branch_phone: row.branch_phone,
            branch_email: row.branch_email,
            copies_to: row.copies_to,
            centre_name: row.centre_name,
            centre_locale: row.centre_locale,
            centre_logo: row.centre_logo,
        })
    }
}

/// Street, second line, then district, city and region on one line.
fn address_lines(address: &Value) -> Vec<String> {
    let part = |name: &str| address.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let place: Vec<&str> = ["district", "city", "region", "postalCode"].into_iter().filter_map(part).collect();
    let mut lines: Vec<String> = ["line1", "line2"].into_iter().filter_map(part).map(str::to_owned).collect();
    if !place.is_empty() {
        lines.push(place.join(", "));
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::address_lines;

    #[test]
    fn an_address_is_written_from_street_to_city() {
        let full =
            json!({"line1": "Av. Providencia 1234", "line2": " ", "city": "Santiago", "region": "RM", "country": "CL"});
        assert_eq!(address_lines(&full), ["Av. Providencia 1234", "Santiago, RM"]);
        assert!(address_lines(&json!({})).is_empty());
    }
}
