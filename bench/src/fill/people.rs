//! Many patients of one centre, with names as they are spread in a country: one surname in twenty-five is the same, and
//! thousands are rare.

use sqlx::Connection as _;

use super::rows::run;
use crate::{centre::Centre, cluster::Cluster, fail::Result, say};

/// The rare surname of a patient.
pub fn rare(number: i64) -> String {
    format!("Raro{}", number % 9_000)
}

/// The telephone number of a patient, as it is said.
pub fn phone(number: i64) -> String {
    format!("9 {:08}", 10_000_000 + number * 37)
}

/// Adds patients until there are so many.
pub async fn fill(cluster: &Cluster, centre: &Centre, patients: i64) -> Result<()> {
    let bar = say::bar("filling patients", 1);
    let mut admin = cluster.connect().await?;
    let schema = &centre.schema;
    run(&mut admin, format!("SET search_path TO {schema}; SET synchronous_commit = off")).await?;
    run(
        &mut admin,
        format!(
            "INSERT INTO patients (id, file_number, given_names, paternal_surname, maternal_surname, document_kind, document_number,
                 document_country, email, phones, birth_date, created_at, updated_at)
             SELECT md5('people' || n)::uuid, 'F-' || n,
                 (ARRAY['María', 'José', 'Ana', 'Pedro', 'Camila', 'Sofía', 'Martín', 'Benjamín', 'Agustina', 'Ñusta'])[1 + n % 10],
                 CASE WHEN n % 25 = 0 THEN 'González' ELSE 'Raro' || n % 9000 END, 'Segundo' || n % 7919, 'OTHER', 'P' || n, 'CL',
                 'persona' || n || '@example.com', ARRAY['+569' || 10000000 + n * 37], date '1940-01-01' + (n % 30000)::int, now(), now()
             FROM generate_series(1::bigint, {patients} - (SELECT count(*) FROM patients)) AS n
             ON CONFLICT DO NOTHING"
        ),
    )
    .await?;
    run(&mut admin, "VACUUM (ANALYZE) patients".to_owned()).await?;
    bar.finish();
    Ok(admin.close().await?)
}
