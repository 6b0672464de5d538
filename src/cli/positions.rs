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
    config::{SourceConfig, Task},
    positions::{Export, Sidecar, Store},
};

/// Show, export or import where a task stands
///
/// The local store belongs to one process at a time: all but `show` need the task stopped.
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
    /// Go on under changed rules about tables ([objects], [[mapping]])
    ///
    /// A task whose file has other rules than it ran under before does not start: its position says what the destination has under the
    /// former ones. This takes the rules that are in the file now, from the stored position on, and says in what they differ. Nothing
    /// is done about rows that are at the destination already:
    ///
    /// A table that is carried in addition gets the changes behind the position alone, and an update of a row that is not there
    /// stops the task. Copy its rows before, or leave it to a second task with a name and a state directory of its own and `start =
    /// "snapshot"`. A table that is not carried any more stays as it is. A table under another name begins there without
    /// rows: rename it at the destination first. Columns and filters hold for changes from here on.
    ///
    /// The definitions of all tables are read from the source again; it should have changed none since the position.
    AcceptRules {
        #[command(flatten)]
        file: TaskFile,
    },
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        Command::Show { file, json } => show(&Task::load(&file.task)?, json)?,
        Command::Export { file, to } => export(&Task::load(&file.task)?, &to)?,
        Command::AcceptRules { file } => accept_rules(&Task::load(&file.task)?)?,
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

fn accept_rules(task: &Task) -> Result<(), Failure> {
    // Files have no definitions but those of the statements in them.
    let read_again = !matches!(task.source, SourceConfig::MysqlFiles(_));
    let differences = Store::open(&task.state_dir)?.accept_rules(&task.rules, read_again)?;
    if differences.is_empty() {
        say!("{}: the rules are those that the task runs under", task.name);
        return Ok(());
    }
    say!("{}: from the stored position on", task.name);
    for difference in differences {
        say!("  {difference}");
    }
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
