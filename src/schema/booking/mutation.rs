//! Holding, booking, moving and ending appointments.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use uuid::Uuid;

use super::{
    input::{BookAppointmentInput, HoldSlotInput, PublicBookInput, RescheduleInput},
    types::{
        BookAppointmentPayload, HoldSlotPayload, ReleaseHoldPayload, RescheduleAppointmentPayload,
        TransitionAppointmentPayload,
    },
};
use crate::{
    domain::{
        booking::{
            book::{self, Booked},
            hold,
            patient_link::{self, Wish},
            public_book, release, reschedule,
            transition::{self, Transition},
            view,
        },
        refusal::{Failure, Refusal},
    },
    schema::{
        agenda::types::{Appointment, AppointmentStatus},
        auth::{P, auth},
        error::{ApiError, UserError, payload},
        id::Kind,
        request::{Reader, cx, request_id, staff, staff_or_page},
        scalar::IdempotencyKey,
    },
};

/// Mutations of appointments.
#[derive(Default)]
pub struct BookingMutation;

#[Object]
impl BookingMutation {
    /// Holds a slot for a few minutes while somebody types their data. Staff with AGENDA_WRITE in the branch, and booking
    /// pages.
    #[graphql(directive = auth::apply(vec![P::AgendaWrite]))]
    async fn hold_slot(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The slot, and for how long.")] input: HoldSlotInput,
    ) -> Result<HoldSlotPayload, ApiError> {
        let reader = staff_or_page(ctx)?;
        let (id, user_errors) = payload(hold::run(&reader.cx, &reader.actor, input.into_domain()).await, Some(reader))?;
        Ok(HoldSlotPayload { appointment: read(reader, id).await?, user_errors })
    }

    /// Lets a held slot go before its time. Staff with AGENDA_WRITE in the branch, and booking pages.
    #[graphql(directive = auth::apply(vec![P::AgendaWrite]))]
    async fn release_hold(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The held appointment.")] appointment_id: ID,
    ) -> Result<ReleaseHoldPayload, ApiError> {
        let reader = staff_or_page(ctx)?;
        let released = async {
            let id = reader.ids.decode(Kind::Appointment, &appointment_id, "appointmentId")?;
            release::run(&reader.cx, &reader.actor, id).await
        };
        let (released, user_errors) = payload(released.await, Some(reader))?;
        Ok(ReleaseHoldPayload { released: released.unwrap_or_default(), user_errors })
    }

