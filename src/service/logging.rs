//! Log lines, for people or as JSON.

use tracing::{Subscriber, warn};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt::MakeWriter, layer::SubscriberExt, registry::LookupSpan, reload,
    util::SubscriberInitExt,
};

use crate::config::{Log, LogFormat};

/// The level of the log, which can be changed while the program runs.
#[derive(Clone)]
pub struct LogLevel(reload::Handle<EnvFilter, Registry>);

impl LogLevel {
    /// Sets the level; the same words as `log.level` in the task file.
    pub fn set(&self, level: &str) {
        if let Err(error) = self.0.reload(filter(level)) {
            warn!(%error, "the log level stays as it was");
        }
    }
}

/// Starts the log. A log that was started before stays.
pub fn start<W>(log: &Log, writer: W) -> LogLevel
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(filter(&log.level));
    let _ = tracing_subscriber::registry().with(filter).with(lines(log.format, writer)).try_init();
    LogLevel(handle)
}

fn lines<S, W>(format: LogFormat, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
        // The journal has the time already.
        LogFormat::Human if std::env::var_os("JOURNAL_STREAM").is_some() => {
            lines.without_time().with_ansi(false).with_target(false).boxed()
        }
        LogFormat::Human => {
            let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
            lines.with_ansi(terminal).with_target(false).boxed()
        }
    }
}

/// The level was checked with the task file.
fn filter(level: &str) -> EnvFilter {
    EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"))
}
