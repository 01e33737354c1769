//! Why something cannot be booked then.

use horae::domain::{
    agenda::explain::{Cause, ExplainItem, run},
    refusal::Code,
};

use super::{at, refused};
use crate::support::{
    app::TestApp,
    fixtures::{Booking, Centre},
};

#[tokio::test]
async fn every_cause_is_told_with_what_is_in_the_way() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let branch = centre.branch("Centro", "America/Santiago").await;
    let elsewhere = centre.branch("Otra", "America/Santiago").await;
    let ana = centre.professional("Ana", branch).await;
    centre.works(ana, branch, &[(1..=7, "09:00", "11:00")]).await;
    let beto = centre.professional("Beto", elsewhere).await;
    let cut = centre.treatment("Corte", 60).await;
    let other = centre.treatment("Otra cosa", 60).await;
    let rosa = centre.patient("Rosa", "Soto").await;
    let busy = centre.book(Booking::new(branch, rosa, cut, "2026-07-14T13:00:00Z", 30).with(ana)).await;

    let item = |start: &str| ExplainItem {
        treatment: cut,
        start: at(start),
        professional: Some(ana),
        room: None,
        duration_minutes: None,
    };
    let why = async |item: ExplainItem| run(&centre.cx, &centre.system, branch, vec![item]).await.unwrap();

    assert!(why(item("2026-07-14T13:30:00Z")).await.is_empty(), "nothing is in the way");
    let reasons = why(item("2026-07-14T12:30:00Z")).await;
    assert_eq!(reasons.iter().map(|one| one.cause).collect::<Vec<_>>(), [Cause::OutsideSchedule, Cause::Busy]);
    assert_eq!(reasons[0].range, at("2026-07-14T12:30:00Z")..at("2026-07-14T13:00:00Z"));
    assert_eq!((reasons[1].resource, reasons[1].subject), (ana, Some(busy)));

    let somebody = ExplainItem { professional: None, ..item("2026-07-14T12:30:00Z") };
    assert_eq!(why(somebody).await.len(), 2, "nobody else works here");
    assert_eq!(
        why(ExplainItem { professional: Some(beto), ..item("2026-07-14T13:30:00Z") }).await[0].cause,
        Cause::NotInBranch
    );
    centre.offers_only(ana, &[other]).await;
    assert_eq!(why(item("2026-07-14T13:30:00Z")).await[0].cause, Cause::DoesNotOffer);
    centre.run("UPDATE resources SET active = false WHERE id = $1", vec![ana.into()]).await;
    assert_eq!(why(item("2026-07-14T13:30:00Z")).await[0].cause, Cause::Inactive);

    let unknown = ExplainItem { treatment: rosa, ..item("2026-07-14T13:30:00Z") };
    assert_eq!(
        refused(run(&centre.cx, &centre.system, branch, vec![unknown]).await),
        [(Code::NotFound, "items.0.treatmentId".to_owned())]
    );
    assert_eq!(refused(run(&centre.cx, &centre.system, branch, vec![]).await), [(Code::Required, "items".to_owned())]);
}
