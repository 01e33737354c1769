//! Weekly windows as they come in, checked and written.

use chrono::{NaiveDate, NaiveTime, Weekday};
use serde_json::json;
use uuid::Uuid;

use super::check::Check;
use crate::{
    db::TenantTx,
    domain::{
        refusal::{Failure, Refusal},
        time::{WeeklyWindow, find_clash},
    },
};

/// Most windows of one kind of one branch, and of one schedule: three a day, with room for seasons.
const MAX_WINDOWS: usize = 100;

/// A window as the client sent it.
#[derive(Clone, Copy, Debug)]
pub struct WindowInput {
    /// Day of the week.
    pub day: Weekday,
    /// From.
    pub start: NaiveTime,
    /// Until; 00:00 is midnight at the end of the day.
    pub end: NaiveTime,
    /// First date.
    pub valid_from: Option<NaiveDate>,
    /// Last date.
    pub valid_to: Option<NaiveDate>,
}

/// Every window on its own, then all of them against each other.
pub(in crate::domain) fn checked(check: &mut Check, field: &str, windows: &[WindowInput]) -> Vec<WeeklyWindow> {
    if !check.count(field, windows.len(), MAX_WINDOWS) {
        return Vec::new();
    }
    let mut good = Vec::with_capacity(windows.len());
    for (at, window) in windows.iter().enumerate() {
        match WeeklyWindow::try_new(window.day, window.start..window.end, window.valid_from, window.valid_to) {
            Ok(window) => good.push(window),
            Err(error @ crate::domain::time::WindowError::EndNotAfterStart) => {
                check.add(Refusal::invalid(&format!("{field}.{at}.end"), error.to_string()));
            }
            Err(error @ crate::domain::time::WindowError::ValidToBeforeFrom) => {
                check.add(Refusal::invalid(&format!("{field}.{at}.validTo"), error.to_string()));
            }
        }
    }
    if good.len() == windows.len()
        && let Some((first, second)) = find_clash(&good)
    {
        let message = format!("windows {first} and {second} share time on the same day; join them or move one");
        check.add(Refusal::invalid(&format!("{field}.{second}"), message));
    }
    good
}

/// Puts the windows in the place of the branch's windows of this kind (`OPENING`, `QUIET`).
pub(super) async fn replace(
    tx: &TenantTx,
    branch: Uuid,
    kind: &'static str,
    windows: &[WeeklyWindow],
) -> Result<(), Failure> {
    tx.run("DELETE FROM branch_windows WHERE branch_id = $1 AND kind = $2", [branch.into(), kind.into()]).await?;
    let rows: Vec<_> = windows
        .iter()
        .map(|window| {
            json!({
                "weekday": window.day().number_from_monday(),
                "starts": window.start(),
                "ends": window.end(),
                "valid_from": window.valid_from(),
                "valid_to": window.valid_to(),
            })
        })
        .collect();
    tx.run(
        "INSERT INTO branch_windows (branch_id, kind, weekday, starts, ends, valid_from, valid_to)
         SELECT $1, $2, weekday, starts, ends, valid_from, valid_to
         FROM jsonb_to_recordset($3) AS x (weekday smallint, starts time, ends time, valid_from date, valid_to date)",
        [branch.into(), kind.into(), serde_json::Value::Array(rows).into()],
    )
    .await?;
    Ok(())
}
