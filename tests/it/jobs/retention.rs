//! What is removed when it has been over for long enough, and what stays.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::support::{
    app::{PASSWORD, TestApp},
    fixtures::{Booking, Centre},
};

const LOGIN: &str = "mutation($password: String!) {
    login(email: \"admin@alfa.test\", password: $password, tenantSlug: \"alfa\") { tokens { refreshToken } }
}";
const REFRESH: &str = "mutation($token: String!) {
    refreshSession(refreshToken: $token) { tokens { refreshToken } userErrors { code } }
}";
const SESSIONS: &str = "SELECT count(*) FROM sessions";

async fn login(app: &TestApp) -> Value {
    let answer = app.anonymous().ok(LOGIN, json!({"password": PASSWORD})).await;
    answer["login"]["tokens"]["refreshToken"].clone()
}

/// The new token, and the codes of refusals.
async fn refresh(app: &TestApp, token: &Value) -> (Value, Value) {
    let answer = app.anonymous().ok(REFRESH, json!({ "token": token })).await["refreshSession"].clone();
    (answer["tokens"]["refreshToken"].clone(), answer["userErrors"].clone())
}

#[tokio::test]
async fn a_session_goes_a_month_after_its_end_and_reuse_is_noticed_until_the_end() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let first = login(&app).await;
    let (second, _) = refresh(&app, &first).await;
    let (third, none) = refresh(&app, &second).await;
    assert_eq!(none, json!([]));
    app.clock.advance(Duration::days(29));
    app.run_jobs().await;
    let forgotten = login(&app).await;
    // The oldest of its tokens ends the session, on the last day on which any of them could be presented.
    assert_eq!(refresh(&app, &first).await.1, json!([{"code": "TOKEN_USED"}]));
    assert_eq!(refresh(&app, &third).await.1, json!([{"code": "TOKEN_INVALID"}]));

    app.clock.advance(Duration::days(30));
    app.run_jobs().await;
    assert_eq!(centre.count(SESSIONS).await, 2, "30 days after its last refresh it ended, and another 30 are not over");
    app.clock.advance(Duration::days(2));
    app.run_jobs().await;
    assert_eq!(centre.count(SESSIONS).await, 1);
    for token in [&first, &third, &forgotten] {
        assert_eq!(refresh(&app, token).await.1, json!([{"code": "TOKEN_INVALID"}]), "as before they went");
    }
    app.clock.advance(Duration::days(31));
    app.run_jobs().await;
    assert_eq!(centre.count(SESSIONS).await, 0);
}

/// A statement that makes a row of a table which was over at `$1`, and how many days it stays.
const ROWS: &[(&str, &str, i64)] = &[
    (
        "sessions",
        "INSERT INTO sessions (id, user_id, refresh_hash, created_at, refreshed_at, expires_at)
         SELECT gen_random_uuid(), id, sha256($1::text::bytea), $1, $1, $1 FROM users LIMIT 1",
        30,
    ),
    (
        "capability_tokens",
        "INSERT INTO capability_tokens (id, token_hash, purpose, resource_id, expires_at, created_at)
         VALUES (gen_random_uuid(), sha256($1::text::bytea), 'APPOINTMENT_CANCEL', gen_random_uuid(), $1, $1)",
        90,
    ),
    (
        "links of files",
        "INSERT INTO capability_tokens (id, token_hash, purpose, resource_id, expires_at, created_at)
         VALUES (gen_random_uuid(), sha256(('f' || $1::text)::bytea), 'FILE_DOWNLOAD', gen_random_uuid(), $1, $1)",
        1,
    ),
    (
        "mfa_challenges",
        "INSERT INTO mfa_challenges (id, word_hash, user_id, enrols, created_at, expires_at)
         SELECT gen_random_uuid(), sha256($1::text::bytea), id, false, $1, $1 FROM users LIMIT 1",
        1,
    ),
    ("quota_usage", "INSERT INTO quota_usage (quota, day) VALUES ('test', $1::date)", 35),
];

