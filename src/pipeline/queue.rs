//! The queue between source and destination, bounded in bytes: a slow destination slows the reader and nothing grows.

use std::sync::Arc;

use slackwater_decoders::batch::Batch;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

/// Bytes that all stages of a task together may hold.
#[derive(Clone, Debug)]
pub struct MemoryQuota {
    bytes: Arc<Semaphore>,
    total: u32,
    /// How many wait for memory.
    waiting: Arc<watch::Sender<usize>>,
}

impl MemoryQuota {
    /// A quota of `bytes` bytes (1 to 4 GiB; what is outside is brought to the nearest end).
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let total = u32::try_from(bytes.max(1))
            .unwrap_or(u32::MAX)
            .min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        MemoryQuota { bytes: Arc::new(Semaphore::new(total as usize)), total, waiting: Arc::default() }
    }

    /// Waits until `bytes` are free and takes them until the returned permit is dropped. What is larger than the whole
    /// quota waits until everything else is gone and then passes alone.
    pub async fn take(&self, bytes: usize) -> MemoryPermit {
        let wanted = u32::try_from(bytes).unwrap_or(u32::MAX).clamp(1, self.total);
        if let Ok(permit) = Arc::clone(&self.bytes).try_acquire_many_owned(wanted) {
            return MemoryPermit { _permit: Some(permit) };
        }
        let _waiting = Waiting::new(&self.waiting);
        // The semaphore is never closed, so that the only error cannot occur; without a permit nothing would be counted.
        MemoryPermit { _permit: Arc::clone(&self.bytes).acquire_many_owned(wanted).await.ok() }
    }
}

impl MemoryQuota {
    /// Whether somebody waits for memory.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        *self.waiting.borrow() > 0
    }

    /// Waits until somebody waits for memory.
    pub async fn exhausted(&self) {
        // The sender lives as long as `self`.
        let _ = self.waiting.subscribe().wait_for(|waiting| *waiting > 0).await;
    }
}

/// Somebody waits for memory.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn new(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|waiting| *waiting += 1);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

/// A share of a [`MemoryQuota`].
#[derive(Debug)]
pub struct MemoryPermit {
    _permit: Option<OwnedSemaphorePermit>,
}

/// What a source sends.
pub enum Message {
    /// Decoded changes, and the memory they take.
    Batch(Batch, MemoryPermit),
    /// The connection was lost inside a transaction: what was sent of it is void, it comes again from its beginning.
    Rewind,
}

/// The sending end.
#[derive(Clone)]
pub struct BatchSender {
    messages: mpsc::Sender<Message>,
    quota: MemoryQuota,
}

impl BatchSender {
    /// Waits for memory and room and sends. `false`: the receiver is gone, stop.
    #[must_use]
    pub async fn send(&self, batch: Batch) -> bool {
        let permit = self.quota.take(batch.summary().bytes).await;
        self.messages.send(Message::Batch(batch, permit)).await.is_ok()
    }

    /// Says that an incomplete transaction will be sent again. `false`: the receiver is gone, stop.
    #[must_use]
    pub async fn rewind(&self) -> bool {
        self.messages.send(Message::Rewind).await.is_ok()
    }

    /// Number of messages that nobody has taken yet.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.messages.max_capacity() - self.messages.capacity()
    }

    /// Whether the receiver is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.messages.is_closed()
    }

    /// Waits until the receiver is gone.
    pub async fn closed(&self) {
        self.messages.closed().await;
    }
}

/// A queue of batches that holds at most `quota`.
#[must_use]
pub fn queue(quota: MemoryQuota) -> (BatchSender, mpsc::Receiver<Message>) {
    // The count only bounds the overhead of tiny batches; the quota is the bound that matters.
    let (messages, receiver) = mpsc::channel(256);
    (BatchSender { messages, quota }, receiver)
}
