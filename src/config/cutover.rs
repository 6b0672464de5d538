//! `[cutover]` and `[verify]`: the switch, and the comparison before it.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;

use super::{size::ByteSize, window::Window};

/// `[cutover]`: how the traffic is turned over when source and destination stand still relative to each other.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cutover {
    /// What begins it.
    pub when: When,
    /// With `when = "in-sync"`: how long the task has to have been in sync without a break, 0 s to 24 h.
    #[serde(with = "humantime_serde")]
    pub in_sync_for: Duration,
    /// With `when = "in-sync"`: the hours in which it may begin, as `[days] HH:MM-HH:MM [zone]` (`Sat,Sun 01:00-04:30 Europe/Berlin`;
    /// every day and UTC unless given); at any time unless set.
    pub window: Option<Window>,
    /// How long the source may be closed to writers before the switch, 1 s to 24 h: when it takes longer, the source is opened
    /// again and the task follows the log on.
    #[serde(with = "humantime_serde")]
    pub downtime: Duration,
    /// How the source is closed to writers.
    pub fence: Fence,
    /// With `fence = "command"`: run with the argument `raise` or `lower` behind its own ones, and the description on its standard input.
    pub fence_command: Vec<String>,
    /// What is compared while the source is closed.
    pub verify: Depth,
    /// The command that turns the traffic over, and its arguments; run without a shell, with the description of the cutover as JSON on its
    /// standard input. Exit code 0: the traffic is turned over. Any other: it is not, and the cutover is rolled back.
    pub command: Vec<String>,
    /// An address that gets the description by POST, behind the command. An answer of 2xx counts as exit code 0.
    pub webhook: Option<String>,
    /// A unit of systemd that is started behind the command and the webhook.
    pub unit: Option<String>,
    /// How long each of the three may take, 1 s to 24 h; then it is broken off, and whether it took effect is not known.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// What a start does that finds that the daemon ended while one of the three ran.
    pub interrupted: Interrupted,
    /// The file of the task from the destination back to the source, which is started at the switch
    /// (`slackwater reverse` writes one).
    pub reverse: Option<PathBuf>,
    /// Whether the task ends after the cutover.
    pub after: After,
    /// How often the source is asked for the end of its log, 10 ms to 1 h.
    #[serde(with = "humantime_serde")]
    pub poll_interval: Duration,
}

impl Default for Cutover {
    fn default() -> Self {
        Cutover {
            when: When::default(),
            in_sync_for: Duration::from_secs(10),
            window: None,
            downtime: Duration::from_secs(60),
            fence: Fence::default(),
            fence_command: Vec::new(),
            verify: Depth::default(),
            command: Vec::new(),
            webhook: None,
            unit: None,
            timeout: Duration::from_secs(5 * 60),
            interrupted: Interrupted::default(),
            reverse: None,
            after: After::default(),
            poll_interval: Duration::from_secs(1),
        }
    }
}

impl Cutover {
    /// The first mistake that a key alone does not show: the key, what is wrong, and what to write.
    pub(super) fn mistake(&self) -> Option<(&'static str, &'static str, &'static str)> {
        let is_address = |text: &String| {
            reqwest::Url::parse(text)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        };
        let is_unit = |name: &String| {
            !name.is_empty()
                && !name.starts_with('-')
                && !name.contains(|c: char| c == '/' || c.is_whitespace())
        };
        if self.fence == Fence::Command && self.fence_command.is_empty() {
            return Some((
                "cutover.fence",
                "cutover.fence = \"command\" without cutover.fence_command",
                "set cutover.fence_command to a command that takes `raise` or `lower` as its last argument",
            ));
        }
        if self.webhook.as_ref().is_some_and(|address| !is_address(address)) {
            return Some(("cutover.webhook", "cutover.webhook is no address", "write https://host/path"));
        }
        if self.unit.as_ref().is_some_and(|name| !is_unit(name)) {
            return Some((
                "cutover.unit",
                "cutover.unit is no name of a unit",
                "write it as for `systemctl start`",
            ));
        }
        None
    }
}

/// What begins a cutover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// An operator (`slackwater cutover`).
    #[default]
    Manual,
    /// The task itself, when it has been in sync for long enough, inside the window.
    InSync,
}

/// How a source is closed to writers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fence {
    /// By its own means: `read_only` and `super_read_only`; `default_transaction_read_only`.
    #[default]
    Source,
    /// By the operator's command.
    Command,
    /// Not by us: nobody writes any more. That the end of the log stands still is checked all the same.
    None,
}

/// How deep both ends are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Depth {
    /// Not at all.
    #[default]
    None,
    /// The number of rows of each table.
    Counts,
    /// A part of the rows, spread over the keys.
    Sample,
    /// All rows, by checksums of parts of each table.
    Rows,
}

/// What a start does that finds an interrupted switch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interrupted {
    /// It stops, the source stays closed, and an operator says how it stands (`slackwater cutover --accept` or `--undo`).
    #[default]
    Ask,
    /// It runs the command, the webhook and the unit again: they can be repeated.
    Repeat,
}

/// What follows the cutover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum After {
    /// The task ends with exit code 0, or goes on as the reverse task where there is one.
    #[default]
    Stop,
    /// The task goes on following the log.
    Continue,
}

/// `[verify]`: how both ends are compared.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Verify {
    /// Rows that are read a second at each end at most; no limit unless set.
    pub rows_per_second: Option<u64>,
    /// Tables that are compared at once, 1 to 64.
    pub parallel: u32,
    /// Of how many rows [`Depth::Sample`] looks at one, 2 to 1,000,000.
    pub sample: u32,
    /// How long a row that differs is looked at again while changes flow, 0 s to 1 h.
    #[serde(with = "humantime_serde")]
    pub patience: Duration,
    /// Bytes that the comparison holds in memory, 1 MiB to 4 GiB.
    pub memory: ByteSize,
    /// How many differing rows of a table are listed, 1 to 1,000,000; all are counted.
    pub listed: u32,
    /// How long a running task rests between two comparisons of all rows in the background; never unless set.
    #[serde(with = "humantime_serde::option")]
    pub every: Option<Duration>,
}

impl Default for Verify {
    fn default() -> Self {
        Verify {
            rows_per_second: None,
            parallel: 2,
            sample: 100,
            patience: Duration::from_secs(60),
            memory: ByteSize::mib(64),
            listed: 100,
            every: None,
        }
    }
}
