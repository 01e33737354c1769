//! What the audit trail may tell of patients: which data there are and that they have changed, and none of them.

use super::{category::Category, input::Draft, model::Consent};
use crate::domain::{
    facts::{Facts, facts, many, masked, text},
    fields::FieldDefinition,
};

pub(super) fn patient(patient: &Draft) -> Facts {
    let Draft {
        file_number,
        given_names,
        paternal_surname,
        maternal_surname,
        document,
        is_foreign,
        email,
        phones,
        sex,
        birth_date,
        status,
        usual_professional,
        category,
        referral_source,
        rating,
        comments,
        custom,
        sealed,
        guardians,
        marketing,
    } = patient;
    let Consent { granted, at, source } = marketing;
    facts!({
        "fileNumber": masked(file_number),
        "givenNames": masked(given_names),
        "paternalSurname": masked(paternal_surname),
        "maternalSurname": masked(maternal_surname),
        "document": masked(document),
        "isForeign": *is_foreign,
        "email": masked(email),
        "phones": many(phones.iter().map(masked)),
        "sex": masked(sex),
        "birthDate": masked(birth_date),
        "status": text(status),
        "usualProfessionalId": *usual_professional,
        "categoryId": *category,
        "referralSource": masked(referral_source),
        "rating": masked(rating),
        "comments": masked(comments),
        "customFields": masked(custom),
        "sensitiveFields": masked(sealed),
        "guardianIds": guardians.as_slice(),
        "marketingConsent": *granted,
        "marketingConsentAt": *at,
        "marketingConsentSource": masked(source),
    })
}

pub(super) fn category(category: &Category) -> Facts {
    let Category { id: _, name, color } = category;
    facts!({ "name": text(name), "color": color.as_deref().map(text) })
}

/// The fields themselves are configuration; which values they have is told of nobody.
pub(super) fn fields(fields: &[FieldDefinition]) -> Facts {
    let one = |field: &FieldDefinition| {
        let FieldDefinition {
            key,
            label,
            kind,
            required,
            options,
            unit,
            min,
            max,
            expression,
            sensitive,
            visible_to,
            position,
        } = field;
        facts!({
            "key": text(key),
            "label": text(label),
            "type": kind.as_str(),
            "required": *required,
            "options": many(options.iter().map(|option| text(option))),
            "unit": unit.as_deref().map(text),
            "min": *min,
            "max": *max,
            "expression": expression.as_deref().map(text),
            "sensitive": *sensitive,
            "visibleTo": visible_to.as_ref().map(|words| many(words.iter().map(|word| text(word)))),
            "position": *position,
        })
    };
    facts!({ "fields": many(fields.iter().map(one)) })
}
