//! Lists of the centre, by name: keyset pages, each one statement.

use std::collections::HashMap;

use sea_orm::{FromQueryResult, QueryResult};
use uuid::Uuid;

use super::{
    model::{Branch, BranchRow, Resource, ResourceKind, ResourceRow, Treatment, TreatmentRow},
    query::{branch_select, resource_select, treatment_select},
    require_staff,
    upsert_category::Category,
};
use crate::{
    auth::Actor,
    db::{Sql, TenantTx},
    domain::{
        cx::Cx,
        known::{Named, Thing},
        page::{Page, PageRequest, Statements, counting},
        refusal::{Failure, Refusal},
    },
};

/// What every list here is ordered by.
pub type ByName = (String, Uuid);

/// Longest text that is searched for.
const MAX_TEXT: usize = 200;

/// Letters with marks, and the letters they are found as. The statements name the same pairs.
const MARKED: &str = "áàâãäåéèêëíìîïóòôõöúùûüñçýÁÀÂÃÄÅÉÈÊËÍÌÎÏÓÒÔÕÖÚÙÛÜÑÇÝ";
const PLAIN: &str = "aaaaaaeeeeiiiiooooouuuuncyAAAAAAEEEEIIIIOOOOOUUUUNCY";

/// A name without marks and in small letters.
macro_rules! folded {
    ($column:literal) => {
        concat!(
            "lower(translate(", $column, ", 'áàâãäåéèêëíìîïóòôõöúùûüñçýÁÀÂÃÄÅÉÈÊËÍÌÎÏÓÒÔÕÖÚÙÛÜÑÇÝ', ",
            "'aaaaaaeeeeiiiiooooouuuuncyAAAAAAEEEEIIIIOOOOOUUUUNCY'))"
        )
    };
}

pub(in crate::domain) use folded;

/// Which resources.
#[derive(Clone, Debug, Default)]
pub struct ResourceFilter {
    /// That stand or work there.
    pub branch: Option<Uuid>,
    /// That can be used for it.
    pub treatment: Option<Uuid>,
    /// In use, or out of use.
    pub active: Option<bool>,
    /// With this in the name, whatever the case and the accents.
    pub text: Option<String>,
}

/// Which treatments.
#[derive(Clone, Debug, Default)]
pub struct TreatmentFilter {
    /// That somebody who works there does.
    pub branch: Option<Uuid>,
    /// Under this heading.
    pub category: Option<Uuid>,
    /// That patients may book alone, or may not.
    pub online_bookable: Option<bool>,
    /// Still offered, or no more.
    pub active: Option<bool>,
    /// With this in the name, whatever the case and the accents.
    pub text: Option<String>,
}

/// The LIKE pattern for names that contain the text as it is: no character of it is a wildcard.
pub(in crate::domain) fn pattern(text: Option<&str>) -> Result<Option<String>, Refusal> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.chars().count() > MAX_TEXT || text.contains('\0') {
        return Err(Refusal::invalid("filter.text", format!("search for at most {MAX_TEXT} characters")));
    }
    let mut pattern = String::from("%");
    for small in plain(text).chars() {
        if matches!(small, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(small);
    }
    pattern.push('%');
    Ok(Some(pattern))
}

/// A text without marks and in small letters.
pub(in crate::domain) fn plain(text: &str) -> String {
    let unmarked = |letter| {
        MARKED.chars().zip(PLAIN.chars()).find(|(marked, _)| *marked == letter).map_or(letter, |(_, plain)| plain)
    };
    text.chars().map(unmarked).flat_map(char::to_lowercase).collect()
}

fn split(from: Option<&ByName>) -> (Option<String>, Option<Uuid>) {
    from.map_or((None, None), |(name, id)| (Some(name.clone()), Some(*id)))
}

fn scope(actor: &Actor) -> Option<Vec<Uuid>> {
    actor.branches.as_ref().map(|branches| branches.to_vec())
}

