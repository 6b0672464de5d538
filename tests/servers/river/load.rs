//! A load that goes on beside the test, through whatever happens to its server.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use slackwater_testkit::{Server, workload::Workload};

/// The running load. It waits for its server when that is away.
pub(crate) struct Load {
    done: Arc<AtomicBool>,
    writer: JoinHandle<Workload>,
}

impl Load {
    /// Goes on with `workload` on `server`.
    pub(crate) fn start(server: &Arc<Server>, mut workload: Workload) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let (server, ended) = (Arc::clone(server), Arc::clone(&done));
        let writer = thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                if let Ok(mut connection) = server.conn() {
                    while !ended.load(Ordering::Relaxed) && workload.step(&mut connection).is_ok() {
                        thread::sleep(Duration::from_millis(1));
                    }
                }
                thread::sleep(Duration::from_millis(20));
            }
            workload
        });
        Load { done, writer }
    }

    /// Ends the load; it can be continued elsewhere.
    pub(crate) fn stop(self) -> Workload {
        self.done.store(true, Ordering::Relaxed);
        self.writer.join().expect("the load does not panic")
    }
}
