//! One session that changes rows of `shop.orders` until it is told to stop, whatever form the table has meanwhile.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Result;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use slackwater_testkit::{Server, run_statements};

/// A committed change, as a log tells it.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// A row that was written whole: inserted, or updated to this.
    Row { inserted: bool, id: u32, customer: String, amount: String },
    /// A row that is gone.
    Gone { id: u32 },
}

pub(crate) struct Writer {
    done: Arc<AtomicBool>,
    /// The changes in the order of their commits.
    pub(crate) log: Mutex<Receiver<Change>>,
    session: JoinHandle<Result<usize>>,
}

impl Writer {
    /// Fills the table and starts to write.
    pub(crate) fn start(server: &Arc<Server>, rows: u32) -> Result<Self> {
        let values: Vec<_> =
            (1..=rows).map(|id| format!("({id}, 'customer {}', {id}.25)", id % 97)).collect();
        server
            .exec(&format!("INSERT INTO shop.orders (id, customer, amount) VALUES {}", values.join(", ")))?;
        let done = Arc::new(AtomicBool::new(false));
        let (commits, log) = channel();
        let (server, ended) = (Arc::clone(server), Arc::clone(&done));
        let session = thread::spawn(move || write(&server, rows, &ended, &commits));
        Ok(Writer { done, log: Mutex::new(log), session })
    }

    /// Ends it; returns how many changes there were.
    pub(crate) fn stop(self) -> Result<usize> {
        self.done.store(true, Ordering::Relaxed);
        self.session.join().expect("the writer does not panic")
    }
}

fn write(server: &Server, rows: u32, done: &AtomicBool, commits: &Sender<Change>) -> Result<usize> {
    let mut connection = server.conn()?;
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let (mut next, mut count) = (rows, 0);
    while !done.load(Ordering::Relaxed) {
        let change = match random.random_range(0..10) {
            0..3 => {
                next += 1;
                row(true, next, &mut random)
            }
            3..5 => Change::Gone { id: random.random_range(1..=next) },
            _ => row(false, random.random_range(1..=next), &mut random),
        };
        let statement = match &change {
            Change::Row { inserted: true, id, customer, amount } => {
                format!(
                    "INSERT INTO shop.orders (id, customer, amount) VALUES ({id}, '{customer}', {amount})"
                )
            }
            Change::Row { id, customer, amount, .. } => {
                format!("UPDATE shop.orders SET customer = '{customer}', amount = {amount} WHERE id = {id}")
            }
            Change::Gone { id } => format!("DELETE FROM shop.orders WHERE id = {id}"),
        };
        run_statements(&mut connection, &statement)?;
        if connection.affected_rows() > 0 {
            // Nobody listens when the tool follows the changes by itself.
            commits.send(change).ok();
            count += 1;
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(count)
}

fn row(inserted: bool, id: u32, random: &mut ChaCha8Rng) -> Change {
    let (customer, amount) = (random.random_range(0..1000), random.random_range(0..100_000));
    Change::Row { inserted, id, customer: format!("it\\'s {customer}"), amount: format!("{amount}.5") }
}
