//! The commands of the program: reads arguments and settings, builds the [`crate::app::App`] of the role, and runs it
//! until it is told to stop. Prints for people; everything else goes to the log.

mod banner;
mod demo;
mod help;
mod keys;
mod logs;
mod migrate;
mod open_files;
mod serve;
mod tenant;

use std::{process::ExitCode, sync::Arc};

use clap::{Parser, Subcommand};

use crate::{
    app::{App, StartError},
    config::Config,
    db::with_causes,
    domain::clock::SystemClock,
};

/// Agenda, online booking, live notifications and mail for service centres, over GraphQL.
#[derive(Parser)]
#[command(
    name = "horae",
    version,
    disable_help_subcommand = true,
    after_help = "Settings come from the environment: horae help config"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs everything with demo centres: private PostgreSQL, API, worker, mail into a folder.
    Demo,
    /// Runs an API node: GraphQL over HTTP and WebSocket.
    Serve {
        /// Also run the jobs of a worker node, for installations of one machine.
        #[arg(long)]
        with_worker: bool,
    },
    /// Runs a worker node: timed mail and every other job.
    Work,
    /// Brings the catalogue and then every tenant to this version's schema. Can be repeated and resumed.
    Migrate,
    /// Prints the GraphQL schema.
    Schema,
    /// Creates tenants, lists them, opens and closes them.
    #[command(subcommand)]
    Tenant(Box<tenant::TenantCommand>),
    /// Changes the keys that patients' data are encrypted with, and shows how far that is.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Explains a command, or all settings: horae help config.
    Help {
        /// A command, or `config`.
        topic: Option<String>,
    },
}

/// Why a command did not work, in words for people.
#[derive(Debug)]
pub struct CliError(String);

impl<E: std::error::Error> From<E> for CliError {
    fn from(error: E) -> Self {
        Self(with_causes(&error))
    }
}

impl CliError {
    fn of(failure: &crate::domain::refusal::Failure) -> Self {
        use crate::domain::refusal::Failure;
        match failure {
            Failure::Refused(refusals) => {
                let lines: Vec<String> = refusals
                    .iter()
                    .map(|refusal| match &refusal.field {
                        Some(field) => format!("{}: {}", field.join("."), refusal.message),
                        None => refusal.message.clone(),
                    })
                    .collect();
                Self(lines.join("\n"))
            }
            Failure::Fault(fault) => Self::from_fault(fault),
        }
    }

    fn from_fault(fault: &crate::domain::refusal::Fault) -> Self {
        Self(with_causes(fault))
    }
}

/// Runs the command that the arguments name.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    if let Command::Help { topic } = &arguments.command {
        return help::print(topic.as_deref());
    }
    if let Command::Schema = arguments.command {
        banner::line(&crate::schema::sdl());
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&CliError::from(error)),
    };
    match runtime.block_on(execute(arguments.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn execute(command: Command) -> Result<(), CliError> {
    let config = Config::from_env()?;
    let traces = logs::start(&config)?;
    let done = dispatch(command, config).await;
    if let Some(traces) = traces {
        traces.shutdown().await;
    }
    done
}

async fn dispatch(command: Command, config: Config) -> Result<(), CliError> {
    match command {
        Command::Demo => demo::run(config).await,
        Command::Serve { with_worker } => {
            serve::run(build(config)?, serve::Role { api: true, worker: with_worker }).await
        }
        Command::Work => serve::run(build(config)?, serve::Role { api: false, worker: true }).await,
        Command::Migrate => migrate::run(&build(config)?).await,
        Command::Tenant(command) => tenant::run(&build(config)?, *command).await,
        Command::Keys(command) => keys::run(&build(config)?, command).await,
        Command::Schema | Command::Help { .. } => Ok(()),
    }
}

fn build(config: Config) -> Result<App, StartError> {
    App::build(config, Arc::new(SystemClock), None)
}

fn fail(error: &CliError) -> ExitCode {
    banner::error(&error.0);
    ExitCode::FAILURE
}
