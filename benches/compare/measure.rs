//! What a process costs, and medians of it.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use slackwater_testkit::{PostgresServer, Server};

use crate::settings;

/// How often a running process is looked at.
const POLL: Duration = Duration::from_millis(5);
/// The unit of times in `/proc/PID/stat`: `USER_HZ`, 100 on every architecture these servers exist for (proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;

/// What a program has used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Seconds of user and system time.
    pub(crate) cpu: f64,
    /// The most memory it had, in bytes (`VmHWM`).
    pub(crate) peak: u64,
}

impl Usage {
    /// One program after the other.
    pub(crate) fn then(self, next: Usage) -> Usage {
        Usage { cpu: self.cpu + next.cpu, peak: self.peak.max(next.peak) }
    }
}

/// Runs a program to its end.
///
/// A process that has ended keeps its times until it is waited for, but not its memory: that is looked at while it runs.
pub(crate) fn run(mut command: Command) -> Result<Usage> {
    let output = tempfile::NamedTempFile::new()?;
    let said = || fs::read_to_string(output.path()).unwrap_or_default();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output.reopen()?)
        .stderr(output.reopen()?)
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    let mut usage = Usage::default();
    loop {
        let (state, cpu) = state_and_cpu(child.id())?;
        usage.cpu = cpu;
        if state == "Z" {
            break;
        }
        usage.peak = usage.peak.max(peak(child.id()).unwrap_or_default());
        thread::sleep(POLL);
    }
    let status = child.wait()?;
    ensure!(status.success(), "{command:?} failed with {status}:\n{}", said());
    Ok(usage)
}

/// A process's state letter, and the seconds of user and system time that it and those of its children have used that it has waited
/// for.
fn state_and_cpu(pid: u32) -> Result<(String, f64)> {
    let stat = stat(pid)?;
    Ok((stat.state, stat.cpu))
}

/// What `/proc/PID/stat` says (proc(5)).
struct Stat {
    state: String,
    parent: u32,
    /// Seconds, those of children included that have ended.
    cpu: f64,
}

fn stat(pid: u32) -> Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may hold anything.
    let (_, behind_name) = text.rsplit_once(") ").context("no name in stat")?;
    let fields: Vec<_> = behind_name.split(' ').collect();
    let field = |place: usize| fields.get(place).copied().context("a field of stat is missing");
    // Fields 14 to 17 of all; the state is the third.
    let ticks = (11..15).map(|place| Ok(field(place)?.parse::<f64>()?)).sum::<Result<f64>>()?;
    Ok(Stat { state: field(0)?.to_owned(), parent: field(1)?.parse()?, cpu: ticks / TICKS_PER_SECOND })
}

/// A server whose costs are told.
pub(crate) trait Measured {
    /// What it has used so far.
    fn usage(&self) -> Result<Usage>;
}

impl Measured for Server {
    fn usage(&self) -> Result<Usage> {
        let pid = self.pid().context("the server is down")?;
        Ok(Usage { cpu: state_and_cpu(pid)?.1, peak: peak(pid)? })
    }
}

impl Measured for PostgresServer {
    /// Its processes share most of their memory, so that a sum would count it many times: that of the largest is told.
    fn usage(&self) -> Result<Usage> {
        let postmaster = self.pid().context("the server is down")?;
        loop {
            let before = stat(postmaster)?.cpu;
            let mut usage = Usage { cpu: before, peak: peak(postmaster)? };
            for process in fs::read_dir("/proc")?.flatten() {
                let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else {
                    continue;
                };
                let Ok(stat) = stat(pid) else { continue };
                if stat.parent == postmaster {
                    usage.cpu += stat.cpu;
                    usage.peak = usage.peak.max(peak(pid).unwrap_or_default());
                }
            }
            // The times of one that has ended meanwhile are the postmaster's now.
            if stat(postmaster)?.cpu == before {
                return Ok(usage);
            }
        }
    }
}

/// The most memory that a process has had, in bytes.
fn peak(pid: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? * 1024)
}

/// One contender's way from the start to the end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Round {
    pub(crate) seconds: f64,
    pub(crate) tool: Usage,
    pub(crate) source_cpu: f64,
    pub(crate) destination: Usage,
}

