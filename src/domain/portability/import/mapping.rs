//! Which column of a file is what.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::header;
use crate::{
    domain::{
        contact,
        listed::listed,
        refusal::{Failure, Refusal},
    },
    sheets::Layout,
};

/// What a column can be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    FileNumber,
    GivenNames,
    PaternalSurname,
    MaternalSurname,
    /// Both surnames in one cell.
    Surnames,
    DocumentKind,
    DocumentNumber,
    DocumentCountry,
    IsForeign,
    Email,
    Phones,
    Sex,
    BirthDate,
    Category,
    ReferralSource,
    Comments,
    MarketingConsent,
    /// A field that the centre has defined.
    Custom(String),
}

impl Target {
    /// Those with names of their own.
    pub(super) const NAMED: [Self; 17] = [
        Self::FileNumber,
        Self::GivenNames,
        Self::PaternalSurname,
        Self::MaternalSurname,
        Self::Surnames,
        Self::DocumentKind,
        Self::DocumentNumber,
        Self::DocumentCountry,
        Self::IsForeign,
        Self::Email,
        Self::Phones,
        Self::Sex,
        Self::BirthDate,
        Self::Category,
        Self::ReferralSource,
        Self::Comments,
        Self::MarketingConsent,
    ];

    /// The word in a mapping.
    #[must_use]
    pub fn word(&self) -> String {
        match self {
            Self::FileNumber => "fileNumber",
            Self::GivenNames => "givenNames",
            Self::PaternalSurname => "paternalSurname",
            Self::MaternalSurname => "maternalSurname",
            Self::Surnames => "surnames",
            Self::DocumentKind => "document.kind",
            Self::DocumentNumber => "document.number",
            Self::DocumentCountry => "document.country",
            Self::IsForeign => "isForeign",
            Self::Email => "email",
            Self::Phones => "phones",
            Self::Sex => "sex",
            Self::BirthDate => "birthDate",
            Self::Category => "category",
            Self::ReferralSource => "referralSource",
            Self::Comments => "comments",
            Self::MarketingConsent => "marketingConsent",
            Self::Custom(key) => return format!("customFields.{key}"),
        }
        .to_owned()
    }

    fn parse(word: &str) -> Option<Self> {
        if let Some(key) = word.strip_prefix("customFields.") {
            return (!key.is_empty()).then(|| Self::Custom(key.to_owned()));
        }
        Self::NAMED.into_iter().find(|target| target.word() == word)
    }

    /// Whether several columns may be this.
    fn is_many(&self) -> bool {
        matches!(self, Self::Phones | Self::Comments)
    }
}

/// In which order a date is written that is not written as ISO 8601.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DateOrder {
    /// As the Spanish-speaking world writes.
    #[default]
    DayMonthYear,
    /// As the United States write.
    MonthDayYear,
}

/// What a client says about its file; each part may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MappingInput {
    /// Name of a column → what it is; null: nothing. None at all: as the names suggest.
    pub columns: Option<BTreeMap<String, Option<String>>>,
    /// Which sheet of the file; none: the first.
    pub sheet: Option<String>,
    /// In which row the columns are named; none: the first.
    pub header_row: Option<u32>,
    /// `DD/MM/YYYY` or `MM/DD/YYYY`.
    pub date_format: Option<String>,
    /// Country of documents and telephone numbers that name none.
    pub default_country: Option<String>,
}

/// A column that is something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Which one, from 0.
    pub at: usize,
    /// Its name in the file.
    pub name: String,
    /// What it is.
    pub target: Target,
}

/// What the columns of one file are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Those that are something, in their order.
    pub columns: Vec<Column>,
    /// Those that are nothing, by their names.
    pub ignored: Vec<String>,
    /// How dates are written.
    pub dates: DateOrder,
    /// Of documents and telephone numbers that name none.
    pub country: String,
}

/// Most rows above the names of columns.
const LAST_HEADER_ROW: u32 = 100;

