//! Forms of addresses, numbers and codes that clients type: accepted in their normal form, or not at all.

use phonenumber::Mode;

/// A mail address in lower case.
#[must_use]
pub fn email(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let (local, domain) = text.rsplit_once('@')?;
    let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && !part.contains("..");
    let fits = text.len() <= 254
        && local.len() <= 64
        && plain(local)
        && plain(domain)
        && domain.contains('.')
        && local.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c))
        && domain.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        });
    fits.then_some(text)
}

/// A telephone number in E.164.
#[must_use]
pub fn phone(text: &str) -> Option<String> {
    if text.len() > 40 || !text.trim_start().starts_with('+') {
        return None;
    }
    let number = phonenumber::parse(None, text).ok()?;
    phonenumber::is_valid(&number).then(|| number.format().mode(Mode::E164).to_string())
}

/// A telephone number as somebody in `country` writes it, with or without the country's code, in E.164.
#[must_use]
pub fn phone_in(country: &str, text: &str) -> Option<String> {
    if text.trim_start().starts_with('+') {
        return phone(text);
    }
    let country: phonenumber::country::Id = country.parse().ok()?;
    let number = phonenumber::parse(Some(country), national(text)?).ok()?;
    phonenumber::is_valid(&number).then(|| number.format().mode(Mode::E164).to_string())
}

/// A text that may be a telephone number of some country, without blanks around it.
#[must_use]
pub fn national(text: &str) -> Option<&str> {
    let text = text.trim();
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let shaped = text.len() <= 40 && text.chars().all(|c| c.is_ascii_digit() || " .-()/".contains(c));
    (shaped && (4..=15).contains(&digits)).then_some(text)
}

/// A country code of two capital letters.
#[must_use]
pub fn country(text: &str) -> Option<String> {
    (text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())).then(|| text.to_owned())
}

/// A language, optionally with a region.
#[must_use]
pub fn locale(text: &str) -> Option<String> {
    let mut parts = text.split('-');
    let language = parts.next()?;
    let fits = (2..=3).contains(&language.len())
        && language.bytes().all(|byte| byte.is_ascii_lowercase())
        && parts.all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    fits.then(|| text.to_owned())
}

/// An absolute http(s) address.
#[must_use]
pub fn url(text: &str) -> Option<String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let fits = text.len() <= 2_000
        && !host.is_empty()
        && !text.chars().any(|c| c.is_whitespace() || c.is_control() || "<>\"".contains(c));
    fits.then(|| text.to_owned())
}
