#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{env, process::Command, thread, time::Duration};

use slackwater_decoders::position::Position;

use super::*;
use crate::positions::Completeness;
use crate::positions::Export;

fn checkpoint(sequence: u64) -> Checkpoint {
    let position = Position::binlog("binlog.000001", sequence * 100, None);
    Checkpoint { generation: 1, sequence, position, completeness: Completeness::Complete }
}

fn filled(directory: &Path, saves: u64) {
    let store = Store::open(directory).unwrap();
    store.history().replace_all(&checkpoint(0).position, &[]).unwrap();
    (1..=saves).for_each(|sequence| store.save(&checkpoint(sequence), Origin::Applied).unwrap());
}

fn found(directory: &Path) -> Result<u64> {
    Store::open(directory).map(|store| store.found().map_or(0, |stored| stored.checkpoint.sequence))
}

fn error(directory: &Path) -> String {
    match Store::open(directory) {
        Ok(_) => panic!("opened"),
        Err(error) => {
            assert!(!error.is_transient());
            error.to_string()
        }
    }
}

/// Changes a record below the store's feet.
fn overwrite(directory: &Path, key: &[u8], change: impl FnOnce(&mut Vec<u8>)) {
    let db = sled::open(directory.join(DIRECTORY)).unwrap();
    let mut bytes = db.get(key).unwrap().unwrap().to_vec();
    change(&mut bytes);
    db.insert(key, bytes).unwrap();
    db.flush().unwrap();
}

#[test]
fn a_position_outlives_a_clean_end() {
    let state = tempfile::tempdir().unwrap();
    assert_eq!(found(state.path()).unwrap(), 0);
    filled(state.path(), 7);
    assert_eq!(found(state.path()).unwrap(), 7);
}

/// sled 0.34.7 writes the settings in two parts (`write_config`), of which the first is there after a kill between them.
#[test]
fn a_store_whose_making_was_cut_off_is_made_again() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join(DIRECTORY);
    fs::create_dir_all(path.join("blobs")).unwrap();
    fs::write(path.join("conf"), "segment_size: 524288\nuse_compression: false\nversion: 0.34\n").unwrap();
    filled(state.path(), 2);
    assert_eq!(found(state.path()).unwrap(), 2);
}

#[test]
fn a_damaged_record_gives_way_to_the_highest_valid_copy() {
    let state = tempfile::tempdir().unwrap();
    filled(state.path(), 7);
    overwrite(state.path(), b"position/1", |bytes| *bytes.last_mut().unwrap() ^= 1);
    assert_eq!(found(state.path()).unwrap(), 7, "from the file beside the store");
    fs::remove_file(state.path().join("position.json")).unwrap();
    assert_eq!(found(state.path()).unwrap(), 6, "from the other slot");
    overwrite(state.path(), b"position/0", |bytes| bytes.truncate(20));
    assert!(error(state.path()).contains("all copies of the position are damaged"));
}

#[test]
fn a_torn_position_file_gives_way_to_the_store() {
    let state = tempfile::tempdir().unwrap();
    filled(state.path(), 4);
    let sidecar = state.path().join("position.json");
    let text = fs::read_to_string(&sidecar).unwrap();
    fs::write(&sidecar, &text[..text.len() / 2]).unwrap();
    assert_eq!(found(state.path()).unwrap(), 4);
    fs::write(&sidecar, text.replace("400", "900")).unwrap();
    assert_eq!(found(state.path()).unwrap(), 4, "an edited file does not match its checksum");
}

#[test]
fn a_lost_store_is_an_error_and_an_import_repairs_it() {
    let state = tempfile::tempdir().unwrap();
    filled(state.path(), 4);
    let export = Export::of("orders", &Store::open(state.path()).unwrap()).unwrap();
    fs::remove_dir_all(state.path().join(DIRECTORY)).unwrap();
    let error = error(state.path());
    assert!(error.contains("the store was lost") && error.contains("slackwater positions import"), "{error}");

    let text = serde_json::to_string(&export).unwrap();
    let export: Export = serde_json::from_str(&text).unwrap();
    assert!(export.clone().import("invoices", state.path()).is_err(), "another task's export");
    export.import("orders", state.path()).unwrap();
    let store = Store::open(state.path()).unwrap();
    let stored = store.found().unwrap();
    assert_eq!((stored.checkpoint.sequence, stored.origin), (4, Origin::Imported));
    assert!(!store.history().is_empty());
}

