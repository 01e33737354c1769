//! The calendar file of one appointment: the event of its mails, for whoever has the link, without the patient.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use horae::{auth::SealedKind, schema::id::Kind};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;

use crate::{
    notifications::Desk,
    support::{app::TestApp, python},
};

const URL: &str = "query($id: ID!) { appointment(id: $id) { icsUrl } }";

/// Status, type and body of an address of this server.
async fn fetch(app: &TestApp, url: &str) -> (StatusCode, String, String) {
    let path = url.strip_prefix(&*app.app.cx.public_url).unwrap_or(url);
    let answer = app.router.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = answer.into_parts();
    let kind = parts.headers[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    if parts.status == StatusCode::OK {
        assert_eq!(parts.headers[header::CACHE_CONTROL], "private, no-store");
        let disposition = parts.headers[header::CONTENT_DISPOSITION].to_str().unwrap();
        assert!(
            disposition.starts_with("attachment; filename=\"A") && disposition.ends_with(".ics\""),
            "{disposition}"
        );
    }
    (parts.status, kind, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

async fn url(app: &TestApp, appointment: Uuid) -> Value {
    let client = app.admin("alfa").await;
    let ids = horae::schema::id::GlobalIds::new(app.app.cx.seal.clone(), &app.actor("alfa").await.tenant);
    let id = ids.encode(Kind::Appointment, appointment);
    client.ok(URL, json!({ "id": id })).await["appointment"]["icsUrl"].clone()
}

/// What another reader finds: method, UID, sequence, state, start and whether somebody is invited, of each text; of a
/// mail, in the calendar that it carries.
fn read(texts: &[&str]) -> Vec<String> {
    const READER: &str = "
import datetime, email, email.policy, icalendar, sys
for text in sys.stdin.buffer.read().split(b'\\0'):
    if not text.startswith(b'BEGIN:VCALENDAR'):
        mail = email.message_from_bytes(text, policy=email.policy.default)
        text = next(part for part in mail.walk() if part.get_content_type() == 'text/calendar').get_payload(decode=True)
    calendar = icalendar.Calendar.from_ical(text)
    (event,) = calendar.walk('VEVENT')
    start = event.decoded('DTSTART').astimezone(datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ')
    print(calendar['METHOD'], event['UID'], event['SEQUENCE'], event['STATUS'], start, 'ATTENDEE' in event)
";
    python::told(READER, texts.join("\0").as_bytes()).lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn the_file_is_the_event_of_the_mails_through_a_move_and_a_cancellation() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let mut booked = desk.book(&branch, "2026-07-14T14:00:00Z", "maria@example.com").await;
    desk.at("2026-07-13T12:05:00Z").await;
    let address = url(&desk.app, booked.id).await;
    let link = address.as_str().unwrap();
    let (status, kind, first) = fetch(&desk.app, link).await;
    assert_eq!((status, kind.as_str()), (StatusCode::OK, "text/calendar; charset=utf-8"));
    for private in ["María", "Muñoz", "maria@", "ATTENDEE"] {
        assert!(!first.contains(private), "{private} in {first}");
    }
    let confirmation = desk.app.mails().pop().unwrap();
    let uid = format!("{}@alfa.{}", booked.id, desk.app.app.cx.mail_domain);
    assert_eq!(
        read(&[&confirmation, &first]),
        [
            format!("REQUEST {uid} 0 CONFIRMED 2026-07-14T14:00:00Z True"),
            format!("PUBLISH {uid} 0 CONFIRMED 2026-07-14T14:00:00Z False"),
        ]
    );

    desk.move_to(&branch, &mut booked, "2026-07-15T15:00:00Z", true).await;
    assert_eq!(url(&desk.app, booked.id).await, address, "a calendar that keeps the address finds what is new");
    let (_, _, moved) = fetch(&desk.app, link).await;
    assert_eq!(read(&[&moved]), [format!("PUBLISH {uid} 1 CONFIRMED 2026-07-15T15:00:00Z False")]);

    desk.at("2026-07-13T12:10:00Z").await;
    desk.cancel(&booked).await;
    desk.at("2026-07-13T12:20:00Z").await;
    let (_, _, cancelled) = fetch(&desk.app, link).await;
    let mails = desk.app.mails();
    let told = mails.iter().find(|mail| mail.contains("method=CANCEL")).unwrap();
    assert_eq!(
        read(&[told, &cancelled]),
        [
            format!("CANCEL {uid} 2 CANCELLED 2026-07-15T15:00:00Z True"),
            format!("CANCEL {uid} 2 CANCELLED 2026-07-15T15:00:00Z False"),
        ]
    );

    let tx = desk.tx().await;
    // The confirmation and the news of the move have two links each.
    let links: Option<i64> = tx.scalar("SELECT count(*) FROM capability_tokens", []).await.unwrap();
    assert_eq!(links, Some(4), "no row stands for a link");
}

#[tokio::test]
async fn the_file_of_a_request_is_tentative_until_it_is_approved() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let booked = desk.book(&branch, "2026-07-14T14:00:00Z", "maria@example.com").await;
    let address = url(&desk.app, booked.id).await;
    let uid = format!("{}@alfa.{}", booked.id, desk.app.app.cx.mail_domain);
    for (status, said) in [("PENDING_APPROVAL", "TENTATIVE"), ("BOOKED", "CONFIRMED")] {
        let tx = desk.tx().await;
        tx.run("UPDATE appointments SET status = $2 WHERE id = $1", [booked.id.into(), status.into()]).await.unwrap();
        tx.commit().await.unwrap();
        let (_, _, file) = fetch(&desk.app, address.as_str().unwrap()).await;
        assert_eq!(read(&[&file]), [format!("PUBLISH {uid} 0 {said} 2026-07-14T14:00:00Z False")]);
    }
}

#[tokio::test]
async fn a_link_ends_a_day_after_the_visit_and_no_other_word_opens_anything() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let booked = desk.book(&branch, "2026-07-14T14:00:00Z", "maria@example.com").await;
    let address = url(&desk.app, booked.id).await;
    let link = address.as_str().unwrap();
    let seal = &desk.app.app.cx.seal;
    let word = |kind: SealedKind, tenant: i32, id: Uuid| {
        format!("/e/{}.ics", seal.seal(kind, &[tenant.to_be_bytes().as_slice(), id.as_bytes()].concat()))
    };
    let (alfa, beta) = (desk.system.tenant.key, desk.app.system("beta").await.tenant.key);
    assert!(link.ends_with(&word(SealedKind::CalendarFile, alfa, booked.id)));
    let (status, kind, nothing) = fetch(&desk.app, "/e/guess.ics").await;
    assert_eq!((status, kind.as_str()), (StatusCode::NOT_FOUND, "text/html; charset=utf-8"));
    let without_end = link.strip_suffix(".ics").unwrap();
    // A letter in the middle of its seal.
    let (head, tail) = without_end.split_at(without_end.len() - 20);
    let forged = format!("{head}{}{}.ics", if tail.starts_with('A') { 'B' } else { 'A' }, &tail[1..]);
    for path in [
        without_end.to_owned(),
        link.replace("/e/", "/e/A"),
        forged,
        word(SealedKind::CalendarFile, beta, booked.id),
        word(SealedKind::CalendarFile, 9_999, booked.id),
        word(SealedKind::CalendarFile, alfa, Uuid::new_v4()),
        word(SealedKind::Slot, alfa, booked.id),
        word(SealedKind::Id, alfa, booked.id),
    ] {
        assert_eq!(fetch(&desk.app, &path).await, (StatusCode::NOT_FOUND, kind.clone(), nothing.clone()), "{path}");
    }

    let held = desk.book(&branch, "2026-07-14T18:00:00Z", "maria@example.com").await;
    let tx = desk.tx().await;
    tx.run("UPDATE appointments SET status = 'HELD', hold_expires_at = start_at WHERE id = $1", [held.id.into()])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(url(&desk.app, held.id).await, Value::Null, "a hold is nobody's appointment");
    let of_hold = word(SealedKind::CalendarFile, alfa, held.id);
    assert_eq!(fetch(&desk.app, &of_hold).await, (StatusCode::NOT_FOUND, kind.clone(), nothing.clone()));

    // It ends at 14:45.
    desk.app.clock.set("2026-07-15T14:44:59Z".parse().unwrap());
    assert_eq!(fetch(&desk.app, link).await.0, StatusCode::OK);
    desk.app.clock.set("2026-07-15T14:45:00Z".parse().unwrap());
    assert_eq!(fetch(&desk.app, link).await, (StatusCode::NOT_FOUND, kind, nothing));
    assert_eq!(url(&desk.app, booked.id).await, Value::Null);
}
