//! The load generator: fills a private PostgreSQL with centres, runs real `horae` processes on it, and measures them
//! beside the floor that the same SQL or a bare socket server sets in the same minutes.
//!
//! It speaks to Horae as a client does, over the command line, HTTP and WebSocket; nothing of it is part of the server.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod centre;
mod cluster;
mod fail;
mod fill;
mod floor;
mod http;
mod load;
mod measure;
mod node;
mod report;
mod say;
mod scale;
mod stats;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{
    cluster::Cluster,
    fail::Result,
    fill::Data,
    measure::Bench,
    node::Program,
    report::{Measurement, Report},
    scale::Scale,
};

/// Measures Horae against its floor.
///
/// Fills a private PostgreSQL (20 centres of 200 000 appointments, and one with ten million; 30 GB of disk, three
/// quarters of an hour in all), measures, writes the results file, and removes the data again.
#[derive(Parser)]
#[command(name = "script/bench", version)]
struct Arguments {
    /// What to measure; everything without it.
    #[command(subcommand)]
    command: Option<Command>,
    /// A small fill and short rounds: to see whether everything runs. The figures mean little.
    #[arg(long, global = true)]
    quick: bool,
    /// Keep the data for the next run of the same day. `script/bench clean` removes it.
    #[arg(long, global = true)]
    keep: bool,
    /// Connections of the generator, and clients of pgbench.
    #[arg(long, global = true, default_value_t = 16)]
    clients: usize,
    /// Rounds of measurement and floor.
    #[arg(long, global = true)]
    rounds: Option<usize>,
    /// Seconds that one side of a round takes.
    #[arg(long, global = true)]
    seconds: Option<u64>,
    /// Where the data lives meanwhile.
    #[arg(long, global = true, default_value = ".horae/bench")]
    folder: PathBuf,
    /// The results file; measurements that are not made now keep their place in it.
    #[arg(long, global = true)]
    results: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, Subcommand)]
enum Command {
    /// Every measurement.
    All,
    /// Fills the data and keeps it.
    Fill,
    /// The day agenda over HTTP, beside the same SQL through pgbench.
    Agenda,
    /// Bookings by the desk, beside the same SQL through pgbench.
    Booking,
    /// One booking to many subscribers, beside a bare broadcast; memory of a quiet socket.
    Fanout,
    /// The week of a centre with ten million past appointments, beside one with ten thousand.
    History,
    /// Searching many patients over HTTP, beside the same SQL through pgbench.
    Patients,
    /// Many reminders due in one second, and bookings while they go out.
    Mail,
    /// Removes the data of earlier runs.
    Clean,
    /// The bare broadcast server.
    #[command(hide = true)]
    Bare {
        /// Where it listens.
        address: SocketAddr,
    },
}

impl Command {
    /// Whether the size of the centres plays no part: alone it fills small ones, unless there are large ones already.
    fn is_light(self) -> bool {
        matches!(self, Self::Fanout | Self::Patients | Self::Mail)
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // One thread: the generator shares the machine with what it measures.
    let runtime = match arguments.command {
        // The bare server may use every core, as Horae does.
        Some(Command::Bare { .. }) => tokio::runtime::Builder::new_multi_thread().enable_all().build(),
        _ => tokio::runtime::Builder::new_current_thread().enable_all().build(),
    };
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(arguments)),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fail) => {
            say::note(&fail.0);
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let command = arguments.command.unwrap_or(Command::All);
    let chosen = if arguments.quick { Scale::QUICK } else { Scale::FULL };
    let scale = Scale {
        rounds: arguments.rounds.unwrap_or(chosen.rounds),
        seconds: arguments.seconds.unwrap_or(chosen.seconds),
        ..chosen
    };
    let folder = arguments.folder.join(if arguments.quick { "quick" } else { "full" });
    let (folder, scale) = if !arguments.quick && command.is_light() && Data::load(&folder, &scale).is_none() {
        (arguments.folder.join("light"), scale.light())
    } else {
        (folder, scale)
    };
    match command {
        Command::Bare { address } => return measure::bare::serve(address).await,
        Command::Clean => {
            for folder in [arguments.folder.join("light"), folder] {
                if folder.exists() {
                    cluster::remove(&folder).await?;
                }
            }
            return Ok(());
        }
        _ => {}
    }
    if Data::load(&folder, &scale).is_none() && folder.exists() {
        say::note("removing the data of an earlier run");
        cluster::remove(&folder).await?;
    }
    std::fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let cluster = Cluster::start(&folder).await?;
    let outcome = measure_all(&arguments, command, &scale, &folder, &cluster).await;
    cluster.stop().await?;
    if !(arguments.keep || command == Command::Fill) && outcome.is_ok() {
        cluster::remove(&folder).await?;
    }
    outcome
}

async fn measure_all(
    arguments: &Arguments,
    command: Command,
    scale: &Scale,
    folder: &std::path::Path,
    cluster: &Cluster,
) -> Result<()> {
    let program = Program::new(cluster, folder)?;
    let mut data = match Data::load(folder, scale) {
        Some(data) => data,
        None => {
            let data = fill::run(cluster, &program, scale).await?;
            data.save(folder)?;
            data
        }
    };
    let bench = Bench { cluster, program: &program, folder, scale, clients: arguments.clients };
    let standard = if arguments.quick { folder.join("results.json") } else { "bench/results.json".into() };
    let path = arguments.results.clone().unwrap_or(standard);
    let mut report = Report::load(&path);
    report.machine = report::machine(cluster, scale).await?;
    let wanted = |one: Command| command == one || command == Command::All;
    let mut made: Vec<(&str, Measurement)> = Vec::new();
    if wanted(Command::Agenda) {
        made.push(("agenda", measure::agenda::run(&bench, &data).await?));
    }
    if wanted(Command::Booking) {
        made.push(("booking", measure::booking::run(&bench, &mut data).await?));
    }
    if wanted(Command::Fanout) {
        made.push(("fanout", measure::fanout::run(&bench, &data).await?));
    }
    if wanted(Command::History) {
        made.push(("history", measure::history::run(&bench, &data).await?));
    }
    if wanted(Command::Patients) {
        made.push(("patients", measure::patients::run(&bench, &data).await?));
    }
    if wanted(Command::Mail) {
        made.push(("mail", measure::mail::run(&bench, &data).await?));
    }
    for (name, measurement) in made {
        report.measurements.insert(name.to_owned(), measurement);
        report.save(&path)?;
    }
    if command != Command::Fill {
        report.print();
        say::line(&format!("\nresults: {}", path.display()));
    }
    Ok(())
}
