//! The streams of the agenda and of bookings.

use std::sync::Arc;

use async_graphql::{Context, ID, Subscription};
use futures::{Stream, StreamExt, stream::BoxStream};

use super::{
    shared::{Shared, answer_key},
    types::{
        AgendaStreamEvent, AppointmentChanged, BookingReceived, BookingStreamEvent, ScheduleChanged, StreamReady,
        StreamReset,
    },
};
use crate::{
    domain::refusal::Failure,
    events::{AnswerKey, Delivery, Event, Live, Topic, Wanted},
    schema::{
        auth::{P, auth},
        error::ApiError,
        id::Kind,
        request::{Reader, staff},
        scalar::EventCursor,
    },
};

/// Subscriptions of the agenda.
#[derive(Default)]
pub struct LiveSubscription;

#[Subscription]
impl LiveSubscription {
    /// Everything that changes what the agenda of a branch shows: appointments, working and opening hours, and which
    /// columns there are. Needs AGENDA_READ in the branch; with AGENDA_READ_OWN it is what concerns the own column.
    #[graphql(directive = auth::apply(vec![P::AgendaRead, P::AgendaReadOwn]))]
    async fn agenda_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The branch.")] branch_id: ID,
        #[graphql(desc = "Only what concerns one of these; absent or empty: all.")] resource_ids: Option<Vec<ID>>,
        #[graphql(desc = "The last cursor you saw; absent: from now on.")] after: Option<EventCursor>,
    ) -> Result<impl Stream<Item = Shared<AgendaStreamEvent>>, ApiError> {
        let reader = staff(ctx)?;
        let resources = resource_ids.unwrap_or_default();
        let wanted = Wanted {
            topic: Topic::Agenda,
            branches: Some(vec![reader.ids.decode(Kind::Branch, &branch_id, "branchId")?]),
            resources: some_if_any(reader.ids.decode_all(Kind::Resource, &resources, "resourceIds")?),
            after: after.map(|after| after.0),
        };
        open(ctx, reader, wanted, |reader, delivery| {
            let reader = Arc::clone(reader);
            Some(match delivery {
                Delivery::Ready(ready) => (AgendaStreamEvent::Ready(StreamReady::new(&reader, ready)), None),
                Delivery::Reset(reset) => (AgendaStreamEvent::Reset(StreamReset::new(&reader, reset)), None),
                Delivery::Appointment(event, change) => {
                    let shared = Arc::clone(&event);
                    (AgendaStreamEvent::Appointment(AppointmentChanged { reader, event, change }), Some(shared))
                }
                Delivery::Schedule(event, change) => {
                    let shared = Arc::clone(&event);
                    (AgendaStreamEvent::Schedule(ScheduleChanged { reader, event, change }), Some(shared))
                }
            })
        })
        .await
    }

    /// Every booking, through whatever channel, within a second of its commit (two seconds where several nodes share no
    /// Redis): what makes the desk's screen ring. The field `channel` tells a patient's booking from the desk's own. Needs
    /// AGENDA_READ; with AGENDA_READ_OWN they are the own ones.
    #[graphql(directive = auth::apply(vec![P::AgendaRead, P::AgendaReadOwn]))]
    async fn booking_received(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only in these branches; absent or empty: in all that you see.")] branch_ids: Option<Vec<ID>>,
        #[graphql(desc = "The last cursor you saw; absent: from now on.")] after: Option<EventCursor>,
    ) -> Result<impl Stream<Item = Shared<BookingStreamEvent>>, ApiError> {
        let reader = staff(ctx)?;
        let branches = branch_ids.unwrap_or_default();
        let wanted = Wanted {
            topic: Topic::Bookings,
            branches: some_if_any(reader.ids.decode_all(Kind::Branch, &branches, "branchIds")?),
            resources: None,
            after: after.map(|after| after.0),
        };
        open(ctx, reader, wanted, |reader, delivery| {
            let reader = Arc::clone(reader);
            match delivery {
                Delivery::Ready(ready) => Some((BookingStreamEvent::Ready(StreamReady::new(&reader, ready)), None)),
                Delivery::Reset(reset) => Some((BookingStreamEvent::Reset(StreamReset::new(&reader, reset)), None)),
                Delivery::Appointment(event, change) => {
                    let shared = Arc::clone(&event);
                    Some((BookingStreamEvent::Booking(BookingReceived { reader, event, change }), Some(shared)))
                }
                // Of no stream of bookings.
                Delivery::Schedule(..) => None,
            }
        })
        .await
    }
}

fn some_if_any<T>(list: Vec<T>) -> Option<Vec<T>> {
    if list.is_empty() { None } else { Some(list) }
}

/// What a delivery is in the API, and the event whose answers it shares.
type Item<T> = Option<(T, Option<Arc<Event>>)>;

/// Opens the stream. What that takes is in a box that is given back, and the stream in one of its own, because the engine
/// keeps room for all it moves as long as the stream lives.
async fn open<T, F>(
    ctx: &Context<'_>,
    reader: &Arc<Reader>,
    wanted: Wanted,
    item: F,
) -> Result<BoxStream<'static, Shared<T>>, ApiError>
where
    T: Send + 'static,
    F: Fn(&Arc<Reader>, Delivery) -> Item<T> + Send + 'static,
{
    let live = ctx.data_opt::<Arc<Live>>().ok_or_else(|| Failure::fault("the schema was built without live events"))?;
    let key: Option<AnswerKey> = answer_key(ctx, &reader.actor);
    let stream = Box::pin(live.subscribe(Arc::clone(&reader.actor), wanted)).await?;
    let reader = Arc::clone(reader);
    let items = stream.into_stream().filter_map(move |delivery| {
        let item = item(&reader, delivery).map(|(item, event)| Shared::new(item, event.zip(key)));
        std::future::ready(item)
    });
    Ok(items.boxed())
}
