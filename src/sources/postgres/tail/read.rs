//! The reader: takes frames off the stream, keeps those of transactions whose end is not known, and collects the others
//! into pieces, in the order of commits.
//!
//! **Transactions in progress** (Stream Start … Stream Stop) and **prepared transactions** go to files ([`Spill`]). Their commit
//! brings them back, as one transaction at the place of the commit.
//!
//! **Positions.** The task's position is the end of the last commit, or a keepalive's between transactions: all that was
//! committed before it was sent. Transactions in progress do not matter to it, because their commit comes later, and a server that is asked
//! to start from a position sends whole transactions by their commits.
//!
//! **Prepared transactions are the exception**: with `two_phase` their rows are sent at PREPARE, and after a restart again only if the
//! PREPARE lies behind the slot's confirmed position, whatever becomes of them (`DecodePrepare`: `SnapBuildXactNeedsSkip`). The
//! destination must not have them before COMMIT PREPARED, though, and positions between the two are fine positions of other
//! transactions. So the confirmed position stays before the PREPARE ([`Progress::hold`]) until the position stored at the
//! destination is behind the COMMIT PREPARED, or the ROLLBACK PREPARED came; a task that starts again reads from the confirmed
//! position, finds the prepared transaction again, and passes over the transactions that were committed before its own
//! position. Each transaction's commit has one place, so that none is passed over or repeated by mistake.
//!
//! Relations that are announced in what is passed over are announced for what follows as well, see [`Announced`].

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, Instant},
};

use slackwater_decoders::postgres::{
    copy::Frame,
    ddl::DDL_PREFIX,
    error::Reason,
    lsn::Lsn,
    message::{Committed, Message},
};

use super::{
    HEADER, Note,
    announced::Announced,
    cut::Collected,
    spill::{Replay, Spill},
};
use crate::{
    error::{Error, Result},
    sources::{
        postgres::replication::{Progress, WalStream},
        stages::Pieces,
    },
};

/// The header of XLogData before the message.
pub(super) const XLOG_HEADER: usize = 25;
/// A report that is asked for sooner than this after the last one is not sent at once.
const URGED_OFTEN: Duration = Duration::from_millis(50);
/// Reports that are asked for with this long between are those of a server that only wants a sign of life.
const URGED_SELDOM: Duration = Duration::from_secs(2);
/// How long a server that shuts down waits for what it sent to be stored.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(3);

/// The time over which frames are counted.
const WINDOW: Duration = Duration::from_millis(4);
/// That many frames a second are a stream that does not pause: a backlog, or 8,000 transactions of one row.
const DENSE: f64 = 24_000.0;
/// How long bytes of such a stream are left to gather…
const NAP: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_millis(5);
/// …within that: for as long as so many come. The socket has room for them, so that the server does not wait.
const NAP_BYTES: f64 = 48.0 * 1024.0;

/// Reads the stream until it fails or nobody takes pieces any more.
pub(super) struct Reader {
    stream: WalStream,
    sorter: Sorter,
    pace: Pace,
}

/// How fast frames come.
///
/// The server sends every frame by itself. To be woken for each, and to pass each small transaction on alone, costs both sides more
/// than what is in it; so where frames come without a pause, some are left to gather. A transaction now and then is read at once.
struct Pace {
    since: Instant,
    frames: u32,
    bytes: usize,
    nap: Option<Duration>,
}

/// Brings frames into the order of commits.
struct Sorter {
    state: State,
    collected: Collected,
    spill: Spill,
    progress: Arc<Progress>,
    /// Transactions that were committed before are at the destination.
    from: Lsn,
    /// What the server is not to forget before all of its log up to `from` has come again.
    held: Option<Lsn>,
    /// How the transaction ended whose frames are the next ones in `collected`.
    announced: Option<Committed>,
    /// Announcements that what is collected does not have.
    kept: Announced,
    /// The places of PREPARE, by transaction.
    prepared: BTreeMap<u32, Lsn>,
    /// Committed ones: the place of PREPARE and the end of COMMIT PREPARED.
    committed: Vec<(Lsn, Lsn)>,
    /// The position that was passed on last, and when.
    position: Lsn,
    passed_on: Instant,
    heartbeat: Duration,
    urged: Option<Urged>,
}

