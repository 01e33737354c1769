//! A centre's data is out of reach for every other centre, because PostgreSQL refuses it.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use horae::{
    db::{Access, CellPlan, NewTenant, TenantId, TenantStatus},
    domain::platform::create_tenant::{self, NewCentre},
};
use sea_orm::ConnectionTrait;
use serde_json::json;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use tokio::{io::AsyncWriteExt, process::Command};

use crate::support::{
    app::{PASSWORD, SECRET, TestApp},
    postgres,
};

pub fn centre(slug: &str) -> NewCentre {
    NewCentre {
        slug: slug.to_owned(),
        trade_name: "Gamma".to_owned(),
        legal_name: "Gamma SpA".to_owned(),
        country: "PE".to_owned(),
        currency: "PEN".to_owned(),
        locale: "es-PE".to_owned(),
        default_time_zone: chrono_tz::America::Lima,
        vertical: "BEAUTY".to_owned(),
        operating_mode: "BY_ROOM".to_owned(),
        dedicated: false,
        admin_email: "admin@gamma.test".to_owned(),
        admin_name: "Gamma".to_owned(),
        admin_password: Some(PASSWORD.to_owned()),
    }
}

#[tokio::test]
async fn naming_another_tenants_tables_is_refused_by_postgresql() {
    let app = TestApp::start().await;
    let db = &app.app.cx.db;
    let alfa = db.find_tenant_by_slug("alfa").await.unwrap().unwrap();
    let beta = db.find_tenant_by_slug("beta").await.unwrap().unwrap();
    for sql in [
        format!("SELECT * FROM {}.users", beta.schema_name),
        format!("UPDATE {}.users SET name = 'x'", beta.schema_name),
        "SELECT * FROM catalogue.tenants".to_owned(),
        "SELECT * FROM queue.jobs".to_owned(),
        format!("CREATE TABLE {}.mine (x int)", alfa.schema_name),
        "UPDATE audit_entries SET action = 'x'".to_owned(),
        "DELETE FROM events".to_owned(),
        "ALTER TABLE users ADD COLUMN x int".to_owned(),
    ] {
        let tx = db.begin(&alfa, Access::Write).await.unwrap();
        let error = tx.execute_unprepared(&sql).await.unwrap_err().to_string();
        assert!(error.contains("permission denied") || error.contains("must be owner"), "{sql}: {error}");
    }
    let tx = db.begin(&alfa, Access::Write).await.unwrap();
    let visible: i64 = tx.scalar("SELECT count(*) FROM users", []).await.unwrap().unwrap();
    assert_eq!(visible, 1);
}

#[tokio::test]
async fn tenants_of_one_connection_keep_their_prepared_statements_and_plans_apart() {
    let app = TestApp::start_with(&[("DATABASE_MAX_CONNECTIONS", "1")]).await;
    let db = &app.app.cx.db;
    let mut slugs = Vec::new();
    for _ in 0..3 {
        for slug in ["alfa", "beta"] {
            let tenant = db.find_tenant_by_slug(slug).await.unwrap().unwrap();
            let tx = db.begin(&tenant, Access::Read).await.unwrap();
            let name: String = tx.scalar("SELECT trade_name FROM centre_profile", []).await.unwrap().unwrap();
            slugs.push(name.to_lowercase());
            let planned: Vec<String> = tx
                .scalars(
                    "SELECT statement FROM pg_prepared_statements
                     WHERE statement LIKE '%centre_profile' AND generic_plans + custom_plans > 0 ORDER BY 1",
                    [],
                )
                .await
                .unwrap();
            let own = format!("/* {} */ ", tenant.schema_name);
            assert_eq!(planned.iter().filter(|statement| statement.starts_with(&own)).count(), 1, "{planned:?}");
            tx.commit().await.unwrap();
        }
    }
    assert!(slugs.iter().step_by(2).all(|name| *name == slugs[0]), "{slugs:?}");
    assert!(slugs.iter().skip(1).step_by(2).all(|name| *name == slugs[1] && name != &slugs[0]), "{slugs:?}");
}

#[tokio::test]
async fn a_connection_without_a_tenant_reads_nothing() {
    let app = TestApp::start().await;
    let alfa = app.app.cx.db.find_tenant_by_slug("alfa").await.unwrap().unwrap();
    let url = app_url(&app);
    let mut connection = PgConnection::connect(&url).await.unwrap();
    for sql in ["SELECT * FROM users".to_owned(), format!("SELECT * FROM {}.users", alfa.schema_name)] {
        let error = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap_err().to_string();
        assert!(error.contains("does not exist") || error.contains("permission denied"), "{error}");
    }
}

