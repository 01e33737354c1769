//! The two demo centres: created once, found again later.

use super::kept::Made;
use crate::{
    app::App,
    auth::{Actor, BuiltinRole, password},
    cli::CliError,
    db::TenantStatus,
    domain::{
        change::{Change, Changes},
        identity::keys,
        platform::create_tenant::{self, NewCentre, NewUser, insert_user},
        refusal::Failure,
    },
};

/// Of every demo user.
pub(super) const PASSWORD: &str = "horae-demo-2026";

/// Names the key of the booking page.
const KEY_NAME: &str = "demo booking page";

/// A login of a demo centre.
#[derive(Clone, Debug)]
pub(super) struct Login {
    /// What it may do.
    pub role: &'static str,
    /// Mail address.
    pub email: String,
}

/// A demo centre, as the welcome shows it.
#[derive(Clone, Debug)]
pub(super) struct DemoCentre {
    /// Short name.
    pub slug: &'static str,
    /// Name.
    pub name: &'static str,
    /// Who can log in.
    pub logins: Vec<Login>,
    /// For booking pages.
    pub publishable_key: String,
}

struct Plan {
    slug: &'static str,
    name: &'static str,
    country: &'static str,
    currency: &'static str,
    locale: &'static str,
    zone: chrono_tz::Tz,
    vertical: &'static str,
    mode: &'static str,
}

const PLANS: [Plan; 2] = [
    Plan {
        slug: "clinica-sur",
        name: "Clínica Sur",
        country: "CL",
        currency: "CLP",
        locale: "es-CL",
        zone: chrono_tz::America::Santiago,
        vertical: "CLINIC",
        mode: "BY_PROFESSIONAL",
    },
    Plan {
        slug: "estetica-norte",
        name: "Estética Norte",
        country: "ES",
        currency: "EUR",
        locale: "es-ES",
        zone: chrono_tz::Europe::Madrid,
        vertical: "BEAUTY",
        mode: "BY_ROOM",
    },
];

/// Creates what is missing. Publishable keys are shown at every start, so the demo keeps them in its data folder.
pub(super) async fn ensure(app: &App, made: &mut Made) -> Result<Vec<DemoCentre>, CliError> {
    let mut centres = Vec::new();
    for plan in &PLANS {
        if !is_complete(app, made, plan.slug).await? {
            // First, so that a start after an interruption knows that it is the demo's.
            made.begin(plan.slug)?;
            put_aside(app, made, plan).await?;
            crate::cli::banner::line(&format!("Creating the demo centre {} …", plan.name));
            create(app, plan).await?;
        }
        let publishable_key = match made.key(plan.slug) {
            Some(key) if holds(app, plan.slug, key).await? => key.to_owned(),
            _ => {
                let key = new_key(app, plan.slug).await?;
                made.complete(plan.slug, &key)?;
                key
            }
        };
        centres.push(DemoCentre { slug: plan.slug, name: plan.name, logins: logins(plan.slug), publishable_key });
    }
    Ok(centres)
}

/// Whether a centre is there with all its sample data. Its first key is made when they are, and tells so where the file of
/// keys is lost.
async fn is_complete(app: &App, made: &Made, slug: &str) -> Result<bool, CliError> {
    match app.cx.db.find_tenant_by_slug(slug).await? {
        None => Ok(false),
        Some(tenant) if tenant.status == TenantStatus::Provisioning => Ok(false),
        Some(_) if made.key(slug).is_some() => Ok(true),
        Some(tenant) => {
            let actor = Actor::system(tenant, "demo", "demo");
            let tx = app.cx.read(&actor).await.map_err(|failure| CliError::of(&failure))?;
            let exists = "SELECT EXISTS (SELECT FROM api_keys WHERE name = $1)";
            Ok(tx.scalar::<bool>(exists, [KEY_NAME.into()]).await? == Some(true))
        }
    }
}