/// Reports that the server asked for at one place of its log.
#[derive(Clone, Copy, Debug)]
struct Urged {
    end: Lsn,
    since: Instant,
    last: Instant,
    times: u32,
}

/// Where a stream begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    /// What was committed before is passed over.
    pub(super) from: Lsn,
    /// The slot's confirmed position, from where prepared transactions come again; `None` without them.
    pub(super) held: Option<Lsn>,
}

/// What the next frame belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing.
    Outside,
    /// A committed transaction.
    Transaction,
    /// One that the destination has.
    Passed,
    /// A segment of a transaction in progress.
    Segment(u32),
    /// A transaction that is prepared.
    Prepare(u32),
}

/// Whether pieces are still taken.
type Goes = bool;

impl Reader {
    /// A reader of a stream that has begun.
    pub(super) fn new(
        stream: WalStream,
        spill: Spill,
        progress: Arc<Progress>,
        Places { from, held }: Places,
        batch_bytes: usize,
        heartbeat: Duration,
    ) -> Self {
        progress.restart(from);
        progress.hold(held);
        let sorter = Sorter {
            state: State::Outside,
            collected: Collected::new(batch_bytes),
            spill,
            progress,
            from,
            held,
            announced: None,
            kept: Announced::default(),
            prepared: BTreeMap::new(),
            committed: Vec::new(),
            position: from,
            passed_on: Instant::now(),
            heartbeat,
            urged: None,
        };
        Reader { stream, sorter, pace: Pace::new(None) }
    }

    /// Reads and reports.
    ///
    /// # Errors
    /// When the stream ends, or has what is not understood.
    pub(super) async fn run(mut self, pieces: Pieces<Note>) -> Result<()> {
        let writer =
            self.stream.take_writer().ok_or_else(|| Error::definite("the stream was taken already"))?;
        let (progress, heartbeat) = (Arc::clone(&self.sorter.progress), self.sorter.heartbeat);
        let end = tokio::select! {
            end = self.collect(&pieces) => end,
            end = progress.report(writer, heartbeat) => end.map(|never| match never {}),
        };
        // What is whole is worth having, however the reading ended. (A replay that was broken off is not whole.)
        if self.sorter.collected.outside() > 0 {
            self.sorter.send(self.sorter.collected.outside(), &pieces).await;
        }
        end
    }

