//! What must hold for every message of a socket: see [`crate::foreign`].

use super::message::parse;

/// Messages of a socket: understood, or the socket is closed with 4400 and a reason that fits into the frame.
pub fn messages(data: &[u8]) {
    if let Err(closing) = parse(&String::from_utf8_lossy(data)) {
        assert_eq!(closing.code, 4400, "{:?}", closing.frame());
        assert!(closing.frame().reason.len() <= 123, "{:?}", closing.frame());
    }
}
