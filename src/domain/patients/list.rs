//! `patients`: pages of patients by surname and name. Each is one statement, whatever is asked for.
//!
//! The text of a statement is chosen by what narrows most: the words of a search, a document, a birthday, a category, a
//! time of change. One text with all of them as options would get one plan, and that one would read everybody.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use uuid::Uuid;

use super::{
    document, fields,
    input::Status,
    model::{Patient, Row, patient_select},
    sight::{Sight, seen},
    values,
};
use crate::{
    auth::{Actor, Permission},
    db::TenantTx,
    domain::{
        cx::Cx,
        fields::{Given, validate_values},
        known::{Named, Thing},
        page::{Page, PageRequest, Statements, counting},
        refusal::{Failure, Refusal},
        sealing::TenantKeys,
    },
};

/// What the list is ordered by.
pub type ByName = (String, Uuid);

/// Longest text that is searched for.
const MAX_TEXT: usize = 200;

/// Which patients.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// With all of these words.
    pub text: Option<String>,
    /// With this document, written in any way.
    pub document: Option<String>,
    /// Under this heading.
    pub category: Option<Uuid>,
    /// In this state; none: all but those that were merged.
    pub status: Option<Status>,
    /// Who have their birthday on this day.
    pub birthday_on: Option<NaiveDate>,
    /// Whose last visit was before this day.
    pub last_visit_before: Option<NaiveDate>,
    /// Changed at or after.
    pub updated_since: Option<DateTime<Utc>>,
    /// With exactly this value in a field of the centre's own.
    pub custom: Option<Given>,
}

/// A page. `keyed` is what the statement is entered by. An order by an expression keeps the planner from walking
/// everybody in the order of names in the hope to meet those who are searched for early: relatives are neighbours there.
macro_rules! patients_page {
    ($keyed:literal, $name:literal, $than:literal, $order:literal) => {
        patient_select!(
            "WHERE ", $keyed,
            " AND ($2::text[] IS NULL OR p.document_number = ANY ($2)
                  OR EXISTS (SELECT 1 FROM patients m WHERE m.merged_into = p.id AND m.document_number = ANY ($2)))
              AND ($3::integer[] IS NULL OR (EXTRACT(month FROM p.birth_date) * 100 + EXTRACT(day FROM p.birth_date))::integer = ANY ($3))
              AND ($4::uuid IS NULL OR p.category_id = $4)
              AND ($5::timestamptz IS NULL OR p.updated_at >= $5)
              AND CASE WHEN $6::text IS NULL THEN p.status <> 'MERGED' ELSE p.status = $6 END
              AND ($7::timestamp IS NULL OR (
                  EXISTS (SELECT 1 FROM appointments v WHERE v.patient_id = p.id AND v.status = 'COMPLETED')
                  AND NOT EXISTS (SELECT 1 FROM appointments v WHERE v.patient_id = p.id AND v.status = 'COMPLETED' AND v.local_start >= $7)))
              AND ($13::bytea IS NULL OR EXISTS (
                  SELECT 1 FROM patient_values s WHERE s.patient_id = p.id AND s.field_key = $14 AND s.value_hash = $13))
              AND ($15::jsonb IS NULL OR p.custom_values @> $15)
              AND ", seen!("$8", "$9"),
            " AND ($10::text IS NULL OR (p.sort_name, p.id) ", $than, " ($10, $11::uuid))
             ORDER BY ", $name, " ", $order, ", p.id ", $order, " LIMIT $12"
        )
    };
}

macro_rules! statements {
    ($keyed:literal, $name:literal) => {
        Statements {
            forwards: patients_page!($keyed, $name, ">", "ASC"),
            backwards: patients_page!($keyed, $name, "<", "DESC"),
            count: counting!(patients_page!($keyed, $name, ">", "ASC")),
        }
    };
}

const BY_TEXT: Statements = statements!("p.search @@ patient_query($1)", "p.sort_name || ''");
// A second document of somebody who was registered twice leads to who was kept.
const BY_DOCUMENT: Statements = statements!(
    "$1::text IS NULL AND p.id IN (
         SELECT m.id FROM patients m WHERE m.document_number = ANY ($2)
         UNION SELECT m.merged_into FROM patients m WHERE m.document_number = ANY ($2))",
    "p.sort_name || ''"
);
const BY_BIRTHDAY: Statements = statements!(
    "$1::text IS NULL AND (EXTRACT(month FROM p.birth_date) * 100 + EXTRACT(day FROM p.birth_date))::integer = ANY ($3)",
    "p.sort_name || ''"
);
const BY_SEALED: Statements = statements!(
    "$1::text IS NULL AND p.id IN (SELECT s.patient_id FROM patient_values s WHERE s.field_key = $14 AND s.value_hash = $13)",
    "p.sort_name || ''"
);
const BY_VALUE: Statements = statements!("$1::text IS NULL AND p.custom_values @> $15", "p.sort_name || ''");
const BY_CATEGORY: Statements = statements!("$1::text IS NULL AND p.category_id = $4", "p.sort_name");
const BY_CHANGE: Statements = statements!("$1::text IS NULL AND p.updated_at >= $5", "p.sort_name || ''");
const ALL: Statements = statements!("$1::text IS NULL", "p.sort_name");