/// Measures `work`, which returns what the tool itself has used (nothing, where a server is the tool).
pub(crate) fn round<S: Measured>(
    source: &S,
    destination: &S,
    work: impl FnOnce() -> Result<Usage>,
) -> Result<Round> {
    let (source_before, destination_before) = (source.usage()?, destination.usage()?);
    let start = Instant::now();
    let tool = work()?;
    let seconds = start.elapsed().as_secs_f64();
    let (source_after, destination_after) = (source.usage()?, destination.usage()?);
    Ok(Round {
        seconds,
        tool,
        source_cpu: source_after.cpu - source_before.cpu,
        destination: Usage {
            cpu: destination_after.cpu - destination_before.cpu,
            peak: destination_after.peak,
        },
    })
}

/// The rounds of one contender.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    rounds: Vec<Round>,
}

impl Contender {
    pub(crate) fn new(name: &'static str) -> Self {
        Contender { name, rounds: Vec::new() }
    }

    /// Adds a round, and says how long it took.
    pub(crate) fn add(&mut self, round: Round) {
        println!(
            "  {:<34} {:>7.2} s, {:>6.2} s of CPU",
            self.name,
            round.seconds,
            round.tool.cpu + round.source_cpu + round.destination.cpu
        );
        self.rounds.push(round);
    }

    fn median(&self, value: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(value).collect())
    }
}

/// The value in the middle; of an even number the upper of two. 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Brings what a source has to a new destination.
pub(crate) type Way<S> = fn(&S, &S) -> Result<Round>;

/// What contenders do.
pub(crate) struct Race<'a, S> {
    pub(crate) title: String,
    /// What each of them writes.
    pub(crate) rows: u64,
    pub(crate) source: &'a S,
    /// Starts a new destination.
    pub(crate) fresh: &'a dyn Fn() -> Result<S>,
    /// Fails where the destination's rows are not the source's.
    pub(crate) expect_same: fn(&S, &S) -> Result<()>,
}

impl<S> Race<'_, S> {
    /// Lets the ways take turns and prints their medians.
    pub(crate) fn run(self, ways: &[(&'static str, Way<S>)]) -> Result<()> {
        let mut contenders: Vec<_> = ways.iter().map(|(name, _)| Contender::new(name)).collect();
        for _ in 0..settings::rounds()? {
            for (contender, (name, way)) in contenders.iter_mut().zip(ways) {
                if settings::takes_part(name) {
                    let destination = (self.fresh)()?;
                    contender.add(way(self.source, &destination)?);
                    (self.expect_same)(self.source, &destination)?;
                }
            }
        }
        print(&self.title, self.rows, &contenders);
        Ok(())
    }
}

/// Prints all contenders beside the first one: medians of their rounds.
fn print(title: &str, rows: u64, contenders: &[Contender]) {
    let rounds = contenders.iter().map(|contender| contender.rounds.len()).max().unwrap_or_default();
    println!("\n{title}: {rows} rows, median of {rounds}");
    println!(
        "{:<34} {:>8} {:>15} {:>9} {:>7} | {:>9} {:>9} {:>11} {:>9} | {:>10}",
        "",
        "seconds",
        "(least to most)",
        "rows/s",
        "x rate",
        "tool CPU",
        "peak MiB",
        "server CPU",
        "peak MiB",
        "source CPU"
    );
    let mut first = None;
    for contender in contenders.iter().filter(|contender| !contender.rounds.is_empty()) {
        let seconds = contender.median(|round| round.seconds);
        let reference = *first.get_or_insert(seconds);
        let times = || contender.rounds.iter().map(|round| round.seconds);
        let (least, most) = (times().fold(f64::MAX, f64::min), times().fold(0.0, f64::max));
        println!(
            "{:<34} {seconds:>8.2} {:>15} {:>9.0} {:>7.2} | {:>9.2} {:>9.1} {:>11.2} {:>9.1} | {:>10.2}",
            contender.name,
            format!("({least:.2} to {most:.2})"),
            rows as f64 / seconds,
            reference / seconds,
            contender.median(|round| round.tool.cpu),
            contender.median(|round| round.tool.peak as f64) / MIB,
            contender.median(|round| round.destination.cpu),
            contender.median(|round| round.destination.peak as f64) / MIB,
            contender.median(|round| round.source_cpu),
        );
    }
}

const MIB: f64 = 1_048_576.0;
