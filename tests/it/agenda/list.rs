//! Pages of appointments.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use horae::{
    auth::Actor,
    domain::{
        agenda::{
            appointment::{Wanted, find},
            list::{Filter, Key, run},
        },
        page::PageRequest,
        refusal::Code,
    },
};
use uuid::Uuid;

use super::{at, refused};
use crate::support::{
    app::TestApp,
    fixtures::{Booking, Centre},
};

struct Booked {
    centre: Centre,
    branch: Uuid,
    other: Uuid,
    ana: Uuid,
    rosa: Uuid,
    ids: Vec<Uuid>,
    elsewhere: Uuid,
    app: TestApp,
}

/// Five appointments of Ana's on Tuesday, two of them at the same time in rooms; one in another branch.
async fn booked() -> Booked {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let branch = centre.branch("Centro", "America/Santiago").await;
    let other = centre.branch("Otra", "America/Punta_Arenas").await;
    let ana = centre.professional("Ana", branch).await;
    let cut = centre.treatment("Corte", 30).await;
    let (rosa, juan) = (centre.patient("Rosa", "Soto").await, centre.patient("Juan", "Rojas").await);
    let (one, two) = (centre.room("A", branch, 1).await, centre.room("B", branch, 1).await);
    let mut ids = Vec::new();
    for start in ["2026-07-14T13:00:00Z", "2026-07-14T13:30:00Z", "2026-07-14T14:00:00Z"] {
        ids.push(centre.book(Booking::new(branch, rosa, cut, start, 30).with(ana)).await);
    }
    ids.push(
        centre.book(Booking::new(branch, juan, cut, "2026-07-14T15:00:00Z", 30).in_room(one).status("CANCELLED")).await,
    );
    ids.push(centre.book(Booking::new(branch, juan, cut, "2026-07-14T15:00:00Z", 30).in_room(two)).await);
    let elsewhere = centre.book(Booking::new(other, juan, cut, "2026-07-14T13:00:00Z", 30)).await;
    Booked { centre, branch, other, ana, rosa, ids, elsewhere, app }
}

#[tokio::test]
async fn pages_go_forwards_and_backwards_without_loss_or_repetition() {
    let Booked { centre, branch, ids, app: _app, .. } = booked().await;
    let filter = Filter {
        branch: Some(branch),
        range: Some(at("2026-07-14T04:00:00Z")..at("2026-07-15T04:00:00Z")),
        ..Filter::default()
    };
    for descending in [false, true] {
        for backwards in [false, true] {
            let mut seen: Vec<Uuid> = Vec::new();
            let mut from: Option<Key> = None;
            loop {
                let request = PageRequest { limit: 2, backwards, from: from.clone(), counted: false };
                let page = run(&centre.cx, &centre.system, filter.clone(), descending, request, Wanted::default())
                    .await
                    .unwrap();
                let keys: Vec<Key> = page.rows.iter().map(|one| Key(one.start, one.id)).collect();
                let mut rows: Vec<Uuid> = page.rows.iter().map(|one| one.id).collect();
                if backwards {
                    rows.reverse();
                }
                seen.extend(rows);
                from = if backwards { keys.first().cloned() } else { keys.last().cloned() };
                assert!(seen.len() <= ids.len());
                if !(if backwards { page.has_previous } else { page.has_next }) {
                    break;
                }
            }
            let mut expected = ids.clone();
            // Two start at the same time: the id decides.
            expected[3..].sort_unstable();
            if descending != backwards {
                expected.reverse();
            }
            assert_eq!(seen, expected, "descending {descending}, backwards {backwards}");
        }
    }
}

