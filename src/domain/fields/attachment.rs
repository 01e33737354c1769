//! Files and photographs: lists of attachments.

use serde_json::Value;
use uuid::Uuid;

/// Most attachments of one field.
const MAX_ATTACHMENTS: usize = 20;

/// The attachments that a value names, one by its id or several as a list, each once. `open` knows the ids of this
/// centre's attachments.
pub(super) fn attachments(value: &Value, open: &dyn Fn(&str) -> Option<Uuid>) -> Result<Vec<Uuid>, (String, String)> {
    let one = std::slice::from_ref(value);
    let (list, several) = match value {
        Value::String(_) => (one, false),
        Value::Array(list) => (list.as_slice(), true),
        _ => return Err((String::new(), "give the id of an attachment, or a list of them".to_owned())),
    };
    if list.len() > MAX_ATTACHMENTS {
        return Err((String::new(), format!("give at most {MAX_ATTACHMENTS} attachments")));
    }
    let mut ids = Vec::with_capacity(list.len());
    for (at, word) in list.iter().enumerate() {
        let place = || if several { format!(".{at}") } else { String::new() };
        let id = word.as_str().and_then(open).ok_or_else(|| (place(), "not found".to_owned()))?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}
