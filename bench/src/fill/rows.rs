//! The many rows of one centre.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

use super::Block;
use crate::{
    centre::{Centre, ZONE},
    cluster::Cluster,
    fail::Result,
};

/// Professionals who have left the centre with the long history.
pub const FORMER: i64 = 228;

/// SQL of an id that sorts by the number `n`, as the server's own sort by time.
fn id(n: &str) -> String {
    format!(
        "(lpad(to_hex(1600000000000 + {n} * 1000), 12, '0') || '7' || lpad(to_hex({n} & 4095), 3, '0') || 'a' || lpad(to_hex({n}), 15, '0'))::uuid"
    )
}

/// Fills one centre. Its many rows obey every constraint by construction: foreign keys are not checked one by one, and
/// what only slows a fill down is built at the end.
pub async fn fill(cluster: &Cluster, centre: &Centre, blocks: &[Block], patients: i64, former: bool) -> Result<()> {
    let mut admin = cluster.connect().await?;
    let (schema, id) = (&centre.schema, id("n"));
    run(
        &mut admin,
        format!("SET search_path TO {schema}; SET session_replication_role = replica; SET synchronous_commit = off"),
    )
    .await?;
    run(
        &mut admin,
        format!(
            "INSERT INTO patients (id, given_names, paternal_surname, maternal_surname, document_kind, document_number, document_country,
                 email, phones, sex, birth_date, created_at, updated_at)
             SELECT {id}, 'Rosa ' || n, 'Fuentes', 'Quispe', 'DNI', lpad(n::text, 8, '0'), 'PE', 'paciente' || n || '@example.com',
                 ARRAY['+51987' || lpad(n::text, 6, '0')], 'FEMALE', date '1960-01-01' + (n % 18000)::int, now(), now()
             FROM generate_series(1::bigint, {patients}) AS n;
             UPDATE centre_profile SET daily_appointment_quota = 100000000"
        ),
    )
    .await?;
    let mut professionals = centre.professional_keys.clone();
    if former {
        professionals.extend(leave(&mut admin, centre).await?);
    }
    let later = set_aside(&mut admin, former).await?;
    let mut count = 0;
    for block in blocks {
        let people = if block.past { professionals.as_slice() } else { centre.professional_keys.as_slice() };
        grid(&mut admin, centre, block, people, patients).await?;
        count += block.count;
    }
    for statement in later {
        run(&mut admin, statement).await?;
    }
    run(&mut admin, format!("SELECT setval('appointment_codes', {})", count + 1)).await?;
    for table in ["patients", "resources", "appointments", "appointment_items", "occupancies"] {
        run(&mut admin, format!("VACUUM (ANALYZE) {table}")).await?;
    }
    Ok(admin.close().await?)
}

/// Professionals who do not work here any more.
async fn leave(admin: &mut PgConnection, centre: &Centre) -> Result<Vec<Uuid>> {
    run(
        admin,
        format!(
            "INSERT INTO resources (id, kind, name, color, active, created_at, updated_at)
             SELECT md5('former' || n)::uuid, 'PROFESSIONAL', 'Antiguo ' || n, '#808080', false, now(), now() FROM generate_series(1, {FORMER}) AS n;
             INSERT INTO professionals (id) SELECT md5('former' || n)::uuid FROM generate_series(1, {FORMER}) AS n;
             INSERT INTO professional_branches (professional_id, branch_id)
             SELECT md5('former' || n)::uuid, '{}' FROM generate_series(1, {FORMER}) AS n",
            centre.branch_key
        ),
    )
    .await?;
    Ok(sqlx::query_scalar("SELECT md5('former' || n)::uuid FROM generate_series(1, $1) AS n")
        .bind(FORMER)
        .fetch_all(admin)
        .await?)
}

