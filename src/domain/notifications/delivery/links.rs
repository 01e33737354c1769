//! The links of mails to patients.

use std::sync::Arc;

use uuid::Uuid;

use super::{About, AppointmentContent, Mail};
use crate::{
    auth::word,
    db::{Tenant, TenantTx},
    domain::{
        cx::Cx,
        identity::capability::{self, NewToken, Purpose},
        refusal::Failure,
    },
};

/// The patient's single-use links of one mail. Derived from the mail, so that a copy of it carries the same ones; only
/// hashes are kept.
#[derive(Clone)]
pub struct Links {
    confirm: String,
    manage: String,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Links")
    }
}

impl Links {
    pub(super) fn of(cx: &Cx, tenant: &Arc<Tenant>, email: Uuid) -> Self {
        let word = |purpose: Purpose| {
            let body = format!("{}\n{}\n{email}", purpose.as_str(), tenant.id.0);
            format!("{}{}.{}", word::CAPABILITY, tenant.key, cx.seal.secret_word(body.as_bytes()))
        };
        Self { confirm: word(Purpose::AppointmentConfirm), manage: word(Purpose::AppointmentManage) }
    }

    /// The pages that they open: to confirm, and to move or cancel.
    #[must_use]
    pub fn pages(&self, cx: &Cx) -> (String, String) {
        let page = |word: &str| format!("{}/a/{word}", cx.public_url);
        (page(&self.confirm), page(&self.manage))
    }
}

/// Stores the links of these mails.
pub(super) async fn put(cx: &Cx, tx: &TenantTx, mails: &[Mail]) -> Result<(), Failure> {
    let mut tokens = Vec::new();
    for mail in mails {
        let About::Appointment(about) = &mail.about else { continue };
        let Some(Links { confirm, manage }) = &about.links else { continue };
        for (word, purpose) in [(confirm, Purpose::AppointmentConfirm), (manage, Purpose::AppointmentManage)] {
            let AppointmentContent { appointment, start, .. } = about.content;
            tokens.push(NewToken { word, purpose, resource: appointment, max_uses: 1, expires_at: start });
        }
    }
    if !tokens.is_empty() {
        capability::put(cx, tx, &tokens).await?;
    }
    Ok(())
}
