//! Which unit of a resource an appointment takes, for appointments that are there already.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{db::TenantTx, domain::refusal::Failure};

/// A stretch of time of which an appointment needs one unit.
#[derive(Clone, Debug, FromQueryResult)]
pub(super) struct Seat {
    /// The appointment.
    pub appointment_id: Uuid,
    /// From …
    pub lower: DateTime<Utc>,
    /// … to.
    pub upper: DateTime<Utc>,
    /// Whether it lies on top of others.
    pub overbooked: bool,
}

/// Gives each a unit of the resource, and returns those for which there was none. The exclusion constraint decides what is
/// free; each unit is tried in turn, earliest first, so that no unit is needed more than there must be.
///
/// # Errors
/// Faults of the database.
pub(super) async fn seat(tx: &TenantTx, resource: Uuid, capacity: i32, seats: Vec<Seat>) -> Result<Vec<Seat>, Failure> {
    let mut left: Vec<(i64, Seat)> = (0..).zip(seats).collect();
    for unit in 0..capacity {
        if left.is_empty() {
            break;
        }
        let placed = place(tx, resource, unit, &left).await?;
        left.retain(|(n, _)| !placed.contains(n));
    }
    Ok(left.into_iter().map(|(_, seat)| seat).collect())
}

/// Inserts what is free in one unit; says which rows are in. Rows of one appointment and range are told apart by their
/// count, because the unit takes one of them and the next unit the next.
async fn place(tx: &TenantTx, resource: Uuid, unit: i32, rows: &[(i64, Seat)]) -> Result<Vec<i64>, Failure> {
    let rows = rows.iter().map(|(n, seat)| {
        json!({
            "n": n, "appointment_id": seat.appointment_id, "lower": seat.lower, "upper": seat.upper,
            "overbooked": seat.overbooked,
        })
    });
    Ok(tx
        .scalars(
            "WITH input AS (
                 SELECT *, row_number() OVER (PARTITION BY appointment_id, lower, upper ORDER BY n) AS k
                 FROM jsonb_to_recordset($3) AS x (n bigint, appointment_id uuid, lower timestamptz, upper timestamptz, overbooked boolean)
             ), placed AS (
                 INSERT INTO occupancies (appointment_id, resource_id, unit, during, overbooked)
                 SELECT appointment_id, $1, $2::integer::smallint, tstzrange(lower, upper), overbooked FROM input ORDER BY lower, appointment_id
                 ON CONFLICT DO NOTHING
                 RETURNING appointment_id, during
             ), counted AS (
                 SELECT appointment_id, during, row_number() OVER (PARTITION BY appointment_id, during) AS k FROM placed
             )
             SELECT n FROM input i JOIN counted c ON c.appointment_id = i.appointment_id AND c.during = tstzrange(i.lower, i.upper) AND c.k = i.k",
            [resource.into(), unit.into(), Value::Array(rows.collect()).into()],
        )
        .await?)
}
