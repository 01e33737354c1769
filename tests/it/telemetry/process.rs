//! A whole node as it is run, with real clients, a collector, and words planted wherever a client may write some.

use chrono::{Duration, Utc};
use futures::{SinkExt, StreamExt};
use horae::{
    domain::clock::{Clock, SystemClock},
    schema::id::{GlobalIds, Kind},
};
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};
use tokio_tungstenite::{connect_async, tungstenite::Message, tungstenite::client::IntoClientRequest};

use super::collector::{Collector, attribute};
use crate::{
    live::Desk,
    support::{
        app::{PASSWORD, TestApp},
        node::{self, Node},
    },
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

const LOGIN: &str = "mutation($e: EmailAddress!, $p: String!) {
    login(email: $e, password: $p, tenantSlug: \"alfa\") { tokens { accessToken refreshToken } userErrors { code } }
}";
const BOOK: &str = "mutation BookForXimena($i: BookAppointmentInput!) {
    bookAppointment(input: $i) { appointment { id patient { givenNames } } userErrors { code field message } }
}";

/// What nobody may find in a log, a metric or a span.
const PLANTED: [&str; 9] = [
    "Ximena",
    "Quilapán",
    "ximena.quilapan",
    "+56961234567",
    "12345670",
    "alergia al latex",
    "clave-equivocada",
    "nadie@secreto.test",
    "BookForXimena",
];

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_lead_from_the_callers_trace_to_the_statements_and_nothing_tells_who_somebody_is() {
    let collector = Collector::start().await;
    let app = TestApp::start().await;
    // The node is a real process and lives in the present.
    app.clock.set(SystemClock.now());
    let desk = Desk::with(&app, 1).await;
    let inner = node::free().await;
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()),
        ("HORAE_METRICS_LISTEN", inner.to_string()),
        ("HORAE_LOG_FORMAT", "json".to_owned()),
        ("RUST_LOG", "info,horae=trace".to_owned()),
    ];
    let node = Node::start(&app.database_url, &settings).await;

    let refused = node.ask(&[], LOGIN, json!({"e": "nadie@secreto.test", "p": "clave-equivocada"})).await;
    assert_eq!(refused["data"]["login"]["userErrors"][0]["code"], "INVALID", "{refused:#}");
    let login = node.ask(&[], LOGIN, json!({"e": "admin@alfa.test", "p": PASSWORD})).await;
    let tokens = &login["data"]["login"]["tokens"];
    let token = tokens["accessToken"].as_str().unwrap().to_owned();
    let refresh = tokens["refreshToken"].as_str().unwrap().to_owned();

    let ids = GlobalIds::new(app.app.cx.seal.clone(), &desk.actor.tenant);
    let start =
        (SystemClock.now() + Duration::days(2)).date_naive().and_hms_opt(15, 0, 0).unwrap().and_local_timezone(Utc);
    let input = json!({
        "idempotencyKey": app.app.cx.new_id(),
        "branchId": ids.encode(Kind::Branch, desk.branch),
        "newPatient": {
            "givenNames": "Ximena", "paternalSurname": "Quilapán", "email": "ximena.quilapan@pacientes.test",
            "phones": ["+56961234567"], "document": {"kind": "RUT", "country": "CL", "number": "12.345.670-K"},
        },
        "notes": "alergia al latex",
        "items": [{
            "treatmentId": ids.encode(Kind::Treatment, desk.treatment),
            "professionalId": ids.encode(Kind::Resource, desk.professionals[0]),
            "start": start.unwrap().to_rfc3339(),
        }],
    });
    let bearer = format!("Bearer {token}");
    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    let headers =
        [("authorization", &*bearer), ("traceparent", &*traceparent), ("x-request-id", "request-of-this-test")];
    let booked = node.ask(&headers, BOOK, json!({"i": input})).await;
    assert_eq!(booked["data"]["bookAppointment"]["userErrors"], json!([]), "{booked:#}");
    // Twice: the slot is taken now. And what is no operation at all.
    let mut again = input.clone();
    again["idempotencyKey"] = json!(app.app.cx.new_id());
    node.ask(&headers[..1], BOOK, json!({"i": again})).await;
    node.ask(&headers[..1], "query Ximena { ximena.quilapan }", json!({})).await;
    node.ask(&[("authorization", "Bearer clave-equivocada")], "{ viewer { actor { kind } } }", json!({})).await;
    over_a_socket(&node, &bearer).await;

    let (status, numbers) = node::get(inner, "/metrics").await;
    assert_eq!(status, 200);
    assert!(numbers.contains("horae_operations_total{operation=\"bookAppointment\",kind=\"mutation\""), "{numbers}");
    assert!(numbers.contains("transport=\"ws\""), "{numbers}");
    assert_eq!(node::get(inner, "/healthz").await.0, 200);
    assert_eq!(node.get("/metrics").await.0, 404, "they have an address of their own");
    let log = node.stop().await;

    let spans = collector.spans();
    assert_eq!(collector.service().as_deref(), Some("horae"));
    let ours: Vec<_> = spans.iter().filter(|span| hex::encode(&span.trace_id) == TRACE).cloned().collect();
    let [request] = named(&ours, "POST /graphql")[..] else { panic!("{ours:#?}\nof {spans:#?}\n{log}") };
    assert_eq!(hex::encode(&request.parent_span_id), CALLER);
    assert_eq!(attribute(request, "request.id").as_deref(), Some("request-of-this-test"));
    assert_eq!(attribute(request, "http.response.status_code").as_deref(), Some("200"));
    assert_eq!(attribute(request, "graphql.operation").as_deref(), Some("bookAppointment"));
    assert_eq!(attribute(request, "tenant"), Some(desk.actor.tenant.id.label()));
    let [operation] = named(&ours, "mutation bookAppointment")[..] else { panic!("{ours:#?}") };
    assert_eq!(operation.parent_span_id, request.span_id);
    assert_eq!(attribute(operation, "tenant"), Some(desk.actor.tenant.id.label()));
    let transactions = named(&ours, "transaction");
    let of_the_operation: Vec<_> =
        transactions.iter().filter(|span| span.parent_span_id == operation.span_id).collect();
    assert!(!of_the_operation.is_empty(), "{ours:#?}");
    let statements = |span: &Span| attribute(span, "db.statements").unwrap().parse::<u64>().unwrap();
    assert!(of_the_operation.iter().any(|span| statements(span) > 3), "{of_the_operation:#?}");
    assert!(named(&spans, "query viewer").iter().any(|span| span.parent_span_id.is_empty()), "the socket's operation");
    assert!(log.contains(TRACE), "log lines carry the trace's id\n{log}");

    let secrets = [token.as_str(), &refresh, PASSWORD, "admin@alfa.test", &desk.actor.tenant.id.0.to_string()];
    for (where_it_is, text) in [("log", &log), ("metrics", &numbers), ("spans", &collector.text())] {
        assert!(text.len() > 1_000, "{where_it_is} is not empty");
        for word in PLANTED.iter().chain(&secrets[..4]) {
            assert!(!text.contains(word), "`{word}` is in the {where_it_is}:\n{text}");
        }
    }
    assert!(!collector.text().contains(secrets[4]), "a tenant's own number leaves in a span");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_span_is_lost_beside_statements() {
    const REQUESTS: u128 = 200;
    let collector = Collector::start().await;
    let app = TestApp::start().await;
    app.clock.set(SystemClock.now());
    Desk::with(&app, 1).await;
    let node = Node::start(&app.database_url, &[("HORAE_OTLP_ENDPOINT", collector.url())]).await;
    let login = node.ask(&[], LOGIN, json!({"e": "admin@alfa.test", "p": PASSWORD})).await;
    let bearer = format!("Bearer {}", login["data"]["login"]["tokens"]["accessToken"].as_str().unwrap());

    let ask = async |number: u128| {
        let traceparent = format!("00-{number:032x}-{CALLER}-01");
        let headers = [("authorization", &*bearer), ("traceparent", &*traceparent)];
        node.ask(&headers, "{ viewer { actor { displayName } } }", json!({})).await
    };
    futures::stream::iter(1..=REQUESTS).map(ask).buffer_unordered(4).collect::<Vec<_>>().await;
    let log = node.stop().await;

    let spans = collector.spans();
    let of = |name: &str| {
        let caller = |span: &&Span| span.trace_id[..8] == [0; 8] && span.name == name;
        spans.iter().filter(caller).count() as u128
    };
    assert_eq!(of("POST /graphql"), REQUESTS, "{log}");
    assert_eq!(of("query viewer"), REQUESTS, "{log}");
}

