//! The `Message-ID` of a mail, by which every relay recognises a copy.

use sha2::{Digest, Sha256};

use crate::{db::Tenant, domain::cx::Cx};

/// The domain of a tenant's Message-IDs and calendar entries. Two tenants never share one.
#[must_use]
pub fn calendar_domain(cx: &Cx, tenant: &Tenant) -> String {
    format!("{}.{}", tenant.slug, cx.mail_domain)
}

/// The `Message-ID` of the mail with this deduplication key: always the same, and different for each key and domain.
///
/// Hashed because a key holds internal identifiers and sometimes an address, and every relay on the way logs Message-IDs.
#[must_use]
pub fn message_id(dedup_key: &str, tenant_domain: &str) -> String {
    let domain: String = tenant_domain
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
        .collect::<String>()
        .to_ascii_lowercase();
    let domain = match domain.trim_matches(['.', '-']) {
        "" => "horae.invalid",
        domain => domain,
    };
    let local = hex::encode(Sha256::digest(format!("{domain}\n{dedup_key}")));
    format!("<{local:.32}@{domain}>")
}

#[cfg(test)]
mod tests {
    use super::message_id;

    #[test]
    fn message_ids_are_stable_distinct_and_well_formed() {
        let id = message_id("remind:7:2026-07-15", "Centro.Example");
        assert_eq!(id, message_id("remind:7:2026-07-15", "centro.example"));
        assert_ne!(id, message_id("remind:8:2026-07-15", "centro.example"));
        assert_ne!(id.split('@').next(), message_id("remind:7:2026-07-15", "otro.example").split('@').next());
        assert!(id.starts_with('<') && id.ends_with("@centro.example>"));
        assert!(id.is_ascii() && !id.contains(char::is_whitespace));
        assert!(message_id("k", "a>\r\nb ").ends_with("@ab>"));
        assert!(message_id("k", "").ends_with("@horae.invalid>"));
    }
}
