//! Marks on a body chart, and signatures: places on a picture whose sides are 0 and 1.

use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde_json::{Map, Value, json};

use crate::domain::listed::listed;

/// Views of a body chart whose field names none.
pub(super) const VIEWS: [&str; 4] = ["FRONT", "BACK", "LEFT", "RIGHT"];
/// Most marks on one chart.
const MAX_MARKS: usize = 200;
/// Longest label of a mark.
const MAX_LABEL: usize = 200;
/// Decimals of a coordinate: finer than any screen.
const COORDINATE_DECIMALS: u32 = 4;
/// Most lines of a signature, and points of all of them.
const MAX_STROKES: usize = 200;
const MAX_POINTS: usize = 5_000;

/// Something is wrong, at a place below the value.
type Wrong = (String, String);

/// Marks on a body chart: a list of `{ x, y, view, label }`.
pub(super) fn body_map(value: &Value, views: &[String]) -> Result<Value, Wrong> {
    let shape = "give a list of marks like { \"x\": 0.25, \"y\": 0.5, \"view\": \"FRONT\", \"label\": \"pain\" }";
    let marks = value.as_array().ok_or_else(|| (String::new(), shape.to_owned()))?;
    if marks.len() > MAX_MARKS {
        return Err((String::new(), format!("make at most {MAX_MARKS} marks")));
    }
    let mark = |(at, mark): (usize, &Value)| {
        let mark = mark.as_object().ok_or_else(|| (format!(".{at}"), shape.to_owned()))?;
        known(mark, &["x", "y", "view", "label"]).map_err(|message| (format!(".{at}"), message))?;
        let inside = |name: &str| {
            coordinate(mark.get(name)).ok_or_else(|| (format!(".{at}.{name}"), "write a number from 0 to 1".to_owned()))
        };
        let (x, y) = (inside("x")?, inside("y")?);
        let view = mark.get("view").and_then(Value::as_str).unwrap_or_default();
        let view = if views.is_empty() {
            VIEWS.into_iter().find(|known| *known == view)
        } else {
            views.iter().map(String::as_str).find(|known| *known == view)
        };
        let view = view.ok_or_else(|| {
            let known = if views.is_empty() { VIEWS.join(", ") } else { listed(views) };
            (format!(".{at}.view"), format!("choose a view of the body: {known}"))
        })?;
        let label = match mark.get("label") {
            None | Some(Value::Null) => None,
            Some(Value::String(label)) if is_line(label, MAX_LABEL) => Some(label.trim()).filter(|l| !l.is_empty()),
            Some(_) => {
                return Err((format!(".{at}.label"), format!("write at most {MAX_LABEL} characters on one line")));
            }
        };
        Ok(match label {
            Some(label) => json!({ "x": x, "y": y, "view": view, "label": label }),
            None => json!({ "x": x, "y": y, "view": view }),
        })
    };
    marks.iter().enumerate().map(mark).collect()
}

/// A signature: `{ name, strokes }`, each stroke a list of points `[x, y]`. It needs no file, so it is kept with the
/// other values and encrypted like them.
pub(super) fn signature(value: &Value) -> Result<Value, Wrong> {
    let shape = "give a signature like { \"name\": \"Ana Rojas\", \"strokes\": [[[0.1, 0.5], [0.2, 0.4]]] }";
    let wrong = |place: String| (place, shape.to_owned());
    let signature = value.as_object().ok_or_else(|| wrong(String::new()))?;
    known(signature, &["name", "strokes"]).map_err(|message| (String::new(), message))?;
    let name = match signature.get("name") {
        Some(Value::String(name)) if is_line(name, MAX_LABEL) && !name.trim().is_empty() => name.trim(),
        _ => return Err((".name".to_owned(), "write the name of who signed, on one line".to_owned())),
    };
    let strokes = signature.get("strokes").and_then(Value::as_array).filter(|strokes| !strokes.is_empty());
    let strokes = strokes.ok_or_else(|| wrong(".strokes".to_owned()))?;
    let points: usize = strokes.iter().filter_map(Value::as_array).map(Vec::len).sum();
    if strokes.len() > MAX_STROKES || points > MAX_POINTS {
        let message = format!("draw at most {MAX_STROKES} strokes and {MAX_POINTS} points");
        return Err((".strokes".to_owned(), message));
    }
    let mut kept = Vec::with_capacity(strokes.len());
    for (at, stroke) in strokes.iter().enumerate() {
        let point = |point: &Value| match point.as_array().map(Vec::as_slice) {
            Some([x, y]) => Some(json!([coordinate(Some(x))?, coordinate(Some(y))?])),
            _ => None,
        };
        let stroke = stroke.as_array().filter(|stroke| !stroke.is_empty());
        let stroke = stroke.and_then(|stroke| stroke.iter().map(point).collect::<Option<Vec<_>>>());
        kept.push(stroke.ok_or_else(|| wrong(format!(".strokes.{at}")))?);
    }
    Ok(json!({ "name": name, "strokes": kept }))
}

