//! What the server speaks to the outside: GraphQL over HTTP and WebSocket, the pages behind mails, calendars, GraphiQL, health,
//! metrics, and what every request passes through on its way.
//!
//! Rules do not belong here. The transport asks a [`graphql::Gate`] who calls ([`gate`] answers) and hands the rest to
//! the schema.

mod access_log;
mod account_page;
mod appointment_page;
mod calendar_feed;
mod calendar_file;
mod client_address;
mod files;
mod form_page;
mod gate;
pub mod graphiql;
pub mod graphql;
mod health;
mod request_id;
mod router;
mod security_headers;
mod serve;
mod tally;
mod tries;

pub use access_log::log_access;
pub use account_page::account_page;
pub use appointment_page::appointment_page;
pub use calendar_feed::{WriteCalendar, calendar_feed};
pub use calendar_file::{WriteAppointment, calendar_file};
pub use client_address::{ClientAddress, TrustedProxies, assign_client_address};
pub use files::files;
pub use gate::ActorGate;
pub use health::{Readiness, health_router, metrics_router};
pub use request_id::{RequestId, assign_request_id};
pub use router::{Surface, readiness, router};
pub use security_headers::{SecurityHeaders, add_security_headers};
pub use serve::{ServeOptions, Timeouts, serve};
pub use tries::{Tries, limit_file_tries, limit_tries};
