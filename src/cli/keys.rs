//! `horae keys`: the keys that patients' data are encrypted with.

use std::{sync::Arc, time::Duration};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::{CliError, banner};
use crate::{
    app::App,
    auth::Actor,
    db::{Tenant, TenantStatus},
    domain::sealing::{rewrap, rotate, status},
};

/// What to do with keys.
#[derive(Subcommand)]
pub(super) enum KeysCommand {
    /// Shows which keys each centre has, and how far a change of them is.
    Status(Which),
    /// Gives centres a new data key and has worker nodes seal every value anew with it. Can be stopped and repeated.
    Rotate {
        #[command(flatten)]
        which: Which,
        /// Stay until the workers are done, with a progress bar.
        #[arg(long)]
        wait: bool,
    },
    /// Wraps centres' keys with the first of HORAE_MASTER_KEYS. Can be stopped and repeated.
    Rewrap(Which),
}

/// Which centres.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// One centre, by its short name.
    #[arg(long)]
    tenant: Option<String>,
    /// Every centre; a change of data keys leaves out those that are not ACTIVE.
    #[arg(long)]
    all: bool,
}

/// How often the workers' progress is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Runs one of them.
pub(super) async fn run(app: &App, command: KeysCommand) -> Result<(), CliError> {
    match command {
        KeysCommand::Status(which) => show(app, &which).await,
        KeysCommand::Rotate { which, wait } => change(app, &which, wait).await,
        KeysCommand::Rewrap(which) => wrap(app, &which).await,
    }
}

/// Those that have keys, or will have them again: one that is closed today may open tomorrow.
const WITH_KEYS: &[TenantStatus] = &[TenantStatus::Active, TenantStatus::Maintenance, TenantStatus::Disabled];

async fn centres(app: &App, which: &Which) -> Result<Vec<Arc<Tenant>>, CliError> {
    let tenants = app.cx.db.list_tenants().await?.into_iter();
    let found: Vec<_> = match &which.tenant {
        Some(slug) => tenants.filter(|tenant| tenant.slug == *slug).map(Arc::new).collect(),
        None => tenants.filter(|tenant| WITH_KEYS.contains(&tenant.status)).map(Arc::new).collect(),
    };
    match (&which.tenant, found.is_empty()) {
        (Some(slug), true) => Err(CliError(format!("no centre is called `{slug}`; `horae tenant list` shows them"))),
        _ => Ok(found),
    }
}

fn actor(tenant: &Arc<Tenant>) -> Actor {
    Actor::system(Arc::clone(tenant), "platform", "horae-keys")
}

async fn show(app: &App, which: &Which) -> Result<(), CliError> {
    let mut missing = 0;
    for tenant in centres(app, which).await? {
        let status = status::run(&app.cx, &actor(&tenant)).await.map_err(|failure| CliError::of(&failure))?;
        let state = if status.is_rotating() { "changing" } else { "settled" };
        let newest = status.newest();
        banner::line(&format!(
            "{:<24} data key {newest}, {state}: {} of {} values have an older one",
            tenant.slug, status.older, status.total
        ));
        for key in &status.keys {
            let known = app.cx.masters.knows(&key.master_key);
            missing += usize::from(!known);
            let retired = key.retired_at.map_or_else(String::new, |at| format!(", retired {}", at.format("%F %T")));
            let alarm = if known { "" } else { ", NOT in HORAE_MASTER_KEYS" };
            let (purpose, version, master) = (&key.purpose, key.version, &key.master_key);
            banner::line(&format!("    {purpose:<5} {version:>3}  wrapped by `{master}`{alarm}{retired}"));
        }
    }
    banner::line(&format!("the first master key is `{}`", app.cx.masters.newest()));
    if missing == 0 {
        Ok(())
    } else {
        Err(CliError(format!(
            "{missing} keys are wrapped by master keys that are not configured: what they protect cannot be read"
        )))
    }
}

async fn change(app: &App, which: &Which, wait: bool) -> Result<(), CliError> {
    // Where a centre is not open no job runs and nothing is written. One that is named is tried, and says so itself.
    let (centres, closed): (Vec<_>, Vec<_>) = centres(app, which)
        .await?
        .into_iter()
        .partition(|tenant| which.tenant.is_some() || tenant.status == TenantStatus::Active);
    for tenant in &closed {
        let (slug, status) = (&tenant.slug, tenant.status.as_str());
        banner::line(&format!("{slug}: left out, it is {status}; repeat when it is ACTIVE again"));
    }
    let mut failed = 0;
    for tenant in &centres {
        match rotate::run(&app.cx, &actor(tenant)).await {
            Ok(version) => banner::line(&format!("{}: goes over to data key {version}", tenant.slug)),
            Err(failure) => {
                failed += 1;
                banner::error(&format!("{}: {}", tenant.slug, CliError::of(&failure).0));
            }
        }
    }
    if wait {
        for tenant in &centres {
            settled(app, tenant).await?;
        }
        banner::line("done");
    } else {
        banner::line("worker nodes carry it out; horae keys status shows how far they are");
    }
    outcome(failed)
}

/// Shows how many values are left until there is none.
async fn settled(app: &App, tenant: &Arc<Tenant>) -> Result<(), CliError> {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{msg:24} {bar:40} {pos}/{len} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(tenant.slug.clone());
    loop {
        let status = status::run(&app.cx, &actor(tenant)).await.map_err(|failure| CliError::of(&failure))?;
        bar.set_length(status.total.unsigned_abs());
        bar.set_position((status.total - status.older).unsigned_abs());
        if !status.is_rotating() {
            bar.finish_and_clear();
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn wrap(app: &App, which: &Which) -> Result<(), CliError> {
    let centres = centres(app, which).await?;
    let (mut keys, mut failed) = (0, 0);
    for tenant in &centres {
        match rewrap::run(&app.cx, &actor(tenant)).await {
            Ok(done) => keys += done,
            Err(failure) => {
                failed += 1;
                banner::error(&format!("{}: {}", tenant.slug, CliError::of(&failure).0));
            }
        }
    }
    banner::line(&format!("{keys} keys of {} centres are wrapped by `{}` now", centres.len(), app.cx.masters.newest()));
    outcome(failed)
}

fn outcome(failed: usize) -> Result<(), CliError> {
    if failed == 0 { Ok(()) } else { Err(CliError(format!("{failed} centres failed; mend what they say and repeat"))) }
}
