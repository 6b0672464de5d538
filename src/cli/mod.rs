//! The command line: one file a subcommand.

/// Prints a line to standard output, as `println!`, but without a panic when nobody reads it.
macro_rules! say {
    ($($line:tt)*) => { crate::cli::exit::say(format_args!($($line)*)) };
}

mod check;
mod connect;
mod cutover;
mod decode;
mod exit;
mod positions;
mod progress;
mod release;
mod repair;
mod reverse;
mod rollback;
mod run;
mod schema;
mod status;
mod verify;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use self::exit::Failure;

/// Copies a database into another one and follows its own log until both stand still relative to each other, then turns
/// the traffic over.
///
/// A task is one source, one destination and one TOML file. Write the file (examples are in config/), `check` it, `run`
/// it; `status` says how far it is.
#[derive(Debug, Parser)]
#[command(name = "slackwater", version, max_term_width = 100, after_help = exit::HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Arguments),
    Check(check::Arguments),
    Schema(schema::Arguments),
    Status(status::Arguments),
    Decode(decode::Arguments),
    Positions(positions::Arguments),
    Cutover(cutover::Arguments),
    Verify(verify::Arguments),
    Repair(repair::Arguments),
    Release(release::Arguments),
    Reverse(reverse::Arguments),
    Rollback(rollback::Arguments),
}

/// The task file, as every subcommand takes it.
#[derive(Debug, clap::Args)]
struct TaskFile {
    /// The task file
    #[arg(value_name = "TASK.toml")]
    task: PathBuf,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // A program that was built for tests ends or waits where FAILPOINTS in its environment says.
    let _failpoints = fail::has_failpoints().then(fail::FailScenario::setup);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::report(&Failure::definite(format!("cannot start threads: {error}"))),
    };
    // A task like all others: from this thread every step to one of them would be a change of threads.
    let outcome = runtime.spawn(async {
        match arguments.command {
            Command::Run(arguments) => run::run(arguments).await,
            Command::Check(arguments) => check::run(arguments).await,
            Command::Schema(arguments) => schema::run(arguments).await,
            Command::Status(arguments) => status::run(&arguments),
            Command::Decode(arguments) => decode::run(&arguments),
            Command::Positions(arguments) => positions::run(arguments).await,
            Command::Cutover(arguments) => cutover::run(arguments).await,
            Command::Verify(arguments) => verify::run(arguments).await,
            Command::Repair(arguments) => repair::run(arguments).await,
            Command::Release(arguments) => release::run(arguments).await,
            Command::Reverse(arguments) => reverse::run(&arguments),
            Command::Rollback(arguments) => rollback::run(arguments).await,
        }
    });
    let outcome = runtime.block_on(outcome);
    // What still runs on a blocking thread must not hold up the end.
    runtime.shutdown_background();
    match outcome {
        Ok(Ok(code)) => code,
        Ok(Err(failure)) => exit::report(&failure),
        Err(broken) => exit::report(&Failure::definite(format!("the command was broken off: {broken}"))),
    }
}
