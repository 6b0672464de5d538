//! `slackwater positions`.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Subcommand;

use super::{
    TaskFile, connect,
    exit::{self, Failure},
};
use crate::{
    config::Task,
    positions::{Export, Sidecar, Store},
};

/// Show, export or import where a task stands
///
/// The local store belongs to one process at a time: export and import need the task stopped, `show` does not.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the stored position
    Show {
        #[command(flatten)]
        file: TaskFile,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Write everything the local store knows as JSON, to standard output or a file
    Export {
        #[command(flatten)]
        file: TaskFile,
        /// The file; `-` for standard output
        #[arg(default_value = "-")]
        to: PathBuf,
    },
    /// Replace the local store by an export, or by what the destination holds
    ///
    /// For a state directory that was lost, and for starting at a position of your own: export, edit
    /// `checkpoint.position`, import. A checkpoint at the destination still decides over an imported one.
    Import {
        #[command(flatten)]
        file: TaskFile,
        /// The export; `-` for standard input
        #[arg(required_unless_present = "from_destination")]
        from: Option<PathBuf>,
        /// Take the checkpoint that the destination holds; table definitions are read from the source again
        #[arg(long, conflicts_with = "from")]
        from_destination: bool,
    },
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        Command::Show { file, json } => show(&Task::load(&file.task)?, json)?,
        Command::Export { file, to } => export(&Task::load(&file.task)?, &to)?,
        Command::Import { file, from, .. } => import(&Task::load(&file.task)?, from.as_deref()).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the file beside the store: it is there while the task runs as well.
fn show(task: &Task, json: bool) -> Result<(), Failure> {
    let sidecar = Sidecar::new(&task.state_dir);
    let stored = match sidecar.read() {
        Ok(Some(stored)) => Some(stored),
        // Damaged or gone: the store has two more copies.
        _ if task.state_dir.exists() => Store::open(&task.state_dir)?.found(),
        _ => None,
    };
    match stored {
        None if json => say!("null"),
        None => say!("{}: no position yet", task.name),
        Some(stored) if json => {
            say!("{}", serde_json::to_string_pretty(&stored).map_err(Failure::definite)?);
        }
        Some(stored) => say!(
            "{}: {} (generation {}, sequence {})",
            task.name,
            stored.checkpoint.position,
            stored.checkpoint.generation,
            stored.checkpoint.sequence
        ),
    }
    Ok(())
}

fn export(task: &Task, to: &Path) -> Result<(), Failure> {
    let export = Export::of(&task.name, &Store::open(&task.state_dir)?)?;
    let text = serde_json::to_string_pretty(&export).map_err(Failure::definite)?;
    if to == Path::new("-") {
        say!("{text}");
        return Ok(());
    }
    fs::write(to, text + "\n")
        .map_err(|error| Failure::definite(format!("cannot write {}: {error}", to.display())))
}

async fn import(task: &Task, from: Option<&Path>) -> Result<(), Failure> {
    let export = match from {
        Some(from) => read_export(from)?,
        None => {
            let checkpoint =
                connect::destination(task)?.open().await?.map(|standing| standing.checkpoint).ok_or_else(
                    || {
                        Failure::definite(format!(
                            "the destination holds no checkpoint of the task {:?}",
                            task.name
                        ))
                    },
                )?;
            Export::of_checkpoint(&task.name, checkpoint)
        }
    };
    let position = export.checkpoint.position.clone();
    export.import(&task.name, &task.state_dir)?;
    say!("{}: imported, continues at {position}", task.name);
    Ok(())
}

fn read_export(from: &Path) -> Result<Export, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::definite(format!("cannot read {}: {error}", from.display()));
    let mut text = String::new();
    if from == Path::new("-") {
        io::stdin().read_to_string(&mut text).map_err(|error| failed(&error))?;
    } else {
        text = fs::read_to_string(from).map_err(|error| failed(&error))?;
    }
    serde_json::from_str(&text).map_err(|error| failed(&error))
}
