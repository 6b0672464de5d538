//! A source that can be closed, a destination, a reverse task and an operator's command in memory, and a process between them
//! that can be cut off anywhere.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use slackwater_decoders::{position::Position, schema::TableName};
use tokio::{sync::watch, task::JoinHandle, time::sleep};

use super::{
    parts::{ReverseTask, Switch},
    *,
};
use crate::{
    changes::{Group, TableStarts},
    config::{Cutover as Settings, Interrupted, Objects, Start, When},
    destinations::{
        Checkpoint, Destination, Standing,
        load::Loader,
        schema::{Kind, Object, PlannedStatement, Stage},
    },
    error::{Error, Result},
    mapping::{Mapping, Selection},
    pipeline::{
        fakes::{FakeDestination, FakeSource, Held, at},
        queue::BatchSender,
        snapshot::schemas::{Created, SharedSchemas, TableSchemas},
        status::StatusBoard,
        tail::{End, RetryLimits, Tail, TailSettings},
    },
    positions::{CutoverStep, SchemaHistory, Store},
    sources::{
        Finding, Plan, Source,
        fencing::{FencePlan, FenceState, Fencing, Writer},
    },
};

/// What stands at both ends beside rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scene {
    pub(super) is_fenced: bool,
    pub(super) has_trigger: bool,
    pub(super) is_prepared: bool,
    pub(super) is_reversed: bool,
    /// The source takes so long to close.
    pub(super) closes_in: Duration,
    /// Writes that come through the fence, one before each end of log that is asked for.
    pub(super) leaks: u32,
    pub(super) has_prepared_transaction: bool,
}

impl Scene {
    /// As before any attempt.
    pub(super) fn is_untouched(&self) -> bool {
        !(self.is_fenced || self.has_trigger || self.is_prepared || self.is_reversed)
    }
}

type Shared = Arc<Mutex<Scene>>;

struct WorldSource {
    log: Arc<FakeSource>,
    scene: Shared,
}

#[async_trait]
impl Source for WorldSource {
    fn describe(&self) -> String {
        self.log.describe()
    }

    async fn check(&self, plan: &Plan<'_>) -> Vec<Finding> {
        self.log.check(plan).await
    }

    async fn start_position(&self, start: &Start) -> Result<Position> {
        self.log.start_position(start).await
    }

    async fn end_of_log(&self) -> Result<Position> {
        let leaks = {
            let mut scene = self.scene.lock().unwrap();
            let leaks = scene.is_fenced && scene.leaks > 0;
            scene.leaks -= u32::from(leaks);
            leaks
        };
        if leaks {
            self.log.grow();
        }
        self.log.end_of_log().await
    }

    fn reached(&self, applied: &Position, fence: &Position) -> bool {
        self.log.reached(applied, fence)
    }

    async fn bytes_behind(&self, applied: &Position, end: &Position) -> Option<u64> {
        self.log.bytes_behind(applied, end).await
    }

    async fn tail(&self, from: Position, history: &SchemaHistory, out: &BatchSender) -> Result<()> {
        self.log.tail(from, history, out).await
    }

    fn fencing(&self) -> Option<&dyn Fencing> {
        Some(self)
    }
}

fn former() -> FenceState {
    FenceState(vec![("read_only".to_owned(), "OFF".to_owned())])
}

#[async_trait]
impl Fencing for WorldSource {
    async fn look(&self) -> Result<FencePlan> {
        let writers = self.writers().await?;
        Ok(FencePlan { former: former(), statements: vec!["SET GLOBAL read_only = ON".to_owned()], writers })
    }

    async fn raise(&self, state: &FenceState) -> Result<()> {
        assert_eq!(*state, former());
        let closes_in = {
            let mut scene = self.scene.lock().unwrap();
            scene.is_fenced = true;
            scene.closes_in
        };
        sleep(closes_in).await;
        Ok(())
    }

    async fn lower(&self, state: &FenceState) -> Result<()> {
        assert_eq!(*state, former());
        self.scene.lock().unwrap().is_fenced = false;
        Ok(())
    }

    async fn writers(&self) -> Result<Vec<Writer>> {
        let scene = self.scene.lock().unwrap();
        let writer = |id: &str, why: &str| Writer {
            id: id.to_owned(),
            user: "root".to_owned(),
            host: "10.0.0.7".to_owned(),
            database: "shop".to_owned(),
            why: why.to_owned(),
        };
        let mut writers = vec![writer("connection 42", "has the right to write behind the fence")];
        if scene.has_prepared_transaction {
            writers.push(writer("prepared transaction x", "can commit at any time"));
        }
        Ok(writers)
    }
}

struct WorldDestination {
    rows: FakeDestination,
    scene: Shared,
}

#[async_trait]
impl Destination for WorldDestination {
    fn describe(&self) -> String {
        self.rows.describe()
    }

