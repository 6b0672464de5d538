//! Stages of one task that wake each other.
//!
//! Stages that hand work to each other by channels inside of one task wake the task that they are running in. The runtime takes
//! that for a task with more to do than it can: it puts it at the end of a queue and wakes another thread for it, which costs more
//! than what most stages do, and comes before whatever was to be passed on. Here such a wake is a reason to look at
//! the stages once more, at once.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::task::AtomicWaker;

/// Nobody looks at the stages: to wake them is to wake the task.
const RESTING: u8 = 0;
/// They are looked at.
const RUNNING: u8 = 1;
/// They are looked at, and are to be looked at again.
const AGAIN: u8 = 2;

/// How often the stages are looked at before other tasks get their turn.
const TURNS: usize = 16;

/// A future whose parts wake each other.
pub(super) struct Together<F> {
    stages: Pin<Box<F>>,
    signals: Arc<Signals>,
    waker: Waker,
}

struct Signals {
    state: AtomicU8,
    /// The task's.
    task: AtomicWaker,
}

impl<F: Future> Together<F> {
    pub(super) fn new(stages: F) -> Self {
        let signals = Arc::new(Signals { state: AtomicU8::new(RESTING), task: AtomicWaker::new() });
        Together { stages: Box::pin(stages), waker: Arc::clone(&signals).into(), signals }
    }
}

impl<F: Future> Future for Together<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Together { stages, signals, waker } = self.get_mut();
        signals.task.register(context.waker());
        for _ in 0..TURNS {
            signals.state.store(RUNNING, Ordering::SeqCst);
            if let Poll::Ready(output) = stages.as_mut().poll(&mut Context::from_waker(waker)) {
                return Poll::Ready(output);
            }
            let rests =
                signals.state.compare_exchange(RUNNING, RESTING, Ordering::SeqCst, Ordering::SeqCst).is_ok();
            if rests {
                return Poll::Pending;
            }
        }
        signals.state.store(RESTING, Ordering::SeqCst);
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Wake for Signals {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let before = self.state.compare_exchange(RUNNING, AGAIN, Ordering::SeqCst, Ordering::SeqCst);
        if before == Err(RESTING) {
            self.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::AtomicUsize;

    use tokio::sync::mpsc;

    use super::*;

    /// Counts how often a task is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn what_stages_hand_to_each_other_wakes_no_task_and_what_comes_from_outside_does() {
        let (outside, mut first) = mpsc::channel(1);
        let (inside, mut second) = mpsc::channel(1);
        let taking = async { second.recv().await };
        let passing = async move {
            let found: Option<u32> = first.recv().await;
            inside.send(found.unwrap()).await.unwrap();
        };
        // The one that takes is looked at first: it is woken when its turn is over.
        let mut stages = Box::pin(Together::new(async { tokio::join!(taking, passing).0 }));
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut context = Context::from_waker(&waker);
        assert_eq!(stages.as_mut().poll(&mut context), Poll::Pending);
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        outside.try_send(7).unwrap();
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert_eq!(stages.as_mut().poll(&mut context), Poll::Ready(Some(7)));
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }
}
