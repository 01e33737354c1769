//! What operators see: numbers, spans, log lines; and that none of it tells who somebody is.

mod collector;
mod documents;
mod numbers;
mod process;
