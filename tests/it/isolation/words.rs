//! What is put in the place of a good word: the other centre's, one that never was, one of another kind, rubbish.

use horae::auth::{SealedKind, secret_token};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{house::House, sdl::Word};

/// The words that must all be refused alike.
pub(super) struct Instead {
    /// The other centre's, which exists there.
    pub(super) foreign: Value,
    /// Of this centre's form; it never existed.
    pub(super) never: Value,
    /// Of this centre, of something else; none where anything will do.
    pub(super) other: Option<Value>,
    /// Nothing that anybody has written.
    pub(super) rubbish: Value,
}

const RUBBISH: &str = "nonsense";

impl Instead {
    /// `ours` and `theirs` name the same thing in both centres.
    pub(super) fn of(word: Word, any: bool, house: &House, ours: &Value, theirs: &Value) -> Self {
        let (good, foreign) = (ours.as_str().unwrap(), theirs.as_str().unwrap());
        assert_ne!(good, foreign, "the centres share a word");
        let routed = good.split_once('.').filter(|(head, _)| word == Word::Token && head.len() < 10);
        let (foreign, never) = match word {
            Word::Id => (foreign.to_owned(), unheard_of(house, good)),
            Word::Slug => (foreign.to_owned(), "nobody".to_owned()),
            // Whoever comes with a secret word is nobody before it is looked up, where its number says: the other
            // centre's word is that of this centre with the same secret.
            Word::Token => match routed {
                Some((head, secret)) => {
                    let (their_head, theirs) = foreign.split_once('.').unwrap();
                    assert_ne!(head, their_head);
                    let parts = secret.split('.').map(|_| secret_token()).collect::<Vec<_>>().join(".");
                    (format!("{head}.{theirs}"), format!("{head}.{parts}"))
                }
                None => (foreign.to_owned(), altered(good)),
            },
            Word::Page | Word::Cursor => (foreign.to_owned(), altered(good)),
        };
        let other = match word {
            Word::Id if any => None,
            Word::Id => {
                let patient = house.known("patient");
                Some(if kind(house, &patient) == kind(house, good) { house.known("branch") } else { patient })
            }
            Word::Slug => None,
            // Sealed and ours, but an id.
            Word::Token | Word::Page | Word::Cursor => Some(house.known("branch")),
        };
        Self {
            foreign: json!(foreign),
            never: json!(never),
            other: other.map(|word| json!(word)),
            rubbish: json!(RUBBISH),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        let pairs = [
            ("the other centre's", Some(&self.foreign)),
            ("one that never was", Some(&self.never)),
            ("one of another kind", self.other.as_ref()),
            ("rubbish", Some(&self.rubbish)),
        ];
        pairs.into_iter().filter_map(|(what, word)| Some((what, word?)))
    }
}

fn opened(house: &House, id: &str) -> Vec<u8> {
    house.centre.cx.seal.open(SealedKind::Id, id).unwrap_or_else(|| panic!("`{id}` is no id"))
}

fn kind(house: &House, id: &str) -> u8 {
    opened(house, id)[0]
}

/// A genuine id of the same kind and centre, of nothing.
fn unheard_of(house: &House, id: &str) -> String {
    let mut body = opened(house, id);
    body.truncate(5);
    body.extend_from_slice(Uuid::new_v4().as_bytes());
    house.centre.cx.seal.seal(SealedKind::Id, &body)
}

/// With another letter in the middle.
fn altered(word: &str) -> String {
    let at = word.len() / 2;
    let letter = if &word[at..=at] == "A" { "B" } else { "A" };
    format!("{}{letter}{}", &word[..at], &word[at + 1..])
}
