//! Which files of a record are for whom: what only fields hold that somebody may not see is not shown to them elsewhere
//! either.

use crate::auth::{Actor, Permission};

/// The condition that a file `a` is not held by such fields alone. The parameter is [`permissions`].
macro_rules! open_file {
    ($permissions:literal) => {
        concat!(
            "(NOT EXISTS (SELECT 1 FROM record_attachments h WHERE h.attachment_id = a.id) OR EXISTS (
                 SELECT 1 FROM record_attachments h JOIN record_entries e ON e.id = h.entry_id
                     JOIN record_template_versions v ON v.template_id = e.template_id AND v.version = e.template_version
                 WHERE h.attachment_id = a.id AND (h.listed OR h.field_keys = '{}' OR EXISTS (
                     SELECT 1 FROM jsonb_array_elements(v.fields) AS f (field)
                     WHERE f.field ->> 'key' = ANY (h.field_keys) AND (f.field -> 'visibleTo' IS NULL OR EXISTS (
                         SELECT 1 FROM jsonb_array_elements_text(f.field -> 'visibleTo') AS w (word)
                         WHERE w.word = ANY (",
            $permissions,
            "::text[])))))))"
        )
    };
}
pub(in crate::domain) use open_file;

/// What the caller may do, in the words of the fields.
pub(in crate::domain) fn permissions(actor: &Actor) -> sea_orm::Value {
    let words: Vec<String> = actor.permissions.iter().map(Permission::as_str).map(str::to_owned).collect();
    words.into()
}
