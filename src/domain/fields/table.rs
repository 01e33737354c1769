//! Tables: a list of rows, each an object with a cell per column.

use serde_json::{Map, Value};

use crate::domain::listed::listed;

/// Most rows of a table.
const MAX_ROWS: usize = 200;
/// Longest text of a cell.
const MAX_CELL: usize = 500;

/// The rows that a value lists, without what is empty. Rows name their columns, so that a column that is moved or
/// added later leaves the others where they are.
pub(super) fn rows(value: &Value, columns: &[String]) -> Result<Value, (String, String)> {
    let shape = || format!("give a list of rows, each an object with the columns {}", listed(columns));
    let rows = value.as_array().ok_or_else(|| (String::new(), shape()))?;
    if rows.len() > MAX_ROWS {
        return Err((String::new(), format!("write at most {MAX_ROWS} rows")));
    }
    let mut kept = Vec::with_capacity(rows.len());
    for (at, row) in rows.iter().enumerate() {
        let row = row.as_object().ok_or_else(|| (format!(".{at}"), shape()))?;
        if row.keys().any(|key| !columns.contains(key)) {
            return Err((format!(".{at}"), shape()));
        }
        let mut cells = Map::new();
        for (key, cell) in row {
            let text = match cell {
                Value::Null => continue,
                Value::String(text) => text.trim().to_owned(),
                Value::Number(number) => number.to_string(),
                Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                    return Err((format!(".{at}"), "write a text or a number into each cell".to_owned()));
                }
            };
            let control = text.chars().any(|c| c.is_control() && c != '\n');
            if control || text.chars().count() > MAX_CELL {
                let message = format!("write at most {MAX_CELL} characters into a cell, without control characters");
                return Err((format!(".{at}"), message));
            }
            if !text.is_empty() {
                cells.insert(key.clone(), Value::String(text));
            }
        }
        if !cells.is_empty() {
            kept.push(Value::Object(cells));
        }
    }
    Ok(Value::Array(kept))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_keep_what_is_written() {
        let columns = ["Fármaco".to_owned(), "Dosis".to_owned()];
        let written = json!([{ "Fármaco": " Ibuprofeno ", "Dosis": 400 }, {}, { "Fármaco": "", "Dosis": null }]);
        assert_eq!(rows(&written, &columns), Ok(json!([{ "Fármaco": "Ibuprofeno", "Dosis": "400" }])));
        for (bad, place) in [
            (json!({ "Dosis": "1" }), ""),
            (json!([["Ibuprofeno"]]), ".0"),
            (json!([{}, { "Color": "x" }]), ".1"),
            (json!([{ "Dosis": true }]), ".0"),
            (json!([{ "Dosis": "a\u{0}" }]), ".0"),
            (json!([{ "Dosis": "x".repeat(501) }]), ".0"),
            (json!(vec![json!({ "Dosis": "1" }); 201]), ""),
        ] {
            assert_eq!(rows(&bad, &columns).map_err(|(place, _)| place), Err(place.to_owned()), "{bad}");
        }
    }
}
