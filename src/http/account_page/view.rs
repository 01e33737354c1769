//! From how a link stands to the page: one template, values escaped there and nowhere else.

use std::sync::LazyLock;

use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::wording::{self, Words};
use crate::{
    domain::{
        identity::account_link::{Link, Purpose, Standing},
        time::prose::Locale,
    },
    http::form_page::{
        STYLE,
        wording::{Headline, broken, foreign, unknown},
    },
};

const TEMPLATE: &str = "page.html";

/// A pure function of the binary.
static ENVIRONMENT: LazyLock<Result<Environment<'static>, minijinja::Error>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_trim_blocks(true);
    environment.add_template(TEMPLATE, include_str!("../../../web/account/page.html"))?;
    Ok(environment)
});

/// What is wrong with a form; the passwords are typed again.
pub(super) enum Problem {
    /// The two passwords are not the same.
    Different { name: Option<String> },
    /// The password is not good enough, in words of the centre's language.
    Password { why: String, name: Option<String> },
    /// The name cannot be one.
    Name { name: Option<String> },
}

/// A page about to be written.
#[derive(Serialize)]
pub(super) struct Page {
    lang: &'static str,
    words: &'static Words,
    style: &'static str,
    tone: &'static str,
    heading: &'static str,
    message: &'static str,
    centre: String,
    form: Option<Form>,
}

#[derive(Serialize)]
struct Form {
    button: &'static str,
    asks_name: bool,
    name: String,
    email: String,
    problem: Option<String>,
}

impl Page {
    /// About a link that exists: in the centre's language, or else in the browser's.
    pub(super) fn of_link(link: &Link, problem: Option<Problem>, asked: Option<Locale>) -> Self {
        let locale = locale_of(link, asked);
        let form = (link.standing == Standing::Open).then(|| Form::new(link, problem, locale));
        let headline = wording::standing(link.purpose, link.standing, locale);
        Self { centre: link.centre.clone(), form, ..Self::plain(headline, locale) }
    }

    /// The password is set.
    pub(super) fn done(link: &Link, asked: Option<Locale>) -> Self {
        let locale = locale_of(link, asked);
        Self { centre: link.centre.clone(), ..Self::plain(wording::done(link.purpose, locale), locale) }
    }

    /// About a link that does not exist, in the browser's language.
    pub(super) fn unknown(asked: Option<Locale>) -> Self {
        let locale = asked.unwrap_or(Locale::Es);
        Self::plain(unknown(locale), locale)
    }

    /// About a form that was not sent from here, or that nobody can read.
    pub(super) fn foreign(asked: Option<Locale>) -> Self {
        let locale = asked.unwrap_or(Locale::Es);
        Self::plain(foreign(locale), locale)
    }

    /// About a fault of ours.
    pub(super) fn broken(asked: Option<Locale>) -> Self {
        let locale = asked.unwrap_or(Locale::Es);
        Self::plain(broken(locale), locale)
    }

    fn plain(headline: Headline, locale: Locale) -> Self {
        Self {
            lang: locale.language_tag(),
            words: wording::words(locale),
            style: STYLE,
            tone: headline.tone,
            heading: headline.heading,
            message: headline.message,
            centre: String::new(),
            form: None,
        }
    }

    /// Tag of the language it is in.
    pub(super) fn language(&self) -> &'static str {
        self.lang
    }

    /// The document.
    ///
    /// # Errors
    /// Only when the template in the binary is wrong.
    pub(super) fn html(&self) -> Result<String, String> {
        let environment = ENVIRONMENT.as_ref().map_err(ToString::to_string)?;
        let written = environment.get_template(TEMPLATE).and_then(|template| template.render(self));
        written.map_err(|error| error.to_string())
    }
}

fn locale_of(link: &Link, asked: Option<Locale>) -> Locale {
    Locale::from_language_tag(&link.locale).or(asked).unwrap_or(Locale::Es)
}

impl Form {
    fn new(link: &Link, problem: Option<Problem>, locale: Locale) -> Self {
        let (problem, name) = match problem {
            None => (None, None),
            Some(Problem::Different { name }) => (Some(wording::different(locale).to_owned()), name),
            Some(Problem::Password { why, name }) => (Some(why), name),
            Some(Problem::Name { name }) => (Some(wording::bad_name(locale).to_owned()), name),
        };
        Self {
            button: wording::button(link.purpose, locale),
            asks_name: link.purpose == Purpose::Invite,
            name: name.unwrap_or_else(|| link.name.clone()),
            email: link.email.clone(),
            problem,
        }
    }
}
