//! A user sets a new password by the link of a mail. Every session ends: whoever had the old password is out.

use super::{
    account_link::Purpose,
    set_password::{Done, finish, prepare},
};
use crate::domain::{cx::Cx, refusal::Failure};

/// Sets the password. The link works once.
///
/// # Errors
/// TOKEN_INVALID, TOKEN_USED, EXPIRED; INVALID at `newPassword`; TENANT_IN_MAINTENANCE; faults.
pub async fn run(cx: &Cx, token: &str, new_password: String, request_id: &str) -> Result<Done, Failure> {
    let prepared = prepare(cx, token, Purpose::PasswordReset, new_password, "newPassword", request_id).await?;
    cx.retrying(|| finish(cx, token, &prepared, None, request_id)).await
}
