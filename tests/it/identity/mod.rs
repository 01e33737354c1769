//! Logins, sessions, second factor, keys, capability tokens, users, roles, and the mails by which passwords are set.

mod administrators;
mod capability;
mod challenges;
mod grants;
mod invite;
mod keys;
mod login;
mod mfa;
mod nodes;
mod password;
mod password_reset;
pub mod people;
mod presence;
mod races;
mod roles;
mod rotation;
mod sessions;
mod tokens;
mod users;

use serde_json::{Value, json};

use crate::support::app::Client;

/// Code and field of the only refusal.
fn refused(payload: &Value) -> (String, String) {
    let errors = payload["userErrors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{payload:#}");
    let path: Vec<&str> =
        errors[0]["field"].as_array().into_iter().flatten().map(|part| part.as_str().unwrap()).collect();
    (errors[0]["code"].as_str().unwrap().to_owned(), path.join("."))
}

fn refusal(code: &str, field: &str) -> (String, String) {
    (code.to_owned(), field.to_owned())
}

/// One field of a mutation's or query's answer, without top-level errors.
async fn field(client: &Client, document: &str, variables: Value, name: &str) -> Value {
    client.ok(document, variables).await[name].clone()
}

/// Nothing was refused.
fn fine(payload: Value) -> Value {
    assert_eq!(payload["userErrors"], json!([]), "{payload:#}");
    payload
}

/// The secret that an authenticator app reads from its address.
pub fn secret_of(uri: &str) -> Vec<u8> {
    base32(uri.split(['?', '&']).find_map(|part| part.strip_prefix("secret=")).unwrap())
}

/// RFC 4648.
fn base32(text: &str) -> Vec<u8> {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for letter in text.bytes() {
        let five = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|known| *known == letter).unwrap();
        bits = (bits << 5) | u32::try_from(five).unwrap();
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xFF).unwrap());
        }
    }
    bytes
}