macro_rules! branches_page {
    ($than:literal, $order:literal) => {
        branch_select!(
            "WHERE ($1::uuid[] IS NULL OR b.id = ANY ($1))
             AND ($2::text IS NULL OR (b.name, b.id) ",
            $than,
            " ($2, $3::uuid))
             ORDER BY b.name ",
            $order,
            ", b.id ",
            $order,
            " LIMIT $4"
        )
    };
}

const BRANCHES: Statements = Statements {
    forwards: branches_page!(">", "ASC"),
    backwards: branches_page!("<", "DESC"),
    count: counting!(branches_page!(">", "ASC")),
};

/// The branches that the caller may see.
///
/// # Errors
/// A caller who is not staff, faults of the database.
pub async fn branches(cx: &Cx, actor: &Actor, page: &PageRequest<ByName>) -> Result<Page<Branch>, Failure> {
    require_staff(actor)?;
    let values = |page: &PageRequest<ByName>| {
        let (name, id) = split(page.from.as_ref());
        [scope(actor).into(), name.into(), id.into(), page.fetch().into()]
    };
    let tx = cx.read(actor).await?;
    let found: Page<BranchRow> = page.read(&tx, BRANCHES, values).await?;
    tx.commit().await?;
    found.try_map(Branch::try_from)
}

macro_rules! resources_page {
    ($than:literal, $order:literal) => {
        resource_select!(
            "WHERE r.kind = $1
             AND ($2::uuid IS NULL OR r.branch_id = $2
                 OR EXISTS (SELECT 1 FROM professional_branches b WHERE b.professional_id = r.id AND b.branch_id = $2))
             AND ($3::uuid IS NULL OR (
                 (NOT EXISTS (SELECT 1 FROM treatment_requirements q WHERE q.treatment_id = $3 AND q.kind = r.kind AND cardinality(q.any_of) > 0)
                     OR EXISTS (SELECT 1 FROM treatment_requirements q WHERE q.treatment_id = $3 AND q.kind = r.kind AND r.id = ANY (q.any_of)))
                 AND (NOT EXISTS (SELECT 1 FROM professional_treatments t WHERE t.professional_id = r.id)
                     OR EXISTS (SELECT 1 FROM professional_treatments t WHERE t.professional_id = r.id AND t.treatment_id = $3))))
             AND ($4::boolean IS NULL OR r.active = $4)
             AND ($5::text IS NULL OR ", folded!("r.name"), " LIKE $5)
             AND ($6::uuid[] IS NULL OR r.branch_id IS NULL OR r.branch_id = ANY ($6))
             AND ($7::text IS NULL OR (r.name, r.id) ", $than, " ($7, $8::uuid))
             ORDER BY r.name ", $order, ", r.id ", $order, " LIMIT $9"
        )
    };
}

const RESOURCES: Statements = Statements {
    forwards: resources_page!(">", "ASC"),
    backwards: resources_page!("<", "DESC"),
    count: counting!(resources_page!(">", "ASC")),
};

/// The resources of one kind that the caller may see: professionals of the whole centre, things of the caller's
/// branches.
///
/// # Errors
/// A caller who is not staff, a text that is too long, faults of the database.
pub async fn resources(
    cx: &Cx,
    actor: &Actor,
    kind: ResourceKind,
    filter: ResourceFilter,
    page: &PageRequest<ByName>,
) -> Result<Page<Resource>, Failure> {
    require_staff(actor)?;
    let pattern = pattern(filter.text.as_deref())?;
    let values = |page: &PageRequest<ByName>| {
        let (name, id) = split(page.from.as_ref());
        [
            kind.as_str().into(),
            filter.branch.into(),
            filter.treatment.into(),
            filter.active.into(),
            pattern.clone().into(),
            scope(actor).into(),
            name.into(),
            id.into(),
            page.fetch().into(),
        ]
    };
    let tx = cx.read(actor).await?;
    let found: Page<ResourceRow> = page.read(&tx, RESOURCES, values).await?;
    // A treatment that nobody has described needs nothing in particular, so all resources fit it.
    if found.rows.is_empty() || filter.treatment.is_some() {
        let named = Named::default().one(Thing::Branch, filter.branch, "filter.branchId").one(
            Thing::Treatment,
            filter.treatment,
            "filter.treatmentId",
        );
        named.require(&tx, actor).await?;
    }
    tx.commit().await?;
    found.try_map(Resource::try_from)
}

/// Whether a treatment takes a professional: by its requirements, and without any by the centre's way of working.
macro_rules! needs_professional {
    () => {
        "CASE WHEN EXISTS (SELECT 1 FROM treatment_requirements q WHERE q.treatment_id = t.id)
             THEN EXISTS (SELECT 1 FROM treatment_requirements q WHERE q.treatment_id = t.id AND q.kind = 'PROFESSIONAL')
             ELSE EXISTS (SELECT 1 FROM centre_profile WHERE operating_mode <> 'BY_ROOM') END"
    };
}

macro_rules! treatments_page {
    ($than:literal, $order:literal) => {
        treatment_select!(
            "WHERE ($1::uuid IS NULL OR NOT ", needs_professional!(), " OR EXISTS (
                 SELECT 1 FROM professional_branches b JOIN resources r ON r.id = b.professional_id AND r.active
                 WHERE b.branch_id = $1
                     AND (NOT EXISTS (SELECT 1 FROM professional_treatments p WHERE p.professional_id = r.id)
                         OR EXISTS (SELECT 1 FROM professional_treatments p WHERE p.professional_id = r.id AND p.treatment_id = t.id))))
             AND ($2::uuid IS NULL OR t.category_id = $2)
             AND ($3::boolean IS NULL OR t.online_bookable = $3)
             AND ($4::boolean IS NULL OR t.active = $4)
             AND ($5::text IS NULL OR ", folded!("t.name"), " LIKE $5)
             AND ($6::text IS NULL OR (t.name, t.id) ", $than, " ($6, $7::uuid))
             ORDER BY t.name ", $order, ", t.id ", $order, " LIMIT $8"
        )
    };
}

const TREATMENTS: Statements = Statements {
    forwards: treatments_page!(">", "ASC"),
    backwards: treatments_page!("<", "DESC"),
    count: counting!(treatments_page!(">", "ASC")),
};

