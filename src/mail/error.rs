//! What can become of a hand-over that did not end in "accepted", in the terms in which a job decides.
//!
//! Two questions matter afterwards: is another attempt sensible, and may the relay have kept the mail although it never
//! told us? The second decides whether a kind that must not arrive twice may be tried again.

use lettre::transport::smtp::Error as SmtpError;
use thiserror::Error;

/// Why a mail was not accepted.
///
/// The texts come from the relay and may name the recipient: store them with the message, do not log them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SendError {
    /// The relay answered 4xx: it has not taken the mail and asks to try later.
    #[error("the relay asked to try again later: {reply}")]
    Transient {
        /// Code and text of the answer.
        reply: String,
    },
    /// The relay answered 5xx, or the mail cannot be expressed at all: this mail will never be accepted.
    #[error("the relay refused the mail: {reply}")]
    Permanent {
        /// Code and text of the answer.
        reply: String,
        /// True when the recipient's address itself is dead, so that nothing more should be sent to it. A full
        /// mailbox, a policy block or a refused sender is not the address's fault and gives false.
        address_rejected: bool,
    },
    /// No conversation came about: name resolution, connection, TLS or log-in failed, or the relay takes nothing from our
    /// sender. The mail was never offered.
    #[error("the relay could not be reached or takes no mail from here: {detail}")]
    Unreachable {
        /// The innermost cause, for operators.
        detail: String,
    },
    /// The line broke in the middle of the conversation.
    #[error("the connection to the relay broke: {detail}")]
    Interrupted {
        /// The innermost cause, for operators.
        detail: String,
        /// True when the content was already on its way, so the relay may have kept the mail.
        may_have_been_delivered: bool,
    },
    /// The relay took longer than the configured limit.
    #[error("the relay did not answer in time")]
    Timeout {
        /// True when the content was already on its way, so the relay may have kept the mail.
        may_have_been_delivered: bool,
    },
}

impl SendError {
    /// True when another attempt may succeed; everything but a permanent refusal.
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Permanent { .. })
    }

    /// True when the address is dead and belongs on the suppression list.
    pub fn is_address_rejected(&self) -> bool {
        matches!(self, Self::Permanent { address_rejected: true, .. })
    }

    /// True when nobody can know from here whether the relay kept the mail. Kinds that must arrive at most once are
    /// not tried again after this.
    pub fn may_have_been_delivered(&self) -> bool {
        match self {
            Self::Interrupted { may_have_been_delivered, .. } | Self::Timeout { may_have_been_delivered } => {
                *may_have_been_delivered
            }
            Self::Transient { .. } | Self::Permanent { .. } | Self::Unreachable { .. } => false,
        }
    }

    pub(super) fn unsendable(reason: impl std::fmt::Display) -> Self {
        Self::Permanent { reply: format!("not offered to the relay: {reason}"), address_rejected: false }
    }
}

/// How far a conversation had come; the same reply means different things at different points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Connecting, greeting, TLS and log-in.
    Connect,
    /// `MAIL FROM` with nothing in it that is of this mail.
    Sender,
    /// `MAIL FROM` that asks for SMTPUTF8, which the mail's own address may need.
    SenderUtf8,
    /// `RCPT TO`.
    Recipient,
    /// The `DATA` command, before any content.
    Data,
    /// Content sent, answer awaited.
    Content,
}

/// Turns what lettre reports into what a job needs to know.
pub(super) fn classify(error: &SmtpError, stage: Stage) -> SendError {
    let detail = innermost(error);
    let Some(code) = error.status() else {
        return if stage == Stage::Connect {
            SendError::Unreachable { detail }
        } else {
            SendError::Interrupted { detail, may_have_been_delivered: stage == Stage::Content }
        };
    };
    let code = code.to_string();
    let reply = format!("{code} {detail}");
    if stage == Stage::Connect || matches!(code.as_str(), "530" | "534" | "535" | "538") {
        // A wrong password or a relay that refuses this host is the operator's to repair: no mail and no address is at
        // fault, so everything waits instead of being given up.
        return SendError::Unreachable { detail: reply };
    }
    if error.is_transient() {
        return SendError::Transient { reply };
    }
    if stage == Stage::Sender {
        // All mails have the same sender: one that is suspended must not make an end of each of them.
        return SendError::Unreachable { detail: reply };
    }
    SendError::Permanent { address_rejected: blames_the_address(&code, &detail, stage), reply }
}

