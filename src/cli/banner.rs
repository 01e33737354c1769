//! What the program says to the person who started it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the one place that prints; everything else logs")]

/// One line of the answer.
pub(super) fn line(text: &str) {
    println!("{text}");
}

/// What is waited for.
pub(super) fn prompt(text: &str) {
    eprintln!("{text}");
}

/// Why it did not work.
pub(super) fn error(text: &str) {
    eprintln!("horae: {text}");
}
