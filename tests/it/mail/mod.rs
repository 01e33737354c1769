//! Handing over mail.

mod smtp;
