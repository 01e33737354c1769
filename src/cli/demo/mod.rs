//! `horae demo`: everything in one process, for a newcomer: private PostgreSQL, two centres with sample data, API,
//! worker, and mail into a folder. A second start finds its data again.

mod centres;
mod desk;
mod record;
mod sample;
pub(super) mod tabs;

use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path, sync::Arc};

use secrecy::ExposeSecret;

use super::{CliError, banner, open_files, serve};
use crate::{
    app::App,
    auth::secret_token,
    config::Config,
    domain::clock::SystemClock,
    embedded::{EmbeddedPostgres, Options},
    http::graphiql::GraphiqlPage,
};

/// Runs until Ctrl-C.
pub(super) async fn run(mut config: Config) -> Result<(), CliError> {
    // For one person: what it could hold at most is not worth a warning.
    open_files::raise();
    fs::create_dir_all(&config.data_dir)?;
    if config.secret.expose_secret().is_empty() {
        config.secret = kept_secret(&config.data_dir.join("secret"))?.into();
    }
    let mut postgres = None;
    if config.database_url.is_none() && config.database_app_url.is_none() {
        banner::line("Starting a private PostgreSQL …");
        let mut options = Options::new(config.data_dir.join("postgres"));
        options.bin_dir = config.pg_bin.clone();
        let server = EmbeddedPostgres::start(options).await?;
        config.database_url = Some(server.admin_url());
        postgres = Some(server);
    }
    let result = with_database(config).await;
    if let Some(server) = postgres {
        server.stop().await?;
    }
    result
}

async fn with_database(config: Config) -> Result<(), CliError> {
    let app = App::build(config, Arc::new(SystemClock), None)?;
    super::migrate::run(&app).await?;
    let centres = centres::ensure(&app).await?;
    print_welcome(&app, &centres);
    let tabs_app = app.clone();
    let centre = centres.into_iter().next();
    let page = GraphiqlPage::with_tab_source(move || {
        let (app, centre) = (tabs_app.clone(), centre.clone());
        async move {
            match centre {
                Some(centre) => tabs::for_tour(&app, &centre).await,
                None => tabs::signed_out(),
            }
        }
    });
    let served = serve::start(&app, serve::Role { api: true, worker: true }, page).await;
    banner::line("Stopping …");
    app.stop().await;
    served
}

/// The secret of this installation: made once, readable by its owner alone.
fn kept_secret(path: &Path) -> Result<String, CliError> {
    if let Ok(secret) = fs::read_to_string(path) {
        return Ok(secret.trim().to_owned());
    }
    let secret = secret_token();
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(secret.as_bytes())?;
    Ok(secret)
}

fn print_welcome(app: &App, centres: &[centres::DemoCentre]) {
    let url = &app.config.public_url;
    banner::line("");
    banner::line("Horae is running. Ctrl-C stops all of it; the next start finds its data again.");
    banner::line("");
    banner::line(&format!("  GraphiQL    {url}/graphiql"));
    banner::line(&format!("  API         {url}/graphql   (HTTP and WebSocket)"));
    banner::line(&format!("  Health      {url}/healthz  {url}/readyz  {url}/metrics"));
    let mailbox = match &app.config.smtp_url {
        Some(_) => "sent by SMTP_URL".to_owned(),
        None => std::path::absolute(&app.config.mail_folder).unwrap_or_default().display().to_string(),
    };
    banner::line(&format!("  Mailbox     {mailbox}"));
    for centre in centres {
        banner::line("");
        banner::line(&format!("  Centre `{}`: {}", centre.slug, centre.name));
        for login in &centre.logins {
            banner::line(&format!("    {:<15} {}   password: {}", login.role, login.email, centres::PASSWORD));
        }
        banner::line(&format!("    booking page    {}", centre.publishable_key));
    }
    banner::line("");
    banner::line("  The tour of README.md opens two windows:");
    banner::line(&format!("    {url}/graphiql?tab=2   watch bookings arrive"));
    banner::line(&format!("    {url}/graphiql?tab=3   book as a patient"));
    banner::line("");
}
