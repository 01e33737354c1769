//! `horae demo`: everything in one process, for a newcomer: private PostgreSQL, two centres with sample data, API,
//! worker, and mail into a folder. A second start finds its data again.

mod centres;
mod desk;
mod kept;
mod record;
mod sample;
pub(super) mod tabs;

use std::{fs, path::Path, sync::Arc};

use secrecy::ExposeSecret;

use self::kept::Made;
use super::{CliError, banner, open_files, serve};
use crate::{
    app::App,
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
    let mut postgres = None;
    if config.database_url.is_none() && config.database_app_url.is_none() {
        banner::line("Starting a private PostgreSQL …");
        let mut options = Options::new(config.data_dir.join("postgres"));
        options.bin_dir = config.pg_bin.clone();
        let server = EmbeddedPostgres::start(options).await?;
        config.database_url = Some(server.admin_url());
        postgres = Some(server);
    }
    let result = with_database(config, postgres.as_ref().map(EmbeddedPostgres::home)).await;
    if let Some(server) = postgres {
        server.stop().await?;
    }
    result
}

/// `private` is the home of the demo's own server, if the database is on that.
async fn with_database(mut config: Config, private: Option<&Path>) -> Result<(), CliError> {
    if config.secret.expose_secret().is_empty() {
        // Beside the data that it protects: whoever moves or removes one takes the other along.
        config.secret = kept::secret(private.unwrap_or(&config.data_dir), &config.data_dir)?.into();
    }
    let mut made = Made::read(&config, private.is_some())?;
    let app = App::build(config, Arc::new(SystemClock), None)?;
    if private.is_some() {
        // It is derived from the secret, which may be another one than when the role was made.
        app.cx.db.renew_app_password().await?;
    } else {
        refuse_foreign(&app, &made).await?;
    }
    super::migrate::run(&app).await?;
    let centres = centres::ensure(&app, &mut made).await?;
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

/// A database in use is no place for a demo, whose users have a known password.
async fn refuse_foreign(app: &App, made: &Made) -> Result<(), CliError> {
    let slugs = app.cx.db.slugs_before_migration().await?;
    match slugs.iter().find(|slug| !made.knows(slug)) {
        None => Ok(()),
        Some(slug) => Err(CliError(format!(
            "the database of DATABASE_URL has centres that the demo of {} did not make, like `{slug}`; nothing was \
             changed. Give the demo an empty database, or unset DATABASE_URL and it starts a private one. If another \
             folder's demo made them, set HORAE_DATA_DIR to that",
            app.config.data_dir.display()
        ))),
    }
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