fn app_url(app: &TestApp) -> String {
    let config = horae::config::Config::from_lookup(|name| match name {
        "HORAE_SECRET" => Some(SECRET.to_owned()),
        "DATABASE_URL" => Some(app.database_url.clone()),
        _ => None,
    })
    .unwrap();
    config.db_options().unwrap().servers["main"].app_url.clone()
}

#[tokio::test]
async fn the_next_borrower_has_no_tenant_after_any_aborted_request() {
    let app = TestApp::start_with(&[("DATABASE_MAX_CONNECTIONS", "1")]).await;
    let db = &app.app.cx.db;
    let alfa = db.find_tenant_by_slug("alfa").await.unwrap().unwrap();
    let beta = db.find_tenant_by_slug("beta").await.unwrap().unwrap();
    let mine = |tx: horae::db::TenantTx| async move {
        let path: String = tx
            .scalar("SELECT current_setting('role') || ' ' || current_setting('search_path')", [])
            .await
            .unwrap()
            .unwrap();
        path
    };
    // Dropped before, during and after a statement, and after an error: the one connection goes round.
    for micros in [0, 50, 200, 500, 1_000, 3_000] {
        let busy = async {
            let tx = db.begin(&alfa, Access::Write).await.unwrap();
            let _ = tx.execute_unprepared("SELECT pg_sleep(0.002)").await;
            let _ = tx.execute_unprepared("SELECT nonsense").await;
        };
        let _ = tokio::time::timeout(std::time::Duration::from_micros(micros), busy).await;
        let tx = db.begin(&beta, Access::Read).await.unwrap();
        assert_eq!(mine(tx).await, format!("{0} {0}", beta.schema_name));
        // What the catalogue's reader gets is the same connection, without any tenant.
        assert!(db.list_tenants().await.is_ok());
    }
}

#[tokio::test]
async fn creating_a_tenant_is_quick_and_complete() {
    let app = TestApp::start().await;
    let began = Instant::now();
    create_tenant::run(&app.app.cx, CellPlan { tenants_per_cell: 500 }, centre("gamma")).await.unwrap();
    println!("created a tenant in {:?}", began.elapsed());
    let gamma = app.admin("gamma").await;
    gamma.ok("{ viewer { actor { displayName } } }", json!({})).await;
}

#[tokio::test]
async fn a_slug_is_taken_once() {
    let app = TestApp::start().await;
    let error = create_tenant::run(&app.app.cx, CellPlan { tenants_per_cell: 500 }, centre("alfa")).await.unwrap_err();
    assert!(format!("{error:?}").contains("AlreadyExists"), "{error:?}");
    let error =
        create_tenant::run(&app.app.cx, CellPlan { tenants_per_cell: 500 }, centre("No Good")).await.unwrap_err();
    assert!(format!("{error:?}").contains("slug"), "{error:?}");
}

#[tokio::test]
async fn a_first_password_is_as_good_as_any_other() {
    let app = TestApp::start().await;
    let (cx, plan) = (&app.app.cx, CellPlan { tenants_per_cell: 500 });
    for weak in ["", "short", "Gamma2026", "qwertyuiop"] {
        let new = NewCentre { admin_password: Some(weak.to_owned()), ..centre("gamma") };
        let error = format!("{:?}", create_tenant::run(cx, plan, new).await.unwrap_err());
        assert!(error.contains("adminPassword") && error.contains("password"), "{error}");
    }
    assert!(cx.db.find_tenant_by_slug("gamma").await.unwrap().is_none());
}

