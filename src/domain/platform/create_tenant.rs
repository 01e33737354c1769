//! Creates a centre: catalogue row, role, schema, built-in roles, first administrator.

use std::sync::Arc;

use chrono_tz::Tz;
use uuid::Uuid;

use crate::{
    auth::{Actor, BuiltinRole, password},
    db::{CellPlan, NewTenant, Tenant, TenantId, TenantStatus},
    domain::{
        change::{Change, Changes},
        contact,
        cx::Cx,
        facts::{facts, masked, text},
        identity::{
            account_link::{self, Purpose},
            password_policy::{self, Owner},
        },
        money,
        refusal::{Code, Failure, Refusal},
    },
};

/// A centre to create.
#[derive(Clone, Debug)]
pub struct NewCentre {
    /// The name in addresses.
    pub slug: String,
    /// The name that patients know.
    pub trade_name: String,
    /// The name on invoices.
    pub legal_name: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// ISO 4217.
    pub currency: String,
    /// BCP 47.
    pub locale: String,
    /// For what concerns no branch.
    pub default_time_zone: Tz,
    /// `CLINIC`, `DENTAL` …
    pub vertical: String,
    /// `BY_PROFESSIONAL` or `BY_ROOM`.
    pub operating_mode: String,
    /// A database of its own.
    pub dedicated: bool,
    /// First administrator.
    pub admin_email: String,
    /// Shown to others.
    pub admin_name: String,
    /// As good as any other user's. None: the administrator is invited by mail and sets one.
    pub admin_password: Option<String>,
}

/// Creates the centre and opens it, or goes on with one of this name whose creation was interrupted. Takes well under two
/// seconds, most of it the schema.
///
/// # Errors
/// Values that do not fit, a weak password, a slug that is taken, faults of the database.
pub async fn run(cx: &Cx, plan: CellPlan, new: NewCentre) -> Result<Arc<Tenant>, Failure> {
    check(&new)?;
    check_password(&new).await?;
    let alone = cx.db.lock_creation(&new.slug).await?;
    let id = match cx.db.find_tenant_by_slug(&new.slug).await? {
        None => TenantId(cx.new_id()),
        Some(begun) if begun.status == TenantStatus::Provisioning => begun.id,
        Some(_) => {
            let message = format!("a centre called `{}` exists already", new.slug);
            return Err(Refusal::new(Code::AlreadyExists, message).at("slug").into());
        }
    };
    let row = NewTenant {
        id,
        slug: new.slug.clone(),
        legal_name: new.legal_name.clone(),
        country: new.country.clone(),
        dedicated: new.dedicated,
        now: cx.now(),
    };
    let tenant = cx.db.create_tenant(row, plan, &alone).await?;
    fill(cx, &tenant, &new).await?;
    cx.db.open_tenant(tenant.id, cx.now(), &alone).await?;
    cx.db.find_tenant(tenant.id).await?.ok_or_else(|| Failure::fault("the new tenant is gone from the catalogue"))
}

fn check(new: &NewCentre) -> Result<(), Failure> {
    let mut refusals = Vec::new();
    let slug_fits = (1..=40).contains(&new.slug.len())
        && new.slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !new.slug.starts_with('-')
        && !new.slug.ends_with('-');
    if !slug_fits {
        refusals
            .push(Refusal::invalid("slug", "use 1 to 40 lower-case letters, digits and hyphens, like `clinica-sur`"));
    }
    if contact::country(&new.country).is_none() {
        refusals.push(Refusal::invalid("country", "use a country code of two capital letters, like CL"));
    }
    if money::exponent(&new.currency).is_none() {
        refusals.push(Refusal::invalid("currency", "use a currency code of ISO 4217, like CLP"));
    }
    if contact::locale(&new.locale).is_none() {
        refusals.push(Refusal::invalid("locale", "use a locale of BCP 47, like es-CL"));
    }
    if contact::email(&new.admin_email).is_none() {
        refusals.push(Refusal::invalid("adminEmail", "use a mail address, like ana@example.com"));
    }
    if new.trade_name.trim().is_empty() || new.legal_name.trim().is_empty() {
        refusals.push(Refusal::required("legalName", "a centre needs a name"));
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals.into()) }
}

