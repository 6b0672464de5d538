#![allow(clippy::unwrap_used, clippy::panic)]

use std::{fs, path::Path, time::Duration};

use super::*;

fn settings(script: &str, after: After) -> watch::Receiver<Settings> {
    let command = if script.is_empty() { vec![] } else { vec!["/bin/sh".into(), "-c".into(), script.into()] };
    watch::channel(Settings {
        command,
        after,
        when: crate::config::When::InSync,
        timeout: Duration::from_secs(1),
        ..Settings::default()
    })
    .1
}

fn resume(directory: &Path, settings: watch::Receiver<Settings>) -> Result<(Cutover, Entry)> {
    Cutover::resume("orders", Store::open(directory).unwrap(), settings, StatusBoard::new("orders"))
}

fn zero() -> Zero {
    let executed = Some("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-9".parse().unwrap());
    Zero { position: Position::binlog("binlog.000002", 1234, executed), rows: 42 }
}

#[tokio::test]
async fn the_command_runs_once_with_the_outcome_in_its_environment() {
    let state = tempfile::tempdir().unwrap();
    let told = state.path().join("told");
    let script = format!("env | grep ^SLACKWATER_ | sort >> {}", told.display());
    {
        let (mut cutover, entry) = resume(state.path(), settings(&script, After::Continue)).unwrap();
        assert_eq!((entry, cutover.is_wanted()), (Entry::Follow, true));
        assert_eq!(cutover.at_zero(&zero()).await.unwrap(), Next::Continue);
        assert!(!cutover.is_wanted());
    }
    let text = fs::read_to_string(&told).unwrap();
    for line in [
        "SLACKWATER_FILE=binlog.000002",
        "SLACKWATER_GTID=3e11fa47-71ca-11e1-9e33-c80aa9429562:1-9",
        "SLACKWATER_OFFSET=1234",
        "SLACKWATER_ROWS=42",
        "SLACKWATER_TASK=orders",
    ] {
        assert!(text.lines().any(|told| told == line), "{line} in {text}");
    }
    let (cutover, entry) = resume(state.path(), settings(&script, After::Continue)).unwrap();
    assert_eq!((entry, cutover.is_wanted()), (Entry::Follow, false), "not again after a restart");
    drop(cutover);
    let (_, entry) = resume(state.path(), settings(&script, After::Stop)).unwrap();
    assert_eq!(entry, Entry::AlreadyDone);
}

#[tokio::test]
async fn a_command_that_fails_or_hangs_stops_the_task_until_an_operator_decides() {
    for (script, why) in [("exit 3", "exit code 3"), ("sleep 60", "did not end within 1s and was killed")] {
        let state = tempfile::tempdir().unwrap();
        {
            let (mut cutover, _) = resume(state.path(), settings(script, After::Stop)).unwrap();
            let error = cutover.at_zero(&zero()).await.unwrap_err();
            assert!(error.to_string().contains(why) && !error.is_transient(), "{error}");
        }
        assert!(resume(state.path(), settings(script, After::Stop)).is_err());
        decide(Store::open(state.path()).unwrap(), Verdict::Rearm).await.unwrap();
        let (cutover, _) = resume(state.path(), settings(script, After::Stop)).unwrap();
        assert!(cutover.is_wanted());
    }
}

#[tokio::test]
async fn a_crash_while_the_command_runs_is_told_and_it_does_not_run_twice() {
    let state = tempfile::tempdir().unwrap();
    let running = CutoverRecord {
        step: CutoverStep::Running,
        time: now(),
        position: Some("binlog.000002:1234".into()),
        exit_code: None,
        note: "the command runs".into(),
    };
    Store::open(state.path()).unwrap().record_cutover(&running).unwrap();
    let Err(error) = resume(state.path(), settings("true", After::Stop)) else { panic!("started") };
    let text = error.to_string();
    assert!(text.contains("how it ended is not known") && text.contains("--rearm"), "{text}");
    // A task that goes on after its cutover follows the log, and leaves the command alone.
    let (cutover, entry) = resume(state.path(), settings("true", After::Continue)).unwrap();
    assert_eq!((entry, cutover.is_wanted()), (Entry::Follow, false));
    drop(cutover);
    decide(Store::open(state.path()).unwrap(), Verdict::Accept).await.unwrap();
    let (_, entry) = resume(state.path(), settings("true", After::Stop)).unwrap();
    assert_eq!(entry, Entry::AlreadyDone);
}

#[tokio::test]
async fn without_a_command_zero_ends_the_task_and_records_nothing() {
    let state = tempfile::tempdir().unwrap();
    let (mut cutover, _) = resume(state.path(), settings("", After::Stop)).unwrap();
    assert_eq!(cutover.at_zero(&zero()).await.unwrap(), Next::Stop);
    assert_eq!(cutover.store.cutover().unwrap(), None);
}