/// `horae tenant create gamma --password-stdin`: whether it went well, and what it said on standard error.
async fn create_by_command(app: &TestApp, input: &str) -> (bool, String) {
    let options = "tenant create gamma --name Gamma --country PE --currency PEN --zone America/Lima \
                   --admin-email admin@gamma.test --password-stdin";
    let mut command = Command::new(env!("CARGO_BIN_EXE_horae"))
        .args(options.split_whitespace())
        .env_clear()
        .env("HORAE_SECRET", SECRET)
        .env("DATABASE_URL", &app.database_url)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    command.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = command.wait_with_output().await.unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn the_command_takes_a_password_from_standard_input_and_none_that_is_missing_or_weak() {
    let app = TestApp::start().await;
    for (input, words) in
        [("", "standard input is empty"), ("\n", "standard input is empty"), ("Gamma2026\n", "adminPassword: ")]
    {
        let (done, told) = create_by_command(&app, input).await;
        assert!(!done && told.contains(words), "{input:?}: {told}");
    }
    let (done, told) = create_by_command(&app, &format!("{PASSWORD}\n")).await;
    assert!(done, "{told}");
    app.login("gamma", "admin@gamma.test").await.ok("{ viewer { actor { displayName } } }", json!({})).await;
}

#[tokio::test]
async fn a_creation_that_was_interrupted_anywhere_is_completed_by_repeating_it() {
    let app = TestApp::start().await;
    let (cx, plan) = (&app.app.cx, CellPlan { tenants_per_cell: 500 });
    let mut owner = PgConnection::connect(&app.database_url).await.unwrap();
    // After the row in the catalogue, after the schema, and before the centre was opened.
    for slug in ["row", "schema", "filled"] {
        let row = NewTenant {
            id: TenantId(cx.new_id()),
            slug: slug.to_owned(),
            legal_name: "Gama".to_owned(),
            country: "CL".to_owned(),
            dedicated: false,
            now: cx.now(),
        };
        match slug {
            "row" => {
                sqlx::query(
                    "INSERT INTO catalogue.tenants (id, slug, legal_name, country, status, tenancy, cell, schema_name, created_at, updated_at)
                     VALUES ($1, $2, 'Gama', 'CL', 'PROVISIONING', 'SHARED', 'main', 't_' || replace($1::text, '-', ''), now(), now())",
                )
                .bind(row.id.0)
                .bind(slug)
                .execute(&mut owner)
                .await
                .unwrap();
            }
            "schema" => {
                let alone = cx.db.lock_creation(slug).await.unwrap();
                cx.db.create_tenant(row, plan, &alone).await.unwrap();
            }
            _ => {
                create_tenant::run(cx, plan, centre(slug)).await.unwrap();
                sqlx::query("UPDATE catalogue.tenants SET status = 'PROVISIONING' WHERE slug = $1")
                    .bind(slug)
                    .execute(&mut owner)
                    .await
                    .unwrap();
            }
        }
        let error = cx.db.set_tenant_status(slug, TenantStatus::Active, None, app.now()).await.unwrap_err().to_string();
        assert!(error.contains(&format!("horae tenant create {slug}")), "{error}");

        let tenant = create_tenant::run(cx, plan, centre(slug)).await.unwrap();
        assert_eq!((tenant.status, tenant.legal_name.as_str()), (TenantStatus::Active, "Gamma SpA"), "{slug}");
        let admin = app.login(slug, "admin@gamma.test").await;
        admin.ok("{ viewer { actor { displayName } } }", json!({})).await;
        let error = create_tenant::run(cx, plan, centre(slug)).await.unwrap_err();
        assert!(format!("{error:?}").contains("AlreadyExists"), "{error:?}");
    }
}

#[tokio::test]
async fn of_two_who_create_the_same_centre_at_once_one_does() {
    let app = TestApp::start().await;
    let other = TestApp::on(&app.database_url, &[]).await;
    let plan = CellPlan { tenants_per_cell: 500 };
    let (first, second) = tokio::join!(
        create_tenant::run(&app.app.cx, plan, centre("gamma")),
        create_tenant::run(&other.app.cx, plan, centre("gamma")),
    );
    assert_eq!(usize::from(first.is_ok()) + usize::from(second.is_ok()), 1, "{first:?} {second:?}");
    let refused = first.err().or(second.err()).unwrap();
    assert!(format!("{refused:?}").contains("AlreadyExists"), "{refused:?}");
    app.admin("gamma").await;
}

#[tokio::test]
async fn new_tenants_follow_the_plan_and_old_ones_stay() {
    let app = TestApp::start().await;
    let cx = &app.app.cx;
    let first = create_tenant::run(cx, CellPlan { tenants_per_cell: 3 }, centre("gamma")).await.unwrap();
    let second = create_tenant::run(cx, CellPlan { tenants_per_cell: 1 }, centre("delta")).await.unwrap();
    let third = create_tenant::run(cx, CellPlan { tenants_per_cell: 1 }, centre("epsilon")).await.unwrap();
    assert_eq!(first.cell, "main");
    assert_ne!(second.cell, "main");
    assert_ne!(third.cell, second.cell);
    app.login("delta", "admin@gamma.test").await.ok("{ viewer { actor { displayName } } }", json!({})).await;
    assert_eq!(cx.db.find_tenant_by_slug("alfa").await.unwrap().unwrap().cell, "main");
}

#[tokio::test]
async fn a_disabled_centre_is_closed_and_opens_again() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    let cx = &app.app.cx;
    cx.db.set_tenant_status("alfa", TenantStatus::Disabled, Some("unpaid"), app.now()).await.unwrap();
    assert_eq!(admin.error_code("{ branches(first: 1) { nodes { id } } }", json!({})).await, "FORBIDDEN");
    app.admin("beta").await;
    cx.db.set_tenant_status("alfa", TenantStatus::Active, None, app.now()).await.unwrap();
    app.admin("alfa").await;
}

