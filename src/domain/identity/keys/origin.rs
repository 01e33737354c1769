//! Origins of web pages, as browsers send them.

use url::{Origin, Url};

/// The origin in the form that browsers send, if the text is one: scheme, host and port, nothing else.
#[must_use]
pub fn origin(text: &str) -> Option<String> {
    if text.len() > 300 {
        return None;
    }
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    // The URL standard takes an asterisk for a name; who writes one means a pattern, which no browser ever sends.
    let bare = url.host_str().is_some_and(|host| !host.contains('*'))
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    match url.origin() {
        origin @ Origin::Tuple(..) if bare => Some(origin.ascii_serialization()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (text, form) in [
            ("https://alfa.test", "https://alfa.test"),
            ("https://Alfa.test/", "https://alfa.test"),
            ("https://alfa.test:443", "https://alfa.test"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("https://peluquería.cl", "https://xn--peluquera-n5a.cl"),
        ] {
            assert_eq!(origin(text).as_deref(), Some(form));
        }
        for text in [
            "",
            "*",
            "null",
            "alfa.test",
            "https://",
            "ftp://alfa.test",
            "https://alfa.test/page",
            "https://a@alfa.test",
        ] {
            assert_eq!(origin(text), None, "{text}");
        }
        for text in ["https://*.alfa.test", "https://alfa.test?x", "https://alfa.test#x", "file:///x", "data:x"] {
            assert_eq!(origin(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_accepted_is_accepted_unchanged(text in "https?://.{0,30}") {
            if let Some(form) = origin(&text) {
                assert_eq!(origin(&form), Some(form));
            }
        }
    }
}