/// Makes room for a centre whose first start was interrupted among its sample data: half of them are of no use, and
/// putting them in again would double them. One that was being created is gone on with instead.
async fn put_aside(app: &App, made: &mut Made, plan: &Plan) -> Result<(), CliError> {
    let found = app.cx.db.find_tenant_by_slug(plan.slug).await?;
    let Some(half) = found.filter(|tenant| tenant.status != TenantStatus::Provisioning) else { return Ok(()) };
    let name = format!("{}-{:.8}", plan.slug, half.id.label());
    made.begin(&name)?;
    app.cx.db.set_tenant_aside(half.id, &name, app.cx.now()).await?;
    crate::cli::banner::line(&format!("{} was left incomplete; it is put aside as `{name}`, closed", plan.name));
    Ok(())
}

/// Whether a key that was kept still opens the centre: the database may have been replaced meanwhile. A centre that
/// somebody has closed keeps its key.
async fn holds(app: &App, slug: &str, key: &str) -> Result<bool, CliError> {
    let tenant = system(app, slug).await?.tenant;
    if tenant.status != TenantStatus::Active {
        return Ok(true);
    }
    let who = app.authenticator.bearer(key, None, &"demo".into()).await.map_err(|failure| CliError::of(&failure))?;
    Ok(who.is_some_and(|who| who.actor.tenant.id == tenant.id))
}

/// The address of a demo user.
pub(super) fn email(slug: &str, local: &str) -> String {
    format!("{local}@{slug}.example")
}

fn logins(slug: &str) -> Vec<Login> {
    [("Administrator", "admin"), ("Receptionist", "recepcion"), ("Professional", "ana")]
        .into_iter()
        .map(|(role, name)| Login { role, email: email(slug, name) })
        .collect()
}

async fn create(app: &App, plan: &Plan) -> Result<(), CliError> {
    let new = NewCentre {
        slug: plan.slug.to_owned(),
        trade_name: plan.name.to_owned(),
        legal_name: plan.name.to_owned(),
        country: plan.country.to_owned(),
        currency: plan.currency.to_owned(),
        locale: plan.locale.to_owned(),
        default_time_zone: plan.zone,
        vertical: plan.vertical.to_owned(),
        operating_mode: plan.mode.to_owned(),
        dedicated: false,
        admin_email: email(plan.slug, "admin"),
        admin_name: "Administración".to_owned(),
        admin_password: Some(PASSWORD.to_owned()),
    };
    create_tenant::run(&app.cx, app.config.cell_plan, new).await.map_err(|failure| CliError::of(&failure))?;
    let actor = system(app, plan.slug).await?;
    staff(app, &actor, plan.slug).await.map_err(|failure| CliError::of(&failure))?;
    super::sample::fill(app, actor, plan.slug).await
}

/// The receptionist and a professional; the administrator is there already.
async fn staff(app: &App, actor: &Actor, slug: &str) -> Result<(), Failure> {
    let tx = app.cx.write(actor).await?;
    let mut changes = Changes::by(actor);
    for (name, local, role) in
        [("Recepción", "recepcion", BuiltinRole::Receptionist), ("Ana Rojas", "ana", BuiltinRole::Professional)]
    {
        let hash = password::hash(PASSWORD.to_owned()).await.map_err(|error| Failure::fault(error.to_string()))?;
        let email = email(slug, local);
        let id = insert_user(&app.cx, &tx, NewUser { email: &email, name, password_hash: Some(hash), role }).await?;
        changes.push(Change { event: Some("user.registered"), ..Change::audited("createDemo", "User", id) });
    }
    app.cx.commit(tx, changes).await
}

async fn new_key(app: &App, slug: &str) -> Result<String, CliError> {
    let actor = system(app, slug).await?;
    keys::create_publishable(&app.cx, &actor, KEY_NAME, Vec::new()).await.map_err(|failure| CliError::of(&failure))
}

/// Horae itself, for one of the centres.
pub(super) async fn system(app: &App, slug: &str) -> Result<Actor, CliError> {
    let tenant = app.cx.db.find_tenant_by_slug(slug).await?;
    let tenant = tenant.ok_or_else(|| CliError(format!("the demo centre {slug} is missing")))?;
    Ok(Actor::system(tenant, "demo", "demo"))
}
