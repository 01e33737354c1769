//! What operators see: numbers, spans, log lines; and that none of it tells who somebody is.

mod collector;
mod documents;
pub mod node;
mod numbers;
mod process;