/// In English, like all that this use case refuses: it is told to who runs Horae, not to the centre.
async fn check_password(new: &NewCentre) -> Result<(), Failure> {
    let Some(word) = &new.admin_password else { return Ok(()) };
    let owner = Owner {
        name: new.admin_name.clone(),
        email: new.admin_email.clone(),
        centre: format!("{} {}", new.trade_name, new.slug),
    };
    password_policy::check(word, owner, "en", "adminPassword").await
}

async fn fill(cx: &Cx, tenant: &Arc<Tenant>, new: &NewCentre) -> Result<(), Failure> {
    let hash = match &new.admin_password {
        Some(word) => Some(password::hash(word.clone()).await.map_err(|error| Failure::fault(error.to_string()))?),
        None => None,
    };
    let actor = Actor::system(Arc::clone(tenant), "platform", "create-tenant");
    let now = cx.now();
    let tx = cx.write(&actor).await?;
    // One transaction writes all of it, so a try that was interrupted has left all or nothing.
    if tx.scalar::<bool>("SELECT EXISTS (SELECT FROM centre_profile)", []).await? == Some(true) {
        return Ok(());
    }
    tx.run(
        "INSERT INTO centre_profile (trade_name, legal_name, country, currency, locale, default_time_zone, vertical, operating_mode, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        [
            new.trade_name.clone().into(),
            new.legal_name.clone().into(),
            new.country.clone().into(),
            new.currency.clone().into(),
            new.locale.clone().into(),
            new.default_time_zone.name().into(),
            new.vertical.clone().into(),
            new.operating_mode.clone().into(),
            now.into(),
        ],
    )
    .await?;
    for role in BuiltinRole::ALL {
        tx.run(
            "INSERT INTO roles (id, name, builtin) VALUES ($1, $2, $3)",
            [cx.new_id().into(), role.display_name().into(), role.as_str().into()],
        )
        .await?;
    }
    let admin = NewUser {
        email: &new.admin_email,
        name: &new.admin_name,
        password_hash: hash,
        role: BuiltinRole::Administrator,
    };
    let invited = admin.password_hash.is_none();
    let admin = insert_user(cx, &tx, admin).await?;
    if invited {
        account_link::issue(cx, &tx, Purpose::Invite, cx.new_id(), admin, &new.admin_email.to_lowercase()).await?;
    }
    let change = Change {
        after: Some(facts!({
            "slug": text(&tenant.slug),
            "country": text(&new.country),
            "currency": text(&new.currency),
            "defaultTimeZone": new.default_time_zone,
            "vertical": text(&new.vertical),
            "operatingMode": text(&new.operating_mode),
        })),
        ..Change::event("tenant.created", "createTenant", "Tenant", tenant.id.0)
    };
    let mut changes = Changes::one(&actor, change);
    changes.push(Change {
        after: Some(facts!({ "role": BuiltinRole::Administrator.as_str(), "name": masked(&new.admin_name) })),
        ..Change::event("user.registered", "createTenant", "User", admin)
    });
    cx.commit(tx, changes).await
}

/// A user to insert.
pub struct NewUser<'a> {
    /// In lower case.
    pub email: &'a str,
    /// Shown to others.
    pub name: &'a str,
    /// argon2id; none: invited.
    pub password_hash: Option<String>,
    /// First role.
    pub role: BuiltinRole,
}

/// Inserts a user with one built-in role.
///
/// # Errors
/// Faults of the database, a taken mail address among them.
pub async fn insert_user(cx: &Cx, tx: &crate::db::TenantTx, new: NewUser<'_>) -> Result<Uuid, Failure> {
    let id = cx.new_id();
    let status = if new.password_hash.is_some() { "ACTIVE" } else { "INVITED" };
    tx.run(
        "INSERT INTO users (id, email, name, status, password_hash, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $6)",
        [
            id.into(),
            new.email.to_lowercase().into(),
            new.name.into(),
            status.into(),
            new.password_hash.into(),
            cx.now().into(),
        ],
    )
    .await?;
    tx.run(
        "INSERT INTO user_roles (user_id, role_id) SELECT $1, id FROM roles WHERE builtin = $2",
        [id.into(), new.role.as_str().into()],
    )
    .await?;
    Ok(id)
}
