//! Which media type a GraphQL answer has, from the request's `Accept`.

use axum::http::{HeaderMap, header};

/// The two media types of GraphQL over HTTP. They differ in the status of a request error: see [`super::respond`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/graphql-response+json`: the status says whether the operation ran.
    GraphqlResponse,
    /// `application/json`: 200 for anything that a GraphQL server answered.
    Json,
}

impl Media {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }

    const fn subtype(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "graphql-response+json",
            Self::Json => "json",
        }
    }
}

/// How well a media range fits, best last; compared before the server's own preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Anything,
    Application,
    Exact,
}

/// The media type to answer with, or `None` if the client accepts neither.
///
/// The highest quality wins; at equal quality the one that was named over one that a wildcard covers; then the newer
/// type if it was named, `application/json` if nothing was. Without `Accept` it is `application/json`, as clients
/// from before the newer type expect.
pub(super) fn negotiate(headers: &HeaderMap) -> Option<Media> {
    let mut ranges = Vec::new();
    let mut named_any = false;
    for value in headers.get_all(header::ACCEPT) {
        let Ok(value) = value.to_str() else { continue };
        for range in value.split(',').map(str::trim).filter(|range| !range.is_empty()) {
            named_any = true;
            ranges.extend(parse(range));
        }
    }
    if !named_any {
        return Some(Media::Json);
    }
    let newer = quality(&ranges, Media::GraphqlResponse);
    let older = quality(&ranges, Media::Json);
    match (newer, older) {
        (None, None) => None,
        (Some(_), None) => Some(Media::GraphqlResponse),
        (None, Some(_)) => Some(Media::Json),
        (Some(newer), Some(older)) if newer > older => Some(Media::GraphqlResponse),
        (Some(newer), Some(older)) if newer == older && newer.1 == Fit::Exact => Some(Media::GraphqlResponse),
        _ => Some(Media::Json),
    }
}

struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// Thousandths, as finely as `q` is given.
    quality: u16,
}

/// A range that is malformed, or asks for another charset than the one there is, is passed over.
fn parse(range: &str) -> Option<Range<'_>> {
    let mut parts = range.split(';').map(str::trim);
    let (kind, subtype) = parts.next()?.split_once('/')?;
    let mut quality = 1000;
    for parameter in parts {
        let Some((name, value)) = parameter.split_once('=') else {
            continue;
        };
        let (name, value) = (name.trim(), value.trim().trim_matches('"'));
        if name.eq_ignore_ascii_case("q") {
            quality = thousandths(value)?;
        } else if name.eq_ignore_ascii_case("charset") && !is_utf8(value) {
            return None;
        }
    }
    Some(Range { kind: kind.trim(), subtype: subtype.trim(), quality })
}

fn thousandths(value: &str) -> Option<u16> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match (whole, fraction) {
        ("0", fraction) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

/// Whether a `charset` parameter names UTF-8.
pub(super) fn is_utf8(charset: &str) -> bool {
    charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
}

/// The most specific range decides the quality; a quality of 0 means "not this one".
fn quality(ranges: &[Range<'_>], media: Media) -> Option<(u16, Fit)> {
    let fits = ranges.iter().filter_map(|range| Some((fit(range, media)?, range.quality)));
    let (fit, quality) = fits.max()?;
    (quality > 0).then_some((quality, fit))
}

fn fit(range: &Range<'_>, media: Media) -> Option<Fit> {
    if range.kind == "*" && range.subtype == "*" {
        Some(Fit::Anything)
    } else if !range.kind.eq_ignore_ascii_case("application") {
        None
    } else if range.subtype == "*" {
        Some(Fit::Application)
    } else {
        range.subtype.eq_ignore_ascii_case(media.subtype()).then_some(Fit::Exact)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn accept(value: &str) -> Option<Media> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_str(value).unwrap());
        negotiate(&headers)
    }

    #[test]
    fn follows_what_the_client_asks_for() {
        use Media::{GraphqlResponse, Json};
        for (value, expected) in [
            ("application/graphql-response+json", Some(GraphqlResponse)),
            ("Application/GraphQL-Response+JSON; charset=UTF-8", Some(GraphqlResponse)),
            ("application/json", Some(Json)),
            ("*/*", Some(Json)),
            ("application/*", Some(Json)),
            ("", Some(Json)),
            ("application/graphql-response+json, application/json;q=0.9", Some(GraphqlResponse)),
            ("application/graphql-response+json;q=0.8, application/json", Some(Json)),
            ("application/json, application/graphql-response+json", Some(GraphqlResponse)),
            ("application/json, */*", Some(Json)),
            ("application/graphql-response+json, */*", Some(GraphqlResponse)),
            ("application/json;q=0, */*", Some(GraphqlResponse)),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Some(Json)),
            ("text/html", None),
            ("application/json;q=0", None),
            ("application/json; charset=latin1", None),
            ("application/json;q=1.5", None),
            ("application/xml, text/event-stream", None),
            ("nonsense", None),
        ] {
            assert_eq!(accept(value), expected, "{value}");
        }
    }

    #[test]
    fn answers_json_without_accept() {
        assert_eq!(negotiate(&HeaderMap::new()), Some(Media::Json));
    }

    proptest! {
        #[test]
        fn survives_any_header(value in "[ -~]{0,80}") {
            let _ = accept(&value);
        }

        #[test]
        fn the_higher_quality_wins(newer in 1_u16..=1000, older in 1_u16..=1000) {
            prop_assume!(newer != older);
            let written = |thousandths: u16| format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
            let value = format!(
                "application/json;q={}, application/graphql-response+json;q={}",
                written(older), written(newer),
            );
            let expected = if newer > older { Media::GraphqlResponse } else { Media::Json };
            prop_assert_eq!(accept(&value), Some(expected));
        }
    }
}
