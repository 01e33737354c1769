//! From how a link stands to the page: one template, values escaped there and nowhere else.

use std::sync::LazyLock;

use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::wording::{self, Words};
use crate::{
    domain::{
        booking::{
            book::MAX_TEXT,
            link_view::{LinkView, Purpose, Standing, Visit},
        },
        time::{
            format_instant,
            prose::{Locale, range, zone_note},
        },
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
    environment.add_template(TEMPLATE, include_str!("../../../web/appointment/page.html"))?;
    Ok(environment)
});

/// What became of a form.
pub(super) enum Outcome {
    /// None was sent, or it was refused for how the link stands.
    None,
    /// It did what the link is for.
    Done,
    /// Its reason is longer than anybody will read; here it is.
    ReasonTooLong(String),
    /// It was not understood.
    Unreadable,
}

/// A page about to be written.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    lang: &'static str,
    words: &'static Words,
    style: &'static str,
    tone: &'static str,
    heading: &'static str,
    message: &'static str,
    centre: String,
    phone: Option<String>,
    email: Option<String>,
    visit: Option<Facts>,
    form: Option<Form>,
}

#[derive(Debug, Serialize)]
struct Facts {
    instant: String,
    date: String,
    time: String,
    zone: String,
    branch: String,
    address: Vec<String>,
    code: String,
    items: Vec<Item>,
}

#[derive(Debug, Serialize)]
struct Item {
    treatment: String,
    professional: Option<String>,
}

#[derive(Debug, Serialize)]
struct Form {
    kind: &'static str,
    button: &'static str,
    asks_reason: bool,
    reason: String,
    problem: Option<&'static str>,
    max_reason: usize,
}

impl Page {
    /// About a link that exists: in the centre's language, or else in the browser's.
    pub(super) fn of_link(link: &LinkView, outcome: Outcome, asked: Option<Locale>) -> Self {
        let locale = Locale::from_language_tag(&link.contact.locale).or(asked).unwrap_or(Locale::Es);
        let phone = link.contact.phone.clone();
        let headline = match (&outcome, link.standing) {
            (Outcome::Done, _) => wording::done(link.purpose, locale),
            (Outcome::Unreadable, Standing::Open) => foreign(locale),
            (_, standing) => wording::standing(link.purpose, standing, phone.is_some(), locale),
        };
        let open = link.standing == Standing::Open && !matches!(outcome, Outcome::Done);
        Self {
            centre: link.contact.centre.clone(),
            phone,
            email: link.contact.email.clone(),
            visit: link.visit.as_ref().map(|visit| Facts::new(visit, locale)),
            form: open.then(|| Form::new(link.purpose, outcome, locale)),
            ..Self::plain(headline, locale)
        }
    }

    /// About a link that does not exist, in the browser's language.
    pub(super) fn unknown(asked: Option<Locale>) -> Self {
        let locale = asked.unwrap_or(Locale::Es);
        Self::plain(unknown(locale), locale)
    }

    /// About a form that was not sent from here.
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
            phone: None,
            email: None,
            visit: None,
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

impl Facts {
    fn new(visit: &Visit, locale: Locale) -> Self {
        let when = range(visit.start, visit.end, visit.zone, locale);
        let (date, time) = when.rsplit_once(", ").unwrap_or((&when, ""));
        Self {
            instant: format_instant(&visit.start.with_timezone(&visit.zone)),
            date: format!("{date},"),
            time: time.to_owned(),
            zone: zone_note(visit.start, visit.zone, locale),
            branch: visit.branch.clone(),
            address: visit.address.clone(),
            code: visit.code.clone(),
            items: visit
                .items
                .iter()
                .map(|item| Item { treatment: item.treatment.clone(), professional: item.professional.clone() })
                .collect(),
        }
    }
}

impl Form {
    fn new(purpose: Purpose, outcome: Outcome, locale: Locale) -> Self {
        let (reason, problem) = match outcome {
            Outcome::ReasonTooLong(reason) => (reason, Some(wording::reason_too_long(locale))),
            _ => (String::new(), None),
        };
        Self {
            kind: if purpose == Purpose::Confirm { "confirm" } else { "cancel" },
            button: wording::button(purpose, locale),
            asks_reason: purpose == Purpose::Cancel,
            reason,
            problem,
            max_reason: MAX_TEXT,
        }
    }
}