    async fn check(&mut self, selection: &Selection) -> Vec<Finding> {
        self.rows.check(selection).await
    }

    async fn open(&mut self) -> Result<Option<Standing>> {
        self.rows.open().await
    }

    async fn apply(&mut self, group: &Arc<Group>, checkpoint: Option<&Checkpoint>) -> Result<()> {
        assert!(!self.scene.lock().unwrap().has_trigger, "a trigger would act on what is applied");
        self.rows.apply(group, checkpoint).await
    }

    async fn rollback(&mut self) -> Result<()> {
        self.rows.rollback().await
    }

    async fn store_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.rows.store_checkpoint(checkpoint).await
    }

    async fn loader(&mut self) -> Result<Box<dyn Loader>> {
        self.rows.loader().await
    }

    async fn empty_table(&mut self, table: &TableName) -> Result<()> {
        self.rows.empty_table(table).await
    }

    async fn occupied(&mut self, tables: &[TableName]) -> Result<Vec<TableName>> {
        self.rows.occupied(tables).await
    }

    async fn drop_table(&mut self, table: &TableName) -> Result<()> {
        self.rows.drop_table(table).await
    }

    async fn withdraw(&mut self, statements: &[PlannedStatement]) -> Result<()> {
        assert_eq!(statements, [trigger()]);
        self.scene.lock().unwrap().has_trigger = false;
        Ok(())
    }
}

fn trigger() -> PlannedStatement {
    let object = Object {
        kind: Kind::Stored(slackwater_decoders::schema::definition::ObjectKind::Trigger),
        source: "shop.numbers.audit".to_owned(),
        target: "shop.numbers.audit".to_owned(),
    };
    PlannedStatement::new(object, Stage::AtCutover, "CREATE TRIGGER audit")
}

struct WorldSchemas(Shared);

#[async_trait]
impl TableSchemas for WorldSchemas {
    async fn create(
        &mut self,
        _: &dyn Source,
        _: &mut dyn Destination,
        _: &[TableName],
    ) -> Result<Vec<Created>> {
        Err(Error::definite("nothing is created here"))
    }

    async fn complete(&mut self, _: &dyn Source, _: &mut dyn Destination, _: Stage) -> Result<()> {
        Ok(())
    }

    async fn planned(
        &mut self,
        _: &dyn Source,
        _: &mut dyn Destination,
        _: Stage,
    ) -> Result<Vec<PlannedStatement>> {
        let is_there = self.0.lock().unwrap().has_trigger;
        Ok(if is_there { Vec::new() } else { vec![trigger()] })
    }

    async fn cut_over(&mut self, _: &dyn Source, _: &mut dyn Destination) -> Result<Vec<String>> {
        self.0.lock().unwrap().has_trigger = true;
        Ok(vec!["view shop.broken: no such column".to_owned()])
    }
}

struct WorldReverse(Shared);

#[async_trait]
impl ReverseTask for WorldReverse {
    fn file(&self) -> PathBuf {
        PathBuf::from("back.toml")
    }

    fn name(&self) -> String {
        "back".to_owned()
    }

    async fn check(&self) -> Vec<Finding> {
        Vec::new()
    }

    async fn prepare(&self, switch: &Switch) -> Result<Position> {
        assert_eq!((&*switch.task, &switch.fence), ("orders", &Some(former())));
        self.0.lock().unwrap().is_prepared = true;
        Ok(at(7))
    }

    async fn start(&self) -> Result<()> {
        let mut scene = self.0.lock().unwrap();
        assert!(scene.is_prepared);
        scene.is_reversed = true;
        Ok(())
    }

    async fn forget(&self) -> Result<()> {
        self.0.lock().unwrap().is_prepared = false;
        Ok(())
    }
}

/// Two ends, and the state directory of the task between them.
pub(super) struct World {
    pub(super) state: tempfile::TempDir,
    pub(super) log: Arc<FakeSource>,
    pub(super) held: Arc<Mutex<Held>>,
    pub(super) scene: Shared,
    pub(super) settings: Settings,
}

impl World {
    /// Five transactions, and a command that is this script.
    pub(super) fn new(script: &str) -> Self {
        let settings = Settings {
            when: When::InSync,
            in_sync_for: Duration::ZERO,
            downtime: Duration::from_secs(20),
            command: vec!["/bin/sh".into(), "-c".into(), script.into()],
            timeout: Duration::from_secs(1),
            interrupted: Interrupted::Ask,
            poll_interval: Duration::from_millis(20),
            ..Settings::default()
        };
        World {
            state: tempfile::tempdir().unwrap(),
            log: Arc::new(FakeSource::new(5)),
            held: Arc::default(),
            scene: Arc::default(),
            settings,
        }
    }

