//! The agenda, appointments, free slots and why there are none.

use async_graphql::{Context, ID, Object};

use super::types::{
    Agenda, AgendaGrouping, Appointment, AppointmentConnection, AppointmentFilter, AvailabilityInput, Schedule,
    SortDirection, UnavailabilityReason, wanted, wanted_of_page,
};
use crate::{
    domain::{
        agenda::{appointment::find, availability, day, explain, list, schedule},
        refusal::Refusal,
    },
    schema::{
        auth::{P, auth},
        booking::{input::BookAppointmentInput, types::Slot},
        error::ApiError,
        id::Kind,
        limits::directive::cost,
        page::PageArguments,
        request::staff,
        scalar::LocalDate,
    },
};

/// Queries of the agenda.
#[derive(Default)]
pub struct AgendaQuery;

#[Object]
impl AgendaQuery {
    /// What a branch does on some days, one column per professional or room. Needs AGENDA_READ in the branch; with
    /// AGENDA_READ_OWN it is the own column.
    #[graphql(directive = auth::apply(vec![P::AgendaRead, P::AgendaReadOwn]), directive = cost::apply(50, None))]
    async fn agenda(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where.")] branch_id: ID,
        #[graphql(desc = "First local date.")] from: LocalDate,
        #[graphql(desc = "Last local date, included; at most 62 days.")] to: LocalDate,
        #[graphql(desc = "What the columns are.")] group_by: AgendaGrouping,
    ) -> Result<Agenda, ApiError> {
        let reader = staff(ctx)?;
        let asked = ctx.look_ahead();
        let columns = asked.field("columns");
        let appointments = columns.field("appointments");
        let input = day::Input {
            branch: reader.ids.decode(Kind::Branch, &branch_id, "branchId")?,
            from: from.0,
            to: to.0,
            group_by: group_by.into(),
            wants: day::Wants {
                calendar: columns.field("blocks").exists() || columns.field("free").exists(),
                appointments: columns.exists().then(|| wanted(&appointments)),
            },
        };
        let agenda = day::run(&reader.cx, &reader.actor, input).await?;
        Ok(Agenda::new(reader, agenda))
    }

    /// One appointment. Needs AGENDA_READ in its branch; with AGENDA_READ_OWN it is one of the own ones.
    #[graphql(directive = auth::apply(vec![P::AgendaRead, P::AgendaReadOwn]))]
    async fn appointment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] id: ID,
    ) -> Option<Result<Appointment, ApiError>> {
        let found = async {
            let reader = staff(ctx)?;
            let id = reader.ids.decode(Kind::Appointment, &id, "id")?;
            let view = find(&reader.cx, &reader.actor, id, wanted(&ctx.look_ahead())).await?;
            let view = view.ok_or_else(|| Refusal::not_found("id"))?;
            Ok(Appointment::new(reader, view))
        };
        Some(found.await)
    }

    /// Appointments by start. Needs AGENDA_READ; with AGENDA_READ_OWN they are the own ones.
    #[expect(clippy::too_many_arguments, reason = "a filter, an order and the four arguments of a connection")]
    #[graphql(directive = auth::apply(vec![P::AgendaRead, P::AgendaReadOwn]))]
    async fn appointments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which: at least a range, a patient or since when they have changed.")]
        filter: AppointmentFilter,
        #[graphql(desc = "ASC without it.")] sort: Option<SortDirection>,
        #[graphql(desc = "So many from the front.")] first: Option<i32>,
        #[graphql(desc = "… behind this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the back.")] last: Option<i32>,
        #[graphql(desc = "… before this cursor.")] before: Option<String>,
    ) -> Result<AppointmentConnection, ApiError> {
        let reader = staff(ctx)?;
        let descending = sort == Some(SortDirection::Desc);
        let list = if descending { "appointments.desc" } else { "appointments.asc" };
        let page = PageArguments { first, after, last, before }.open(ctx, reader, list)?;
        let asked = ctx.look_ahead();
        let wanted = wanted_of_page(&asked);
        let found =
            list::run(&reader.cx, &reader.actor, filter.to_domain(&reader.ids)?, descending, page, wanted).await?;
        let key = |view: &std::sync::Arc<_>| list::Key::of(view);
        Ok(AppointmentConnection::new(reader, list, found, key, |view| Appointment::new(reader, view)))
    }

    /// Free slots, by start and then by the professional's name. Needs AGENDA_READ in the branch; with AGENDA_READ_OWN
    /// they are the own ones.
    #[graphql(directive = auth::apply(vec![P::AgendaRead, P::AgendaReadOwn]), directive = cost::apply(20, None))]
    async fn availability(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where, what, with whom, when.")] input: AvailabilityInput,
    ) -> Result<Vec<Slot>, ApiError> {
        let reader = staff(ctx)?;
        let slots = availability::run(&reader.cx, &reader.actor, input.to_domain(&reader.ids)?).await?;
        Ok(slots.into_iter().map(|slot| Slot::new(reader, slot)).collect())
    }

    /// Why something cannot be booked like that, resource by resource; empty: nothing is in the way. Nothing is booked,
    /// and the patient plays no part. Needs AGENDA_READ in the branch; with AGENDA_READ_OWN it is about oneself.
    #[graphql(directive = auth::apply(vec![P::AgendaRead, P::AgendaReadOwn]), directive = cost::apply(10, None))]
    async fn explain_unavailable(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What you would give to `bookAppointment`.")] input: BookAppointmentInput,
    ) -> Result<Vec<UnavailabilityReason>, ApiError> {
        let reader = staff(ctx)?;
        let input = input.into_domain(&reader.ids)?;
        let (zone, reasons) = explain::of_booking(&reader.cx, &reader.actor, &input).await?;
        Ok(reasons.into_iter().map(|reason| UnavailabilityReason::new(reader, zone, reason)).collect())
    }

    /// When resources usually work in a branch, by resource and name. Needs AGENDA_READ in the branch; with
    /// AGENDA_READ_OWN they are the own ones.
    #[graphql(directive = auth::apply(vec![P::AgendaRead, P::AgendaReadOwn]), directive = cost::apply(5, None))]
    async fn schedules(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where.")] branch_id: ID,
        #[graphql(desc = "Of this professional, room or equipment only.")] resource_id: Option<ID>,
    ) -> Result<Vec<Schedule>, ApiError> {
        let reader = staff(ctx)?;
        let branch = reader.ids.decode(Kind::Branch, &branch_id, "branchId")?;
        let resource = reader.ids.decode_opt(Kind::Resource, resource_id.as_ref(), "resourceId")?;
        let found = schedule::list(&reader.cx, &reader.actor, branch, resource).await?;
        Ok(found.into_iter().map(|one| Schedule::new(reader, one)).collect())
    }
}
