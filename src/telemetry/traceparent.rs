//! The header `traceparent` of W3C Trace Context: which trace a request is part of.
//!
//! `tracestate` is not taken over: it is free text of whoever calls, and would leave this process with every span.

use opentelemetry::{
    SpanId, TraceFlags, TraceId,
    trace::{SpanContext, TraceState},
};

/// The header's name.
pub const HEADER: &str = "traceparent";

/// The span that a header names; none for everything that the recommendation calls invalid.
#[must_use]
pub fn parse(header: &str) -> Option<SpanContext> {
    let (version, rest) = header.split_once('-')?;
    let version = byte(version)?;
    // A later version may add parts behind ours; the present one has none.
    let mut parts = rest.splitn(4, '-');
    let (trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?);
    if version == 0xff || (version == 0 && parts.next().is_some()) {
        return None;
    }
    let trace = TraceId::from(number(trace, 32)?);
    let span = SpanId::from(u64::try_from(number(span, 16)?).ok()?);
    let flags = TraceFlags::new(byte(flags)?) & TraceFlags::SAMPLED;
    let context = SpanContext::new(trace, span, flags, true, TraceState::default());
    context.is_valid().then_some(context)
}

fn byte(text: &str) -> Option<u8> {
    u8::try_from(number(text, 2)?).ok()
}

fn number(text: &str, digits: usize) -> Option<u128> {
    let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == digits && text.bytes().all(lower_hex)).then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_recommendation_allows() {
        let found = parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let names = found.map(|found| (found.trace_id().to_string(), found.span_id().to_string(), found.is_sampled()));
        let expected = ("0af7651916cd43dd8448eb211c80319c".to_owned(), "b7ad6b7169203331".to_owned(), true);
        assert_eq!(names, Some(expected));
        assert!(parse("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-later").is_some());
    }

    #[test]
    fn refuses_the_rest() {
        for header in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333é-01",
        ] {
            assert!(parse(header).is_none(), "{header}");
        }
    }
}