async fn left(centre: &Centre, table: &str) -> i64 {
    match table {
        "sessions" => centre.count("SELECT count(*) FROM sessions").await,
        "capability_tokens" => {
            centre.count("SELECT count(*) FROM capability_tokens WHERE purpose NOT LIKE 'FILE_%'").await
        }
        "links of files" => centre.count("SELECT count(*) FROM capability_tokens WHERE purpose LIKE 'FILE_%'").await,
        "mfa_challenges" => centre.count("SELECT count(*) FROM mfa_challenges").await,
        "quota_usage" => centre.count("SELECT count(*) FROM quota_usage").await,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn each_kind_stays_as_long_as_it_should_and_the_trail_for_good() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    // Leaves an entry and an event.
    app.page("alfa").await;
    centre.run("DELETE FROM sessions", Vec::new()).await;
    for (table, sql, days) in ROWS {
        let limit = app.now() - Duration::days(*days);
        for over in [limit - Duration::days(1), limit + Duration::hours(1), app.now()] {
            assert_eq!(centre.run(sql, vec![over.into()]).await, 1, "{table}");
        }
    }
    let kept = ["SELECT count(*) FROM audit_entries", "SELECT count(*) FROM events"];
    let mut before = Vec::new();
    for sql in kept {
        before.push(centre.count(sql).await);
    }
    assert!(before.iter().all(|count| *count > 0), "{before:?}");
    app.run_jobs().await;
    for (table, ..) in ROWS {
        assert_eq!(left(&centre, table).await, 2, "{table}");
    }
    for (sql, before) in kept.into_iter().zip(before) {
        assert_eq!(centre.count(sql).await, before, "{sql}");
    }
}

#[tokio::test]
async fn held_times_that_were_never_booked_go_with_their_places_and_booked_ones_stay() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let branch = centre.branch("Centro", "America/Santiago").await;
    let (treatment, patient) = (centre.treatment("Corte", 30).await, centre.patient("Rosa", "Soto").await);
    let times = [
        ("EXPIRED", "2026-07-14T14:00:00Z"),
        ("CANCELLED", "2026-07-14T15:00:00Z"),
        ("BOOKED", "2026-07-14T16:00:00Z"),
    ];
    for (status, start) in times {
        let id = centre.book(Booking::new(branch, patient, treatment, start, 30).status("BOOKED")).await;
        centre
            .run(
                "UPDATE appointments SET status = $2, hold_expires_at = $3, updated_at = $3 WHERE id = $1",
                vec![id.into(), status.into(), app.now().into()],
            )
            .await;
    }
    let of = |status: &'static str| {
        let centre = &centre;
        async move {
            let tx = centre.cx.read(&centre.system).await.unwrap();
            let found: Vec<String> =
                tx.scalars("SELECT status FROM appointments WHERE status = $1", [status.into()]).await.unwrap();
            found.len()
        }
    };
    app.clock.advance(Duration::days(34));
    app.run_jobs().await;
    assert_eq!((of("EXPIRED").await, of("CANCELLED").await, of("BOOKED").await), (1, 1, 1));
    app.clock.advance(Duration::days(2));
    app.run_jobs().await;
    assert_eq!((of("EXPIRED").await, of("CANCELLED").await, of("BOOKED").await), (0, 1, 1));
    assert_eq!(centre.count("SELECT count(*) FROM appointment_items").await, 2);
}

#[tokio::test]
async fn more_than_one_batch_goes_in_one_job() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let old: DateTime<Utc> = app.now() - Duration::days(100);
    centre
        .run(
            "INSERT INTO capability_tokens (id, token_hash, purpose, resource_id, expires_at, created_at)
             SELECT gen_random_uuid(), sha256(n::text::bytea), 'APPOINTMENT_CANCEL', gen_random_uuid(), $1, $1
             FROM generate_series(1, 12001) n",
            vec![old.into()],
        )
        .await;
    app.run_jobs().await;
    assert_eq!(centre.count("SELECT count(*) FROM capability_tokens").await, 0);
}

#[tokio::test]
async fn jobs_that_failed_can_be_looked_at_for_three_months() {
    let app = TestApp::start().await;
    let mut connection = PgConnection::connect(&app.database_url).await.unwrap();
    for (key, days) in [("old", 91), ("young", 89)] {
        sqlx::query(
            "INSERT INTO queue.jobs (tenant_id, kind, dedup_key, due_at, state)
             SELECT id, 'mail.send', $1, $2, 'FAILED' FROM catalogue.tenants WHERE slug = 'alfa'",
        )
        .bind(key)
        .bind(app.now() - Duration::days(days))
        .execute(&mut connection)
        .await
        .unwrap();
    }
    app.run_jobs().await;
    let left: Vec<String> = sqlx::query_scalar("SELECT dedup_key FROM queue.jobs WHERE state = 'FAILED'")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(left, ["young"]);
}
