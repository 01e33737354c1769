//! No encrypted column is forgotten by a change of keys.

use std::collections::BTreeSet;

use horae::domain::sealing::columns::COLUMNS;

use crate::support::{app::TestApp, fixtures::Centre};

#[tokio::test]
async fn a_change_of_keys_goes_over_every_sealed_column_of_the_database() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let tx = centre.cx.read(&centre.system).await.unwrap();
    let there: Vec<String> = tx
        .scalars(
            "SELECT table_name || '.' || column_name || ' ' || data_type FROM information_schema.columns
             WHERE table_schema = current_schema() AND column_name LIKE '%\\_sealed'",
            [],
        )
        .await
        .unwrap();
    let known: BTreeSet<String> = COLUMNS.iter().map(|one| format!("{}.{} bytea", one.table, one.column)).collect();
    assert_eq!(there.into_iter().collect::<BTreeSet<_>>(), known, "src/domain/sealing/columns.rs lists them");
    // What goes through a column in pages needs an index that begins with the row's id.
    for column in COLUMNS {
        let indexed: Option<i64> = tx
            .scalar(
                "SELECT count(*) FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                 WHERE i.indrelid = to_regclass($1) AND i.indisunique AND a.attname = $2",
                [column.table.into(), column.row.into()],
            )
            .await
            .unwrap();
        assert_ne!(indexed, Some(0), "{}.{}", column.table, column.row);
    }
    tx.commit().await.unwrap();
}
