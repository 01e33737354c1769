//! A look at the text of a document before the parser sees it: how many tokens, how deeply nested.
//!
//! It need not accept exactly GraphQL: what it lets through, the parser judges. It only must never count fewer
//! brackets than the parser would see, and must take time linear in the text.

/// Why a text is not handed to the parser.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum Refused {
    /// More tokens than allowed.
    #[error("Syntax error: the document contains more than {0} tokens.")]
    Tokens(usize),
    /// More open brackets than allowed.
    #[error("Syntax error: the document is nested deeper than {0} brackets.")]
    Nesting(usize),
}

/// Counts tokens and open brackets, passing over strings, block strings and comments.
pub(super) fn scan(text: &str, max_tokens: usize, max_nesting: usize) -> Result<(), Refused> {
    let mut rest = text.as_bytes();
    let (mut tokens, mut open) = (0_usize, 0_usize);
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => {
                rest = tail;
                continue;
            }
            b'#' => {
                rest = skip_while(tail, |byte| byte != b'\n' && byte != b'\r');
                continue;
            }
            b'"' => skip_string(tail),
            b'{' | b'[' | b'(' => {
                open += 1;
                if open > max_nesting {
                    return Err(Refused::Nesting(max_nesting));
                }
                tail
            }
            b'}' | b']' | b')' => {
                open = open.saturating_sub(1);
                tail
            }
            byte if is_word(byte) => skip_while(tail, is_word),
            _ => tail,
        };
        tokens += 1;
        if tokens > max_tokens {
            return Err(Refused::Tokens(max_tokens));
        }
    }
    Ok(())
}

/// Names and numbers; bytes above 127 so that a foreign letter is one token and not three.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn skip_while(text: &[u8], wanted: impl Fn(u8) -> bool) -> &[u8] {
    let end = text.iter().position(|&byte| !wanted(byte)).unwrap_or(text.len());
    text.get(end..).unwrap_or_default()
}

/// `text` begins behind the first quote. A string that ends nowhere ends with the line, so that brackets behind it
/// still count.
fn skip_string(text: &[u8]) -> &[u8] {
    if let Some(mut block) = text.strip_prefix(b"\"\"") {
        while let Some((&byte, tail)) = block.split_first() {
            block = if let Some(end) = block.strip_prefix(b"\"\"\"") {
                return end;
            } else if let Some(escaped) = block.strip_prefix(b"\\\"\"\"") {
                escaped
            } else {
                let _ = byte;
                tail
            };
        }
        return block;
    }
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match byte {
            b'"' => return tail,
            b'\n' | b'\r' => return rest,
            b'\\' => tail.split_first().map_or(tail, |(_, behind)| behind),
            _ => tail,
        };
    }
    rest
}