/// Nothing but these, so that a word spelled wrongly does not vanish.
fn known(object: &Map<String, Value>, names: &[&str]) -> Result<(), String> {
    match object.keys().find(|key| !names.contains(&key.as_str())) {
        None => Ok(()),
        Some(_) => Err(format!("give nothing but {}", names.join(", "))),
    }
}

fn is_line(text: &str, max: usize) -> bool {
    text.chars().count() <= max && !text.chars().any(char::is_control)
}

/// From 0 to 1, rounded, so that one place has one form.
fn coordinate(value: Option<&Value>) -> Option<f64> {
    let written = match value? {
        Value::Number(number) => number.as_f64().and_then(|number| Decimal::try_from(number).ok())?,
        Value::String(text) => Decimal::from_str_exact(text).ok()?,
        _ => return None,
    };
    let inside = written >= Decimal::ZERO && written <= Decimal::ONE;
    inside.then(|| written.round_dp(COORDINATE_DECIMALS).normalize().to_f64()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_have_one_form() {
        let written = json!([{ "x": 0.123_456, "y": "1", "view": "BACK", "label": " dolor " }, { "x": 0, "y": 0.5, "view": "LEFT" }]);
        let kept = json!([{ "x": 0.1235, "y": 1.0, "view": "BACK", "label": "dolor" }, { "x": 0.0, "y": 0.5, "view": "LEFT" }]);
        assert_eq!(body_map(&written, &[]), Ok(kept.clone()));
        assert_eq!(body_map(&kept, &[]), Ok(kept));
        assert!(body_map(&json!([{ "x": 0, "y": 0, "view": "Mano" }]), &["Mano".to_owned()]).is_ok());
    }

    #[test]
    fn a_wrong_mark_is_told_with_its_place() {
        for (bad, place) in [
            (json!("x"), ""),
            (json!([1]), ".0"),
            (json!([{ "x": 1.1, "y": 0, "view": "FRONT" }]), ".0.x"),
            (json!([{ "x": 0, "y": -0.1, "view": "FRONT" }]), ".0.y"),
            (json!([{ "x": 0, "view": "FRONT" }]), ".0.y"),
            (json!([{ "x": 0, "y": 0 }]), ".0.view"),
            (json!([{ "x": 0, "y": 0, "view": "TOP" }]), ".0.view"),
            (json!([{ "x": 0, "y": 0, "view": "FRONT", "label": "a\nb" }]), ".0.label"),
            (json!([{ "x": 0, "y": 0, "view": "FRONT", "colour": "red" }]), ".0"),
            (json!(vec![json!({ "x": 0, "y": 0, "view": "FRONT" }); 201]), ""),
        ] {
            assert_eq!(body_map(&bad, &[]).map_err(|(place, _)| place), Err(place.to_owned()), "{bad}");
        }
    }

    #[test]
    fn signatures() {
        let written = json!({ "name": " Ana ", "strokes": [[[0.1, 0.5], ["0.25", 1]]] });
        assert_eq!(signature(&written), Ok(json!({ "name": "Ana", "strokes": [[[0.1, 0.5], [0.25, 1.0]]] })));
        for (bad, place) in [
            (json!("Ana"), ""),
            (json!({ "strokes": [[[0, 0]]] }), ".name"),
            (json!({ "name": "", "strokes": [[[0, 0]]] }), ".name"),
            (json!({ "name": "Ana" }), ".strokes"),
            (json!({ "name": "Ana", "strokes": [] }), ".strokes"),
            (json!({ "name": "Ana", "strokes": [[]] }), ".strokes.0"),
            (json!({ "name": "Ana", "strokes": [[[0, 2]]] }), ".strokes.0"),
            (json!({ "name": "Ana", "strokes": [[[0, 0, 0]]] }), ".strokes.0"),
            (json!({ "name": "Ana", "strokes": [vec![json!([0, 0]); 5_001]] }), ".strokes"),
            (json!({ "name": "Ana", "strokes": [[[0, 0]]], "at": 1 }), ""),
        ] {
            assert_eq!(signature(&bad).map_err(|(place, _)| place), Err(place.to_owned()), "{bad}");
        }
    }
}
