//! One step of an import: some rows, one transaction, a constant number of statements.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use uuid::Uuid;

use super::{
    cell::{Problem, Reading, type_row},
    judge::Judge,
    mapping::Mapping,
    quota,
};
use crate::{
    auth::Actor,
    db::TenantTx,
    domain::{
        background::{self, Advance, Running},
        centre::query,
        change::Changes,
        cx::Cx,
        patients::many::{self, Identity, Ready},
        refusal::Failure,
    },
    sheets::Row,
};

/// How the rows of this file are read.
pub(super) struct Rules<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) reading: &'a Reading,
    pub(super) judge: &'a Judge,
}

/// A row that can be a patient.
struct Candidate {
    number: u32,
    new: Ready,
    hash: Vec<u8>,
}

/// What makes a row a patient that is known, as the database looks for it.
#[derive(Serialize)]
struct Wanted<'a> {
    at: usize,
    hash: String,
    name: String,
    surname: String,
    #[serde(flatten)]
    identity: Identity<'a>,
}

/// Takes these rows in. Returns the job as it is then.
pub(super) async fn run(
    cx: &Cx,
    actor: &Actor,
    mut running: Running,
    rules: &Rules<'_>,
    rows: &[Row],
) -> Result<Running, Failure> {
    let mut problems: BTreeMap<u32, Vec<Problem>> = BTreeMap::new();
    let mut ready = Vec::with_capacity(rows.len());
    for row in rows {
        let judged = type_row(rules.mapping, rules.reading, &row.cells)
            .and_then(|typed| rules.judge.row(&typed, rules.mapping, cx.now()).map(|new| (typed, new)));
        match judged {
            Ok((typed, new)) => {
                let says = serde_json::to_vec(&typed).map_err(|error| Failure::fault(error.to_string()))?;
                ready.push(Candidate { number: row.number, new, hash: cx.seal.row_hash(actor.tenant.id.0, &says) });
            }
            Err(wrong) => {
                problems.insert(row.number, wrong);
            }
        }
    }
    let tx = cx.write(actor).await?;
    background::hold(&tx, &running).await?;
    // Two imports of one centre take turns, so that a row of both is one patient.
    tx.run("SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ' imports', 0))", []).await?;
    let before = ready.len();
    let known = known(&tx, &ready).await?;
    let mut seen = Seen::default();
    let mut at = 0;
    ready.retain(|row| {
        let is_new = !known.contains(&at) && seen.is_new(row);
        at += 1;
        is_new
    });
    let mut skipped = before - ready.len();
    let mut changes = Changes::by(actor);
    let wanted = i32::try_from(ready.len()).unwrap_or(i32::MAX);
    if wanted > 0 {
        let profile = query::profile(&tx).await?;
        let allowed = usize::try_from(quota::take(cx, &tx, &profile, wanted).await?).unwrap_or_default();
        for row in ready.drain(allowed.min(ready.len())..) {
            let message = "the centre has imported as many patients today as it may; import this row tomorrow";
            problems.insert(row.number, vec![Problem { column: None, message: message.to_owned() }]);
        }
        let new: Vec<&Ready> = ready.iter().map(|row| &row.new).collect();
        let created = many::insert_all(cx, &tx, &new, "importPatients", &mut changes).await?;
        let (mut hashes, mut patients) = (Vec::new(), Vec::new());
        for (row, created) in ready.iter().zip(created) {
            match created {
                Some(id) => {
                    hashes.push(row.hash.clone());
                    patients.push(id);
                }
                // Somebody booked with the same document at this moment.
                None => skipped += 1,
            }
        }
        tx.run(
            "INSERT INTO imported_rows (row_hash, patient_id) SELECT * FROM unnest($1::bytea[], $2::uuid[])",
            [hashes.into(), patients.into()],
        )
        .await?;
    }
    write_problems(&tx, running.job.id, &problems).await?;
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let step = Advance { done: number(rows.len()), errors: number(problems.len()), skipped: number(skipped) };
    running.advance(&tx, step, &mut changes).await?;
    cx.commit(tx, changes).await?;
    metrics::counter!("horae_imported_rows_total", "outcome" => "created").increment(ready.len() as u64);
    metrics::counter!("horae_imported_rows_total", "outcome" => "skipped").increment(skipped as u64);
    metrics::counter!("horae_imported_rows_total", "outcome" => "refused").increment(problems.len() as u64);
    Ok(running)
}

