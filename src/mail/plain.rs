//! Makes text from people safe to put on one line: headers, calendar properties, plain text.

/// One clean line: control characters and line breaks become spaces, runs of white space one space, and the invisible
/// characters that reorder text are dropped (a name must not be able to rewrite the sentence around it).
pub(super) fn one_line(text: &str) -> String {
    let visible: String =
        text.chars().filter(|c| !is_reordering(*c)).map(|c| if c.is_control() { ' ' } else { c }).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most `limit` characters, cut at a word where possible and marked with an ellipsis.
pub(super) fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let cut: String = text.chars().take(limit.saturating_sub(1)).collect();
    let kept = match cut.rfind(' ') {
        Some(space) if space > cut.len() / 2 => cut.get(..space).unwrap_or(&cut),
        _ => &cut,
    };
    format!("{}…", kept.trim_end())
}

fn is_reordering(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::{one_line, shorten};

    #[test]
    fn breaks_and_invisible_characters_go() {
        assert_eq!(one_line("  Ana\r\nBcc: x@y\u{2028}z\t\u{202E}! "), "Ana Bcc: x@y z !");
        assert_eq!(one_line("Zoë  Ñuñoa"), "Zoë Ñuñoa");
    }

    #[test]
    fn long_text_is_cut_at_a_word() {
        assert_eq!(shorten("corto", 10), "corto");
        assert_eq!(shorten("una frase bastante larga", 15), "una frase…");
        assert_eq!(shorten("ñññññññññññ", 5), "ññññ…");
    }
}