impl MappingInput {
    /// What a client sent.
    ///
    /// # Errors
    /// INVALID at `mapping`, when it is something else.
    pub fn parse(mapping: serde_json::Value) -> Result<Self, Failure> {
        if mapping.is_null() {
            return Ok(Self::default());
        }
        let wrong = |error: serde_json::Error| {
            let message = format!(
                "write an object like {{\"columns\": {{\"Nombre\": \"givenNames\"}}, \"headerRow\": 1}}: {error}"
            );
            Failure::from(Refusal::invalid("mapping", message))
        };
        let input: Self = serde_json::from_value(mapping).map_err(wrong)?;
        let mut refusals = Vec::new();
        if input.header_row.is_some_and(|row| !(1..=LAST_HEADER_ROW).contains(&row)) {
            let message = format!("the columns are named in one of the rows 1 to {LAST_HEADER_ROW}");
            refusals.push(Refusal::invalid("mapping.headerRow", message));
        }
        if input.date_format.as_deref().is_some_and(|format| order(format).is_none()) {
            refusals.push(Refusal::invalid("mapping.dateFormat", "write DD/MM/YYYY or MM/DD/YYYY"));
        }
        if input.default_country.as_deref().is_some_and(|country| contact::country(country).is_none()) {
            refusals.push(Refusal::invalid("mapping.defaultCountry", "write a country code of two capital letters"));
        }
        if refusals.is_empty() { Ok(input) } else { Err(refusals.into()) }
    }

    /// Where the table is in the file.
    #[must_use]
    pub fn layout(&self) -> Layout {
        Layout { sheet: self.sheet.clone(), header_row: self.header_row.unwrap_or(1) }
    }

    /// What the columns of a file with this header are. `custom` are the keys and labels of the fields that the centre
    /// has defined, `country` is its own.
    ///
    /// # Errors
    /// INVALID at the columns that cannot be what they are said to be; REQUIRED when nothing is a name.
    pub fn resolve(&self, header: &[String], custom: &[(String, String)], country: &str) -> Result<Mapping, Failure> {
        let mut refusals = Vec::new();
        let mut targets: Vec<Option<Target>> = match &self.columns {
            None => header::suggest(header, custom),
            Some(columns) => self.named(columns, header, custom, &mut refusals),
        };
        self.only_once(&mut targets, header, &mut refusals);
        if refusals.is_empty() && !targets.contains(&Some(Target::GivenNames)) {
            let there = listed(header);
            let message = format!("no column is `givenNames`; the file has the columns: {there}");
            refusals.push(Refusal::required("mapping.columns", message));
        }
        if !refusals.is_empty() {
            return Err(refusals.into());
        }
        let (mut columns, mut ignored) = (Vec::new(), Vec::new());
        for (at, (name, target)) in header.iter().zip(targets).enumerate() {
            match target {
                Some(target) => columns.push(Column { at, name: name.clone(), target }),
                None if !name.is_empty() => ignored.push(name.clone()),
                None => {}
            }
        }
        let country = self.default_country.clone().unwrap_or_else(|| country.to_owned());
        let dates = self.date_format.as_deref().and_then(order).unwrap_or_default();
        Ok(Mapping { columns, ignored, dates, country })
    }

    fn named(
        &self,
        columns: &BTreeMap<String, Option<String>>,
        header: &[String],
        custom: &[(String, String)],
        refusals: &mut Vec<Refusal>,
    ) -> Vec<Option<Target>> {
        let mut targets = vec![None; header.len()];
        for (name, word) in columns {
            let field = format!("mapping.columns.{name}");
            let Some(at) = header.iter().position(|there| header::fold(there) == header::fold(name)) else {
                let there = listed(header);
                refusals.push(Refusal::invalid(&field, format!("the file has no such column; it has: {there}")));
                continue;
            };
            let Some(word) = word else { continue };
            let known = Target::parse(word).filter(|target| match target {
                Target::Custom(key) => custom.iter().any(|(known, _)| known == key),
                _ => true,
            });
            match (known, targets.get_mut(at)) {
                (Some(target), Some(place)) => *place = Some(target),
                _ => {
                    let words: Vec<String> = Target::NAMED.iter().map(Target::word).collect();
                    let message = format!("a column can be: {}, customFields.<key>", words.join(", "));
                    refusals.push(Refusal::invalid(&field, message));
                }
            }
        }
        targets
    }

