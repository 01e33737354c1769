//! The appointment that the caller has just held, booked or changed, as the answer shows it.

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    auth::{Actor, ActorKind},
    domain::{
        agenda::{
            appointment::{AppointmentView, Wanted, load_appointments},
            visibility::Sight,
        },
        cx::Cx,
        refusal::Failure,
    },
};

/// Reads it. Booking pages and patients see no patient in it: the data on file may be older, and more, than what they
/// typed; nor do they see what the centre wrote for itself.
///
/// # Errors
/// Faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, id: Uuid) -> Result<Option<Arc<AppointmentView>>, Failure> {
    let tx = cx.read(actor).await?;
    let everything = Sight { branches: None, own: None };
    let found = load_appointments(&tx, vec![id], &everything, Wanted::default()).await?.pop();
    tx.commit().await?;
    let outsider = actor.publishable || actor.kind == ActorKind::Patient;
    Ok(found.map(|view| {
        if !outsider {
            return view;
        }
        let mut shown = Arc::unwrap_or_clone(view);
        shown.patient = None;
        shown.internal_notes = None;
        shown.overbook_reason = None;
        // Whether the centre did it, and not who of its people.
        shown.cancelled_by = shown.cancelled_by.map(|(kind, _)| (kind, None));
        Arc::new(shown)
    }))
}
