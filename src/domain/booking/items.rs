//! The treatments of an appointment as they were booked.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::plan::Plan;
use crate::{
    db::TenantTx,
    domain::{money::Money, refusal::Failure},
};

/// One treatment of an appointment.
#[derive(Clone, Debug)]
pub struct BookedItem {
    /// What.
    pub treatment: Uuid,
    /// From …
    pub start: DateTime<Utc>,
    /// … to, without buffers.
    pub end: DateTime<Utc>,
    /// Who.
    pub professional: Option<Uuid>,
    /// Where.
    pub room: Option<Uuid>,
    /// What it costs: the price of the day on which it was booked.
    pub price: Money,
}

#[derive(FromQueryResult)]
struct Row {
    treatment_id: Uuid,
    start_at: DateTime<Utc>,
    end_at: DateTime<Utc>,
    professional_id: Option<Uuid>,
    room_id: Option<Uuid>,
    price_minor: i64,
    currency: String,
}

/// The treatments of an appointment of the branch, in their order.
///
/// # Errors
/// Faults of the database.
pub async fn booked(tx: &TenantTx, branch: Uuid, appointment: Uuid) -> Result<Vec<BookedItem>, Failure> {
    let rows: Vec<Row> = tx
        .all(
            "SELECT i.treatment_id, i.start_at, i.end_at, i.professional_id, i.room_id, i.price_minor, i.currency
             FROM appointment_items i JOIN appointments a ON a.id = i.appointment_id
             WHERE a.id = $1 AND a.branch_id = $2 ORDER BY i.position",
            [appointment.into(), branch.into()],
        )
        .await?;
    Ok(rows.into_iter().map(BookedItem::from).collect())
}

impl From<Row> for BookedItem {
    fn from(row: Row) -> Self {
        Self {
            treatment: row.treatment_id,
            start: row.start_at,
            end: row.end_at,
            professional: row.professional_id,
            room: row.room_id,
            price: Money { minor: row.price_minor, currency: row.currency },
        }
    }
}

/// What a treatment was booked at, it costs at another time too. Of one that is there twice each keeps its own price.
pub fn keep_prices(plan: &mut Plan, before: Vec<BookedItem>) {
    let mut before = before;
    for item in &mut plan.items {
        if let Some(at) = before.iter().position(|old| old.treatment == item.slot.treatment) {
            item.price = before.remove(at).price;
        }
    }
}