/// Whether a 5xx says "this address does not exist" (RFC 3463 subjects 1 and 2) rather than "not from you", "not this
/// content" or "not now". Suppressing an address for a policy block would silence a patient for ever.
fn blames_the_address(code: &str, text: &str, stage: Stage) -> bool {
    match enhanced_status(text) {
        Some(enhanced) => {
            let about_recipient = matches!(enhanced, "5.1.1" | "5.1.2" | "5.1.3" | "5.1.6" | "5.1.10" | "5.2.1");
            about_recipient && matches!(stage, Stage::Recipient | Stage::Content)
        }
        None => stage == Stage::Recipient && matches!(code, "550" | "551" | "553") && !names_another_cause(text),
    }
}

/// Whether a reply without an enhanced code speaks of what relays refuse in answer to RCPT and the address has no part
/// in: who may relay, a sender that cannot be verified, a policy. Rather one dead address too many than a living one less.
fn names_another_cause(text: &str) -> bool {
    let text = text.to_lowercase();
    ["relay", "sender", "verif", "authent", "rcpthosts", "permit", "denied", "block", "policy", "spam", "#5.7"]
        .iter()
        .any(|word| text.contains(word))
}

fn enhanced_status(text: &str) -> Option<&str> {
    let word = text.split_whitespace().next()?;
    let mut parts = word.split('.');
    let is_number = |part: Option<&str>| {
        part.is_some_and(|digits| !digits.is_empty() && digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    (is_number(parts.next()) && is_number(parts.next()) && is_number(parts.next()) && parts.next().is_none())
        .then_some(word)
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut current = error;
    while let Some(source) = current.source() {
        current = source;
    }
    current.to_string()
}

#[cfg(test)]
mod tests {
    use super::{Stage, blames_the_address, enhanced_status};

    #[test]
    fn only_a_dead_address_is_blamed() {
        for (code, text, stage, expected) in [
            ("550", "5.1.1 No such user", Stage::Recipient, true),
            ("550", "No such user here", Stage::Recipient, true),
            ("553", "mailbox name not allowed", Stage::Recipient, true),
            ("550", "5.1.1 No such user", Stage::Content, true),
            ("550", "5.7.1 Blocked, your host is listed", Stage::Recipient, false),
            ("552", "5.2.2 Mailbox full", Stage::Recipient, false),
            ("550", "5.1.8 Sender domain unknown", Stage::Sender, false),
            ("550", "5.1.7 Sender address refused", Stage::Recipient, false),
            ("554", "Transaction failed", Stage::Recipient, false),
            ("550", "spam", Stage::Content, false),
            ("550", "5.1.0 <citas@centro.example> sender rejected", Stage::Recipient, false),
            ("550", "relay not permitted", Stage::Recipient, false),
            ("550", "Relaying denied", Stage::Recipient, false),
            ("550", "Verification failed for <citas@centro.example> Sender verify failed", Stage::Recipient, false),
            ("550", "Authentication required", Stage::Recipient, false),
            ("551", "User not local; this host is not permitted", Stage::Recipient, false),
            ("553", "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", Stage::Recipient, false),
            ("550", "Your host is BLOCKED", Stage::Recipient, false),
            ("550", "rejected by local policy", Stage::Recipient, false),
            ("550", "looks like spam", Stage::Recipient, false),
            ("550", "sorry, no mailbox here by that name. (#5.1.1)", Stage::Recipient, true),
        ] {
            assert_eq!(blames_the_address(code, text, stage), expected, "{code} {text} {stage:?}");
        }
    }

    #[test]
    fn enhanced_status_is_the_first_word_only() {
        assert_eq!(enhanced_status("5.1.10 null MX"), Some("5.1.10"));
        assert_eq!(enhanced_status("host 5.1.1"), None);
        assert_eq!(enhanced_status("10.0.0.1 blocked"), None);
        assert_eq!(enhanced_status(""), None);
    }
}
