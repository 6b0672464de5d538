//! How long to go on after errors that may pass.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::error::{Error, Kind};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// What comes back is noticed within twice this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long errors of each kind may last.
#[derive(Clone, Copy, Debug)]
pub struct RetryLimits {
    /// While a side cannot be reached.
    pub connection_lost: Duration,
    /// After any other transient error.
    pub other: Duration,
}

/// The errors since the last progress.
pub(crate) struct Retries {
    limits: RetryLimits,
    since: Option<Instant>,
    pauses: ExponentialBackoff,
}

impl Retries {
    pub(crate) fn new(limits: RetryLimits) -> Self {
        Retries { limits, since: None, pauses: pauses() }
    }

    /// Something went well: the next error is a first one.
    pub(crate) fn progress(&mut self) {
        if self.since.take().is_some() {
            self.pauses = pauses();
        }
    }

    /// The pause before the next attempt, or the error, when trying again cannot help or took too long already.
    pub(crate) fn after(&mut self, error: Error) -> Result<(Duration, Error), Error> {
        let limit = match error.kind() {
            Kind::Definite => return Err(error),
            Kind::Disconnected => self.limits.connection_lost,
            Kind::Transient => self.limits.other,
        };
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() >= limit {
            return Err(error.remedy(format!(
                "gave up after {limit:?} (apply.connection_lost_limit, apply.error_limit); repair the cause \
                 and start the task again, it resumes where it was"
            )));
        }
        let pause = self.pauses.next().unwrap_or(LONGEST_PAUSE).min(limit.saturating_sub(since.elapsed()));
        Ok((pause, error))
    }
}

/// 100 ms, doubled up to 5 s, each with up to as much again by chance, so that many tasks do not come back at once.
fn pauses() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
        .build()
}
