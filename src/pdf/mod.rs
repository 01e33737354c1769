//! PDF files for people to read: headings, labelled values and texts, one below the other. The fonts are within, so a
//! file looks alike everywhere; letters that they lack are shown as boxes.
//!
//! What is in a document does not belong here.

mod layout;

use std::sync::Arc;

use krilla::{
    Document as Pdf,
    geom::Point,
    metadata::Metadata,
    page::PageSettings,
    text::{Font, TextDirection},
};
use layout::{Face, Line, lay_out};

/// Part of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// Begins a part.
    Heading(String),
    /// Begins a part of a part.
    Subheading(String),
    /// A value and what it is.
    Field {
        /// What it is.
        label: String,
        /// The value; may have several lines.
        value: String,
    },
    /// Words.
    Text(String),
}

/// A document.
#[derive(Clone, Debug)]
pub struct Document {
    /// On top, and in the file's properties.
    pub title: String,
    /// BCP 47, for programs that read aloud.
    pub language: String,
    /// At the foot of every page, before its number.
    pub footer: String,
    /// What is in it.
    pub blocks: Vec<Block>,
}

/// Why a document could not be written: an error in the program or its fonts.
#[derive(Debug, thiserror::Error)]
#[error("the document could not be written: {0}")]
pub struct PdfError(&'static str);

/// A4, in points.
const WIDTH: f32 = 595.3;
const HEIGHT: f32 = 841.9;
const MARGIN: f32 = 56.0;

static REGULAR: &[u8] = include_bytes!("fonts/DejaVuSans.ttf");
static BOLD: &[u8] = include_bytes!("fonts/DejaVuSans-Bold.ttf");

/// Writes a document.
///
/// # Errors
/// [`PdfError`].
pub fn write(document: &Document) -> Result<Vec<u8>, PdfError> {
    let (regular, bold) = (face(REGULAR)?, face(BOLD)?);
    let fonts = (font(REGULAR)?, font(BOLD)?);
    let pages = lay_out(document, &regular, &bold, WIDTH - 2.0 * MARGIN, HEIGHT - 2.0 * MARGIN);
    let mut pdf = Pdf::new();
    pdf.set_metadata(
        Metadata::new().title(document.title.clone()).language(document.language.clone()).creator("Horae".to_owned()),
    );
    let last = pages.len();
    for (number, lines) in (1..).zip(&pages) {
        let settings = PageSettings::from_wh(WIDTH, HEIGHT).ok_or(PdfError("a page has no size"))?;
        let mut page = pdf.start_page_with(settings);
        let mut surface = page.surface();
        for line in lines {
            draw(&mut surface, &fonts, line);
        }
        let foot = Line {
            text: format!("{} · {number}/{last}", document.footer),
            bold: false,
            size: 8.0,
            x: 0.0,
            y: HEIGHT - 2.0 * MARGIN + 24.0,
        };
        draw(&mut surface, &fonts, &foot);
        surface.finish();
        page.finish();
    }
    pdf.finish().map_err(|_| PdfError("the pages could not be put together"))
}

fn draw(surface: &mut krilla::surface::Surface<'_>, (regular, bold): &(Font, Font), line: &Line) {
    let font = if line.bold { bold } else { regular };
    let at = Point::from_xy(MARGIN + line.x, MARGIN + line.y);
    surface.draw_text(at, font.clone(), line.size, &line.text, false, TextDirection::Auto);
}

fn face(bytes: &'static [u8]) -> Result<Face<'static>, PdfError> {
    Face::new(bytes).ok_or(PdfError("a font cannot be read"))
}

fn font(bytes: &'static [u8]) -> Result<Font, PdfError> {
    let shared: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::new(bytes);
    Font::new(shared.into(), 0).ok_or(PdfError("a font cannot be read"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    fn field(label: &str, value: &str) -> Block {
        Block::Field { label: label.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn a_document_becomes_a_file_with_as_many_pages_as_it_needs() {
        let mut blocks = vec![Block::Heading("Datos".to_owned()), field("Nombre", "Íñigo Ñandú — Güemes")];
        let few = Document {
            title: "Ficha".to_owned(),
            language: "es-CL".to_owned(),
            footer: "Centro".to_owned(),
            blocks: blocks.clone(),
        };
        let short = write(&few).unwrap();
        assert!(short.starts_with(b"%PDF-") && short.len() < 100_000, "{}", short.len());
        blocks.extend((0..400).map(|n| field(&format!("Nota {n}"), &"palabra ".repeat(40))));
        let long = write(&Document { blocks, ..few }).unwrap();
        let pages = |file: &[u8]| {
            let text = String::from_utf8_lossy(file);
            text.matches("/Type/Page/").count() + text.matches("/Type /Page\n").count()
        };
        assert!(long.len() > short.len() * 2, "{} {}", short.len(), long.len());
        assert!(pages(&long) >= pages(&short));
    }
}
