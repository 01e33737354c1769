//! What our mails say and how they look.
//!
//! One responsive layout (MJML) and one plain-text layout serve every mail; each language brings its wording. MJML becomes HTML once per process with the placeholders still inside, so a mail costs one pass of the
//! template engine. Values are escaped in exactly one place, by the HTML layout.
//!
//! What does not belong here: loading data, and knowing whom to write to.

use std::sync::LazyLock;

use minijinja::{Environment, UndefinedBehavior};
use thiserror::Error;

mod context;
mod invitation;
mod view;
mod wording;

pub use context::{AccountMail, AppointmentMail, Branch, Centre, Channel, Item, MailContext, MailKind, Subject};
pub use invitation::EventIdentity;

use super::dates::Locale;
use super::plain::{one_line, shorten};
use view::View;
use wording::{Wording, wording};

/// A mail's content, before anyone decides whom it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedMail {
    /// One line, at most 180 characters.
    pub subject: String,
    /// A whole HTML document.
    pub html: String,
    /// The same content as plain text.
    pub text: String,
}

/// A template is wrong. The templates are part of the binary, so this is a fault of ours and found by the tests.
#[derive(Debug, Error)]
pub enum TemplateError {
    /// The layout is not valid MJML.
    #[error("the mail layout cannot be turned into HTML: {0}")]
    Layout(String),
    /// A placeholder or a template's syntax is wrong.
    #[error("a mail template failed")]
    Template(#[from] minijinja::Error),
}

/// The compiled templates; make one and share it.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
}

const MAX_SUBJECT_CHARACTERS: usize = 180;
const HTML: &str = "appointment.html";
const TEXT: &str = "appointment.txt";

/// The layout as HTML with placeholders. A pure function of the binary, kept because the template engine borrows it.
static LAYOUT: LazyLock<Result<String, String>> = LazyLock::new(|| {
    let parsed = mrml::parse(include_str!("appointment.mjml")).map_err(|error| error.to_string())?;
    let options = mrml::prelude::render::RenderOptions {
        // No web fonts: opening a mail shall tell nobody but the centre.
        fonts: std::collections::HashMap::new(),
        ..Default::default()
    };
    parsed.element.render(&options).map_err(|error| error.to_string())
});

impl Templates {
    /// Compiles everything.
    ///
    /// # Errors
    /// Only when a template in the binary is wrong.
    pub fn new() -> Result<Self, TemplateError> {
        let layout = LAYOUT.as_ref().map_err(|reason| TemplateError::Layout(reason.clone()))?;
        let mut environment = Environment::new();
        // A missing value is an error, never an empty gap in a sentence.
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.add_template(HTML, layout)?;
        environment.add_template(TEXT, include_str!("appointment.txt"))?;
        Ok(Self { environment })
    }

    /// Writes one mail.
    ///
    /// # Errors
    /// Only when a template in the binary is wrong.
    pub fn render(&self, mail: &MailContext, locale: Locale) -> Result<RenderedMail, TemplateError> {
        let view = View::new(&self.environment, mail, locale)?;
        let subject = shorten(&one_line(&view.subject), MAX_SUBJECT_CHARACTERS);
        Ok(RenderedMail {
            subject,
            html: self.environment.get_template(HTML)?.render(&view)?,
            text: self.environment.get_template(TEXT)?.render(&view)?,
        })
    }
}

#[cfg(test)]
mod tests;
