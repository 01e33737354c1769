//! What the pages behind the links of mails have in common: they are served once, to one person, and leak nothing; a
//! form is taken from the page itself only.

pub(super) mod wording;

use std::sync::LazyLock;

use axum::{
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use crate::domain::time::prose::Locale;

/// How the pages look; it is written into each of them.
pub(super) const STYLE: &str = include_str!("../../web/appointment/page.css");

/// Seconds after which somebody turned away by maintenance may ask again.
pub(super) const RETRY_AFTER: &str = "300";

/// Nothing but the page's own style, known by its hash, and its own form.
static SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});

/// A page with the headers that keep it to its reader.
pub(super) fn answer(status: StatusCode, language: &'static str, html: Result<String, String>) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, SECURITY_POLICY.as_str()),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_LANGUAGE, language),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
    ];
    match html {
        Ok(html) => (status, headers, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(error = ?error, "A page could not be written");
            (StatusCode::INTERNAL_SERVER_ERROR, headers).into_response()
        }
    }
}

/// Whether the form was sent from the page itself. Browsers say so in `Sec-Fetch-Site`; where it is missing, `Origin`
/// must be the host that was asked. Our referrer policy makes browsers write `null` there, which says nothing.
pub(super) fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, None | Some("null")) => true,
        (None, Some(origin)) => {
            let origin = origin.split_once("://").map_or("", |(_, host)| host);
            text("host").is_some_and(|host| !host.is_empty() && host.eq_ignore_ascii_case(origin))
        }
    }
}

/// The first language of ours that the browser lists.
pub(super) fn asked_language(headers: &HeaderMap) -> Option<Locale> {
    let list = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
    list.split(',').filter_map(|entry| entry.split(';').next()).find_map(|tag| Locale::from_language_tag(tag.trim()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use axum::http::{HeaderMap, HeaderName, HeaderValue};

    use super::{asked_language, is_from_here};
    use crate::domain::time::prose::Locale;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_the_page_itself_may_send_the_form() {
        for good in [
            &[][..],
            &[("origin", "null")],
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
            &[("sec-fetch-site", "none")],
            &[("origin", "https://Citas.example:8443"), ("host", "citas.example:8443")],
        ] {
            assert!(is_from_here(&headers(good)), "{good:?}");
        }
        for bad in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site"), ("origin", "https://citas.example"), ("host", "citas.example")],
            &[("origin", "https://evil.example"), ("host", "citas.example")],
            &[("origin", "https://citas.example")],
            &[("origin", "nonsense"), ("host", "")],
        ] {
            assert!(!is_from_here(&headers(bad)), "{bad:?}");
        }
    }

    #[test]
    fn the_browsers_first_language_of_ours_counts() {
        let asked = |list: &'static str| asked_language(&headers(&[("accept-language", list)]));
        assert_eq!(asked("pt-BR, en-GB;q=0.8, es;q=0.7"), Some(Locale::En));
        assert_eq!(asked("es-CL"), Some(Locale::Es));
        assert_eq!(asked("de"), None);
        assert_eq!(asked_language(&HeaderMap::new()), None);
        assert_eq!(asked("es").unwrap().language_tag(), "es");
    }
}
