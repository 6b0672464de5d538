//! The command line as scripts see it: exit codes and messages.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use assert_cmd::{Command, assert::Assert};
use tempfile::TempDir;

const TASK: &str = r#"
name = "orders"
state_dir = "state"
start = "earliest"
[source]
type = "mysql-files"
directory = "binlogs"
[destination]
type = "sqlite"
path = "orders.db"
"#;

fn slackwater(arguments: &[&str], directory: &Path) -> Assert {
    Command::cargo_bin("slackwater").unwrap().args(arguments).current_dir(directory).assert()
}

fn directory_with(task: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("orders.toml"), task).unwrap();
    fs::create_dir(directory.path().join("binlogs")).unwrap();
    directory
}

fn stderr(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

fn stdout(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

#[test]
fn help_tells_the_exit_codes() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [&["--help"][..], &["run", "--help"], &["positions", "import", "--help"]] {
        slackwater(arguments, directory.path()).code(0);
    }
    assert!(stdout(&slackwater(&["--help"], directory.path())).contains("75  gave up"));
}

/// The exit code tells what the message would have told.
#[test]
fn a_full_disk_behind_the_messages_changes_no_exit_code() {
    let directory = directory_with(TASK);
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_slackwater"));
        command.args(arguments).current_dir(directory.path()).stderr(full()).status().unwrap().code()
    };
    assert_eq!(run(&["check", "nowhere.toml"]), Some(2));
    assert_eq!(run(&["run", "orders.toml"]), Some(1), "there is no binlog");
}

#[test]
fn mistakes_of_usage_and_configuration_end_with_2() {
    let directory = directory_with(&TASK.replace("directory", "directroy"));
    slackwater(&["run"], directory.path()).code(2);
    slackwater(&["fly", "orders.toml"], directory.path()).code(2);
    slackwater(&["check", "nowhere.toml"], directory.path()).code(2);
    let failed = slackwater(&["check", "orders.toml"], directory.path()).code(2);
    assert_eq!(
        stderr(&failed),
        "slackwater: orders.toml:7:1: unknown key `directroy` in [source]
   |
 7 | directroy = \"binlogs\"
   | ^^^^^^^^^
  did you mean `directory`?
"
    );
}

#[test]
fn a_task_file_can_be_checked_alone() {
    let directory = directory_with(TASK);
    slackwater(&["check", "--file-only", "orders.toml"], directory.path()).code(0);
}

#[test]
fn the_status_of_a_task_that_never_ran_ends_with_4() {
    let directory = directory_with(TASK);
    let status = slackwater(&["status", "orders.toml"], directory.path()).code(4);
    assert!(stdout(&status).starts_with("orders: never ran"));
    let status = slackwater(&["status", "--json", "orders.toml"], directory.path()).code(4);
    assert_eq!(stdout(&status), "null\n");
}

#[test]
fn positions_travel_through_a_file_that_can_be_edited() {
    let directory = directory_with(TASK);
    let export = r#"{"format": 1, "task": "orders", "checkpoint": {"generation": 1, "sequence": 7,
        "position": {"log": {"file": "binlog.000003", "offset": 4}}}}"#;
    fs::write(directory.path().join("export.json"), export).unwrap();
    slackwater(&["positions", "export", "orders.toml"], directory.path()).code(1);
    slackwater(&["positions", "import", "orders.toml", "export.json"], directory.path()).code(0);
    let shown = slackwater(&["positions", "show", "orders.toml"], directory.path()).code(0);
    assert_eq!(stdout(&shown), "orders: binlog.000003:4 (generation 1, sequence 7)\n");
    let exported = slackwater(&["positions", "export", "orders.toml"], directory.path()).code(0);
    let value: serde_json::Value = serde_json::from_str(&stdout(&exported)).unwrap();
    assert_eq!(value.pointer("/checkpoint/position/log/offset"), Some(&4.into()));
}

#[test]
fn a_lost_store_is_not_started_over() {
    let directory = directory_with(TASK);
    let export = r#"{"format": 1, "task": "orders", "checkpoint": {"generation": 1, "sequence": 7,
        "position": {"log": {"file": "binlog.000003", "offset": 4}}}}"#;
    fs::write(directory.path().join("export.json"), export).unwrap();
    slackwater(&["positions", "import", "orders.toml", "export.json"], directory.path()).code(0);
    fs::remove_dir_all(directory.path().join("state/store")).unwrap();
    let failed = slackwater(&["positions", "export", "orders.toml"], directory.path()).code(1);
    assert!(stderr(&failed).contains("the store was lost"), "{}", stderr(&failed));
    slackwater(&["positions", "import", "orders.toml", "--from-destination"], directory.path()).code(1);
}

#[test]
fn every_example_is_a_valid_task_file() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut checked = 0;
    for example in fs::read_dir(&examples).unwrap() {
        let example = example.unwrap().path();
        slackwater(&["check", "--file-only", example.to_str().unwrap()], &examples).code(0);
        checked += 1;
    }
    assert!(checked >= 4);
}

#[test]
fn decode_prints_one_line_a_change_and_says_where_a_cut_file_ends() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let decoded = slackwater(&["decode", "mysql-9.7-shop/binlog.000001.zst"], &fixtures).code(0);
    // fixtures/mysql-9.7-shop/README.md: 14,000 inserts, and the schema.
    let text = stdout(&decoded);
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let inserts = lines.iter().filter(|line| line.get("op").is_some_and(|op| op == "c")).count();
    let ddl = lines.iter().filter(|line| line.get("ddl").is_some()).count();
    assert_eq!((inserts, inserts + ddl), (14_000, lines.len()));

    let directory = tempfile::tempdir().unwrap();
    let whole = fs::read(fixtures.join("mysql/mysql-bin.compressed")).unwrap();
    fs::write(directory.path().join("binlog.000001"), whole.get(..whole.len() - 5).unwrap()).unwrap();
    let failed = slackwater(&["decode", "binlog.000001"], directory.path()).code(1);
    assert!(stderr(&failed).contains("the file ends inside of the event at offset"), "{}", stderr(&failed));
}
