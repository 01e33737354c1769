//! Looks up whose address somebody typed who forgot a password, and writes the mail if it is a user's.

use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{
    account_link::{self, Purpose},
    user::UserStatus,
};
use crate::{
    auth::{Actor, Permission, Scope},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        refusal::Failure,
    },
};

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    email: String,
    status: String,
}

/// Sends the link for a new password to an active user, and the invitation again to somebody invited. Locked and
/// disabled users and unknown addresses get nothing. Running it twice sends one mail: the request is the mail's id.
///
/// # Errors
/// A missing permission; faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, request: Uuid) -> Result<(), Failure> {
    actor.require(Permission::UserAdmin, Scope::Centre)?;
    let tx = cx.write(actor).await?;
    let user: Option<Row> = tx
        .find(
            "SELECT u.id, u.email, u.status FROM password_reset_requests q JOIN users u ON u.email = q.email
             WHERE q.id = $1 FOR UPDATE OF u",
            [request.into()],
        )
        .await?;
    let mut changes = Changes::by(actor);
    if let Some(user) = user {
        let purpose = match UserStatus::parse(&user.status)? {
            UserStatus::Active => Some(Purpose::PasswordReset),
            UserStatus::Invited => Some(Purpose::Invite),
            UserStatus::Locked | UserStatus::Disabled => None,
        };
        if let Some(purpose) = purpose {
            account_link::issue(cx, &tx, purpose, request, user.id, &user.email).await?;
            changes.push(Change {
                after: Some(facts!({ "purpose": purpose.as_str() })),
                ..Change::audited("sendAccountLink", "User", user.id)
            });
        }
    }
    cx.commit(tx, changes).await
}
