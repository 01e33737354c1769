//! The two demo centres: created once, found again later.

use std::{collections::BTreeMap, fs};

use crate::{
    app::App,
    auth::{Actor, BuiltinRole, password},
    cli::CliError,
    domain::{
        change::{Change, Changes},
        identity::keys,
        platform::create_tenant::{self, NewCentre, NewUser, insert_user},
        refusal::Failure,
    },
};

/// Of every demo user.
pub(super) const PASSWORD: &str = "horae-demo-2026";

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
pub(super) async fn ensure(app: &App) -> Result<Vec<DemoCentre>, CliError> {
    let path = app.config.data_dir.join("demo-keys.json");
    let mut kept: BTreeMap<String, String> =
        fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let mut centres = Vec::new();
    for plan in &PLANS {
        if app.cx.db.find_tenant_by_slug(plan.slug).await?.is_none() {
            crate::cli::banner::line(&format!("Creating the demo centre {} …", plan.name));
            create(app, plan).await?;
        }
        let logins = logins(plan.slug);
        let publishable_key = match kept.get(plan.slug) {
            Some(key) => key.clone(),
            None => {
                let key = new_key(app, plan.slug).await?;
                kept.insert(plan.slug.to_owned(), key.clone());
                key
            }
        };
        centres.push(DemoCentre { slug: plan.slug, name: plan.name, logins, publishable_key });
    }
    fs::write(&path, serde_json::to_string_pretty(&kept)?)?;
    Ok(centres)
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
    keys::create_publishable(&app.cx, &actor, "demo booking page", Vec::new())
        .await
        .map_err(|failure| CliError::of(&failure))
}

/// Horae itself, for one of the centres.
pub(super) async fn system(app: &App, slug: &str) -> Result<Actor, CliError> {
    let tenant = app.cx.db.find_tenant_by_slug(slug).await?;
    let tenant = tenant.ok_or_else(|| CliError(format!("the demo centre {slug} is missing")))?;
    Ok(Actor::system(tenant, "demo", "demo"))
}
