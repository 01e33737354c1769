//! Whether a row can be a patient: by the rules of everybody who creates one.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    cell::{Problem, Typed},
    header::fold,
    mapping::{Mapping, Target},
};
use crate::domain::{
    centre::Patch,
    fields::{FieldDefinition, Given},
    patients::{
        input::{PatientInput, TypedDocument},
        many::Ready,
    },
    refusal::Refusal,
};

/// What of the centre a row is judged by.
#[derive(Clone, Debug, Default)]
pub(super) struct Judge {
    /// Fields that the centre has defined.
    pub(super) fields: Vec<FieldDefinition>,
    /// Its categories of patients, by their folded names.
    pub(super) categories: HashMap<String, Uuid>,
}

impl Judge {
    /// Judges a row.
    ///
    /// # Errors
    /// What is wrong with it, column by column.
    pub(super) fn row(&self, typed: &Typed, mapping: &Mapping, now: DateTime<Utc>) -> Result<Ready, Vec<Problem>> {
        let mut problems = Vec::new();
        let category = typed.category.as_ref().and_then(|name| self.categories.get(&fold(name)).copied());
        if typed.category.is_some() && category.is_none() {
            let message = "there is no such category of patients; make it first, or write another";
            problems.push(at(mapping, typed, "category", message));
        }
        let input = PatientInput {
            file_number: patch(typed.file_number.clone()),
            given_names: typed.given_names.clone(),
            paternal_surname: patch(typed.paternal_surname.clone()),
            maternal_surname: patch(typed.maternal_surname.clone()),
            document: patch(typed.document.clone().map(|(kind, number, country)| TypedDocument {
                kind,
                number,
                country,
            })),
            is_foreign: typed.is_foreign,
            email: patch(typed.email.clone()),
            phones: Some(typed.phones.clone()),
            sex: typed.sex.map(str::to_owned),
            birth_date: patch(typed.birth_date),
            status: None,
            usual_professional: Patch::Keep,
            category: patch(category),
            referral_source: patch(typed.referral_source.clone()),
            rating: Patch::Keep,
            comments: Some(typed.comments.clone()),
            custom: Some(
                typed.custom.iter().map(|(key, value)| Given { key: key.clone(), value: value.clone() }).collect(),
            ),
            guardians: None,
            marketing_consent: typed.marketing_consent,
            marketing_source: None,
        };
        let ready = Ready::read(input, &mapping.country, &self.fields, now);
        match ready {
            Ok(ready) if problems.is_empty() => Ok(ready),
            Ok(_) => Err(problems),
            Err(refusals) => {
                problems.extend(refusals.into_iter().map(|refusal| of(mapping, typed, refusal)));
                Err(problems)
            }
        }
    }
}

fn patch<T>(value: Option<T>) -> Patch<T> {
    value.map_or(Patch::Keep, Patch::Set)
}

/// A refusal of a patient's field as a problem of the column that it came from.
fn of(mapping: &Mapping, typed: &Typed, refusal: Refusal) -> Problem {
    at(mapping, typed, &refusal.field.unwrap_or_default().join("."), &refusal.message)
}

fn at(mapping: &Mapping, typed: &Typed, path: &str, message: &str) -> Problem {
    // Values of the centre's fields are named by their places.
    let custom = path.strip_prefix("customFields.").and_then(|rest| rest.split('.').next()?.parse::<usize>().ok());
    let custom = custom.and_then(|at| typed.custom.get(at)).map(|(key, _)| Target::Custom(key.clone()));
    let is = |target: &Target| {
        let word = target.word();
        custom.as_ref() == Some(target)
            || path == word
            || path.strip_prefix(&word).is_some_and(|rest| rest.starts_with('.'))
    };
    let surnames = |target: &Target| *target == Target::Surnames && path.ends_with("Surname");
    let document = |target: &Target| *target == Target::DocumentNumber && path.starts_with("document");
    let find = |is: &dyn Fn(&Target) -> bool| mapping.columns.iter().find(|column| is(&column.target));
    let column = find(&is).or_else(|| find(&surnames)).or_else(|| find(&document));
    Problem { column: column.map(|column| column.name.clone()), message: message.to_owned() }
}