    /// Books an appointment on somebody's behalf. Professional, room and equipment are taken together or not at all;
    /// when somebody was faster, the error offers what is free. Needs AGENDA_WRITE in the branch.
    #[graphql(directive = auth::apply(vec![P::AgendaWrite]))]
    async fn book_appointment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "For whom, what, when, with whom.")] input: BookAppointmentInput,
    ) -> Result<BookAppointmentPayload, ApiError> {
        let reader = staff(ctx)?;
        let booked = async { book::run(&reader.cx, &reader.actor, input.into_domain(&reader.ids)?).await };
        book_payload(reader, booked.await).await
    }

    /// Books the held slot for a patient, with a booking page's key.
    async fn public_book(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The hold, and who the patient is.")] input: PublicBookInput,
    ) -> Result<BookAppointmentPayload, ApiError> {
        let reader = staff_or_page(ctx)?;
        let booked = async { public_book::run(&reader.cx, &reader.actor, input.into_domain(&reader.ids)?).await };
        book_payload(reader, booked.await).await
    }

    /// Moves an appointment to another time, professional or room, all or nothing. Its id stays; a confirmed one has
    /// to be confirmed again. Needs AGENDA_WRITE in its branch, and to see it.
    #[graphql(directive = auth::apply(vec![P::AgendaWrite]))]
    async fn reschedule_appointment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which appointment, and where to.")] input: RescheduleInput,
    ) -> Result<RescheduleAppointmentPayload, ApiError> {
        let reader = staff(ctx)?;
        let moved = async { reschedule::run(&reader.cx, &reader.actor, input.into_domain(&reader.ids)?).await };
        let (moved, user_errors) = payload(moved.await, Some(reader))?;
        let appointment = read(reader, moved.as_ref().map(|moved| moved.id)).await?;
        let warnings = as_errors(reader, moved.map(|moved| moved.warnings).unwrap_or_default());
        Ok(RescheduleAppointmentPayload { appointment, warnings, user_errors })
    }

    /// Moves an appointment to another state. `Appointment.allowedTransitions` lists the states it can go to; asking
    /// for the state it is in changes nothing. Needs AGENDA_WRITE in its branch, and to see it; who attends moves the
    /// own ones along without.
    #[graphql(directive = auth::apply(vec![P::AgendaWrite, P::AgendaRead, P::AgendaReadOwn]))]
    async fn transition_appointment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which appointment.")] id: ID,
        #[graphql(desc = "Its version as you read it.")] version: i32,
        #[graphql(desc = "Where to.")] to: AppointmentStatus,
        #[graphql(desc = "Why; required to go back from COMPLETED.")] reason: Option<String>,
        #[graphql(desc = "UUID of your own, if a repetition must find the first answer.")] idempotency_key: Option<
            IdempotencyKey,
        >,
    ) -> Result<TransitionAppointmentPayload, ApiError> {
        let reader = staff(ctx)?;
        let moved = async {
            let id = reader.ids.decode(Kind::Appointment, &id, "id")?;
            let input = Transition { key: idempotency_key.map(|key| key.0), id, version, to: to.into(), reason };
            transition::run(&reader.cx, &reader.actor, input).await
        };
        let (id, user_errors) = payload(moved.await, Some(reader))?;
        Ok(TransitionAppointmentPayload { appointment: read(reader, id).await?, user_errors })
    }

    /// A patient says by the link of a mail that they will come. Nobody needs to be logged in; the link works once.
    async fn patient_confirm(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Token of the mail's link.")] token: String,
    ) -> Result<TransitionAppointmentPayload, ApiError> {
        by_link(ctx, &token, Wish::Confirm).await
    }

    /// A patient cancels by the link of a mail, until the branch's minCancelNotice. Nobody needs to be logged in; the
    /// link works once.
    async fn patient_cancel(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Token of the mail's link.")] token: String,
        #[graphql(desc = "Why, for the centre.")] reason: Option<String>,
    ) -> Result<TransitionAppointmentPayload, ApiError> {
        by_link(ctx, &token, Wish::Cancel(reason)).await
    }
}

async fn by_link(ctx: &Context<'_>, token: &str, wish: Wish) -> Result<TransitionAppointmentPayload, ApiError> {
    let cx = cx(ctx);
    let (done, user_errors) = payload(patient_link::run(cx, token, wish, &request_id(ctx)).await, None)?;
    let Some(done) = done else { return Ok(TransitionAppointmentPayload { appointment: None, user_errors }) };
    let reader = Reader::new(cx, done.actor);
    Ok(TransitionAppointmentPayload { appointment: read(&reader, Some(done.id)).await?, user_errors })
}

async fn book_payload(
    reader: &Arc<Reader>,
    result: Result<Booked, Failure>,
) -> Result<BookAppointmentPayload, ApiError> {
    let (booked, user_errors) = payload(result, Some(reader))?;
    let appointment = read(reader, booked.as_ref().map(|booked| booked.id)).await?;
    let (replayed, warnings) = booked.map(|booked| (booked.replayed, booked.warnings)).unwrap_or_default();
    Ok(BookAppointmentPayload { appointment, replayed, warnings: as_errors(reader, warnings), user_errors })
}

fn as_errors(reader: &Arc<Reader>, warnings: Vec<Refusal>) -> Vec<UserError> {
    warnings.into_iter().map(|warning| UserError::warning(warning, Some(reader))).collect()
}

/// The appointment as it is now.
async fn read(reader: &Arc<Reader>, id: Option<Uuid>) -> Result<Option<Appointment>, ApiError> {
    let Some(id) = id else { return Ok(None) };
    let view = view::run(&reader.cx, &reader.actor, id).await?;
    Ok(view.map(|view| Appointment::new(reader, view)))
}