    async fn collect(&mut self, pieces: &Pieces<Note>) -> Result<()> {
        let Reader { stream, sorter, pace } = self;
        loop {
            if let Some(frame) = stream.frame()? {
                let length = frame.len();
                pace.frames += 1;
                pace.bytes += length;
                if !sorter.change(frame) && !sorter.frame(frame, pieces).await? {
                    return Ok(());
                }
                stream.advance(length);
                while let Some(length) = sorter.collected.due() {
                    if !sorter.send(length, pieces).await {
                        return Ok(());
                    }
                }
                continue;
            }
            if let Some(nap) = pace.nap() {
                tokio::time::sleep(nap).await;
            }
            if sorter.collected.outside() == 0 {
                tokio::select! {
                    more = stream.wait() => more?,
                    () = pieces.closed() => return Ok(()),
                }
            } else {
                tokio::select! {
                    biased;
                    more = stream.wait() => more?,
                    is_taken = pieces.idle() => {
                        if !is_taken || !sorter.send(sorter.collected.outside(), pieces).await {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }
}

impl Pace {
    fn new(nap: Option<Duration>) -> Self {
        Pace { since: Instant::now(), frames: 0, bytes: 0, nap }
    }

    /// How long frames should gather before the next look, if they should. Asked when there is none left.
    fn nap(&mut self) -> Option<Duration> {
        let seconds = self.since.elapsed().as_secs_f64();
        if seconds >= WINDOW.as_secs_f64() {
            let is_dense = f64::from(self.frames) >= DENSE * seconds;
            let filling = Duration::from_secs_f64(NAP_BYTES * seconds / self.bytes.max(1) as f64);
            *self = Pace::new(is_dense.then(|| filling.clamp(*NAP.start(), *NAP.end())));
        }
        self.nap
    }
}

impl Sorter {
    /// Takes the frames that there are most of: changes of rows of committed transactions. `false`: it is another one.
    #[inline]
    fn change(&mut self, frame: &[u8]) -> bool {
        let is_change = matches!(frame.get(HEADER + XLOG_HEADER), Some(b'I' | b'U' | b'D'))
            && frame.get(HEADER) == Some(&b'w')
            && self.state == State::Transaction
            && self.kept.is_empty();
        if is_change {
            self.collected.push(frame);
        }
        is_change
    }

    async fn frame(&mut self, frame: &[u8], pieces: &Pieces<Note>) -> Result<Goes> {
        let content = frame.get(HEADER..).unwrap_or_default();
        match Frame::parse(content)
            .map_err(|what| unreadable(&Reason::Malformed { message: "copy", what }))?
        {
            Frame::Keepalive { end, reply_requested, .. } => {
                if reply_requested {
                    self.urged(end)?;
                }
                self.passed(end);
                Ok(self.alive(end, frame, pieces).await)
            }
            Frame::XLogData { message, .. } => match self.state {
                State::Outside => self.begin(message, frame, pieces).await,
                State::Transaction => self.inside(message, frame, pieces).await,
                State::Passed => self.pass(message, frame),
                State::Segment(xid) => self.segment(xid, message, frame),
                State::Prepare(xid) => self.prepare(xid, message, frame),
            },
        }
    }

    /// The server wants a report. One that shuts down does so again and again, and waits until all that it has is stored; that may
    /// take as long as a transaction stays prepared, or a destination is slow. It gets a moment for it, and then it is let go.
    fn urged(&mut self, end: Lsn) -> Result<()> {
        let now = Instant::now();
        let urged = match self.urged.filter(|urged| urged.end == end && now - urged.last < URGED_SELDOM) {
            Some(urged) if now - urged.last < URGED_OFTEN => return Ok(()),
            Some(urged) => Urged { last: now, times: urged.times + 1, ..urged },
            None => Urged { end, since: now, last: now, times: 1 },
        };
        self.progress.report_now();
        self.urged = Some(urged);
        if urged.times >= 10 && now - urged.since >= SHUTDOWN_PATIENCE && self.progress.flushed() < end {
            return Err(Error::disconnected(
                "the server asks for reports without a pause: it shuts down, and is not made to wait",
            ));
        }
        Ok(())
    }

    /// How far the server has decoded its log: passed on between transactions, when somebody waits for it and now and then.
    async fn alive(&mut self, end: Lsn, frame: &[u8], pieces: &Pieces<Note>) -> Goes {
        if self.state != State::Outside {
            return true;
        }
        let is_awaited = self.progress.received(end);
        if end <= self.position || !(is_awaited || self.passed_on.elapsed() >= self.heartbeat) {
            return true;
        }
        if self.collected.len() > 0 && !self.send(self.collected.len(), pieces).await {
            return false;
        }
        self.collected.push(frame);
        self.ended(end);
        true
    }

    /// What was collected last ends at a position.
    fn ended(&mut self, at: Lsn) {
        self.collected.is_outside();
        self.position = self.position.max(at);
        self.passed_on = Instant::now();
        self.progress.received(at);
    }

    /// A message between transactions.
    async fn begin(&mut self, bytes: &[u8], frame: &[u8], pieces: &Pieces<Note>) -> Result<Goes> {
        let message = parse(bytes, false)?;
        match message {
            Message::Begin { commit, .. } if commit < self.from => self.state = State::Passed,
            Message::Begin { commit, .. } => {
                self.passed(commit);
                self.state = State::Transaction;
                self.collected.push(frame);
            }
            Message::StreamStart { xid, .. } => {
                self.state = State::Segment(xid);
                self.spill.push(xid, None, frame)?;
            }
            Message::StreamAbort { xid, sub } => self.spill.abort(xid, sub)?,
            Message::StreamCommit(committed) if committed.commit < self.from => {
                self.pass_over(committed.xid)?
            }
            Message::StreamCommit(committed) => return self.replay(committed, frame, pieces).await,
            Message::BeginPrepare(prepared) => {
                self.state = State::Prepare(prepared.xid);
                self.spill.forget(prepared.xid)?;
                self.spill.push(prepared.xid, None, frame)?;
            }
            Message::StreamPrepare(prepared) => {
                self.spill.push(prepared.xid, None, frame)?;
                self.is_prepared(prepared.xid, prepared.prepare)?;
            }
            Message::CommitPrepared { committed, .. } => {
                if let Some(prepare) = self.prepared.remove(&committed.xid) {
                    self.committed.push((prepare, committed.end));
                }
                return self.replay(committed, frame, pieces).await;
            }
            Message::RollbackPrepared { xid, .. } => {
                self.spill.forget(xid)?;
                self.prepared.remove(&xid);
                self.release();
            }
            // Of a session that is in no transaction: nothing of a table.
            Message::Logical { transactional: false, .. } => {}
            Message::Type { .. } | Message::Relation { .. } => self.kept.keep(&message, frame),
            other => return Err(out_of_place(&other, "between transactions")),
        }
        Ok(true)
    }

    /// A message of a committed transaction.
    async fn inside(&mut self, bytes: &[u8], frame: &[u8], pieces: &Pieces<Note>) -> Result<Goes> {
        let message = parse(bytes, false)?;
        match message {
            Message::Commit { end, .. } => {
                self.collected.push(frame);
                self.state = State::Outside;
                self.ended(end);
            }
            Message::Begin { .. }
            | Message::StreamStart { .. }
            | Message::StreamStop
            | Message::StreamCommit(_)
            | Message::BeginPrepare(_)
            | Message::Prepare(_) => return Err(out_of_place(&message, "inside a transaction")),
            message => return self.add(&message, frame, pieces).await,
        }
        Ok(true)
    }

    /// Adds a frame of a transaction that is carried.
    async fn add(&mut self, message: &Message<'_>, frame: &[u8], pieces: &Pieces<Note>) -> Result<Goes> {
        match message {
            Message::Logical { prefix, .. } if *prefix != DDL_PREFIX => return Ok(true),
            Message::Logical { .. } if !self.before_statement(pieces).await => return Ok(false),
            Message::Logical { .. } => {}
            message => self.kept.before(message, &mut self.collected),
        }
        self.collected.push(frame);
        Ok(true)
    }

    /// Cuts, so that what changes definitions comes first in its piece.
    async fn before_statement(&mut self, pieces: &Pieces<Note>) -> Goes {
        if self.collected.outside() > 0 && !self.send(self.collected.outside(), pieces).await {
            return false;
        }
        if self.collected.len() > 0 && !self.send(self.collected.len(), pieces).await {
            return false;
        }
        self.collected.statement();
        true
    }

    /// A message of a transaction that the destination has.
    fn pass(&mut self, bytes: &[u8], frame: &[u8]) -> Result<Goes> {
        match parse(bytes, false)? {
            Message::Commit { .. } => self.state = State::Outside,
            message => self.kept.keep(&message, frame),
        }
        Ok(true)
    }

    /// A transaction that came in segments is committed, and the destination has it. What it announces counts for later ones from its
    /// commit on (`cleanup_rel_sync_cache`, `src/backend/replication/pgoutput/pgoutput.c`).
    fn pass_over(&mut self, xid: u32) -> Result<()> {
        let Some(mut replay) = self.spill.take(xid)? else { return Ok(()) };
        let mut in_stream = false;
        while let Some(frame) = replay.next()? {
            let message = parse(frame.get(HEADER + XLOG_HEADER..).unwrap_or_default(), in_stream)?;
            in_stream = is_in_stream(&message, in_stream);
            self.kept.keep(&message, frame);
        }
        Ok(())
    }

    /// A message of a transaction in progress.
    fn segment(&mut self, xid: u32, bytes: &[u8], frame: &[u8]) -> Result<Goes> {
        match parse(bytes, true)? {
            Message::StreamStop => {
                self.spill.push(xid, None, frame)?;
                self.spill.flush(xid)?;
                self.state = State::Outside;
            }
            // Outside of every transaction, wherever it comes.
            Message::Logical { transactional: false, .. } => {}
            message => self.spill.push(xid, message.xid(), frame)?,
        }
        Ok(true)
    }

    /// A message of a transaction that is prepared.
    fn prepare(&mut self, xid: u32, bytes: &[u8], frame: &[u8]) -> Result<Goes> {
        self.spill.push(xid, None, frame)?;
        match parse(bytes, false)? {
            Message::Prepare(prepared) => {
                self.state = State::Outside;
                self.is_prepared(xid, prepared.prepare)?;
            }
            // Later transactions are sent as if they knew it.
            message => self.kept.keep(&message, frame),
        }
        Ok(true)
    }

    fn is_prepared(&mut self, xid: u32, at: Lsn) -> Result<()> {
        self.spill.flush(xid)?;
        self.prepared.insert(xid, at);
        self.release();
        Ok(())
    }

    /// The server has decoded its log so far.
    fn passed(&mut self, lsn: Lsn) {
        if lsn >= self.from {
            self.held = None;
        }
        self.release();
    }

    /// Lets go of what is stored, and holds what is not.
    fn release(&mut self) {
        let stored = self.progress.is_stored();
        self.committed.retain(|(_, end)| *end > stored);
        if self.held.is_none() && self.prepared.is_empty() && self.committed.is_empty() {
            self.progress.hold(None);
            return;
        }
        let places = self.prepared.values().chain(self.committed.iter().map(|(prepare, _)| prepare));
        self.progress.hold(places.chain(&self.held).min().copied());
    }

    /// A transaction that was kept is committed: its frames come now.
    async fn replay(&mut self, committed: Committed, commit: &[u8], pieces: &Pieces<Note>) -> Result<Goes> {
        let replay = self.spill.take(committed.xid)?;
        if committed.commit < self.from {
            self.release();
            return Ok(true);
        }
        let Some(replay) = replay else {
            return Err(Error::definite(format!(
                "transaction {} ends at {}, and the server did not send what it changed",
                committed.xid, committed.commit
            ))
            .remedy(
                "the slot's confirmed position was moved past its beginning by somebody else: copy the tables anew with \
                 start = \"snapshot\", and leave the slot to the task alone",
            ));
        };
        if self.collected.len() > 0 && !self.send(self.collected.len(), pieces).await {
            return Ok(false);
        }
        self.announced = Some(committed);
        if !self.replay_all(replay, pieces).await? {
            return Ok(false);
        }
        self.collected.push(commit);
        self.ended(committed.end);
        Ok(true)
    }

    async fn replay_all(&mut self, mut replay: Replay, pieces: &Pieces<Note>) -> Result<Goes> {
        let mut in_stream = false;
        while let Some(frame) = replay.next()? {
            let bytes = frame.get(HEADER + XLOG_HEADER..).unwrap_or_default();
            let message = parse(bytes, in_stream)?;
            in_stream = is_in_stream(&message, in_stream);
            if !self.add(&message, frame, pieces).await? {
                return Ok(false);
            }
            if let Some(length) = self.collected.due()
                && !self.send(length, pieces).await
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn send(&mut self, length: usize, pieces: &Pieces<Note>) -> Goes {
        let note = Note { announced: self.announced.take() };
        pieces.send_with(self.collected.cut(length), note).await
    }
}

/// Whether the message behind this one is of a segment.
fn is_in_stream(message: &Message<'_>, in_stream: bool) -> bool {
    match message {
        Message::StreamStart { .. } => true,
        Message::StreamStop => false,
        _ => in_stream,
    }
}

fn parse(bytes: &[u8], in_stream: bool) -> Result<Message<'_>> {
    Message::parse(bytes, in_stream).map_err(|reason| unreadable(&reason))
}

fn unreadable(reason: &Reason) -> Error {
    Error::definite(format!("the log cannot be read: {reason}")).remedy(reason.remedy())
}

fn out_of_place(message: &Message<'_>, place: &'static str) -> Error {
    unreadable(&Reason::OutOfPlace { message: message.name(), what: place })
}