    /// The place of a file that the script can write to.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.state.path().join(name)
    }

    /// Starts a process.
    pub(super) fn start(&self) -> Process {
        let (give, taken) = orders();
        let board = StatusBoard::new("orders");
        let (stop, stopped) = watch::channel(false);
        let ends = CutoverEnds {
            task: "orders".to_owned(),
            source: Arc::new(WorldSource { log: Arc::clone(&self.log), scene: Arc::clone(&self.scene) }),
            destination: "fake destination".to_owned(),
            schemas: SharedSchemas::new(Box::new(WorldSchemas(Arc::clone(&self.scene)))),
            parts: parts::Parts {
                reverse: Some(Arc::new(WorldReverse(Arc::clone(&self.scene)))),
                ..parts::Parts::default()
            },
            retry: RetryLimits { connection_lost: Duration::from_secs(20), other: Duration::from_secs(20) },
        };
        let destination: Box<dyn Destination> = Box::new(WorldDestination {
            rows: FakeDestination::of(&self.held),
            scene: Arc::clone(&self.scene),
        });
        let running = run(
            self.state.path().to_owned(),
            self.settings.clone(),
            ends,
            destination,
            board.clone(),
            taken,
            stopped,
        );
        Process { running: tokio::spawn(running), board, orders: give, stop }
    }

    /// Runs a process to its end.
    pub(super) async fn run(&self) -> Result<Ended> {
        let process = self.start();
        tokio::time::timeout(Duration::from_secs(30), process.running).await.unwrap().unwrap()
    }

    /// The step that the store has, when no process runs.
    pub(super) fn step(&self) -> CutoverStep {
        Store::open(self.state.path()).unwrap().cutover().unwrap().unwrap().step
    }

    /// A task that goes on applies what comes.
    pub(super) async fn goes_on(&self) {
        self.log.grow();
        let end = at(self.log.log.lock().unwrap().len() as u64);
        for _ in 0..500 {
            if self.held.lock().unwrap().checkpoint.as_ref().is_some_and(|held| held.position == end) {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("{end} is not applied");
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Tail(End),
    Done,
}

/// A running task.
pub(super) struct Process {
    running: JoinHandle<Result<Ended>>,
    pub(super) board: StatusBoard,
    pub(super) orders: Orders,
    stop: watch::Sender<bool>,
}

impl Process {
    /// Waits until the recorded attempt is at a step.
    pub(super) async fn reaches(&self, step: CutoverStep) -> String {
        for _ in 0..1000 {
            if let Some(cutover) = self.board.snapshot().cutover.filter(|cutover| cutover.step == step) {
                return cutover.note;
            }
            assert!(!self.running.is_finished(), "ended before {step:?}: {:?}", self.board.snapshot());
            sleep(Duration::from_millis(10)).await;
        }
        panic!("{step:?} is not reached: {:?}", self.board.snapshot().cutover);
    }

    /// Tells it to stop.
    pub(super) async fn stop(self) -> Result<Ended> {
        self.stop.send_replace(true);
        tokio::time::timeout(Duration::from_secs(30), self.running).await.unwrap().unwrap()
    }

    /// Cuts it off where it is.
    pub(super) async fn kill(self) {
        self.running.abort();
        let _ = self.running.await;
        // Its tasks end behind it, and with them its hold on the store.
        sleep(Duration::from_millis(20)).await;
    }
}

async fn run(
    state: impl AsRef<Path>,
    settings: Settings,
    ends: CutoverEnds,
    mut destination: Box<dyn Destination>,
    board: StatusBoard,
    orders: OrdersReceiver,
    stop: watch::Receiver<bool>,
) -> Result<Ended> {
    let store = Store::open(state.as_ref())?;
    let (_poll, poll_interval) = watch::channel(settings.poll_interval);
    let (_settings, settings) = watch::channel(settings);
    let source = Arc::clone(&ends.source);
    let retry = ends.retry;
    let cutover = Cutover::new(ends, store.clone(), board.clone(), settings, orders, stop.clone())?;
    if cutover.entry()? == Entry::Done || cutover.recover(&mut *destination).await? == Entry::Done {
        return Ok(Ended::Done);
    }
    let settings = TailSettings {
        mapping: Arc::new(Mapping::identity(Selection::new(&Objects::default()))),
        start: Start::Earliest,
        memory: 1 << 20,
        group_size: 1 << 20,
        starts: TableStarts::default(),
        checkpoint_interval: Duration::from_millis(50),
        retry,
    };
    let tail = Tail::new(source, destination, store, settings, board, poll_interval, stop);
    let handle = tail.handle();
    handle.await_at_end(cutover.is_armed());
    let settled = cutover.settled();
    let mut cutting_over = std::pin::pin!(cutover.run(handle));
    let ended = tokio::select! {
        biased;
        ended = tail.run() => ended,
        failed = &mut cutting_over => match failed? {},
    };
    // An attempt that the end of the tail has met takes itself back: nobody is kept from writing for longer.
    tokio::select! {
        biased;
        () = settled => ended.map(Ended::Tail),
        failed = &mut cutting_over => match failed? {},
    }
}
