//! Waiting for the hour, or for an operator.

use std::{convert::Infallible, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tracing::info;

use super::{
    journal::Journal,
    machine::Machine,
    orders::{Asked, Order, OrdersReceiver},
    parts::Parts,
};
use crate::{
    config::{Cutover as Settings, When},
    error::Result,
    pipeline::{
        handle::TailHandle,
        snapshot::schemas::SharedSchemas,
        standstill::Standstill,
        status::{Phase, StatusBoard},
        tail::RetryLimits,
    },
    positions::{CutoverStep, Store},
    sources::Source,
};

/// After an attempt that was rolled back, the task waits so long before it begins another one by itself, and twice as long after each
/// further one.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// The cutover of a task that runs.
pub struct Cutover {
    pub(super) machine: Machine,
    pub(super) store: Store,
    pub(super) settings: watch::Receiver<Settings>,
    pub(super) stop: watch::Receiver<bool>,
    orders: OrdersReceiver,
    /// Whether an attempt is under way.
    attempting: watch::Sender<bool>,
    /// No attempt by ourselves before.
    rests_until: Instant,
}

/// What a cutover works on.
pub struct CutoverEnds {
    /// The task's name.
    pub task: String,
    /// The source.
    pub source: Arc<dyn Source>,
    /// The destination, for people.
    pub destination: String,
    /// Who creates the destination's objects.
    pub schemas: SharedSchemas,
    /// What else the task has.
    pub parts: Parts,
    /// How long errors that may pass may last.
    pub retry: RetryLimits,
}

impl Cutover {
    /// The cutover of a task, as its store has it. Nothing is connected.
    ///
    /// # Errors
    /// When the record is damaged.
    pub fn new(
        ends: CutoverEnds,
        store: Store,
        status: StatusBoard,
        settings: watch::Receiver<Settings>,
        orders: OrdersReceiver,
        stop: watch::Receiver<bool>,
    ) -> Result<Self> {
        let journal = Journal::open(store.clone(), status.clone())?;
        let rests_until = Instant::now() + pause(journal.record().failures);
        let machine = Machine {
            task: ends.task.into(),
            state_dir: store.directory().to_owned(),
            source: ends.source,
            destination: ends.destination.into(),
            schemas: ends.schemas,
            parts: ends.parts,
            settings: settings.borrow().clone(),
            retry: ends.retry,
            journal,
            status,
        };
        Ok(Cutover {
            machine,
            store,
            settings,
            stop,
            orders,
            attempting: watch::channel(false).0,
            rests_until,
        })
    }

    /// Whether the task is to begin it by itself.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.machine.journal.step() == CutoverStep::Waiting && self.settings.borrow().when == When::InSync
    }

    /// Returns as soon as no attempt is under way: what a tail that ends waits for, as its attempt takes itself back then.
    pub fn settled(&self) -> impl Future<Output = ()> + use<> {
        let mut attempting = self.attempting.subscribe();
        async move {
            // Whoever could attempt anything is gone as well.
            let _ = attempting.wait_for(|attempting| !attempting).await;
        }
    }

    /// Waits and cuts over, beside the tail, which ends the task when it is cut over.
    ///
    /// # Errors
    /// What stops the task.
    pub async fn run(mut self, tail: TailHandle) -> Result<Infallible> {
        loop {
            let dry_run = self.wait(&tail).await;
            tail.await_at_end(true);
            self.machine.settings = self.settings.borrow_and_update().clone();
            self.attempting.send_replace(true);
            let attempted = self.attempt(&tail, dry_run).await;
            self.attempting.send_replace(false);
            attempted?;
            let failures = self.machine.journal.record().failures;
            self.rests_until = Instant::now() + pause(failures);
        }
    }

    async fn attempt(&mut self, tail: &TailHandle, dry_run: bool) -> Result<()> {
        let machine = self.machine.clone();
        let (cancel, cancelled) = watch::channel(false);
        let mut attempt = std::pin::pin!(machine.attempt(tail, dry_run, cancelled, self.stop.clone()));
        loop {
            tokio::select! {
                done = &mut attempt => return done,
                Asked { order, answer } = self.orders.next() => {
                    let record = machine.journal.record();
                    let told = match order {
                        Order::Begin { .. } => Err(format!("attempt {} is under way ({})", record.attempt, record.step.name())),
                        Order::Cancel if record.step >= CutoverStep::Hooks && record.step != CutoverStep::RollingBack => {
                            Err("the traffic is being turned over: it cannot be cancelled any more".to_owned())
                        }
                        Order::Cancel => {
                            cancel.send_replace(true);
                            Ok(record.attempt)
                        }
                    };
                    // Who asked may be gone.
                    let _ = answer.send(told);
                }
            }
        }
    }

    /// Waits until an attempt is due; whether it is a dry run.
    async fn wait(&mut self, tail: &TailHandle) -> bool {
        let mut found = tail.found();
        let mut ordered = None;
        loop {
            tail.await_at_end(self.is_armed() || ordered.is_some());
            let now = *found.borrow_and_update();
            if let Some(dry_run) = ordered.filter(|_| now.in_sync_since.is_some()) {
                return dry_run;
            }
            if self.is_due(now) {
                info!("in sync for long enough");
                return false;
            }
            let due_at = self.due_at(now);
            let may_become_due = self.is_armed() && due_at > Instant::now();
            tokio::select! {
                Asked { order, answer } = self.orders.next() => {
                    // Who asked may be gone.
                    let _ = answer.send(self.answer(order, &mut ordered));
                }
                changed = found.changed() => if changed.is_err() { std::future::pending::<()>().await },
                changed = self.settings.changed() => if changed.is_err() { std::future::pending::<()>().await },
                () = sleep_until(due_at), if may_become_due => {}
            }
        }
    }

    fn answer(&self, order: Order, ordered: &mut Option<bool>) -> Result<u64, String> {
        let record = self.machine.journal.record();
        match order {
            Order::Cancel if ordered.take().is_some() => Ok(record.attempt + 1),
            Order::Cancel => Err("no cutover is under way".to_owned()),
            Order::Begin { .. } if record.step == CutoverStep::Done => {
                Err(format!("the task was cut over at {}", record.time))
            }
            Order::Begin { dry_run } => {
                let phase = self.machine.status.snapshot().phase;
                if phase != Phase::Tailing {
                    return Err(format!(
                        "the task does not follow the log yet, or not at the moment ({phase:?})"
                    ));
                }
                *ordered = Some(dry_run);
                Ok(record.attempt + 1)
            }
        }
    }

    /// When the task will have been in sync for long enough, if it stays so.
    fn due_at(&self, now: Standstill) -> Instant {
        let after = self.settings.borrow().in_sync_for;
        now.in_sync_since.map_or(self.rests_until, |since| (since + after).max(self.rests_until))
    }

    fn is_due(&self, now: Standstill) -> bool {
        let is_open =
            self.settings.borrow().window.as_ref().is_none_or(|window| window.is_open(Timestamp::now()));
        self.is_armed()
            && is_open
            && now.in_sync_since.is_some()
            && self.due_at(now) <= Instant::now()
            && self.machine.status.snapshot().phase == Phase::Tailing
    }
}

fn pause(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_PAUSE),
    }
}
