//! Where each line goes.

use super::{Block, Document};

/// How wide letters are.
pub(super) struct Face<'a>(ttf_parser::Face<'a>);

impl<'a> Face<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        ttf_parser::Face::parse(bytes, 0).ok().map(Self)
    }

    fn letter(&self, letter: char, size: f32) -> f32 {
        let glyph = self.0.glyph_index(letter).unwrap_or_default();
        let units = self.0.glyph_hor_advance(glyph).unwrap_or_default();
        f32::from(units) * size / f32::from(self.0.units_per_em())
    }

    fn width(&self, text: &str, size: f32) -> f32 {
        text.chars().map(|letter| self.letter(letter, size)).sum()
    }

    /// The text in lines that are no wider than `most`, broken between words, and within a word that is wider by itself.
    fn wrap(&self, text: &str, size: f32, most: f32) -> Vec<String> {
        let mut lines = Vec::new();
        for paragraph in text.lines() {
            let mut line = String::new();
            let mut width = 0.0;
            for word in paragraph.split_whitespace() {
                let (blank, wide) = (self.letter(' ', size), self.width(word, size));
                if !line.is_empty() && width + blank + wide > most {
                    lines.push(std::mem::take(&mut line));
                    width = 0.0;
                }
                if !line.is_empty() {
                    line.push(' ');
                    width += blank;
                }
                for letter in word.chars() {
                    let wide = self.letter(letter, size);
                    if width + wide > most && !line.is_empty() {
                        lines.push(std::mem::take(&mut line));
                        width = 0.0;
                    }
                    line.push(letter);
                    width += wide;
                }
            }
            lines.push(line);
        }
        lines
    }
}

/// A line of text on a page, from the upper left corner of what may be filled.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) bold: bool,
    pub(super) size: f32,
    pub(super) x: f32,
    /// Of its base.
    pub(super) y: f32,
}

const TITLE: f32 = 18.0;
const HEADING: f32 = 13.0;
const SUBHEADING: f32 = 10.5;
const BODY: f32 = 9.5;
/// From one line to the next, in its own size.
const LEADING: f32 = 1.35;
/// Where values stand.
const INDENT: f32 = 150.0;

struct Pages {
    height: f32,
    pages: Vec<Vec<Line>>,
    y: f32,
}

impl Pages {
    /// Goes down by a line of this size, on the next page if there is no room for it and `more` below.
    fn down(&mut self, size: f32, more: f32) -> f32 {
        let step = size * LEADING;
        if self.y + step + more > self.height {
            self.pages.push(Vec::new());
            self.y = 0.0;
        }
        self.y += step;
        self.y
    }

    fn gap(&mut self, size: f32) {
        if self.y > 0.0 {
            self.y += size;
        }
    }

    fn put(&mut self, text: String, bold: bool, size: f32, x: f32, y: f32) {
        if let Some(page) = self.pages.last_mut() {
            page.push(Line { text, bold, size, x, y });
        }
    }

    fn lines(&mut self, lines: Vec<String>, bold: bool, size: f32, keep: f32) {
        for line in lines {
            let y = self.down(size, keep);
            self.put(line, bold, size, 0.0, y);
        }
    }
}

/// The lines of each page.
pub(super) fn lay_out(
    document: &Document,
    regular: &Face<'_>,
    bold: &Face<'_>,
    width: f32,
    height: f32,
) -> Vec<Vec<Line>> {
    let mut pages = Pages { height, pages: vec![Vec::new()], y: 0.0 };
    pages.lines(bold.wrap(&document.title, TITLE, width), true, TITLE, 0.0);
    for block in &document.blocks {
        match block {
            Block::Heading(text) => {
                pages.gap(HEADING);
                pages.lines(bold.wrap(text, HEADING, width), true, HEADING, 3.0 * BODY);
                pages.gap(BODY / 2.0);
            }
            Block::Subheading(text) => {
                pages.gap(BODY);
                pages.lines(bold.wrap(text, SUBHEADING, width), true, SUBHEADING, 2.0 * BODY);
            }
            Block::Text(text) => pages.lines(regular.wrap(text, BODY, width), false, BODY, 0.0),
            Block::Field { label, value } => {
                let mut labels = bold.wrap(label, BODY, INDENT - BODY).into_iter();
                let mut values = regular.wrap(value, BODY, width - INDENT).into_iter();
                loop {
                    let (label, value) = (labels.next(), values.next());
                    if label.is_none() && value.is_none() {
                        break;
                    }
                    let y = pages.down(BODY, 0.0);
                    if let Some(label) = label {
                        pages.put(label, true, BODY, 0.0, y);
                    }
                    if let Some(value) = value {
                        pages.put(value, false, BODY, INDENT, y);
                    }
                }
            }
        }
    }
    pages.pages
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    #[test]
    fn no_line_is_wider_than_its_column_and_no_word_is_lost() {
        let face = Face::new(crate::pdf::REGULAR).unwrap();
        let text = "Evolución: paciente refiere dolor\n\n".repeat(3) + &"x".repeat(500);
        let lines = face.wrap(&text, BODY, 200.0);
        assert!(lines.iter().all(|line| face.width(line, BODY) <= 200.5), "{lines:?}");
        let words = |text: &str| text.chars().filter(|letter| !letter.is_whitespace()).collect::<String>();
        assert_eq!(words(&lines.concat()), words(&text));
    }

    #[test]
    fn lines_stay_on_their_pages() {
        let (regular, bold) = (Face::new(crate::pdf::REGULAR).unwrap(), Face::new(crate::pdf::BOLD).unwrap());
        let blocks = (0..300).flat_map(|n| {
            [
                Block::Subheading(format!("Atención {n}")),
                Block::Field { label: "Observación larga del campo".repeat(2), value: "palabra ".repeat(60) },
            ]
        });
        let document = Document {
            title: "Ficha".to_owned(),
            language: "es".to_owned(),
            footer: String::new(),
            blocks: blocks.collect(),
        };
        let pages = lay_out(&document, &regular, &bold, 480.0, 700.0);
        assert!(pages.len() > 20);
        assert!(pages.iter().flatten().all(|line| line.y <= 700.0 && line.y > 0.0));
    }
}
