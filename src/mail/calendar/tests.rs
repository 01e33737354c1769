//! Invitations read back by three readers: the icalendar crate, PyPI icalendar, and an evaluation of RFC 5545's zone
//! rule written for this test alone.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use icalendar::Component;
use proptest::prelude::*;

use super::{CalendarEvent, event_uid};
use crate::mail::message::{CalendarMethod, mailbox};

fn event(starts_at: DateTime<Utc>, minutes: i64, time_zone: Tz) -> CalendarEvent {
    CalendarEvent {
        uid: event_uid("0198-77", "centro.example"),
        revision: 3,
        stamp: "2026-07-01T10:00:00Z".parse().unwrap(),
        starts_at,
        ends_at: starts_at + TimeDelta::minutes(minutes),
        time_zone,
        summary: "Limpieza facial, profunda; con \\ – Centro Ñuñoa".to_owned(),
        description: "Línea uno\r\nLínea dos 🙂".repeat(6),
        location: "Av. Providencia 1234, of. 56, Santiago".to_owned(),
        organizer: mailbox("Centro \"Ñuñoa\" ^1", "hola@centro.example").unwrap(),
        attendee: Some(mailbox("", "maria@example.com").unwrap()),
        tentative: false,
    }
}

fn santiago() -> CalendarEvent {
    event("2026-07-15T12:30:00Z".parse().unwrap(), 45, Tz::America__Santiago)
}

#[test]
fn the_whole_text() {
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("invitation", santiago().to_ics(CalendarMethod::Request).replace("\r\n", "\n"));
    });
}

#[test]
fn whoever_changes_the_clocks_has_a_summer_and_a_winter() {
    for zone in [Tz::America__Santiago, Tz::Europe__Madrid, Tz::Europe__Dublin, Tz::Africa__Casablanca] {
        let ics = event("2027-02-10T10:00:00Z".parse().unwrap(), 30, zone).to_ics(CalendarMethod::Request);
        let kinds: std::collections::BTreeMap<String, &str> = ics
            .split("BEGIN:")
            .filter(|part| part.starts_with("DAYLIGHT") || part.starts_with("STANDARD"))
            .map(|part| (value(part, "TZOFFSETTO").unwrap(), &part[..8]))
            .collect();
        let mut offsets: Vec<(i32, &str)> = kinds.iter().map(|(to, kind)| (to.parse().unwrap(), *kind)).collect();
        offsets.sort_unstable();
        assert_eq!(offsets.iter().map(|(_, kind)| *kind).collect::<Vec<_>>(), ["STANDARD", "DAYLIGHT"], "{zone}");
    }
}

#[test]
fn lines_end_with_crlf_and_fit_in_75_octets() {
    let ics = santiago().to_ics(CalendarMethod::Request);
    assert!(ics.ends_with("END:VCALENDAR\r\n"));
    assert_eq!(ics.matches('\n').count(), ics.matches("\r\n").count());
    assert_eq!(ics.matches('\r').count(), ics.matches("\r\n").count());
    assert!(ics.split("\r\n").all(|line| line.len() <= 75));
    assert!(ics.split("\r\n").any(|line| line.starts_with(' ')));
}

#[test]
fn a_cancellation_is_the_same_event_with_another_method() {
    let request = santiago().to_ics(CalendarMethod::Request);
    let cancel = santiago().to_ics(CalendarMethod::Cancel);
    assert!(request.contains("METHOD:REQUEST\r\n") && request.contains("STATUS:CONFIRMED\r\n"));
    assert!(cancel.contains("METHOD:CANCEL\r\n") && cancel.contains("STATUS:CANCELLED\r\n"));
    assert!(cancel.contains("SEQUENCE:3\r\n"));
    let uid = |ics: &str| value(ics, "UID").unwrap();
    assert_eq!(uid(&request), uid(&cancel));
}

#[test]
fn a_request_is_tentative_until_it_is_called_off() {
    let request = CalendarEvent { tentative: true, ..santiago() };
    assert!(request.to_ics(CalendarMethod::Publish).contains("STATUS:TENTATIVE\r\n"));
    assert!(request.to_ics(CalendarMethod::Cancel).contains("STATUS:CANCELLED\r\n"));
}

#[test]
fn the_icalendar_crate_reads_it() {
    let ics = santiago().to_ics(CalendarMethod::Request);
    let calendar: icalendar::Calendar = ics.parse().unwrap();
    let event = calendar.events().next().unwrap();
    assert_eq!(event.get_summary(), Some("Limpieza facial, profunda; con \\ – Centro Ñuñoa"));
    assert_eq!(event.get_description().unwrap(), "Línea uno\nLínea dos 🙂".repeat(6));
    assert_eq!(event.get_uid(), Some("0198-77@centro.example"));
    assert_eq!(event.get_sequence(), Some(3));
}

#[test]
fn the_second_of_two_equal_wall_times_is_given_in_utc() {
    // 2026-11-01 01:30 happens twice in New York: at 05:30Z and at 06:30Z.
    let first = event("2026-11-01T05:30:00Z".parse().unwrap(), 15, Tz::America__New_York);
    let second = event("2026-11-01T06:30:00Z".parse().unwrap(), 15, Tz::America__New_York);
    let ics = first.to_ics(CalendarMethod::Request);
    assert!(ics.contains("DTSTART;TZID=America/New_York:20261101T013000\r\n"));
    let ics = second.to_ics(CalendarMethod::Request);
    assert!(ics.contains("DTSTART:20261101T063000Z\r\n"));
    assert!(!ics.contains("VTIMEZONE"));
}

