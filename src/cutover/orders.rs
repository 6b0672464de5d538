//! What an operator tells a running task about its cutover.

use tokio::sync::{mpsc, oneshot};

/// An order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Begin as soon as the task is in sync.
    Begin {
        /// Stop in front of the switch, and take everything back.
        dry_run: bool,
    },
    /// Take back what is under way, unless the traffic is being turned over.
    Cancel,
}

/// An order, and who waits for the answer: the number of the attempt, or why it is refused.
pub(super) struct Asked {
    pub(super) order: Order,
    pub(super) answer: oneshot::Sender<Result<u64, String>>,
}

/// Where orders are given. Cloning it gives another one.
#[derive(Clone)]
pub struct Orders(mpsc::Sender<Asked>);

/// Orders, and where they arrive.
#[must_use]
pub fn orders() -> (Orders, OrdersReceiver) {
    let (sender, receiver) = mpsc::channel(1);
    (Orders(sender), OrdersReceiver(receiver))
}

/// Where orders arrive.
pub struct OrdersReceiver(mpsc::Receiver<Asked>);

impl OrdersReceiver {
    /// The next one; waits forever when nobody can give any.
    pub(super) async fn next(&mut self) -> Asked {
        match self.0.recv().await {
            Some(asked) => asked,
            None => std::future::pending().await,
        }
    }
}

impl Orders {
    /// Gives an order; the number of the attempt that it is about.
    ///
    /// # Errors
    /// Why it is refused, for people.
    pub async fn give(&self, order: Order) -> Result<u64, String> {
        let ended = || "the task does not follow its log (any more)".to_owned();
        let (answer, answered) = oneshot::channel();
        // Taken only while the log is followed: during a copy nobody would come for it.
        self.0.try_send(Asked { order, answer }).map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }
}
