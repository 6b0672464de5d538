//! `slackwater reverse`.

mod file;

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf, absolute},
    process::ExitCode,
};

use self::file::Forward;
use super::{
    TaskFile,
    exit::{self, Failure, tell},
};
use crate::config::Task;

/// Write the task file for the way back: from the destination to the source
///
/// Both ends are swapped, names are what they were, and passwords stay where they are. `cutover.reverse` of the first file names the
/// new one: the cutover then starts it at the switch, and `slackwater rollback` turns the traffic back without a loss. Read the new
/// file before: its comments say what the accounts need in addition.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: TaskFile,
    /// The file to write; standard output, as for a file beside the first one, unless given
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite the file when it is there
    #[arg(long, requires = "output")]
    force: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let file = absolute(&arguments.file.task).map_err(Failure::definite)?;
    let text = fs::read_to_string(&file).map_err(|error| {
        Failure::definite(format!("{}: cannot read the task file: {error}", file.display()))
    })?;
    let task = Task::parse(&file, &text)?;
    let output = arguments.output.as_deref().map(absolute).transpose().map_err(Failure::definite)?;
    let other_directory = output.as_ref().is_some_and(|output| output.parent() != file.parent());
    let forward = Forward { task: &task, file: &file, text: &text, other_directory };
    let reversed = file::reversed(&forward)?;
    let beside = file.with_file_name(format!("{}-reverse.toml", task.name));
    // What is written has to be a task.
    Task::parse(output.as_deref().unwrap_or(&beside), &reversed)?;
    let Some(output) = output else {
        say!("{}", reversed.trim_end());
        return Ok(ExitCode::SUCCESS);
    };
    if output == file {
        return Err(Failure::definite(format!("{} is the first file itself", output.display())));
    }
    write(&output, &reversed, arguments.force)?;
    tell(format_args!("{}: written; name it in `cutover.reverse` of {}", output.display(), file.display()));
    Ok(ExitCode::SUCCESS)
}

fn write(output: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true);
    let opened =
        if force { options.create(true).truncate(true) } else { options.create_new(true) }.open(output);
    let written = opened.and_then(|mut opened| opened.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::definite(format!(
            "{} is there already\n  what to do: name another file with --output, or overwrite it with --force",
            output.display()
        )),
        _ => Failure::definite(format!("cannot write {}: {error}", output.display())),
    })
}