/// A page of those that the caller may see.
///
/// # Errors
/// FORBIDDEN without PATIENT_READ, a text that is too long, NOT_FOUND for a category that is not there, faults.
pub async fn run(cx: &Cx, actor: &Actor, filter: Filter, page: &PageRequest<ByName>) -> Result<Page<Patient>, Failure> {
    let sight = Sight::of(actor, Permission::PatientRead)?;
    let text = searched(filter.text.as_deref(), "filter.text")?;
    let document = searched(filter.document.as_deref(), "filter.document")?.map(written_as);
    let birthday = filter.birthday_on.map(days);
    let visit = filter.last_visit_before.map(|date| date.and_time(chrono::NaiveTime::MIN));
    let tx = cx.read(actor).await?;
    let custom = match &filter.custom {
        Some(given) => custom(cx, actor, &tx, given).await?,
        None => Custom::default(),
    };
    let statements = match (&text, &document, &birthday) {
        (Some(_), ..) => BY_TEXT,
        (None, Some(_), _) => BY_DOCUMENT,
        (None, None, Some(_)) => BY_BIRTHDAY,
        (None, None, None) if custom.hash.is_some() => BY_SEALED,
        (None, None, None) if custom.open.is_some() => BY_VALUE,
        (None, None, None) if filter.category.is_some() => BY_CATEGORY,
        (None, None, None) if filter.updated_since.is_some() => BY_CHANGE,
        (None, None, None) => ALL,
    };
    let values = |page: &PageRequest<ByName>| {
        let (name, id) = page.from.clone().map_or((None, None), |(name, id)| (Some(name), Some(id)));
        [
            text.clone().into(),
            document.clone().into(),
            birthday.clone().into(),
            filter.category.into(),
            filter.updated_since.into(),
            filter.status.map(Status::as_str).into(),
            visit.into(),
            sight.branches(),
            sight.own(),
            name.into(),
            id.into(),
            page.fetch().into(),
            custom.hash.clone().into(),
            custom.key.clone().into(),
            custom.open.clone().into(),
        ]
    };
    let found: Page<Row> = page.read(&tx, statements, values).await?;
    if found.rows.is_empty() {
        Named::default().one(Thing::PatientCategory, filter.category, "filter.categoryId").require(&tx, actor).await?;
    }
    tx.commit().await?;
    found.try_map(Patient::try_from)
}

/// A value of a field of the centre's own, as the statements look for it.
#[derive(Default)]
struct Custom {
    key: Option<String>,
    hash: Option<Vec<u8>>,
    open: Option<serde_json::Value>,
}

async fn custom(cx: &Cx, actor: &Actor, tx: &TenantTx, given: &Given) -> Result<Custom, Failure> {
    const AT: &str = "filter.customField";
    let defined = fields::seen(&fields::active(tx).await?, actor);
    let field = defined.iter().find(|field| field.key == given.key);
    let field = field.ok_or_else(|| Refusal::not_found(&format!("{AT}.key")))?;
    let judged = validate_values(&defined, std::slice::from_ref(given), AT, &|_| None);
    let place = format!("{AT}.value");
    let mut checked = judged.map_err(|all| all.into_iter().map(|refusal| refusal.at(&place)).collect::<Vec<_>>())?;
    let value = checked.values.remove(&given.key).filter(|value| !value.is_null());
    let value = value.ok_or_else(|| Refusal::required(&place, "say which value"))?;
    let key = Some(given.key.clone());
    if !field.sensitive {
        return Ok(Custom { key, hash: None, open: Some(serde_json::json!({ given.key.as_str(): value })) });
    }
    let hash = values::hash(&TenantKeys::to_open(cx, tx).await?, &given.key, &value)?;
    // Without keys there is no value, and the hash of nothing is nobody's.
    Ok(Custom { key, hash: Some(hash.unwrap_or_default()), open: None })
}

/// What is searched for; nothing but blanks is nothing.
fn searched(text: Option<&str>, field: &str) -> Result<Option<String>, Refusal> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.chars().count() > MAX_TEXT || text.contains('\0') {
        return Err(Refusal::invalid(field, format!("search for at most {MAX_TEXT} characters")));
    }
    Ok(Some(text.to_owned()))
}

/// The forms in which a document may be kept: a RUT has no zeros before it.
fn written_as(number: String) -> Vec<String> {
    let number = document::compared(&number);
    let short = number.trim_start_matches('0').to_owned();
    if short == number { vec![number] } else { vec![number, short] }
}

/// The birthdays that are celebrated on a day, as month and day: who was born on the 29th of February has it on the 28th
/// in other years.
fn days(on: NaiveDate) -> Vec<i32> {
    let day = i32::try_from(on.month() * 100 + on.day()).unwrap_or_default();
    if day == 228 && !on.leap_year() { vec![228, 229] } else { vec![day] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leap_days_are_celebrated_every_year() {
        let of = |date: &str| date.parse().map(days).unwrap_or_default();
        assert_eq!(of("2026-02-28"), [228, 229]);
        assert_eq!(of("2028-02-28"), [228]);
        assert_eq!(of("2028-02-29"), [229]);
        assert_eq!(of("2026-12-31"), [1231]);
    }

    #[test]
    fn a_document_is_looked_for_as_it_is_kept() {
        assert_eq!(written_as("12.345.678-k".to_owned()), ["12345678K"]);
        assert_eq!(written_as("01.234.567-4".to_owned()), ["012345674", "12345674"]);
    }
}
