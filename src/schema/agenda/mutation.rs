//! Schedules and exceptions.

use async_graphql::{Context, ID, Object};

use super::{
    schedule::{Schedule, ScheduleException, ScheduleExceptionInput, ScheduleInput},
    types::{AddScheduleExceptionPayload, RemoveScheduleExceptionPayload, UpsertSchedulePayload, appointments},
};
use crate::{
    domain::agenda::{add_exception, remove_exception, upsert_schedule},
    schema::{
        auth::{P, auth},
        error::{ApiError, payload},
        id::Kind,
        request::staff,
    },
};

/// Mutations of working time.
#[derive(Default)]
pub struct AgendaMutation;

#[Object]
impl AgendaMutation {
    /// Creates or changes when a resource usually works in a branch, and tells which appointments it leaves outside.
    /// Needs CONFIG_WRITE.
    #[graphql(directive = auth::apply(vec![P::ConfigWrite]))]
    async fn upsert_schedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose, where, when.")] input: ScheduleInput,
    ) -> Result<UpsertSchedulePayload, ApiError> {
        let reader = staff(ctx)?;
        let result = async { upsert_schedule::run(&reader.cx, &reader.actor, input.into_domain(&reader.ids)?).await };
        let (done, user_errors) = payload(result.await, Some(reader))?;
        let (schedule, conflicts) =
            done.map(|done| (Schedule::new(reader, done.schedule), appointments(reader, done.conflicts))).unzip();
        Ok(UpsertSchedulePayload { schedule, conflicts, user_errors })
    }

    /// Closes, blocks or opens a resource, or a whole branch, for some time, and tells which appointments it meets.
    /// Needs AGENDA_WRITE.
    #[graphql(directive = auth::apply(vec![P::AgendaWrite]))]
    async fn add_schedule_exception(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose, where, what, when.")] input: ScheduleExceptionInput,
    ) -> Result<AddScheduleExceptionPayload, ApiError> {
        let reader = staff(ctx)?;
        let result = async { add_exception::run(&reader.cx, &reader.actor, input.into_domain(&reader.ids)?).await };
        let (done, user_errors) = payload(result.await, Some(reader))?;
        let (exception, conflicts) = done
            .map(|done| (ScheduleException::new(reader, done.exception), appointments(reader, done.conflicts)))
            .unzip();
        Ok(AddScheduleExceptionPayload { exception, conflicts, user_errors })
    }

    /// Removes an exception: working time follows its windows again. Needs AGENDA_WRITE.
    #[graphql(directive = auth::apply(vec![P::AgendaWrite]))]
    async fn remove_schedule_exception(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] id: ID,
    ) -> Result<RemoveScheduleExceptionPayload, ApiError> {
        let reader = staff(ctx)?;
        let result = async {
            let id = reader.ids.decode(Kind::ScheduleException, &id, "id")?;
            remove_exception::run(&reader.cx, &reader.actor, id).await
        };
        let (done, user_errors) = payload(result.await, Some(reader))?;
        Ok(RemoveScheduleExceptionPayload { removed: done.is_some(), user_errors })
    }
}
