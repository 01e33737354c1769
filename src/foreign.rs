//! What must hold for every word that comes from outside: the properties behind `fuzz/` and the suite's short runs.
//!
//! Each function takes any bytes, reads them as a parser's input, and panics when the parser does, or when it takes
//! what it must not. Built for tests and for fuzzing alone. Parsers of the transport are in
//! [`crate::http::graphql::foreign`], next to what they look into.

#![expect(clippy::expect_used, reason = "a property fails by panicking")]

use async_graphql::{ID, ScalarType, Value};
use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

pub use crate::domain::files::foreign::files;
pub use crate::http::graphql::foreign::{documents, headers, messages};
use crate::{
    auth::{Seal, SealedKind, token::TokenKeys},
    db::{Tenant, TenantId, TenantStatus},
    domain::{booking::slot::SlotToken, event_cursor::EventCursor, identity},
    schema::{
        id::{GlobalIds, Kind},
        scalar::{
            CountryCode, CurrencyCode, Decimal, Duration as ElapsedTime, EmailAddress, EventCursor as CursorWord,
            IdempotencyKey, Instant, Json, LocalDate, LocalDateTime, LocalTime, Locale, PhoneNumber, TimeZone, Url,
        },
    },
};

/// A property over any bytes.
pub type Target = fn(&[u8]);

/// Every property, by the name of its fuzz target.
pub const TARGETS: [(&str, Target); 6] = [
    ("documents", documents),
    ("files", files),
    ("headers", headers),
    ("messages", messages),
    ("scalars", scalars),
    ("words", words),
];

const SECRET: &[u8] = b"a secret of 32 bytes for fuzzing";
const SEALED: [SealedKind; 4] = [SealedKind::Id, SealedKind::Cursor, SealedKind::Slot, SealedKind::Page];
const KINDS: [Kind; 4] = [Kind::Tenant, Kind::Resource, Kind::Appointment, Kind::Patient];

fn tenant(number: u8) -> Tenant {
    Tenant {
        id: TenantId(Uuid::from_bytes([number; 16])),
        key: i32::from(number),
        slug: "centre".to_owned(),
        legal_name: "Centre".to_owned(),
        status: TenantStatus::Active,
        maintenance_reason: None,
        cell: "main".to_owned(),
        schema_name: format!("t_{number:032x}"),
        schema_version: 1,
        epoch: 1,
        migration_error: None,
        created_at: DateTime::UNIX_EPOCH,
    }
}

/// Words that a tenant's clients hold and bring back.
struct Held {
    access: String,
    ids: Vec<(Kind, String)>,
    cursor: String,
    slot: String,
    key: String,
}

impl Held {
    fn by(tenant: &Tenant, seal: &Seal, keys: &TokenKeys, now: DateTime<Utc>) -> Self {
        let number = Uuid::from_bytes([7; 16]);
        let access = keys.issue(tenant.id.0, number, number, now, now + Duration::minutes(10));
        let ids = GlobalIds::new(seal.clone(), tenant);
        let slot = SlotToken { tenant: tenant.id.0, branch: number, items: Vec::new(), expires: now.timestamp() + 600 };
        Self {
            access: access.expect("an access token can be signed"),
            ids: KINDS.into_iter().map(|kind| (kind, ids.encode(kind, number).to_string())).collect(),
            cursor: EventCursor { tenant_key: tenant.key, epoch: 1, position: 9 }.seal(seal),
            slot: slot.seal(seal),
            key: format!("pk{}.secret", tenant.key),
        }
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        let ids = self.ids.iter().map(|(_, word)| word.as_str());
        ids.chain([self.access.as_str(), &self.cursor, &self.slot, &self.key])
    }
}

/// Tokens, ids, cursors, slots, keys. The bytes are a word as it came, and also edits of genuine words: in both cases
/// nothing opens but what was written here, letter by letter, and nothing of one tenant or kind as another's.
pub fn words(data: &[u8]) {
    let keys = TokenKeys::from_setting("", SECRET).expect("one key, derived from a secret that is long enough");
    let (seal, now) = (Seal::new(SECRET), DateTime::UNIX_EPOCH + Duration::days(20_000));
    let (ours, theirs) = (tenant(1), tenant(2));
    let (own, foreign) = (Held::by(&ours, &seal, &keys, now), Held::by(&theirs, &seal, &keys, now));
    let check = |word: &str| {
        if keys.check(word, now).into_iter().next().is_some() {
            assert!(word == own.access || word == foreign.access, "a token that was never issued: {word}");
        }
        for kind in SEALED {
            if let Some(body) = seal.open(kind, word) {
                assert_eq!(seal.seal(kind, &body), word, "one sealed body has two words");
            }
        }
        let ids = GlobalIds::new(seal.clone(), &ours);
        for kind in KINDS {
            if ids.open(kind, &ID::from(word)).is_some() {
                assert!(own.ids.iter().any(|(of, id)| *of == kind && id == word), "{kind:?} opens from {word}");
            }
        }
        if EventCursor::open(&seal, word).is_some() {
            assert!(word == own.cursor || word == foreign.cursor, "a cursor that was never given: {word}");
        }
        if SlotToken::open(&seal, word, ours.id.0, now).is_some() {
            assert_eq!(word, own.slot, "a slot that was never offered");
        }
        for prefix in ["pk", "rt", "ct", "ul"] {
            if let Some(key) = identity::route(prefix, word) {
                assert!(word.starts_with(prefix) && word.contains('.') && word.len() <= 200, "{word} leads to {key}");
            }
        }
    };
    check(&String::from_utf8_lossy(data));
    for genuine in own.words().chain(foreign.words()) {
        check(&edited(genuine, data));
    }
}

