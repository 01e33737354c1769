//! `horae tenant`: creates tenants, lists them, opens and closes them.

use std::io::IsTerminal;

use chrono_tz::Tz;
use clap::{Args, Subcommand, ValueEnum};

use super::{CliError, banner};
use crate::{
    app::App,
    db::TenantStatus,
    domain::{
        platform::create_tenant::{self, NewCentre},
        time,
    },
};

/// What to do with tenants.
#[derive(Subcommand)]
pub(super) enum TenantCommand {
    /// Creates a centre with its first administrator.
    Create(Create),
    /// Lists every centre with its state and place.
    List,
    /// Opens a centre, closes it, or lets it only be read.
    Status(Status),
}

/// A centre to create.
#[derive(Args)]
pub(super) struct Create {
    /// Short name in addresses: lower-case letters, digits, hyphens.
    slug: String,
    /// Name that patients know.
    #[arg(long)]
    name: String,
    /// Name on invoices; the name that patients know when left out.
    #[arg(long)]
    legal_name: Option<String>,
    /// Country code of two letters.
    #[arg(long)]
    country: String,
    /// Currency code of ISO 4217.
    #[arg(long)]
    currency: String,
    /// Time zone for what concerns no branch, like America/Santiago.
    #[arg(long, value_parser = zone)]
    zone: Tz,
    /// Language and region.
    #[arg(long, default_value = "es")]
    locale: String,
    /// CLINIC, DENTAL, BEAUTY, SPORTS, FIELD_SERVICE or OTHER.
    #[arg(long, default_value = "CLINIC")]
    vertical: String,
    /// BY_PROFESSIONAL or BY_ROOM.
    #[arg(long, default_value = "BY_PROFESSIONAL")]
    mode: String,
    /// A database of its own.
    #[arg(long)]
    dedicated: bool,
    /// Mail address of the first administrator.
    #[arg(long)]
    admin_email: String,
    /// Name of the first administrator.
    #[arg(long, default_value = "Administrator")]
    admin_name: String,
    /// Read the administrator's password, one line of standard input; without this the administrator is invited by mail.
    #[arg(long)]
    password_stdin: bool,
}

/// A state to set.
#[derive(Args)]
pub(super) struct Status {
    /// Which centre.
    slug: String,
    /// Which state.
    status: StatusWord,
    /// Why; users see it.
    #[arg(long)]
    reason: Option<String>,
}

/// The states that can be set by hand.
#[derive(Clone, Copy, ValueEnum)]
enum StatusWord {
    /// In use.
    Active,
    /// Reads only.
    Maintenance,
    /// Closed.
    Disabled,
}

fn zone(text: &str) -> Result<Tz, String> {
    time::parse_zone(text).map_err(|error| error.to_string())
}

/// Runs one of them.
pub(super) async fn run(app: &App, command: TenantCommand) -> Result<(), CliError> {
    match command {
        TenantCommand::Create(create) => create_one(app, create).await,
        TenantCommand::List => list(app).await,
        TenantCommand::Status(status) => set_status(app, status).await,
    }
}

async fn create_one(app: &App, create: Create) -> Result<(), CliError> {
    let admin_password = if create.password_stdin { Some(password_of_stdin()?) } else { None };
    let new = NewCentre {
        legal_name: create.legal_name.unwrap_or_else(|| create.name.clone()),
        trade_name: create.name,
        slug: create.slug,
        country: create.country,
        currency: create.currency,
        locale: create.locale,
        default_time_zone: create.zone,
        vertical: create.vertical,
        operating_mode: create.mode,
        dedicated: create.dedicated,
        admin_email: create.admin_email,
        admin_name: create.admin_name,
        admin_password,
    };
    let tenant =
        create_tenant::run(&app.cx, app.config.cell_plan, new).await.map_err(|failure| CliError::of(&failure))?;
    banner::line(&format!("created {} in cell {}, schema {}", tenant.slug, tenant.cell, tenant.schema_name));
    Ok(())
}

/// The first line of standard input.
fn password_of_stdin() -> Result<String, CliError> {
    let input = std::io::stdin();
    if input.is_terminal() {
        banner::prompt("The first administrator's password, then Enter (it is shown as you type):");
    }
    let mut line = String::new();
    input.read_line(&mut line)?;
    match line.trim_end_matches(['\r', '\n']) {
        "" => Err(CliError(
            "--password-stdin: the first line of standard input is empty; write the password there, or leave the \
             option out, and the administrator is invited by mail"
                .to_owned(),
        )),
        password => Ok(password.to_owned()),
    }
}

async fn list(app: &App) -> Result<(), CliError> {
    let tenants = app.cx.db.list_tenants().await?;
    banner::line(&format!("{:<24} {:<12} {:<16} {:>7} {:>6}  schema", "centre", "status", "cell", "version", "epoch"));
    for tenant in &tenants {
        let (slug, status, cell) = (&tenant.slug, tenant.status.as_str(), &tenant.cell);
        let (version, epoch, schema) = (tenant.schema_version, tenant.epoch, &tenant.schema_name);
        banner::line(&format!("{slug:<24} {status:<12} {cell:<16} {version:>7} {epoch:>6}  {schema}"));
        if let Some(error) = &tenant.migration_error {
            banner::line(&format!("    migration failed: {error}"));
        }
    }
    banner::line(&format!("{} centres", tenants.len()));
    Ok(())
}

async fn set_status(app: &App, status: Status) -> Result<(), CliError> {
    let word = match status.status {
        StatusWord::Active => TenantStatus::Active,
        StatusWord::Maintenance => TenantStatus::Maintenance,
        StatusWord::Disabled => TenantStatus::Disabled,
    };
    app.cx.db.set_tenant_status(&status.slug, word, status.reason.as_deref(), app.cx.now()).await?;
    banner::line(&format!("{} is {} now; every node knows within two seconds", status.slug, word.as_str()));
    Ok(())
}
