//! What the program says to the person who started it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the one place that prints")]

use indicatif::{ProgressBar, ProgressStyle};

/// One line of the answer.
pub fn line(text: &str) {
    println!("{text}");
}

/// What is going on, or what went wrong.
pub fn note(text: &str) {
    eprintln!("bench: {text}");
}

/// A bar for `steps` steps of `what`.
pub fn bar(what: &str, steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(steps).unwrap_or_default());
    if let Ok(style) = ProgressStyle::with_template("{msg:32} {bar:30} {pos}/{len} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    // Without a terminal the bar is silent; a line says at least what has begun.
    if bar.is_hidden() {
        note(what);
    }
    bar
}
