//! Two centres on one server cannot meet: not by ids, cursors or secret words, not by events, caches, limits or keys.
//!
//! That PostgreSQL itself refuses one centre's role the other's tables is shown in `platform/tenancy.rs`.

mod calls;
mod generated;
mod house;
mod links;
mod load;
mod making;
mod sdl;
mod twins;
mod words;