/// A word with some of its bytes changed, as the first bytes say: pairs of position and letter.
fn edited(word: &str, edits: &[u8]) -> String {
    let mut bytes = word.as_bytes().to_vec();
    for edit in edits.chunks_exact(2).take(4) {
        let [at, letter] = edit else { continue };
        let at = usize::from(*at) % bytes.len().max(1);
        match letter {
            0..=31 => drop(bytes.drain(at..)),
            32..=127 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = *letter),
            128.. => bytes.insert(at, letter - 128),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The scalars of the contract: what one takes, it writes so that it takes it again as the same.
pub fn scalars(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    scalar::<Instant>(&text);
    scalar::<LocalDate>(&text);
    scalar::<LocalTime>(&text);
    scalar::<LocalDateTime>(&text);
    scalar::<TimeZone>(&text);
    scalar::<ElapsedTime>(&text);
    scalar::<Decimal>(&text);
    scalar::<CurrencyCode>(&text);
    scalar::<EmailAddress>(&text);
    scalar::<PhoneNumber>(&text);
    scalar::<CountryCode>(&text);
    scalar::<Locale>(&text);
    scalar::<Url>(&text);
    scalar::<CursorWord>(&text);
    scalar::<IdempotencyKey>(&text);
    scalar::<Json>(&text);
}

fn scalar<T: ScalarType>(text: &str) {
    let Ok(taken) = T::parse(Value::String(text.to_owned())) else { return };
    let written = taken.to_value();
    let again = T::parse(written.clone()).map(|again| again.to_value()).ok();
    assert_eq!(again.as_ref(), Some(&written), "{} took {text:?}", std::any::type_name::<T>());
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use proptest::{
        collection::vec,
        prelude::{Just, Strategy, any},
        test_runner::{Config, TestRunner},
    };

    use super::{TARGETS, Target, edited};

    const CASES: u32 = 3_000;

    /// What the long runs start from too.
    fn seeds(name: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read(file.path()).ok()).collect()
    }

    /// Seeds with pieces cut out, doubled, swapped and put in, and bytes from nowhere.
    fn inputs(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
        let seed = proptest::sample::select(if seeds.is_empty() { vec![Vec::new()] } else { seeds });
        let edit = (any::<u16>(), any::<u16>(), 0..5_u8, vec(any::<u8>(), 0..6));
        let mutated = (seed, vec(edit, 0..6)).prop_map(|(mut bytes, edits)| {
            for (at, length, how, new) in edits {
                let at = usize::from(at) % (bytes.len() + 1);
                let end = (at + usize::from(length) % 16).min(bytes.len());
                let piece: Vec<u8> = bytes.get(at..end).unwrap_or_default().to_vec();
                let replaced = match how {
                    0 => Vec::new(),
                    1 => new,
                    2 => [piece.clone(), piece].concat(),
                    3 => piece.into_iter().rev().collect(),
                    _ => [new, piece].concat(),
                };
                bytes.splice(at..end, replaced);
            }
            bytes
        });
        proptest::prop_oneof![4 => mutated, 1 => vec(any::<u8>(), 0..300), 1 => Just(Vec::new())]
    }

    fn short_run(name: &str) {
        let found = TARGETS.iter().find(|(target, _)| *target == name);
        let target: Target = found.map(|(_, target)| *target).expect("a target has this name");
        let seeds = seeds(name);
        assert!(name == "words" || !seeds.is_empty(), "fuzz/seeds/{name} has no files");
        seeds.iter().for_each(|seed| target(seed));
        let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
        let run = TestRunner::new(config).run(&inputs(seeds), |input| {
            target(&input);
            Ok(())
        });
        run.expect("the property holds for all");
    }

    #[test]
    fn documents_from_outside() {
        short_run("documents");
    }

    #[test]
    fn files_from_outside() {
        short_run("files");
    }

    #[test]
    fn headers_from_outside() {
        short_run("headers");
    }

    #[test]
    fn messages_from_outside() {
        short_run("messages");
    }

    #[test]
    fn scalars_from_outside() {
        short_run("scalars");
    }

    #[test]
    fn words_from_outside() {
        short_run("words");
    }

    #[test]
    fn every_property_has_a_fuzz_target() {
        for (name, _) in TARGETS {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/fuzz_targets/{name}.rs"));
            let text = fs::read_to_string(file).expect("the target is there");
            assert!(text.contains(&format!("horae::foreign::{name}(data)")), "{name}");
        }
    }

    #[test]
    fn edits_change_cut_and_put_in() {
        assert_eq!(edited("abcdef", &[1, b'X', 3, b'Y' + 128]), "aXcYdef");
        assert_eq!(edited("abcdef", &[2, 0]), "ab");
        assert_eq!(edited("abcdef", &[]), "abcdef");
    }
}
