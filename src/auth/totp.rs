//! Codes of the second factor: six digits of an authenticator app (RFC 6238, SHA-1, 30 s, the only parameters that all
//! apps know), and recovery codes. Pure functions; that a code is good for one use is the caller's to see to.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use totp_rs::{Builder, Totp};

use super::seal::random_bytes;

/// Bytes of a shared secret, as RFC 4226 recommends.
pub const SECRET_BYTES: usize = 20;
/// How many recovery codes a user gets.
pub const RECOVERY_CODES: usize = 10;

/// Letters of recovery codes: none that looks like another. 32 of them, so a letter carries five bits.
const LETTERS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// 80 bits.
const RECOVERY_LETTERS: usize = 16;
/// Letters of a recovery code between two hyphens.
const GROUP: usize = 4;
const DIGITS: usize = 6;

/// What somebody typed as a second factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// Digits of the app.
    App(String),
    /// A recovery code, without hyphens.
    Recovery(String),
}

impl Code {
    /// Reads what was typed, however it was grouped; none: it can be neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 64 {
            return None;
        }
        let word: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).map(|c| c.to_ascii_uppercase()).collect();
        if word.len() == DIGITS && word.bytes().all(|b| b.is_ascii_digit()) {
            return Some(Self::App(word));
        }
        (word.len() == RECOVERY_LETTERS && word.bytes().all(|b| LETTERS.contains(&b))).then_some(Self::Recovery(word))
    }
}

/// A new shared secret.
#[must_use]
pub fn new_secret() -> [u8; SECRET_BYTES] {
    random_bytes()
}

/// The address that an app reads from a QR code. None: the secret is too short.
#[must_use]
pub fn uri(secret: &[u8], issuer: &str, account: &str) -> Option<String> {
    // A colon parts the two in the address.
    let clean = |text: &str| text.replace(':', " ");
    let totp = Builder::new().with_secret(secret.to_vec()).with_issuer(Some(clean(issuer)));
    totp.with_account_name(clean(account)).build().ok()?.to_url().ok()
}

/// The time step whose code this is: the present one, or its neighbour, because clocks differ.
#[must_use]
pub fn matching_step(secret: &[u8], digits: &str, now: DateTime<Utc>) -> Option<i64> {
    let seconds = u64::try_from(now.timestamp()).ok()?;
    let totp: Totp = Builder::new().with_secret(secret.to_vec()).build().ok()?;
    totp.check(digits, seconds).and_then(|step| i64::try_from(step).ok())
}

/// The code of this moment, as the app shows it.
#[must_use]
pub fn digits(secret: &[u8], now: DateTime<Utc>) -> Option<String> {
    let seconds = u64::try_from(now.timestamp()).ok()?;
    Some(Builder::new().with_secret(secret.to_vec()).build().ok()?.generate(seconds).to_string())
}

/// New recovery codes, as they are shown: `ABCD-2345-EFGH-6789`.
#[must_use]
pub fn new_recovery_codes() -> Vec<String> {
    let code = || {
        let random: [u8; RECOVERY_LETTERS] = random_bytes();
        let letters = random.iter().filter_map(|byte| LETTERS.get(usize::from(byte % 32)).copied().map(char::from));
        let mut code = String::with_capacity(RECOVERY_LETTERS + RECOVERY_LETTERS / GROUP);
        for (at, letter) in letters.enumerate() {
            if at > 0 && at % GROUP == 0 {
                code.push('-');
            }
            code.push(letter);
        }
        code
    };
    (0..RECOVERY_CODES).map(|_| code()).collect()
}

/// What is stored of a recovery code without hyphens. A fast hash is enough for 80 random bits.
#[must_use]
pub fn recovery_hash(word: &str) -> Vec<u8> {
    Sha256::digest(word.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// RFC 6238, appendix B: the last six of its eight digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let secret = b"12345678901234567890";
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            assert_eq!(digits(secret, at(seconds)).as_deref(), Some(code));
            assert_eq!(matching_step(secret, code, at(seconds)), Some(seconds / 30));
        }
    }

    #[test]
    fn neighbouring_steps_count_and_others_do_not() {
        let secret = new_secret();
        let code = digits(&secret, at(1_000_020)).unwrap();
        for (seconds, fits) in
            [(999_989, false), (999_990, true), (1_000_020, true), (1_000_079, true), (1_000_080, false)]
        {
            assert_eq!(matching_step(&secret, &code, at(seconds)).is_some(), fits, "{seconds}");
        }
    }

    #[test]
    fn codes_are_read_however_they_are_grouped() {
        assert_eq!(Code::parse(" 123 456 "), Some(Code::App("123456".to_owned())));
        let code = new_recovery_codes().remove(0);
        let word = code.replace('-', "");
        assert_eq!(code.len(), 19);
        for typed in [code.clone(), word.clone(), code.to_lowercase(), code.replace('-', " ")] {
            assert_eq!(Code::parse(&typed), Some(Code::Recovery(word.clone())));
        }
        for typed in ["", "12345", "1234567", "+12345", "１２３４５６", "O0O0-O0O0-O0O0-O0O0", &"1".repeat(1_000)]
        {
            assert_eq!(Code::parse(typed), None, "{typed}");
        }
    }

    #[test]
    fn the_address_names_centre_and_account() {
        let uri = uri(&[7; SECRET_BYTES], "Clínica: Sur", "ana@alfa.test").unwrap();
        assert!(uri.starts_with("otpauth://totp/Cl%C3%ADnica"), "{uri}");
        assert!(uri.contains("secret=A4DQOBYHA4DQOBYHA4DQOBYHA4DQOBYH"), "{uri}");
    }

    #[test]
    fn recovery_codes_differ() {
        let codes: std::collections::HashSet<String> = new_recovery_codes().into_iter().collect();
        assert_eq!(codes.len(), RECOVERY_CODES);
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_strange(text in ".{0,100}") {
            let _ = Code::parse(&text);
        }
    }
}