#[tokio::test]
async fn filters_narrow_and_something_must_bound_the_list() {
    let Booked { centre, branch, other, ana, rosa, ids, elsewhere, app } = booked().await;
    let day = Some(at("2026-07-14T04:00:00Z")..at("2026-07-15T04:00:00Z"));
    let list = async |filter: Filter| {
        let page = run(&centre.cx, &centre.system, filter, false, PageRequest::first(100), Wanted::default()).await;
        page.map(|page| page.rows.iter().map(|one| one.id).collect::<BTreeSet<Uuid>>())
    };
    let set = |ids: &[Uuid]| ids.iter().copied().collect::<BTreeSet<_>>();
    assert_eq!(list(Filter { range: day.clone(), ..Filter::default() }).await.unwrap().len(), 6);
    assert_eq!(
        list(Filter { branch: Some(other), range: day.clone(), ..Filter::default() }).await.unwrap(),
        set(&[elsewhere])
    );
    assert_eq!(list(Filter { patient: Some(rosa), ..Filter::default() }).await.unwrap(), set(&ids[..3]));
    assert_eq!(
        list(Filter { resource: Some(ana), range: day.clone(), ..Filter::default() }).await.unwrap(),
        set(&ids[..3])
    );
    assert_eq!(
        list(Filter { statuses: Some(vec!["CANCELLED"]), range: day.clone(), ..Filter::default() }).await.unwrap(),
        set(&ids[3..4])
    );
    assert_eq!(
        list(Filter { channel: Some("PHONE"), range: day.clone(), ..Filter::default() }).await.unwrap(),
        set(&[])
    );
    assert_eq!(list(Filter { updated_since: Some(app.now()), ..Filter::default() }).await.unwrap().len(), 6);
    assert_eq!(
        list(Filter { updated_since: Some(app.now() + TimeDelta::seconds(1)), ..Filter::default() })
            .await
            .unwrap()
            .len(),
        0
    );

    let range = |days| Some(at("2026-07-14T04:00:00Z")..at("2026-07-14T04:00:00Z") + TimeDelta::days(days));
    for (filter, code, field) in [
        (Filter::default(), Code::Required, "filter.range"),
        (Filter { branch: Some(branch), ..Filter::default() }, Code::Required, "filter.range"),
        (Filter { range: range(3653), ..Filter::default() }, Code::Invalid, "filter.range"),
        (Filter { range: range(-1), ..Filter::default() }, Code::Invalid, "filter.range"),
        (
            Filter { updated_since: Some(app.now() - TimeDelta::days(3653)), ..Filter::default() },
            Code::Invalid,
            "filter.updatedSince",
        ),
    ] {
        assert_eq!(refused(list(filter).await), [(code, field.to_owned())]);
    }
    assert_eq!(list(Filter { patient: Some(rosa), range: range(3653), ..Filter::default() }).await.unwrap().len(), 3);
}

#[tokio::test]
async fn rows_are_the_callers_own() {
    let Booked { centre, branch, ana, ids, elsewhere, app, .. } = booked().await;
    let day = Filter { range: Some(at("2026-07-14T04:00:00Z")..at("2026-07-15T04:00:00Z")), ..Filter::default() };
    let list = async |actor: &Actor, filter: Filter| {
        let page = run(&centre.cx, actor, filter, false, PageRequest::first(100), Wanted::default()).await;
        page.map(|page| page.rows.iter().map(|one| one.id).collect::<Vec<Uuid>>())
    };
    let system = app.system("alfa").await;
    let in_branch = Actor { branches: Some([branch].into()), ..system.clone() };
    let seen: BTreeSet<Uuid> = list(&in_branch, day.clone()).await.unwrap().into_iter().collect();
    assert_eq!(seen, ids.iter().copied().collect());
    let professional = Actor {
        permissions: horae::auth::BuiltinRole::Professional.permissions(),
        professional: Some(ana),
        ..system.clone()
    };
    assert_eq!(list(&professional, day.clone()).await.unwrap(), ids[..3]);
    let nobody = Actor { permissions: horae::auth::BuiltinRole::Professional.permissions(), ..system.clone() };
    assert!(list(&nobody, day.clone()).await.unwrap().is_empty());
    let none = Actor { permissions: std::iter::empty().collect(), ..system.clone() };
    assert_eq!(refused(list(&none, day.clone()).await), [(Code::Forbidden, String::new())]);

    let see = async |actor: &Actor, id| find(&centre.cx, actor, id, Wanted::default()).await.unwrap().map(|one| one.id);
    assert_eq!(see(&professional, ids[0]).await, Some(ids[0]));
    assert_eq!(see(&professional, ids[4]).await, None, "somebody else's");
    assert_eq!(see(&in_branch, elsewhere).await, None, "another branch's");
    let beta = app.system("beta").await;
    assert_eq!(see(&beta, ids[0]).await, None, "another centre's");
    assert!(list(&beta, day).await.unwrap().is_empty());
}
