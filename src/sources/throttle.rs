//! Limits on how fast a source's tables are read, so that a copy leaves the source to those who work with it.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use serde::{Deserialize, Serialize};

/// What may be read in a second; 0 is without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// SELECTs for rows, over all tables.
    pub queries_per_second: u64,
    /// Rows, over all tables.
    pub rows_per_second: u64,
    /// Bytes of rows as the source sends them, over all tables.
    pub bytes_per_second: u64,
}

/// A limit that all readers of a source share. Clones are handles of the same one.
#[derive(Clone, Debug)]
pub struct Throttle {
    current: Arc<Mutex<Current>>,
}

#[derive(Debug)]
struct Current {
    limits: Limits,
    queries: Rate,
    rows: Rate,
    bytes: Rate,
}

/// One kind of limit; `None` when there is none.
#[derive(Clone, Debug)]
struct Rate(Option<Arc<Limiter>>);

#[derive(Debug)]
struct Limiter {
    limiter: DefaultDirectRateLimiter,
    /// How many units of what is counted one cell of the limiter is, which counts in 32 bits.
    unit: u64,
    /// How many cells it gives at once: those of a second.
    burst: NonZeroU32,
}

impl Default for Throttle {
    fn default() -> Self {
        Throttle::new(Limits::default())
    }
}

impl Throttle {
    /// A throttle with those limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Throttle { current: Arc::new(Mutex::new(Current::new(limits))) }
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.locked(|current| current.limits)
    }

    /// Changes the limits, for readers that are waiting as well. A limit that stays the same keeps what was used of it.
    pub fn set(&self, limits: Limits) {
        self.locked(|current| current.change(limits));
    }

    /// Waits until one more query may be sent.
    pub async fn query(&self) {
        self.wait(1, |current| current.queries.clone()).await;
    }

    /// Waits until so many rows and bytes, which were read already, are within the limits. More than those of a second take as many
    /// seconds.
    pub async fn rows(&self, rows: u64, bytes: u64) {
        self.wait(rows, |current| current.rows.clone()).await;
        self.wait(bytes, |current| current.bytes.clone()).await;
    }

    fn locked<T>(&self, look: impl FnOnce(&mut Current) -> T) -> T {
        // Nothing panics while it is locked.
        look(&mut self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn wait(&self, count: u64, rate: impl Fn(&Current) -> Rate) {
        let mut left = count;
        while left > 0 {
            // Asked again after each wait: the limit may be another one by then.
            let Some(limiter) = self.locked(|current| rate(current)).0 else { return };
            match limiter.take(left) {
                Taken::Units(units) => left = left.saturating_sub(units),
                Taken::Later(pause) => tokio::time::sleep(pause.min(LONGEST_SLEEP)).await,
            }
        }
    }
}

/// A changed limit is noticed within this time.
const LONGEST_SLEEP: std::time::Duration = std::time::Duration::from_millis(200);

enum Taken {
    /// So many were taken.
    Units(u64),
    /// None were; when to ask again.
    Later(std::time::Duration),
}

impl Current {
    fn new(limits: Limits) -> Self {
        Current {
            limits,
            queries: Rate::new(limits.queries_per_second),
            rows: Rate::new(limits.rows_per_second),
            bytes: Rate::new(limits.bytes_per_second),
        }
    }

    fn change(&mut self, to: Limits) {
        let from = std::mem::replace(&mut self.limits, to);
        for (rate, before, after) in [
            (&mut self.queries, from.queries_per_second, to.queries_per_second),
            (&mut self.rows, from.rows_per_second, to.rows_per_second),
            (&mut self.bytes, from.bytes_per_second, to.bytes_per_second),
        ] {
            if before != after {
                *rate = Rate::new(after);
            }
        }
    }
}

impl Rate {
    fn new(per_second: u64) -> Self {
        let unit = per_second.div_ceil(u64::from(u32::MAX)).max(1);
        let cells = u32::try_from(per_second / unit).ok().and_then(NonZeroU32::new);
        Rate(cells.map(|burst| {
            let limiter = RateLimiter::direct(Quota::per_second(burst));
            Arc::new(Limiter { limiter, unit, burst })
        }))
    }
}

impl Limiter {
    /// Takes up to `wanted` units, or says when there will be some.
    fn take(&self, wanted: u64) -> Taken {
        let cells = wanted.div_ceil(self.unit).min(u64::from(self.burst.get()));
        let Some(cells) = u32::try_from(cells).ok().and_then(NonZeroU32::new) else {
            return Taken::Units(wanted);
        };
        match self.limiter.check_n(cells) {
            Ok(Ok(())) => Taken::Units(u64::from(cells.get()) * self.unit),
            Ok(Err(not_yet)) => Taken::Later(not_yet.wait_time_from(DefaultClock::default().now())),
            // More than the limiter ever gives at once, which `burst` rules out.
            Err(_) => Taken::Units(wanted),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    async fn time(work: impl Future<Output = ()>) -> Duration {
        let start = Instant::now();
        work.await;
        start.elapsed()
    }

    #[tokio::test]
    async fn without_limits_nothing_waits() {
        let throttle = Throttle::default();
        let elapsed = time(async {
            throttle.query().await;
            throttle.rows(u64::MAX, u64::MAX).await;
        });
        assert!(elapsed.await < Duration::from_millis(50));
    }

    /// The first second's share is there at once; what is beyond it takes its time.
    #[tokio::test]
    async fn rows_and_bytes_beyond_a_second_wait() {
        let throttle = Throttle::new(Limits { rows_per_second: 1000, ..Limits::default() });
        let elapsed = time(throttle.rows(1300, 1 << 40)).await;
        assert!((Duration::from_millis(250)..Duration::from_secs(2)).contains(&elapsed), "{elapsed:?}");
        let throttle = Throttle::new(Limits { bytes_per_second: 10 << 32, ..Limits::default() });
        let elapsed = time(throttle.rows(1, 13 << 32)).await;
        assert!((Duration::from_millis(250)..Duration::from_secs(2)).contains(&elapsed), "{elapsed:?}");
    }

    #[tokio::test]
    async fn a_changed_limit_holds_for_those_who_wait() {
        let throttle = Throttle::new(Limits { queries_per_second: 1, ..Limits::default() });
        throttle.query().await;
        let waiting = throttle.clone();
        let elapsed = time(async {
            let waiter = tokio::spawn(async move {
                waiting.query().await;
                waiting.rows(1_000_000, 0).await;
            });
            throttle.set(Limits::default());
            let _ = waiter.await;
        });
        assert!(elapsed.await < Duration::from_millis(900));
        assert_eq!(throttle.limits(), Limits::default());
    }
}