/// The centre's treatments.
///
/// # Errors
/// A caller who is not staff, a text that is too long, faults of the database.
pub async fn treatments(
    cx: &Cx,
    actor: &Actor,
    filter: TreatmentFilter,
    page: &PageRequest<ByName>,
) -> Result<Page<Treatment>, Failure> {
    require_staff(actor)?;
    let pattern = pattern(filter.text.as_deref())?;
    let values = |page: &PageRequest<ByName>| {
        let (name, id) = split(page.from.as_ref());
        [
            filter.branch.into(),
            filter.category.into(),
            filter.online_bookable.into(),
            filter.active.into(),
            pattern.clone().into(),
            name.into(),
            id.into(),
            page.fetch().into(),
        ]
    };
    let tx = cx.read(actor).await?;
    let found: Page<TreatmentRow> = page.read(&tx, TREATMENTS, values).await?;
    if found.rows.is_empty() {
        let named = Named::default().one(Thing::Branch, filter.branch, "filter.branchId").one(
            Thing::TreatmentCategory,
            filter.category,
            "filter.categoryId",
        );
        named.require(&tx, actor).await?;
    }
    tx.commit().await?;
    found.try_map(Treatment::try_from)
}

/// All treatment categories, in their order.
///
/// # Errors
/// A caller who is not staff, faults of the database.
pub async fn categories(cx: &Cx, actor: &Actor) -> Result<Vec<Category>, Failure> {
    require_staff(actor)?;
    let tx = cx.read(actor).await?;
    let rows = tx.all("SELECT id, name, position FROM treatment_categories ORDER BY position, name, id", []).await?;
    tx.commit().await?;
    Ok(rows)
}

struct InBranchRow {
    branch: Uuid,
    resource: ResourceRow,
}

impl FromQueryResult for InBranchRow {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, sea_orm::DbErr> {
        Ok(Self { branch: row.try_get(prefix, "in_branch")?, resource: ResourceRow::from_query_result(row, prefix)? })
    }
}

/// A page of the resources of a branch `b`.
macro_rules! in_branch_page {
    ($than:literal, $order:literal) => {
        resource_select!(
            "WHERE r.kind = $2 AND r.active AND (NOT $3 OR coalesce(p.accepts_online, false))
             AND (r.branch_id = b.id OR EXISTS (SELECT 1 FROM professional_branches w WHERE w.professional_id = r.id AND w.branch_id = b.id))
             AND ($4::text IS NULL OR (r.name, r.id) ", $than, " ($4, $5::uuid))
             ORDER BY r.name ", $order, ", r.id ", $order, " LIMIT $6"
        )
    };
}

macro_rules! in_branches_page {
    ($than:literal, $order:literal) => {
        concat!(
            "SELECT b.id AS in_branch, x.* FROM unnest($1::uuid[]) AS b (id) CROSS JOIN LATERAL (",
            in_branch_page!($than, $order),
            ") x ORDER BY x.name ",
            $order,
            ", x.id ",
            $order
        )
    };
}

const COUNT_IN_BRANCHES: Sql = concat!(
    "SELECT (",
    counting!(in_branch_page!(">", "ASC")),
    ") FROM unnest($1::uuid[]) WITH ORDINALITY AS b (id, at) ORDER BY b.at"
);

/// The same page of the active resources of one kind, for each of the branches: one statement for all of them, and one
/// more when they are counted. `online` leaves only professionals whom patients may book.
///
/// # Errors
/// Faults of the database.
pub async fn resources_in_branches(
    tx: &TenantTx,
    branches: Vec<Uuid>,
    kind: ResourceKind,
    online: bool,
    page: &PageRequest<ByName>,
) -> Result<HashMap<Uuid, Page<Resource>>, Failure> {
    let values = |page: &PageRequest<ByName>| {
        let (name, id) = split(page.from.as_ref());
        [branches.clone().into(), kind.as_str().into(), online.into(), name.into(), id.into(), page.fetch().into()]
    };
    let sql = if page.backwards { in_branches_page!("<", "DESC") } else { in_branches_page!(">", "ASC") };
    let rows: Vec<InBranchRow> = tx.all(sql, values(page)).await?;
    let totals: Vec<i32> =
        if page.counted { tx.scalars(COUNT_IN_BRANCHES, values(&page.whole())).await? } else { Vec::new() };
    let rows = rows.into_iter().map(|row| Ok((row.branch, row.resource.try_into()?)));
    Ok(page.pages(branches, totals, rows.collect::<Result<Vec<_>, Failure>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_searched_text_has_no_wildcards_no_marks_and_no_case() {
        let of = |text| pattern(Some(text)).ok().flatten();
        assert_eq!(of(" Peluquería Ñ "), Some("%peluqueria n%".to_owned()));
        assert_eq!(of("50%_\\"), Some("%50\\%\\_\\\\%".to_owned()));
        assert_eq!(of("  "), None);
        assert!(pattern(Some(&"x".repeat(201))).is_err());
        assert_eq!(MARKED.chars().count(), PLAIN.len());
        assert!(folded!("n").contains(MARKED) && folded!("n").contains(PLAIN));
    }
}
