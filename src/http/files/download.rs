//! Gives a file to who has a link.

use axum::{
    Extension,
    body::Body,
    extract::{Path, State},
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Transfers, refused};
use crate::{
    domain::files::fetch::{self, Shown},
    http::{ClientAddress, RequestId},
};

/// What a name keeps as it is, of RFC 8187.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// A browser that opens the file all the same runs nothing of it.
const SANDBOX: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";

pub(super) async fn give(
    State(transfers): State<Transfers>,
    Extension(request): Extension<RequestId>,
    address: Option<Extension<ClientAddress>>,
    Path(word): Path<String>,
) -> Response {
    let address = address.map(|Extension(ClientAddress(ip))| ip);
    match fetch::run(&transfers.cx, &word, request.as_str(), address).await {
        Ok((shown, reading)) => answer(&shown, Body::from_stream(reading.bytes)),
        Err(failure) => refused(&failure),
    }
}

/// HEAD: what programs that look at links before people do may learn. It does not use the link up.
pub(super) async fn tell(
    State(transfers): State<Transfers>,
    Extension(request): Extension<RequestId>,
    Path(word): Path<String>,
) -> Response {
    match fetch::look(&transfers.cx, &word, request.as_str()).await {
        Ok(shown) => answer(&shown, Body::empty()),
        Err(failure) => refused(&failure),
    }
}

fn answer(shown: &Shown, body: Body) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, SANDBOX),
        (header::CACHE_CONTROL, "private, no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Pages of the centre's own front end show pictures from here; that is decided by who has the link.
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ];
    let mut response = (headers, body).into_response();
    let told = [
        (header::CONTENT_TYPE, Some(shown.mime_type.clone())),
        (header::CONTENT_LENGTH, shown.size.map(|size| size.to_string())),
        (header::CONTENT_DISPOSITION, Some(disposition(&shown.file_name))),
    ];
    for (name, value) in told {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// To be kept, not shown, under its name: in plain letters for old programs, and as it is for all others.
fn disposition(name: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "-._ ".contains(letter) { letter } else { '_' };
    let fallback: String = name.chars().map(plain).collect();
    format!("attachment; filename=\"{fallback}\"; filename*=UTF-8''{}", utf8_percent_encode(name, PLAIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_in_two_ways_and_never_ends_the_header() {
        assert_eq!(
            disposition("Radiografía \"1\".jpg"),
            "attachment; filename=\"Radiograf_a _1_.jpg\"; filename*=UTF-8''Radiograf%C3%ADa%20%221%22.jpg"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_name_is_a_header(name in ".{0,200}") {
            let text = disposition(&name);
            proptest::prop_assert!(text.is_ascii() && HeaderValue::try_from(text.as_str()).is_ok());
            proptest::prop_assert_eq!(text.matches('"').count(), 2);
        }
    }
}
