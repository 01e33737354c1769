//! Login with mail and password.

use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::session::{self, Tokens};
use crate::{
    auth::{Actor, password, token_hash},
    db::{Access, TenantStatus},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        refusal::{Code, Failure, Refusal},
    },
};

/// Who wants in, and from where.
pub struct Login {
    /// The centre.
    pub tenant_slug: String,
    /// Mail, in lower case.
    pub email: String,
    /// Password.
    pub password: String,
    /// What the device calls itself.
    pub device: Option<String>,
    /// The request.
    pub request_id: String,
}

#[derive(FromQueryResult)]
struct UserRow {
    id: Uuid,
    password_hash: Option<String>,
    status: String,
}

/// Opens a session. Unknown centre, unknown mail, wrong password and locked user get the same answer in the same time.
///
/// # Errors
/// Refused as said; faults of the database.
pub async fn run(cx: &Cx, input: Login) -> Result<Tokens, Failure> {
    if input.password.len() > 1_000 {
        return Err(wrong());
    }
    let tenant = cx.db.find_tenant_by_slug(&input.tenant_slug).await?;
    let usable = tenant.filter(|tenant| matches!(tenant.status, TenantStatus::Active | TenantStatus::Maintenance));
    let user: Option<UserRow> = match &usable {
        Some(tenant) => {
            let tx = cx.db.begin(tenant, Access::Read).await?;
            let user = tx
                .find("SELECT id, password_hash, status FROM users WHERE email = $1", [input.email.clone().into()])
                .await?;
            tx.commit().await?;
            user
        }
        None => None,
    };
    // Outside any transaction: hashing takes tens of milliseconds.
    let fits = password::verify(input.password, user.as_ref().and_then(|user| user.password_hash.clone())).await;
    let (Some(tenant), Some(user), true) = (usable, user, fits) else {
        metrics::counter!("horae_logins_total", "outcome" => "refused").increment(1);
        return Err(wrong());
    };
    if user.status != "ACTIVE" {
        metrics::counter!("horae_logins_total", "outcome" => "refused").increment(1);
        return Err(wrong());
    }
    let session = cx.new_id();
    let tokens = session::tokens(cx, &tenant, user.id, session)?;
    let actor = Actor {
        id: Some(user.id),
        kind: crate::auth::ActorKind::User,
        ..Actor::system(tenant, "login", &input.request_id)
    };
    // A login is possible in maintenance too: it changes nothing of the centre's own.
    let tx = cx.db.begin(&actor.tenant, Access::Write).await?;
    tx.run(
        "INSERT INTO sessions (id, user_id, refresh_hash, device, created_at, refreshed_at, expires_at) VALUES ($1, $2, $3, $4, $5, $5, $6)",
        [
            session.into(),
            user.id.into(),
            token_hash(&tokens.refresh).into(),
            input.device.map(|device| device.chars().take(200).collect::<String>()).into(),
            cx.now().into(),
            tokens.refresh_expires_at.into(),
        ],
    )
    .await?;
    tx.run("UPDATE users SET last_login_at = $2 WHERE id = $1", [user.id.into(), cx.now().into()]).await?;
    let change = Change {
        after: Some(facts!({ "sessionId": session, "lastLoginAt": cx.now() })),
        ..Change::event("user.login", "login", "User", user.id)
    };
    cx.commit(tx, Changes::one(&actor, change)).await?;
    metrics::counter!("horae_logins_total", "outcome" => "ok").increment(1);
    Ok(tokens)
}

fn wrong() -> Failure {
    Refusal::new(Code::Invalid, "centre, mail or password is wrong").at("password").into()
}