/// Drops what is dearer to keep than to build: every index that no primary or unique key needs, and the constraint that
/// forbids double bookings. Returns the statements that bring them back.
///
/// `long`: the constraint comes back as its index alone. Checking ten million rows against each other takes half an
/// hour, and nothing is booked in that centre; reading uses the same index.
async fn set_aside(admin: &mut PgConnection, long: bool) -> Result<Vec<String>> {
    const TABLES: &str = "('appointments'::regclass, 'appointment_items'::regclass, 'occupancies'::regclass)";
    let found: Vec<(String, String)> = sqlx::query_as(AssertSqlSafe(format!(
        "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname),
             CASE WHEN {long} THEN pg_get_indexdef(conindid)
                 ELSE format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) END
         FROM pg_constraint WHERE conrelid IN {TABLES} AND contype = 'x'
         UNION ALL
         SELECT format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
         FROM pg_index WHERE indrelid IN {TABLES} AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)"
    )))
    .fetch_all(&mut *admin)
    .await?;
    let mut later = Vec::new();
    for (drop, create) in found {
        run(admin, drop).await?;
        later.push(create);
    }
    Ok(later)
}

/// Appointments, their items and what they make busy. The n-th is the (n mod people)-th professional's; a professional
/// has one start every `step` minutes from nine, so no two share a resource and a time.
async fn grid(admin: &mut PgConnection, centre: &Centre, block: &Block, people: &[Uuid], patients: i64) -> Result<()> {
    let Block { from, count, day, a_day, step, past } = *block;
    let many = i64::try_from(people.len()).unwrap_or(1);
    let per_day = many * a_day;
    let last = from + count - 1;
    let at = format!(
        "(timestamp '{day} 09:00' + (n - {from}) / {per_day} * interval '1 day'
             + (n - {from}) % {per_day} / {many} * interval '{step} minutes')"
    );
    let start = format!("({at} + interval '5 hours') AT TIME ZONE 'UTC'");
    let who = format!("({})[(n - {from}) % {many} + 1]", array(people));
    let room = if past {
        "NULL::uuid".to_owned()
    } else {
        format!("({})[(n - {from}) % {many} + 1]", array(&centre.room_keys))
    };
    let treatments = i64::try_from(centre.treatment_keys.len()).unwrap_or(1);
    let treatment = format!("({})[n % {treatments} + 1]", array(&centre.treatment_keys));
    let branch = centre.branch_key;
    let (id, patient) = (id("n"), id(&format!("(n * 7919 % {patients} + 1)")));
    run(
        admin,
        format!(
            "INSERT INTO appointments (id, code, branch_id, patient_id, start_at, end_at, local_start, time_zone, status, channel, created_at, updated_at)
             SELECT {id}, 'A' || lpad(n::text, 8, '0'), '{branch}', {patient},
                 at, at + interval '30 minutes', local, '{ZONE}',
                 CASE WHEN at > now() THEN 'BOOKED' WHEN n % 20 = 7 THEN 'NO_SHOW' ELSE 'COMPLETED' END,
                 CASE n % 3 WHEN 0 THEN 'WEB_WIDGET' WHEN 1 THEN 'PHONE' ELSE 'STAFF' END, at - interval '10 days', at
             FROM (SELECT n, {at} AS local, {start} AS at FROM generate_series({from}::bigint, {last}) AS n) rows"
        ),
    )
    .await?;
    run(
        admin,
        format!(
            "INSERT INTO appointment_items (appointment_id, position, treatment_id, professional_id, room_id, start_at, end_at, price_minor, currency)
             SELECT {id}, 0, {treatment}, {who}, {room}, at, at + interval '30 minutes', 12000, 'PEN'
             FROM (SELECT n, {start} AS at FROM generate_series({from}::bigint, {last}) AS n) rows"
        ),
    )
    .await?;
    run(
        admin,
        format!(
            "INSERT INTO occupancies (appointment_id, resource_id, during)
             SELECT id, resource, tstzrange(at, at + interval '30 minutes')
             FROM (SELECT {id} AS id, {start} AS at, {who} AS who, {room} AS room FROM generate_series({from}::bigint, {last}) AS n) rows,
                 LATERAL (VALUES (who), (room)) AS taken (resource)
             WHERE resource IS NOT NULL"
        ),
    )
    .await
}

fn array(ids: &[Uuid]) -> String {
    let quoted: Vec<String> = ids.iter().map(|id| format!("\"{id}\"")).collect();
    format!("'{{{}}}'::uuid[]", quoted.join(","))
}

pub(super) async fn run(admin: &mut PgConnection, sql: String) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(admin).await?;
    Ok(())
}
