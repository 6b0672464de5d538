//! Exit codes, and the last words of a command that failed.

use std::{
    fmt,
    io::{self, Write},
    process::{self, ExitCode},
};

use crate::{config::ConfigError, error::Error};

/// The codes, for `--help`.
pub(super) const HELP: &str = "\
Exit codes:
  0   done: stopped by a signal, cut over, or at the end of a log that is not followed
  1   an error that trying again does not repair; the message says what does
  2   a mistake on the command line or in the task file
  3   `check` found errors; `schema` found objects that cannot be created
  4   `status`, `cutover`: the task does not run
  5   `cutover`: not cut over; everything was taken back, and the task goes on
  6   `verify`: source and destination differ; `repair`: something was left
  7   `verify`: no difference, but something could not be compared to its end
  75  gave up on an error that may pass (see apply.connection_lost_limit); start it again";

pub(super) const DEFINITE: u8 = 1;
pub(super) const USAGE: u8 = 2;
pub(super) const FINDINGS: u8 = 3;
pub(super) const NOT_RUNNING: u8 = 4;
pub(super) const ROLLED_BACK: u8 = 5;
pub(super) const DIFFERENT: u8 = 6;
pub(super) const UNDECIDED: u8 = 7;
/// `EX_TEMPFAIL` of sysexits.h.
pub(super) const GAVE_UP: u8 = 75;

/// Why a command failed, with its exit code.
#[derive(Debug)]
pub(super) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    pub(super) fn definite(message: impl fmt::Display) -> Self {
        Failure { code: DEFINITE, message: message.to_string() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { code: if error.is_transient() { GAVE_UP } else { DEFINITE }, message: error.to_string() }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure { code: USAGE, message: error.to_string() }
    }
}

/// Prints the message to standard error.
pub(super) fn report(failure: &Failure) -> ExitCode {
    tell(format_args!("slackwater: {}", failure.message));
    ExitCode::from(failure.code)
}

/// Prints a line to standard error. Where it cannot be written (a full disk behind it, a pipe that nobody reads) the program goes on
/// to its end: `eprintln!` would panic, and nobody would read that either.
pub(super) fn tell(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints a line to standard output. When it cannot be written the process ends: with 0 when whoever read it has enough
/// (`| head`), else with the reason.
pub(super) fn say(line: fmt::Arguments<'_>) {
    match writeln!(io::stdout(), "{line}") {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => process::exit(0),
        Err(error) => {
            tell(format_args!("slackwater: cannot write the output: {error}"));
            process::exit(i32::from(DEFINITE));
        }
    }
}