/// A query over a socket, whose credentials travel in its first message.
async fn over_a_socket(node: &Node, bearer: &str) {
    let mut request = format!("ws://{}/graphql", node.address).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    let (mut socket, _) = connect_async(request).await.unwrap();
    let say = |message: Value| Message::text(message.to_string());
    socket.send(say(json!({"type": "connection_init", "payload": {"Authorization": bearer}}))).await.unwrap();
    let query = json!({"query": "query Ximena { viewer { actor { displayName } } }"});
    socket.send(say(json!({"type": "subscribe", "id": "Ximena", "payload": query}))).await.unwrap();
    let mut types = Vec::new();
    while types.last().is_none_or(|last| last != "complete") {
        if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
            let message: Value = serde_json::from_str(&text).unwrap();
            types.push(message["type"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(types, ["connection_ack", "next", "complete"]);
    socket.close(None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_gone_holds_up_nobody() {
    let app = TestApp::start().await;
    let nowhere = node::free().await;
    let node = Node::start(&app.database_url, &[("HORAE_OTLP_ENDPOINT", format!("http://{nowhere}"))]).await;
    let answer = node.ask(&[], "{ __typename }", json!({})).await;
    assert_eq!(answer["data"]["__typename"], "Query");
    assert_eq!(node.get("/metrics").await.0, 200);
    let log = node.stop().await;
    assert!(log.contains("spans could not be sent") || log.contains("xport"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_may_open_all_files_that_the_system_allows_and_says_when_they_are_too_few() {
    let app = TestApp::start().await;
    let settings = [("HORAE_MAX_CONNECTIONS", "10".to_owned()), ("HORAE_MAX_SOCKETS", "10".to_owned())];
    let under = async |limit: &str| {
        let line = ["/bin/sh", "-c", &format!("{limit}; exec \"$0\" serve"), env!("CARGO_BIN_EXE_horae")];
        let mut node = Node::begin(&line, &app.database_url, &settings).await;
        node.until("The API is ready").await;
        let (_, numbers) = node.get("/metrics").await;
        let most = numbers.lines().find_map(|line| line.strip_prefix("process_max_fds ")).unwrap().to_owned();
        (most.parse::<f64>().unwrap(), node.stop().await)
    };
    let (most, log) = under("ulimit -Sn 256").await;
    assert!(most > 256.0, "{most}");
    assert!(!log.contains("HORAE_MAX_CONNECTIONS"), "{log}");
    let (most, log) = under("ulimit -n 512").await;
    assert!((most - 512.0).abs() < 1e-9, "{most}");
    assert!(log.contains("HORAE_MAX_CONNECTIONS"), "{log}");
}