#[test]
fn a_lost_entry_of_the_schema_history_is_an_error() {
    let state = tempfile::tempdir().unwrap();
    filled(state.path(), 4);
    {
        let db = sled::open(state.path().join(DIRECTORY)).unwrap();
        db.remove(entry_key(0)).unwrap();
        db.flush().unwrap();
    }
    assert!(error(state.path()).contains("0 of 1 entries found"));
}

#[test]
fn a_store_set_back_behind_its_position_file_is_an_error() {
    let state = tempfile::tempdir().unwrap();
    filled(state.path(), 4);
    let sidecar = fs::read(state.path().join("position.json")).unwrap();
    fs::remove_dir_all(state.path().join(DIRECTORY)).unwrap();
    fs::remove_file(state.path().join("position.json")).unwrap();
    drop(Store::open(state.path()).unwrap());
    fs::write(state.path().join("position.json"), sidecar).unwrap();
    assert!(error(state.path()).contains("the store is older than the position beside it"));
}

#[test]
fn damage_anywhere_in_the_database_file_is_survived_or_told() {
    let state = tempfile::tempdir().unwrap();
    filled(state.path(), 20);
    let file = state.path().join(DIRECTORY).join("db");
    let intact = fs::read(&file).unwrap();
    let used = intact.iter().rposition(|&byte| byte != 0).unwrap();
    for place in (0..used).step_by(used / 24) {
        let mut damaged = intact.clone();
        damaged[place] ^= 0xff;
        fs::write(&file, &damaged).unwrap();
        // Never an older position, never none: sled alone gives both.
        match found(state.path()) {
            Ok(sequence) => assert_eq!(sequence, 20, "byte {place}"),
            Err(error) => assert!(!error.is_transient(), "byte {place}: {error}"),
        }
    }
}

/// What `kill -9` leaves while sled writes a summary of its log.
#[test]
fn an_unfinished_summary_of_the_log_is_no_damage() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path(), 7);
    let unfinished = directory.path().join(DIRECTORY).join("snap.7FFFFFFFFFFFFFFF.generating");
    File::create(&unfinished).unwrap();
    let opened = Store::open(directory.path()).unwrap();
    assert_eq!(opened.found().unwrap().checkpoint.sequence, 7);
    assert!(!unfinished.exists());
    // That of a process that runs is its own.
    File::create(&unfinished).unwrap();
    assert!(Store::open(directory.path()).is_err());
    assert!(unfinished.exists());
}

#[test]
fn two_processes_do_not_share_a_task() {
    let state = tempfile::tempdir().unwrap();
    let _held = Store::open(state.path()).unwrap();
    assert!(error(state.path()).contains("another process runs this task"));
}

/// Runs itself as a child that saves without an end, and kills it with SIGKILL.
#[test]
fn kill_9_loses_nothing_that_was_saved() {
    if let Some(directory) = env::var_os("SLACKWATER_TEST_SAVE_IN") {
        let store = Store::open(Path::new(&directory)).unwrap();
        let first = store.found().map_or(1, |stored| stored.checkpoint.sequence + 1);
        for sequence in first.. {
            store.save(&checkpoint(sequence), Origin::Applied).unwrap();
            fs::write(Path::new(&directory).join("saved.new"), sequence.to_string()).unwrap();
            fs::rename(Path::new(&directory).join("saved.new"), Path::new(&directory).join("saved")).unwrap();
        }
    }
    let state = tempfile::tempdir().unwrap();
    for round in 1..=5_u64 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "positions::store::tests::kill_9_loses_nothing_that_was_saved"])
            .env("SLACKWATER_TEST_SAVE_IN", state.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(300 + 37 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let saved: u64 =
            fs::read_to_string(state.path().join("saved")).map_or(0, |text| text.parse().unwrap());
        let found = found(state.path()).unwrap();
        assert!(found == saved || found == saved + 1, "saved {saved}, found {found}");
    }
}
