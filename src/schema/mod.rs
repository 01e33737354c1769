//! GraphQL, and nothing else: turns input into a domain call and its answer into the API's types. No rule lives here.

pub mod agenda;
pub mod auth;
pub mod background;
pub mod booking;
pub mod centre;
pub mod error;
pub mod fields;
pub mod files;
pub mod id;
pub mod identity;
mod in_place;
pub mod limits;
pub mod live;
pub mod loader;
pub mod money;
pub mod node;
pub mod notifications;
pub mod page;
pub mod patients;
mod portability;
pub mod record;
pub mod request;
pub mod scalar;
pub mod sensitive;

use std::borrow::Cow;

use async_graphql::{
    ContextSelectionSet, MergedObject, MergedSubscription, OutputType, Positioned, SDLExportOptions, Schema,
    SchemaBuilder, ServerResult, SubscriptionType as _, TypeDirective as _, Value, parser::types::Field,
    registry::Registry,
};

/// Reads.
#[derive(MergedObject, Default)]
pub struct Query(
    identity::IdentityQuery,
    identity::SessionQuery,
    identity::AuditQuery,
    identity::UsersQuery,
    identity::KeysQuery,
    centre::CentreQuery,
    notifications::NotificationsQuery,
    agenda::AgendaQuery,
    booking::BookingQuery,
    record::RecordQuery,
    patients::PatientsQuery,
    node::NodeQuery,
    background::BackgroundQuery,
    portability::PortabilityQuery,
);

/// Changes. Every payload has `userErrors`: empty when it happened, and nothing happened when it is not.
#[derive(MergedObject, Default)]
pub struct Mutation(
    identity::IdentityMutation,
    identity::SessionMutation,
    identity::UsersMutation,
    identity::MfaMutation,
    identity::KeysMutation,
    identity::CapabilityMutation,
    centre::CentreMutation,
    agenda::AgendaMutation,
    booking::BookingMutation,
    notifications::NotificationsMutation,
    portability::PortabilityMutation,
    record::RecordMutation,
    files::FilesMutation,
    patients::PatientsMutation,
);

/// What the contract promises although no field leads there. Not a type itself: the engine registers by types only.
struct Conventions;

impl OutputType for Conventions {
    fn type_name() -> Cow<'static, str> {
        Query::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        node::Versioned::create_type_info(registry);
        node::Timestamped::create_type_info(registry);
        sensitive::sensitive.register(registry);
        Self::qualified_type_name()
    }

    async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        Ok(Value::Null)
    }
}

/// Streams of what happens. Every one that takes `after` begins with StreamReady and may end with StreamReset; give the
/// last cursor you saw to go on without loss or duplicate.
#[derive(MergedSubscription, Default)]
pub struct Subscription(live::LiveSubscription, background::BackgroundSubscription);

/// The API of centres.
pub type ApiSchema = Schema<Query, Mutation, Subscription>;

/// The published contract, sorted, so that a change shows as a change.
#[must_use]
pub fn sdl() -> String {
    let options = SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items().include_specified_by();
    builder().finish().sdl_with_options(options)
}

/// The schema's types, for judging values before anything runs.
#[must_use]
pub fn registry() -> Registry {
    let mut registry = Registry {
        query_type: Query::type_name().into_owned(),
        mutation_type: Some(Mutation::type_name().into_owned()),
        subscription_type: Some(Subscription::type_name().into_owned()),
        ..Registry::default()
    };
    Query::create_type_info(&mut registry);
    Mutation::create_type_info(&mut registry);
    Subscription::create_type_info(&mut registry);
    Conventions::create_type_info(&mut registry);
    registry
}

/// The schema without data: enough to print it.
#[must_use]
pub fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription::default()).register_output_type::<Conventions>()
}