#[tokio::test]
async fn migrating_again_changes_nothing_and_records_a_failure_per_tenant() {
    let app = TestApp::start().await;
    let db = &app.app.cx.db;
    db.migrate_catalogue().await.unwrap();
    let outcomes = db.migrate_tenants(|_| ()).await.unwrap();
    assert!(outcomes.iter().all(|outcome| outcome.error.is_none()), "{outcomes:?}");
    // One tenant that cannot be migrated does not stop the other, and is migrated on the next run.
    let alfa = db.find_tenant_by_slug("alfa").await.unwrap().unwrap();
    let mut owner = PgConnection::connect(&app.database_url).await.unwrap();
    let spoil =
        format!("UPDATE {}.migrations SET version = 'm9999_unknown' WHERE version = 'm0003_log'", alfa.schema_name);
    sqlx::raw_sql(sqlx::AssertSqlSafe(spoil)).execute(&mut owner).await.unwrap();
    let mut seen = Vec::new();
    let outcomes = db.migrate_tenants(|progress| seen.push((progress.done, progress.total))).await.unwrap();
    assert_eq!(seen, [(0, 2), (1, 2), (2, 2)]);
    assert!(outcomes[0].error.is_some() && outcomes[1].error.is_none(), "{outcomes:?}");
    assert!(db.list_tenants().await.unwrap()[0].migration_error.is_some());
    let mend =
        format!("UPDATE {}.migrations SET version = 'm0003_log' WHERE version = 'm9999_unknown'", alfa.schema_name);
    sqlx::raw_sql(sqlx::AssertSqlSafe(mend)).execute(&mut owner).await.unwrap();
    assert!(db.migrate_tenants(|_| ()).await.unwrap().iter().all(|outcome| outcome.error.is_none()));
    assert!(db.list_tenants().await.unwrap()[0].migration_error.is_none());
}

#[tokio::test]
async fn two_programs_may_migrate_at_once() {
    let url = postgres::empty_database().await;
    let nodes = [TestApp::on(&url, &[]).await, TestApp::on(&url, &[]).await];
    let (first, second) = tokio::join!(nodes[0].app.cx.db.migrate_catalogue(), nodes[1].app.cx.db.migrate_catalogue());
    first.unwrap();
    second.unwrap();
}

#[tokio::test]
async fn a_table_in_use_fails_its_tenants_migration_soon_and_the_next_run_does_it() {
    let app = TestApp::start().await;
    let db = &app.app.cx.db;
    let alfa = db.find_tenant_by_slug("alfa").await.unwrap().unwrap().schema_name.clone();
    let mut owner = PgConnection::connect(&app.database_url).await.unwrap();
    let pending = format!(
        "ALTER TABLE {alfa}.appointments DROP COLUMN contact_name, DROP COLUMN contact_email;
         DELETE FROM {alfa}.migrations WHERE version = 'm0019_contact'"
    );
    sqlx::raw_sql(AssertSqlSafe(pending)).execute(&mut owner).await.unwrap();
    // As pg_dump does, for as long as it takes.
    let backup = format!("BEGIN; LOCK TABLE {alfa}.appointments IN ACCESS SHARE MODE");
    sqlx::raw_sql(AssertSqlSafe(backup)).execute(&mut owner).await.unwrap();
    let run = tokio::time::timeout(Duration::from_secs(60), db.migrate_tenants(|_| ()));
    let outcomes = run.await.expect("it does not wait for the end of the backup").unwrap();
    let told = outcomes[0].error.as_deref().unwrap();
    assert!(told.contains("in use") && told.contains("run `horae migrate` again"), "{told}");
    assert!(outcomes[1].error.is_none(), "{outcomes:?}");
    sqlx::raw_sql("COMMIT").execute(&mut owner).await.unwrap();
    assert!(db.migrate_tenants(|_| ()).await.unwrap().iter().all(|outcome| outcome.error.is_none()));
    let columns =
        "SELECT count(*) FROM information_schema.columns WHERE table_schema = $1 AND column_name = 'contact_name'";
    assert_eq!(sqlx::query_scalar::<_, i64>(columns).bind(&alfa).fetch_one(&mut owner).await.unwrap(), 1);
}

#[tokio::test]
async fn the_applications_password_is_what_its_url_means() {
    let url = postgres::empty_database().await;
    let owner: PgConnectOptions = url.parse().unwrap();
    let role = format!("{}_app", owner.get_database().unwrap());
    let through = owner.username(&role).password("p@ss").to_url_lossy().to_string();
    assert!(through.contains(":p%40ss@"), "{through}");
    let app = TestApp::on(&url, &[("DATABASE_APP_URL", &through)]).await;
    app.app.cx.db.migrate_catalogue().await.unwrap();
    app.app.cx.db.ping().await.unwrap();
}