    /// What two columns are said to be is refused; what two columns only look like is the first of them.
    fn only_once(&self, targets: &mut [Option<Target>], header: &[String], refusals: &mut Vec<Refusal>) {
        let mut seen = BTreeSet::new();
        for (target, name) in targets.iter_mut().zip(header) {
            let Some(one) = target.clone().filter(|one| !one.is_many()) else { continue };
            if seen.insert(one.clone()) {
                continue;
            }
            if self.columns.is_some() {
                let message = format!("two columns are {}", one.word());
                refusals.push(Refusal::invalid(&format!("mapping.columns.{name}"), message));
            } else {
                *target = None;
            }
        }
    }
}

fn order(format: &str) -> Option<DateOrder> {
    match format.to_ascii_uppercase().replace(['-', '.'], "/").as_str() {
        "DD/MM/YYYY" | "DD/MM/AAAA" | "YYYY/MM/DD" => Some(DateOrder::DayMonthYear),
        "MM/DD/YYYY" => Some(DateOrder::MonthDayYear),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use serde_json::json;

    use super::*;

    fn header(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn fields(failure: Failure) -> Vec<String> {
        let Failure::Refused(refusals) = failure else { panic!("{failure:?}") };
        refusals.iter().map(|refusal| refusal.field.clone().unwrap_or_default().join(".")).collect()
    }

    #[test]
    fn without_columns_the_names_decide() {
        let header =
            header(&["N° Ficha", "Nombres", "Apellido Paterno", "RUT", "Teléfono", "Celular", "Fecha Nac.", "Saldo"]);
        let mapping = MappingInput::default().resolve(&header, &[], "CL").unwrap();
        let words: Vec<String> = mapping.columns.iter().map(|column| column.target.word()).collect();
        let expected =
            ["fileNumber", "givenNames", "paternalSurname", "document.number", "phones", "phones", "birthDate"];
        assert_eq!(words, expected);
        assert_eq!((mapping.ignored, mapping.country), (vec!["Saldo".to_owned()], "CL".to_owned()));
    }

    #[test]
    fn what_is_said_of_columns_must_be_possible() {
        let header = header(&["A", "B", "C"]);
        let resolve = |columns: serde_json::Value| {
            let input = MappingInput::parse(json!({ "columns": columns })).unwrap();
            input.resolve(&header, &[("alergias".to_owned(), "Alergias".to_owned())], "CL").map_err(fields)
        };
        assert_eq!(resolve(json!({"X": "givenNames"})).unwrap_err(), ["mapping.columns.X"]);
        assert_eq!(resolve(json!({"A": "names"})).unwrap_err(), ["mapping.columns.A"]);
        assert_eq!(resolve(json!({"A": "email", "B": "email"})).unwrap_err(), ["mapping.columns.B"]);
        assert_eq!(resolve(json!({"A": "email"})).unwrap_err(), ["mapping.columns"]);
        assert_eq!(resolve(json!({"A": "givenNames", "B": "customFields.x"})).unwrap_err(), ["mapping.columns.B"]);
        let good = resolve(json!({"a": "givenNames", "B": "customFields.alergias", "C": null})).unwrap();
        assert_eq!((good.columns.len(), good.ignored), (2, vec!["C".to_owned()]));
    }

    #[test]
    fn other_shapes_are_refused_with_an_example() {
        for wrong in [json!([]), json!({"colums": {}}), json!("x"), json!({"columns": {"A": 1}})] {
            assert_eq!(fields(MappingInput::parse(wrong).unwrap_err()), ["mapping"]);
        }
        let wrong = json!({"headerRow": 0, "dateFormat": "D.M.Y", "defaultCountry": "Chile"});
        let expected = ["mapping.headerRow", "mapping.dateFormat", "mapping.defaultCountry"];
        assert_eq!(fields(MappingInput::parse(wrong).unwrap_err()), expected);
        assert_eq!(MappingInput::parse(json!(null)).unwrap(), MappingInput::default());
    }
}
