#![allow(clippy::unwrap_used)]

use std::{fs, path::PathBuf, process::Command};

use slackwater_decoders::position::Position;
use tokio::time::timeout;

use super::*;
use crate::mapping::Selection;
use crate::{
    pipeline::fakes::{FakeDestination, FakeSchemas, FakeSource, at},
    positions::CutoverStep,
};

const TASK: &str = r#"
name = "orders"
state_dir = "state"
start = "earliest"
[source]
type = "mysql-files"
directory = "."
[destination]
type = "sqlite"
path = "x.db"
[cutover]
poll_interval = "20ms"
"#;

struct Bench {
    directory: tempfile::TempDir,
    source: Arc<FakeSource>,
    held: Arc<std::sync::Mutex<crate::pipeline::fakes::Held>>,
}

impl Bench {
    fn file(&self) -> PathBuf {
        self.directory.path().join("orders.toml")
    }

    fn start(&self, text: &str) -> tokio::task::JoinHandle<Result<Ended>> {
        fs::write(self.file(), text).unwrap();
        let task = Task::load(&self.file()).unwrap();
        let ends = Ends {
            source: Arc::clone(&self.source) as Arc<dyn Source>,
            destination: Box::new(FakeDestination::of(&self.held)),
            mapping: Arc::new(Mapping::identity(Selection::new(&task.objects))),
            schemas: Box::new(FakeSchemas),
            throttle: Throttle::default(),
            parts: Parts::default(),
            verification: None,
        };
        let (file, level) = (self.file(), logging::start(&task.log, std::io::sink));
        tokio::spawn(async move { run(&file, task, ends, level, StatusBoard::new("orders")).await })
    }

    async fn applied(&self, position: &Position) {
        let applied = || self.held.lock().unwrap().checkpoint.as_ref().map(|c| c.position.clone());
        while applied().as_ref() != Some(position) {
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Signals reach every service in this process: one test for all of them.
fn send(signal: &str) {
    assert!(Command::new("kill").args([signal, &std::process::id().to_string()]).status().unwrap().success());
}

#[tokio::test]
async fn signals_stop_and_reload() {
    let bench = Bench {
        directory: tempfile::tempdir().unwrap(),
        source: Arc::new(FakeSource::new(5)),
        held: Arc::default(),
    };
    let limit = Duration::from_secs(20);
    let running = bench.start(TASK);
    timeout(limit, bench.applied(&at(5))).await.unwrap();
    sleep(Duration::from_millis(1200)).await;
    let state = bench.directory.path().join("state");
    let status = read_status(&state).unwrap().unwrap();
    assert_eq!((status.phase, status.rows, status.in_sync), (Phase::Tailing, 10, true));
    assert_eq!((status.position, status.lag_seconds), (Some(at(5)), Some(0.0)));

    send("-TERM");
    assert_eq!(timeout(limit, running).await.unwrap().unwrap().unwrap(), Ended::Tail(End::Stopped));
    assert_eq!(read_status(&state).unwrap().unwrap().phase, Phase::Ended);
    assert_eq!(Store::open(&state).unwrap().found().unwrap().checkpoint.position, at(5));

    // A reload arms a cutover in the running task; a mistake in the file changes nothing.
    let running = bench.start(TASK);
    bench.source.grow();
    timeout(limit, bench.applied(&at(6))).await.unwrap();
    fs::write(bench.file(), TASK.replace("poll_interval", "pole_interval")).unwrap();
    send("-HUP");
    sleep(Duration::from_millis(200)).await;
    assert!(!running.is_finished());
    fs::write(
        bench.file(),
        format!(
            "{TASK}when = \"in-sync\"\nin_sync_for = \"0s\"\nafter = \"stop\"\ncommand = [\"/bin/true\"]\n"
        ),
    )
    .unwrap();
    send("-HUP");
    assert_eq!(timeout(limit, running).await.unwrap().unwrap().unwrap(), Ended::Tail(End::CutOver));
    let record = Store::open(&state).unwrap().cutover().unwrap().unwrap();
    assert_eq!((record.step, record.switched_by), (CutoverStep::Done, vec!["command /bin/true".to_owned()]));

    let text = fs::read_to_string(bench.file()).unwrap();
    let again = timeout(limit, bench.start(&text)).await.unwrap().unwrap().unwrap();
    assert_eq!(again, Ended::AlreadyCutOver, "a task that was cut over does not write again");
}