/// Needs the PyPI package `icalendar`, an implementation that shares nothing with ours; `script/test` installs it.
#[test]
#[expect(clippy::disallowed_methods, reason = "where the test finds Python is no setting of the product")]
fn pypi_icalendar_computes_the_same_instants() {
    const READER: &str = "
import sys, datetime, icalendar
for part in sys.stdin.buffer.read().split(b'\\x00'):
    cal = icalendar.Calendar.from_ical(part)
    zone = [c for c in cal.walk() if c.name == 'VTIMEZONE']
    event = [c for c in cal.walk() if c.name == 'VEVENT'][0]
    out = []
    for key in ('DTSTART', 'DTEND'):
        at = event.decoded(key)
        if zone:
            at = at.replace(tzinfo=None).replace(tzinfo=zone[0].to_tz(lookup_tzid=False))
        out.append(at.astimezone(datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ'))
    print(*out)
";
    let program = std::env::var_os("HORAE_TEST_PYTHON").unwrap_or_else(|| "python3".into());
    let events: Vec<CalendarEvent> = [
        ("2026-07-15T12:30:00Z", Tz::America__Santiago),
        ("2026-01-15T12:30:00Z", Tz::America__Santiago),
        ("2026-09-06T05:00:00Z", Tz::America__Santiago),
        ("2026-03-08T07:00:00Z", Tz::America__New_York),
        ("2026-11-01T05:30:00Z", Tz::America__New_York),
        ("2026-11-01T06:30:00Z", Tz::America__New_York),
        ("2026-10-25T02:00:00Z", Tz::Europe__Madrid),
        ("2026-07-15T02:15:00Z", Tz::Asia__Kathmandu),
        ("2026-07-15T14:00:00Z", Tz::Pacific__Easter),
        ("2026-07-15T14:00:00Z", Tz::UTC),
    ]
    .map(|(at, zone)| event(at.parse().unwrap(), 60, zone))
    .into();
    let input: Vec<String> = events.iter().map(|event| event.to_ics(CalendarMethod::Request)).collect();
    let mut python = std::process::Command::new(program)
        .args(["-c", READER])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut python.stdin.take().unwrap(), input.join("\0").as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "`script/test` installs icalendar and names its Python in HORAE_TEST_PYTHON");
    let expected: String = events
        .iter()
        .map(|event| {
            format!("{} {}\n", event.starts_at.format("%Y-%m-%dT%H:%M:%SZ"), event.ends_at.format("%Y-%m-%dT%H:%M:%SZ"))
        })
        .collect();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// In every zone and at every second of the years we may meet, a calendar that knows nothing but our text finds
    /// exactly our instants.
    #[test]
    fn the_zone_description_gives_back_the_instant(
        zone in 0..TZ_VARIANTS.len(),
        seconds in 946_684_800_i64..2_145_916_800,
        minutes in 5_i64..600,
    ) {
        check(*TZ_VARIANTS.get(zone).unwrap(), seconds, minutes)?;
    }

    /// The same close to a change of offset, where mistakes live.
    #[test]
    fn the_zone_description_is_right_around_changes(
        zone in 0..TZ_VARIANTS.len(),
        year in 2020_i32..2032,
        shift in -10_800_i64..10_800,
        minutes in 5_i64..600,
    ) {
        let zone = *TZ_VARIANTS.get(zone).unwrap();
        let first = DateTime::<Utc>::from_timestamp(1_577_836_800 + i64::from(year - 2020) * 31_556_952, 0).unwrap();
        for change in super::zone::changes(zone, first, first + TimeDelta::days(366)) {
            check(zone, change.at.timestamp() + shift, minutes)?;
        }
    }
}

fn check(zone: Tz, seconds: i64, minutes: i64) -> Result<(), TestCaseError> {
    let event = event(DateTime::from_timestamp(seconds, 0).unwrap(), minutes, zone);
    let ics = event.to_ics(CalendarMethod::Request);
    prop_assert_eq!(instant(&ics, "DTSTART"), event.starts_at, "{}", zone);
    prop_assert_eq!(instant(&ics, "DTEND"), event.ends_at, "{}", zone);
    Ok(())
}

/// The instant that RFC 5545 gives to a property of the event.
fn instant(ics: &str, name: &str) -> DateTime<Utc> {
    let event = ics.split("BEGIN:VEVENT").nth(1).unwrap();
    let line = event.split("\r\n").find(|line| line.starts_with(name)).unwrap();
    let text = line.rsplit(':').next().unwrap();
    if let Some(utc) = text.strip_suffix('Z') {
        return local(utc).and_utc();
    }
    let wall = local(text);
    let zone = ics.split("BEGIN:VEVENT").next().unwrap();
    let offset = zone
        .split("END:STANDARD")
        .flat_map(|part| part.split("END:DAYLIGHT"))
        .filter_map(|part| {
            let onset = local(&value(part, "DTSTART")?);
            (onset <= wall).then(|| (onset, value(part, "TZOFFSETTO").unwrap()))
        })
        .max_by_key(|(onset, _)| *onset)
        .expect("an observance in force")
        .1;
    let digits = |range: std::ops::Range<usize>| -> i64 { offset.get(range).map_or(0, |text| text.parse().unwrap()) };
    let seconds = digits(1..3) * 3600 + digits(3..5) * 60 + digits(5..7);
    let east = if offset.starts_with('-') { -seconds } else { seconds };
    (wall - TimeDelta::seconds(east)).and_utc()
}

fn value(text: &str, name: &str) -> Option<String> {
    text.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::to_owned)
}

fn local(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S").unwrap()
}
