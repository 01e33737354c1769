//! What a cell says, and what an answer was.

use serde_json::Value;

/// What one caller may do with one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    Allowed,
    OwnOnly,
    Refused,
    RefusedOtherwise,
}

impl Cell {
    /// The word of a cell in the column of this caller.
    pub fn parse(code: &str, word: &str, line: &str) -> Self {
        match word {
            "---" => Self::Refused,
            "xxx" => Self::RefusedOtherwise,
            _ if word == code => Self::Allowed,
            _ if word == code.to_lowercase() => Self::OwnOnly,
            _ => panic!("`{word}` in the column {code}: write {code}, {}, --- or xxx in {line}", code.to_lowercase()),
        }
    }

    /// Whether it opens anything.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Allowed | Self::OwnOnly)
    }
}

/// What an answer was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It happened, or was shown.
    Done,
    /// FORBIDDEN or UNAUTHENTICATED.
    Refused(String),
    /// As if it were not there.
    Hidden,
    /// Anything else, which no cell expects.
    Other(String),
}

impl Outcome {
    /// Of an answer to `operation`, which shows `shows` if it shows what it is about.
    pub fn of(answer: &Value, operation: &str, shows: Option<&str>) -> Self {
        let data = &answer["data"][operation];
        let top = answer["errors"][0]["extensions"]["code"].as_str();
        match top.or_else(|| data["userErrors"][0]["code"].as_str()) {
            Some(code @ ("FORBIDDEN" | "UNAUTHENTICATED")) => Self::Refused(code.to_owned()),
            Some("NOT_FOUND") => Self::Hidden,
            None if answer.get("errors").is_none() && !data.is_null() => {
                let text = data.to_string();
                if shows.is_none_or(|shows| text.contains(shows)) { Self::Done } else { Self::Hidden }
            }
            _ => Self::Other(answer.to_string()),
        }
    }

    /// Whether it is what a caller gets who may not touch what is not the own.
    pub fn keeps_others(&self) -> bool {
        *self == Self::Hidden || *self == Self::Refused("FORBIDDEN".to_owned())
    }
}
