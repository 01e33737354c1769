//! The page behind the links of mails: GET shows, POST acts once, and nothing leaks.

use std::sync::{Arc, Mutex};

use axum::http::{Method, StatusCode, header};
use horae::{db::TenantStatus, domain::identity::capability::Purpose};

use super::visit::{FORM, Visit};
use crate::notifications::Desk;

fn booked(uses: i64) -> (String, i64, Option<String>) {
    ("BOOKED".to_owned(), uses, None)
}

#[tokio::test]
async fn looking_changes_nothing_and_confirming_works_once() {
    let visit = Visit::open().await;
    let token = visit.token(Purpose::AppointmentConfirm).await;
    for method in [Method::GET, Method::HEAD, Method::GET] {
        let seen = visit.ask(method.clone(), &token, &[], "").await;
        assert_eq!(seen.status, StatusCode::OK, "{method}");
    }
    assert_eq!(visit.state().await, booked(0));
    let seen = visit.get(&token, &[("accept-language", "en")]).await;
    seen.says(&[
        "<html lang=\"es\">",
        "Centro alfa",
        "¿Confirma su asistencia?",
        "martes 14 de julio de 2026,",
        "10:00–10:45",
        "datetime=\"2026-07-14T10:00:00-04:00\"",
        "hora de America/Santiago, UTC−04:00",
        "Limpieza facial",
        "con <bdi>Ana Rojas</bdi>",
        "Av. Providencia 1234",
        "Confirmar asistencia</button>",
        "tel:+56223456789",
    ]);
    assert!(seen.has_form() && !seen.html.contains("<textarea"), "{}", seen.html);
    for private in ["Rosa", "Soto", "pacientes.test", "<script", token.as_str()] {
        assert!(!seen.html.contains(private), "{private}");
    }

    let done = visit.post(&token, "").await;
    assert_eq!(done.status, StatusCode::OK);
    done.says(&["Su cita está confirmada", "10:00–10:45"]);
    assert!(!done.has_form());
    assert_eq!(visit.state().await, ("CONFIRMED".to_owned(), 1, None));

    let again = visit.post(&token, "").await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    again.says(&["Su cita ya está confirmada"]);
    visit.get(&token, &[]).await.says(&["Su cita ya está confirmada"]);
    assert_eq!(visit.state().await, ("CONFIRMED".to_owned(), 1, None));
}

#[tokio::test]
async fn two_posts_at_once_use_the_link_once() {
    let visit = Visit::open().await;
    let token = visit.token(Purpose::AppointmentConfirm).await;
    let (one, other) = tokio::join!(visit.post(&token, ""), visit.post(&token, ""));
    let mut statuses = [one.status, other.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT]);
    assert_eq!(visit.state().await, ("CONFIRMED".to_owned(), 1, None));
}

#[tokio::test]
async fn cancelling_takes_a_reason() {
    let visit = Visit::open().await;
    let (confirm, cancel) =
        (visit.token(Purpose::AppointmentConfirm).await, visit.token(Purpose::AppointmentManage).await);
    visit.get(&cancel, &[]).await.says(&["¿Desea cancelar su cita?", "Motivo (opcional)", "Cancelar la cita</button>"]);

    let long = visit.post(&cancel, &format!("reason={}", "%3Cb%3E".repeat(700))).await;
    assert_eq!(long.status, StatusCode::UNPROCESSABLE_ENTITY);
    long.says(&["El motivo es demasiado largo", "aria-invalid=\"true\"", "&lt;b&gt;&lt;b&gt;"]);
    assert!(long.has_form() && !long.html.contains("<b>"));
    let huge = visit.post(&cancel, &format!("reason={}", "x".repeat(70_000))).await;
    assert_eq!(huge.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(visit.state().await, booked(0));

    let done = visit.post(&cancel, "reason=Estoy+enferma%0D%0Ahoy+").await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.html);
    done.says(&["Su cita está cancelada"]);
    assert_eq!(visit.state().await, ("CANCELLED".to_owned(), 1, Some("Estoy enferma\nhoy".to_owned())));

    let again = visit.post(&cancel, "reason=otra").await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    again.says(&["Su cita ya está cancelada"]);
    // The other link of the mail knows it too.
    let seen = visit.get(&confirm, &[]).await;
    seen.says(&["Su cita ya está cancelada"]);
    assert!(!seen.has_form());
    assert_eq!(visit.post(&confirm, "").await.status, StatusCode::CONFLICT);
    assert_eq!(visit.state().await, ("CANCELLED".to_owned(), 1, Some("Estoy enferma\nhoy".to_owned())));
}

