//! `horae migrate`: the catalogue, then every tenant, with a progress bar.

use indicatif::{ProgressBar, ProgressStyle};

use super::{CliError, banner};
use crate::app::App;

/// Migrates everything. A tenant that fails is named and does not stop the rest; the command then fails.
pub(super) async fn run(app: &App) -> Result<(), CliError> {
    app.cx.db.migrate_catalogue().await?;
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("tenants {bar:40} {pos}/{len} {elapsed}") {
        bar.set_style(style);
    }
    let outcomes = app
        .cx
        .db
        .migrate_tenants(|progress| {
            bar.set_length(u64::try_from(progress.total).unwrap_or_default());
            bar.set_position(u64::try_from(progress.done).unwrap_or_default());
        })
        .await?;
    bar.finish_and_clear();
    let failed: Vec<_> = outcomes.iter().filter(|outcome| outcome.error.is_some()).collect();
    banner::line(&format!("{} tenants are up to date", outcomes.len() - failed.len()));
    for outcome in &failed {
        banner::error(&format!("{}: {}", outcome.slug, outcome.error.as_deref().unwrap_or_default()));
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(CliError(format!("{} tenants failed; mend what they say and run horae migrate again", failed.len())))
    }
}
