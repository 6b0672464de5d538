//! What the steps of a cutover work with.

use std::{path::PathBuf, sync::Arc};

use super::{journal::Journal, parts::Parts};
use crate::{
    config::Cutover as Settings,
    pipeline::{snapshot::schemas::SharedSchemas, status::StatusBoard, tail::RetryLimits},
    sources::Source,
};

/// Everything that an attempt needs, with the settings that it began with. Cloning it gives another handle.
#[derive(Clone)]
pub(super) struct Machine {
    pub(super) task: Arc<str>,
    pub(super) state_dir: PathBuf,
    pub(super) source: Arc<dyn Source>,
    /// The destination, for people.
    pub(super) destination: Arc<str>,
    pub(super) schemas: SharedSchemas,
    pub(super) parts: Parts,
    pub(super) settings: Settings,
    pub(super) retry: RetryLimits,
    pub(super) journal: Journal,
    pub(super) status: StatusBoard,
}