/// Of two rows of one step that are one patient the second is skipped, as it would be if the first had been imported
/// yesterday.
#[derive(Default)]
struct Seen(HashSet<String>);

impl Seen {
    fn is_new(&mut self, row: &Candidate) -> bool {
        let Wanted { hash, name, surname, identity, .. } = Wanted::of(0, row);
        let words = [
            Some(format!("row {hash}")),
            identity.file_number.map(|file_number| format!("file {file_number}")),
            identity.number.map(|number| format!("document {:?} {number} {:?}", identity.kind, identity.country)),
            identity.email.map(|email| format!("mail {email} {name} {surname}")),
        ];
        let words: Vec<String> = words.into_iter().flatten().collect();
        let is_new = words.iter().all(|word| !self.0.contains(word));
        self.0.extend(words);
        is_new
    }
}

impl<'a> Wanted<'a> {
    fn of(at: usize, row: &'a Candidate) -> Self {
        let identity = row.new.identity();
        Self {
            at,
            hash: hex::encode(&row.hash),
            name: identity.given_names.to_lowercase(),
            surname: identity.paternal_surname.unwrap_or_default().to_lowercase(),
            identity,
        }
    }
}

/// Which of the rows are patients that the centre knows: by the row itself, the document, the file number, or mail and
/// name together.
async fn known(tx: &TenantTx, ready: &[Candidate]) -> Result<HashSet<usize>, Failure> {
    let all: Vec<Wanted<'_>> = ready.iter().enumerate().map(|(at, row)| Wanted::of(at, row)).collect();
    let all = serde_json::to_value(&all).map_err(|error| Failure::fault(error.to_string()))?;
    let found: Vec<i32> = tx
        .scalars(
            // Joins, because alternatives in one condition are read as hashes of the whole table, for each step anew.
            "WITH n AS MATERIALIZED (
                 SELECT * FROM jsonb_to_recordset($1) AS n (at integer, hash text, file_number text, kind text, number text,
                     country text, email text, name text, surname text)
             )
             SELECT n.at FROM n JOIN imported_rows r ON r.row_hash = decode(n.hash, 'hex')
             UNION SELECT n.at FROM n JOIN patients p ON p.document_kind = n.kind AND p.document_number = n.number
                 AND p.document_country = n.country
             UNION SELECT n.at FROM n JOIN patients p ON p.file_number = n.file_number
             UNION SELECT n.at FROM n JOIN patients p ON p.email = n.email AND lower(p.given_names) = n.name
                 AND coalesce(lower(p.paternal_surname), '') = n.surname",
            [all.into()],
        )
        .await?;
    Ok(found.into_iter().filter_map(|at| usize::try_from(at).ok()).collect())
}

async fn write_problems(tx: &TenantTx, job: Uuid, problems: &BTreeMap<u32, Vec<Problem>>) -> Result<(), Failure> {
    if problems.is_empty() {
        return Ok(());
    }
    let (mut rows, mut texts) = (Vec::new(), Vec::new());
    for (row, wrong) in problems {
        rows.push(i32::try_from(*row).unwrap_or(i32::MAX));
        texts.push(serde_json::to_string(wrong).map_err(|error| Failure::fault(error.to_string()))?);
    }
    tx.run(
        "INSERT INTO import_problems (job_id, row_no, problems) SELECT $1, row_no, problems::jsonb FROM unnest($2::int[], $3::text[]) AS x (row_no, problems)",
        [job.into(), rows.into(), texts.into()],
    )
    .await?;
    Ok(())
}
