//! `/metrics` after real operations through the real router.

use std::collections::{BTreeMap, BTreeSet};

use axum::{Router, body::Body, http::Request};
use horae::{
    auth::BuiltinRole,
    http::graphiql::GraphiqlPage,
    schema::id::{GlobalIds, Kind},
    telemetry::metrics::{self, METRICS},
};
use http_body_util::BodyExt;
use serde_json::json;
use tower::ServiceExt;

use crate::{
    live::Desk,
    notifications,
    support::app::{PASSWORD, TestApp},
};

/// Every sample: `name{labels}` and its value.
pub fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

async fn scrape(router: &Router) -> String {
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// The sum of the samples of this name with all of these labels.
#[track_caller]
fn count(samples: &BTreeMap<String, f64>, name: &str, labels: &[(&str, &str)]) -> f64 {
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
    samples
        .iter()
        .filter(|(sample, _)| {
            let (found, rest) = sample.split_once('{').unwrap_or((sample, ""));
            found == name && labels.iter().all(|label| rest.contains(label))
        })
        .map(|(_, value)| value)
        .sum()
}

/// The values of a label, over all samples.
fn values(samples: &BTreeMap<String, f64>, label: &str) -> BTreeSet<String> {
    let begin = format!("{label}=\"");
    let values = samples.keys().filter_map(|sample| {
        let at = sample.find(&format!("{{{begin}")).or_else(|| sample.find(&format!(",{begin}")))?;
        let rest = &sample[at + 1 + begin.len()..];
        Some(rest[..rest.find('"')?].to_owned())
    });
    values.collect()
}

#[tokio::test]
async fn every_operation_refusal_and_stream_is_counted_under_names_of_ours() {
    let recorder = metrics::recorder().unwrap();
    let _counting = ::metrics::set_default_local_recorder(&recorder);
    metrics::describe();
    let app = TestApp::start().await;
    let router = app.app.router(GraphiqlPage::new(Vec::new()), Some(recorder.handle()));
    let start = samples(&scrape(&router).await);
    for alarm in [
        "horae_refresh_reuse_total",
        "horae_record_signatures_broken_total",
        "horae_mail_bounce_alarms_total",
        "horae_auth_failures_total{reason=\"signature\"}",
    ] {
        assert_eq!(start.get(alarm), Some(&0.0), "{alarm} has to be there before it grows");
    }
    let desk = Desk::with(&app, 1).await;
    let admin = app.admin("alfa").await;
    let beta = app.admin("beta").await;
    let desk_only = app.user("alfa", BuiltinRole::Receptionist).await;

    let viewer = "query AnaSotoRojas { ana: viewer { actor { kind } } }";
    admin.ok(viewer, json!({})).await;
    app.anonymous().send(viewer, json!({})).await;
    admin.send("{ anaSotoRojas }", json!({})).await;
    admin.send("{ __typename", json!({})).await;
    let wrong = "mutation($p: String!) { login(email: \"admin@alfa.test\", password: $p, tenantSlug: \"alfa\") { userErrors { code } } }";
    app.anonymous().ok(wrong, json!({"p": "not the password"})).await;
    // Somebody else's genuine id, and something that takes a permission.
    let ids = GlobalIds::new(app.app.cx.seal.clone(), &desk.actor.tenant);
    let branch = ids.encode(Kind::Branch, desk.branch).to_string();
    let upsert = "mutation { upsertTreatmentCategory(name: \"Faciales\") { userErrors { code } } }";
    let denied = desk_only.ok(upsert, json!({})).await;
    assert_eq!(denied["upsertTreatmentCategory"]["userErrors"][0]["code"], "FORBIDDEN");
    let agenda = "query($b: ID!) { agenda(branchId: $b, from: \"2026-07-14\", to: \"2026-07-14\", groupBy: PROFESSIONAL) { cursor } }";
    assert_eq!(beta.error_code(agenda, json!({"b": branch})).await, "NOT_FOUND");
    // A stream that gets an event.
    let actor = app.actor_of(&admin).await;
    let wanted =
        horae::events::Wanted { topic: horae::events::Topic::Bookings, branches: None, resources: None, after: None };
    let mut stream = app.app.live.subscribe(actor, wanted).await.unwrap();
    assert!(matches!(stream.next().await, Some(horae::events::Delivery::Ready(_))));
    desk.book(&app, 0, 0).await;
    assert!(matches!(stream.next().await, Some(horae::events::Delivery::Appointment(..))));

    let text = scrape(&router).await;
    let found = samples(&text);
    let at_least = |name, labels: &[(&str, &str)], least: f64| {
        let counted = count(&found, name, labels);
        assert!(counted >= least, "{name} {labels:?} is {counted}\n{text}");
    };
    at_least("horae_operations_total", &[("operation", "viewer"), ("kind", "query"), ("transport", "http")], 2.0);
    at_least("horae_operations_total", &[("operation", "login"), ("kind", "mutation")], 4.0);
    at_least("horae_operation_seconds_bucket", &[("operation", "viewer"), ("le", "+Inf")], 2.0);
    at_least("horae_operation_errors_total", &[("operation", "viewer"), ("code", "UNAUTHENTICATED")], 1.0);
    at_least("horae_operation_errors_total", &[("operation", "unknown"), ("code", "GRAPHQL_VALIDATION_FAILED")], 1.0);
    at_least("horae_operation_errors_total", &[("operation", "none"), ("code", "GRAPHQL_PARSE_FAILED")], 1.0);
    at_least("horae_operation_errors_total", &[("operation", "agenda"), ("code", "NOT_FOUND")], 1.0);
    at_least("horae_user_errors_total", &[("operation", "login"), ("code", "INVALID")], 1.0);
    at_least("horae_user_errors_total", &[("operation", "upsertTreatmentCategory"), ("code", "FORBIDDEN")], 1.0);
    at_least("horae_permission_denials_total", &[("permission", "CONFIG_WRITE")], 1.0);
    at_least("horae_tenant_mismatches_total", &[("what", "id")], 1.0);
    at_least("horae_logins_total", &[("outcome", "refused")], 1.0);
    at_least("horae_streams", &[], 1.0);
    at_least("horae_stream_events_total", &[("topic", "bookings")], 1.0);
    at_least("http_requests_total", &[("route", "/graphql")], 5.0);
    at_least("horae_db_connections", &[("state", "idle")], 1.0);
    at_least("horae_db_acquire_seconds_count", &[], 5.0);
    assert_eq!(count(&found, "horae_db_waiting", &[]), 0.0);
    for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"] {
        assert!(count(&found, name, &[]) > 0.0, "{name}\n{text}");
    }
    let sdl = horae::schema::sdl();
    for operation in values(&found, "operation") {
        let is_field = sdl.contains(&format!("\t{operation}(")) || sdl.contains(&format!("\t{operation}:"));
        let is_ours = ["none", "unknown", "several", "introspection"].contains(&operation.as_str());
        assert!(is_field || is_ours, "`{operation}` is no name of the schema");
    }
    for word in ["AnaSotoRojas", "anaSotoRojas", "admin@", PASSWORD, "not the password"] {
        assert!(!text.contains(word), "{word}");
    }
    let known: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    for sample in found.keys() {
        let name = sample.split('{').next().unwrap();
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(known.contains(base) || known.contains(name) || name.starts_with("process_"), "{name} is not listed");
    }
}

#[tokio::test]
async fn mails_and_jobs_are_counted_by_kind() {
    let recorder = metrics::recorder().unwrap();
    let _counting = ::metrics::set_default_local_recorder(&recorder);
    let desk = notifications::Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    desk.book(&branch, "2026-08-03T14:00:00Z", "maria@example.com").await;
    desk.app.clock.set("2026-07-13T12:05:00Z".parse().unwrap());
    assert_eq!(desk.app.run_jobs().await.failed, 0);
    let text = recorder.handle().render();
    let found = samples(&text);
    let sent = [("kind", "APPOINTMENT_CONFIRMATION"), ("result", "sent")];
    assert_eq!(count(&found, "horae_mails_total", &sent), 1.0, "{text}");
    assert!(count(&found, "horae_jobs_total", &[("kind", "mail.send"), ("outcome", "done")]) >= 1.0, "{text}");
    assert!(count(&found, "horae_job_lag_seconds_count", &[("kind", "mail.send")]) >= 1.0, "{text}");
    assert!(!text.contains("maria"), "{text}");
}
