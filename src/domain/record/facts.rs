//! What the trail may tell of templates and entries: of values and reasons only that they are there.

use super::model::{Entry, Template};
use crate::domain::facts::{Facts, facts, many, masked, text};

/// Of an entry.
pub(super) fn entry(entry: &Entry) -> Facts {
    facts!({
        "patient": entry.patient,
        "template": entry.template.id,
        "templateVersion": entry.template.version,
        "appointment": entry.appointment,
        "status": entry.status.as_str(),
        "values": masked(&entry.values),
        "attachments": entry.attachments.as_slice(),
        "amends": entry.amends,
        "amendmentReason": masked(&entry.amendment_reason),
        "voidReason": masked(&entry.voided.as_ref().map(|voided| voided.reason.as_str())),
        "signedBy": entry.signed.as_ref().map(|signed| signed.by.id),
        "signatureHash": masked(&entry.signed.as_ref().map(|signed| signed.hash.as_slice())),
    })
}

/// Of a template, which is the centre's configuration and about nobody.
pub(super) fn template(template: &Template) -> Facts {
    facts!({
        "name": text(&template.name),
        "specialty": template.specialty.as_deref().map(text),
        "published": template.published,
        "version": template.version,
        "fields": many(template.fields.iter().map(|field| {
            facts!({
                "key": text(&field.key),
                "label": text(&field.label),
                "type": field.kind.as_str(),
                "required": field.required,
                "sensitive": field.sensitive,
                "visibleTo": field.visible_to.as_ref().map(|words| many(words.iter().map(|word| text(word)))),
            })
        })),
    })
}
