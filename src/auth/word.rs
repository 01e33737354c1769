//! Secret words that leave the server: keys, refresh tokens, links, challenges. Each begins with two letters that say
//! what it is and the tenant's number, so that it can be looked up in the right schema; then a dot and the secret.

use super::seal::secret_token;

/// Refresh token of a session.
pub const REFRESH: &str = "rt";
/// Key of a booking page, which everybody may see.
pub const PUBLISHABLE_KEY: &str = "pk";
/// Key of a program.
pub const SECRET_KEY: &str = "sk";
/// Link to one thing.
pub const CAPABILITY: &str = "ct";
/// A login that waits for its second factor.
pub const CHALLENGE: &str = "mc";

/// Longest word that is looked at.
const MAX_LENGTH: usize = 200;

/// A new word of 256 random bits.
#[must_use]
pub fn routed(prefix: &str, tenant_key: i32) -> String {
    format!("{prefix}{tenant_key}.{}", secret_token())
}

/// The tenant's number in a word of this kind; whether there is such a word is another question.
#[must_use]
pub fn route(prefix: &str, word: &str) -> Option<i32> {
    if word.len() > MAX_LENGTH {
        return None;
    }
    let (number, secret) = word.strip_prefix(prefix)?.split_once('.')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    // Refresh tokens have the word of their family before the secret.
    let most = if prefix == REFRESH { 2 } else { 1 };
    let well_formed = |secret: &str| secret.split('.').all(|part| !part.is_empty() && part.chars().all(plain));
    if secret.split('.').count() > most || !well_formed(secret) || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    number.parse().ok()
}

/// What may be shown of a word to tell it from others: all but the secret, and the secret's first letters.
#[must_use]
pub fn shown_part(word: &str) -> String {
    const LETTERS: usize = 6;
    let secret = word.find('.').map_or(word.len(), |dot| dot + 1);
    word.chars().take(secret + LETTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_leads_back_to_its_tenant() {
        let word = routed(SECRET_KEY, 42);
        assert_eq!(route(SECRET_KEY, &word), Some(42));
        assert_eq!(route(PUBLISHABLE_KEY, &word), None);
        assert_eq!(word.len(), "sk42.".len() + 43);
        assert_eq!(shown_part(&word), word[.."sk42.".len() + 6]);
    }

    #[test]
    fn what_is_no_word_leads_nowhere() {
        let long = format!("sk1.{}", "x".repeat(200));
        for word in
            ["", "sk", "sk1", "sk1.", "sk.x", "sk-1.x", "sk+1.x", "sk1.a.b", "sk1.ñ", "sk99999999999.x", "1.x", &long]
        {
            assert_eq!(route(SECRET_KEY, word), None, "{word}");
        }
    }

    #[test]
    fn only_a_refresh_token_names_its_family() {
        assert_eq!(route(REFRESH, "rt7.family.secret"), Some(7));
        assert_eq!(route(REFRESH, "rt7.secret"), Some(7));
        for word in ["rt7..secret", "rt7.family.", "rt7.a.b.c", "rt7"] {
            assert_eq!(route(REFRESH, word), None, "{word}");
        }
        assert_eq!(route(SECRET_KEY, "sk7.family.secret"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(text in ".{0,300}") {
            let _ = route(CAPABILITY, &text);
            let _ = shown_part(&text);
        }
    }
}