#[tokio::test]
async fn too_late_names_the_centres_phone_and_later_nothing_is_shown() {
    let visit = Visit::open().await;
    let token = visit.token(Purpose::AppointmentManage).await;
    // Two hours' notice; this is one second less.
    visit.app.clock.set("2026-07-14T12:00:00Z".parse().unwrap());
    assert!(visit.get(&token, &[]).await.has_form());
    visit.app.clock.set("2026-07-14T12:00:01Z".parse().unwrap());
    let seen = visit.get(&token, &[]).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert!(!seen.has_form());
    let refused = visit.post(&token, "").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    refused.says(&["Ya no se puede cancelar por este enlace", "llame al centro", "href=\"tel:+56223456789\""]);

    visit.app.clock.set("2026-07-14T14:00:00Z".parse().unwrap());
    let expired = visit.get(&token, &[]).await;
    expired.says(&["Este enlace ha vencido", "Centro alfa"]);
    assert!(!expired.html.contains("Limpieza") && !expired.html.contains("10:00"), "{}", expired.html);
    assert_eq!(visit.post(&token, "").await.status, StatusCode::GONE);
    assert_eq!(visit.state().await, booked(0));
}

#[tokio::test]
async fn in_maintenance_it_can_be_read() {
    let visit = Visit::open().await;
    let token = visit.token(Purpose::AppointmentConfirm).await;
    let db = &visit.app.app.cx.db;
    db.set_tenant_status("alfa", TenantStatus::Maintenance, Some("upgrade"), visit.app.now()).await.unwrap();
    let seen = visit.get(&token, &[]).await;
    assert_eq!(seen.status, StatusCode::OK);
    seen.says(&["Inténtelo de nuevo en unos minutos", "Limpieza facial"]);
    assert!(!seen.has_form());
    let refused = visit.post(&token, "").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers[header::RETRY_AFTER], "300");
    db.set_tenant_status("alfa", TenantStatus::Disabled, None, visit.app.now()).await.unwrap();
    assert_eq!(visit.get(&token, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(visit.post(&token, "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_no_link_says_nothing_about_any_centre() {
    let visit = Visit::open().await;
    let (token, revoked) =
        (visit.token(Purpose::AppointmentConfirm).await, visit.token(Purpose::AppointmentConfirm).await);
    visit
        .centre
        .run(
            "UPDATE capability_tokens SET revoked_at = created_at WHERE token_hash = $1",
            vec![horae::auth::token_hash(&revoked).into()],
        )
        .await;
    let (key, _) = token.split_once('.').unwrap();
    let unknown = visit.get("nothing", &[]).await;
    for word in
        [format!("{key}.{}", "0".repeat(32)), "ct999.x".to_owned(), revoked, "%00".to_owned(), "x".repeat(4_000)]
    {
        for seen in [visit.get(&word, &[]).await, visit.post(&word, "").await] {
            assert_eq!((seen.status, &seen.html), (StatusCode::NOT_FOUND, &unknown.html), "{word}");
        }
    }
    unknown.says(&["Este enlace no es válido"]);
    assert!(!unknown.html.contains("alfa"));
    visit
        .get("nothing", &[("accept-language", "en-GB,en;q=0.9,es;q=0.1")])
        .await
        .says(&["lang=\"en\"", "This link is not valid"]);
}

#[tokio::test]
async fn the_centres_language_comes_first_and_the_browsers_second() {
    let visit = Visit::open().await;
    let token = visit.token(Purpose::AppointmentManage).await;
    visit.centre.run("UPDATE centre_profile SET locale = 'en-US'", vec![]).await;
    visit.get(&token, &[("accept-language", "es")]).await.says(&[
        "<html lang=\"en\">",
        "Cancel your appointment?",
        "Tuesday 14 July 2026,",
        "America/Santiago time, UTC−04:00",
    ]);
    visit.centre.run("UPDATE centre_profile SET locale = 'pt-BR'", vec![]).await;
    visit.get(&token, &[("accept-language", "en")]).await.says(&["<html lang=\"en\">"]);
    visit.get(&token, &[]).await.says(&["<html lang=\"es\">"]);
}

#[tokio::test]
async fn hostile_names_stay_text() {
    let evil = "<script>alert(1)</script>";
    let visit = Visit::named("\"><img src=x onerror=alert(2)>", evil, "{{ 987654 - 1 }} & 'Ana'").await;
    visit.centre.run("UPDATE centre_profile SET trade_name = '</title><b>Evil</b>'", vec![]).await;
    let seen = visit.get(&visit.token(Purpose::AppointmentConfirm).await, &[]).await;
    assert_eq!(seen.status, StatusCode::OK);
    for raw in ["<script", "<img", "<b>", "987653"] {
        assert!(!seen.html.contains(raw), "{raw} in {}", seen.html);
    }
    seen.says(&["&lt;script&gt;alert(1)", "{{ 987654 - 1 }} &amp; ", "&lt;b&gt;Evil"]);
}

#[tokio::test]
async fn every_answer_keeps_the_link_to_itself() {
    let visit = Visit::open().await;
    let token = visit.token(Purpose::AppointmentConfirm).await;
    for seen in [visit.get(&token, &[]).await, visit.get("nothing", &[]).await, visit.post(&token, "").await] {
        let policy = seen.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        for part in [
            "default-src 'none'",
            "style-src 'sha256-",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(seen.headers[header::REFERRER_POLICY], "no-referrer");
        assert_eq!(seen.headers[header::CACHE_CONTROL], "no-store");
        assert!(seen.headers["x-robots-tag"].to_str().unwrap().contains("noindex"));
        assert!(
            !seen.headers.contains_key(header::SET_COOKIE)
                && !seen.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
        );
        assert!(!seen.html.contains("http://") && !seen.html.contains("https://"), "{}", seen.html);
    }
}

#[tokio::test]
async fn another_sites_form_does_nothing() {
    let visit = Visit::open().await;
    let token = visit.token(Purpose::AppointmentConfirm).await;
    for foreign in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        let seen = visit.ask(Method::POST, &token, &[FORM, ("host", "citas.example"), foreign], "").await;
        assert_eq!(seen.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(visit.state().await, booked(0));
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_has_no_token() {
    let visit = Visit::open().await;
    let token = visit.token(Purpose::AppointmentConfirm).await;
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // As long as there is one listener alone, a place that another test's thread reaches first is taken to be unheard.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let guard = tracing::subscriber::set_default(subscriber);
    visit.get(&token, &[]).await;
    visit.post(&token, "").await;
    visit.post(&token, "").await;
    visit.get(&format!("{token}x"), &[]).await;
    // A mail program may add to a link; no route takes it, and the log must not keep it.
    let stray = axum::http::Request::get(format!("/a/{token}/more")).body(axum::body::Body::empty()).unwrap();
    tower::ServiceExt::oneshot(visit.app.router.clone(), stray).await.unwrap();
    drop(guard);
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let answered: Vec<&str> = log.lines().filter(|line| line.contains("Answered a request.")).collect();
    assert_eq!(answered.len(), 5, "{log}");
    // The name of the route stands in the line and in its span.
    assert_eq!(answered.iter().filter(|line| line.contains("http.route=\"/a/{token}\"")).count(), 4, "{log}");
    let (_, secret) = token.split_once('.').unwrap();
    assert!(!log.contains(secret), "{log}");
}

#[tokio::test]
async fn the_links_of_a_real_mail_lead_here() {
    let Visit { app, centre, .. } = Visit::open().await;
    let desk = Desk::of(app, "alfa").await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let booked = desk.book(&branch, "2026-07-14T14:00:00Z", "maria@example.com").await;
    desk.at("2026-07-13T12:05:00Z").await;
    let mail = desk.sent().remove(0).text;
    let mut tokens: Vec<&str> =
        mail.split("/a/ct").skip(1).map(|rest| rest.split(['"', '\r', '\n', ' ', '>', '<']).next().unwrap()).collect();
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), 2, "{mail}");
    let visit = Visit { app: desk.app, centre, id: booked.id };
    let mut headings = Vec::new();
    for token in tokens {
        let seen = visit.get(&format!("ct{token}"), &[]).await;
        assert_eq!(seen.status, StatusCode::OK);
        headings.push(seen.html.contains("¿Confirma su asistencia?"));
    }
    headings.sort_unstable();
    assert_eq!(headings, [false, true]);
}
