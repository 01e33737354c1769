//! What a centre's own role cannot do to keys, and what is in the database opens nothing.

use horae::db::Access;
use sea_orm::ConnectionTrait;

use super::Safe;
use crate::support::app::TestApp;

#[tokio::test]
async fn a_centres_role_adds_and_reads_keys_and_nothing_else() {
    let app = TestApp::start().await;
    let safe = Safe::of(&app).await;
    safe.put("pulse", "72").await;
    let schema = &safe.centre.system.tenant.schema_name;
    for sql in [
        "UPDATE tenant_keys SET wrapped = ''".to_owned(),
        "UPDATE tenant_keys SET retired_at = now() WHERE false".to_owned(),
        "DELETE FROM tenant_keys".to_owned(),
        "TRUNCATE tenant_keys".to_owned(),
        "SELECT 1 FROM tenant_keys FOR UPDATE".to_owned(),
        format!("SELECT sealing.retire('{schema}', 1, now())"),
        format!("SELECT sealing.rewrap('{schema}', 'DATA', 1, '', 'x', '')"),
        format!(
            "SELECT sealing.reseal('{schema}', 'record_values', 'value_sealed', 'entry_id', 'field_key', '{{}}', '{{}}', '{{}}', '{{}}')"
        ),
    ] {
        let tx = app.app.cx.db.begin(&safe.centre.system.tenant, Access::Write).await.unwrap();
        let error = tx.execute_unprepared(&sql).await.unwrap_err().to_string();
        assert!(error.contains("permission denied"), "{sql}: {error}");
    }
    assert_eq!(safe.get(&app.app.cx, "pulse").await.as_deref(), Ok("72"));
}

#[tokio::test]
async fn a_value_that_is_moved_changed_or_of_another_centre_does_not_open() {
    let app = TestApp::start().await;
    let safe = Safe::of(&app).await;
    safe.put("pulse", "72").await;
    safe.put("weight", "80").await;
    let moved = "UPDATE record_values SET value_sealed = (SELECT value_sealed FROM record_values WHERE field_key = 'pulse') WHERE field_key = 'weight'";
    safe.centre.run(moved, vec![]).await;
    let refused = safe.get(&app.app.cx, "weight").await.unwrap_err();
    assert!(refused.contains("record_values.value_sealed") && refused.contains("does not open"), "{refused}");
    let changed = "UPDATE record_values SET value_sealed = set_byte(value_sealed, 40, get_byte(value_sealed, 40) # 1) WHERE field_key = 'pulse'";
    safe.centre.run(changed, vec![]).await;
    assert!(safe.get(&app.app.cx, "pulse").await.unwrap_err().contains("does not open"));
}
