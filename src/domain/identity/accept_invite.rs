//! Somebody who was invited sets a first password, and may correct the own name.

use super::{
    account_link::Purpose,
    set_password::{Done, finish, prepare},
};
use crate::domain::{centre::check::Check, cx::Cx, refusal::Failure};

/// Makes the invited user active. The link works once.
///
/// # Errors
/// TOKEN_INVALID, TOKEN_USED, EXPIRED; INVALID at `password` or `name`; TENANT_IN_MAINTENANCE; faults.
pub async fn run(
    cx: &Cx,
    token: &str,
    password: String,
    name: Option<&str>,
    request_id: &str,
) -> Result<Done, Failure> {
    let mut check = Check::default();
    let name = name.map(|name| check.name("name", name));
    check.done()?;
    let prepared = prepare(cx, token, Purpose::Invite, password, "password", request_id).await?;
    cx.retrying(|| finish(cx, token, &prepared, name.as_deref(), request_id)).await
}
