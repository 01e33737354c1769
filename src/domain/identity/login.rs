//! Login with mail and password; a user with a second factor gets a challenge first.

use std::sync::Arc;

use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{
    mfa::{self, Challenge},
    session::{self, Place, Tokens},
    user,
};
use crate::{
    auth::{Actor, ActorKind, alarm, password},
    db::{Access, Tenant, TenantStatus, TenantTx},
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
    /// Where the session is opened.
    pub place: Place,
    /// The request.
    pub request_id: String,
}

/// What a right password opens.
#[derive(Clone)]
pub enum LoggedIn {
    /// A session.
    Session(Tokens),
    /// The user has a second factor, and this waits for its code.
    Challenge(Challenge),
}

#[derive(FromQueryResult)]
struct UserRow {
    id: Uuid,
    password_hash: Option<String>,
    status: String,
    has_factor: bool,
}

/// Opens a session, or a challenge for the second factor. Unknown centre, unknown mail, wrong password and locked user get the same answer in the same time.
///
/// # Errors
/// Refused as said; faults of the database.
pub async fn run(cx: &Cx, mut input: Login) -> Result<LoggedIn, Failure> {
    if input.password.len() > 1_000 {
        return Err(wrong());
    }
    let tenant = cx.db.find_tenant_by_slug(&input.tenant_slug).await?;
    let usable = tenant.filter(|tenant| matches!(tenant.status, TenantStatus::Active | TenantStatus::Maintenance));
    let user = match &usable {
        Some(tenant) => {
            let tx = cx.db.begin(tenant, Access::Read).await?;
            let user = find(&tx, &input.email).await?;
            tx.commit().await?;
            user
        }
        None => None,
    };
    // Outside any transaction: hashing takes tens of milliseconds.
    let password = std::mem::take(&mut input.password);
    let fits = password::verify(password, user.as_ref().and_then(|user| user.password_hash.clone())).await;
    let user = user.filter(|user| fits && user.status == ACTIVE);
    let opened = match (&usable, &user) {
        (Some(tenant), Some(user)) => cx.retrying(|| open(cx, tenant, user, &input)).await?,
        _ => None,
    };
    opened.ok_or_else(|| {
        metrics::counter!("horae_logins_total", "outcome" => "refused").increment(1);
        alarm::auth_failure("password", usable.map(|tenant| tenant.id), &input.request_id);
        wrong()
    })
}

const ACTIVE: &str = "ACTIVE";

async fn find(tx: &TenantTx, email: &str) -> Result<Option<UserRow>, Failure> {
    let user = tx
        .find(
            "SELECT id, password_hash, status,
                 EXISTS (SELECT 1 FROM mfa_factors f WHERE f.user_id = users.id AND f.confirmed_at IS NOT NULL) AS has_factor
             FROM users WHERE email = $1",
            [email.into()],
        )
        .await?;
    Ok(user)
}

/// What the password opens that was right a moment ago. While it was hashed somebody may have changed it, locked the
/// user or confirmed a factor, so all that is looked at again under the user's lock. None: it is not right any more.
async fn open(cx: &Cx, tenant: &Arc<Tenant>, proved: &UserRow, input: &Login) -> Result<Option<LoggedIn>, Failure> {
    let actor = Actor {
        id: Some(proved.id),
        kind: ActorKind::User,
        ip: input.place.address,
        ..Actor::system(Arc::clone(tenant), "login", &input.request_id)
    };
    // A login is possible in maintenance too: it changes nothing of the centre's own.
    let tx = cx.db.begin(tenant, Access::Write).await?;
    user::lock(&tx, proved.id).await?;
    let now = find(&tx, &input.email).await?;
    let Some(user) = now.filter(|now| now.password_hash == proved.password_hash && now.status == ACTIVE) else {
        return Ok(None);
    };
    if user.has_factor {
        let challenge = mfa::open(cx, &tx, user.id, mfa::Aim::Login).await?;
        let change =
            Change { after: Some(facts!({ "outcome": "mfa_required" })), ..Change::audited("login", "User", user.id) };
        cx.commit(tx, Changes::one(&actor, change)).await?;
        metrics::counter!("horae_logins_total", "outcome" => "mfa_required").increment(1);
        return Ok(Some(LoggedIn::Challenge(challenge)));
    }
    let tokens = session::open(cx, &tx, user.id, &input.place, false).await?;
    let change = Change {
        after: Some(facts!({ "lastLoginAt": cx.now() })),
        ..Change::event("user.login", "login", "User", user.id)
    };
    cx.commit(tx, Changes::one(&actor, change)).await?;
    metrics::counter!("horae_logins_total", "outcome" => "ok").increment(1);
    Ok(Some(LoggedIn::Session(tokens)))
}

fn wrong() -> Failure {
    Refusal::new(Code::Invalid, "centre, mail or password is wrong").at("password").into()
}
