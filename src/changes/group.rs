//! A group of changes, and the memory that it borrows from.

use std::sync::Arc;

use elsa::sync::FrozenVec;
use self_cell::self_cell;
use slackwater_decoders::{
    arena::ArenaPool,
    batch::Batch,
    event::{Ddl, RowChange, Rows, Truncate},
    position::{LogPosition, Position},
    schema::Table,
    value::Cell,
};

use super::contents::Contents;

/// The cells of a row image, one for each column of the table.
pub type Image<'a> = &'a [Cell<'a>];

/// What one worker has to do, in this order.
#[derive(Debug, Default)]
pub struct Share<'a> {
    /// The jobs. All of them take effect together.
    pub jobs: Vec<Job<'a>>,
}

/// One thing to do, in the destination's names.
#[derive(Clone, Debug)]
pub enum Job<'a> {
    /// Net effects on different rows of one table, in any order as far as [`NetChanges`] says.
    Net(NetChanges<'a>),
    /// Changes to be applied one by one, in their order: partial row images, tables without a key, changes that come with
    /// unlogged cascades.
    InOrder(Rows<'a>),
    /// All rows of a table go.
    Truncate(Truncate),
    /// A statement that changes the schema. The first job of its group; only rows that the statement itself wrote
    /// (`CREATE TABLE … SELECT`) may follow.
    Ddl(Ddl<'a>),
}

/// Net effects on rows of one table with a key. Each key occurs at most once in `deletes` and at most once in the other lists.
/// The deletes come first: a row that takes another key, or another value of a unique column, is among the deletes with its former key and
/// among the inserts with its new one, so that values which move between rows are free when they are taken.
#[derive(Clone, Debug)]
pub struct NetChanges<'a> {
    /// The table as the destination has it.
    pub table: Arc<Table>,
    /// Where the first of these changes stands in the log.
    pub position: LogPosition,
    /// When the last of them was made, in microseconds since 1970-01-01 UTC.
    pub time_micros: i64,
    /// Rows that go, known by their key; other cells may be absent.
    pub deletes: Vec<Image<'a>>,
    /// Rows that come and were not there before the group.
    pub inserts: Vec<Image<'a>>,
    /// Rows that are there and get these values; no cell is absent or unchanged.
    pub upserts: Vec<Image<'a>>,
    /// Rows that are there and get the values that these images have, which include the key. Cells that are absent or unchanged
    /// stay as they are, and so do the values of unique keys.
    pub updates: Vec<Image<'a>>,
}

impl<'a> NetChanges<'a> {
    /// The same table, place and time without any change.
    #[must_use]
    pub(crate) fn empty(&self) -> NetChanges<'a> {
        NetChanges {
            table: Arc::clone(&self.table),
            position: self.position.clone(),
            time_micros: self.time_micros,
            deletes: Vec::new(),
            inserts: Vec::new(),
            upserts: Vec::new(),
            updates: Vec::new(),
        }
    }

    /// Each change by itself, in the order in which they are made.
    pub(crate) fn singly(&self) -> impl Iterator<Item = (RowChange<'a>, NetChanges<'a>)> {
        let deletes = self.deletes.iter().map(|before| {
            (RowChange::Delete { before }, NetChanges { deletes: vec![*before], ..self.empty() })
        });
        let inserts = self
            .inserts
            .iter()
            .map(|after| (RowChange::Insert { after }, NetChanges { inserts: vec![*after], ..self.empty() }));
        // What the row was before is not known any more.
        let changed = |after| RowChange::Update { before: &[], after };
        let upserts = self
            .upserts
            .iter()
            .map(move |after| (changed(*after), NetChanges { upserts: vec![*after], ..self.empty() }));
        let updates = self
            .updates
            .iter()
            .map(move |after| (changed(*after), NetChanges { updates: vec![*after], ..self.empty() }));
        deletes.chain(inserts).chain(upserts).chain(updates)
    }

    /// Table, place and time as an event has them, without a change: for errors, and for what becomes of absent values.
    pub(crate) fn without_changes(&self) -> Rows<'static> {
        Rows {
            table: Arc::clone(&self.table),
            position: self.position.clone(),
            time_micros: self.time_micros,
            sequence: 0,
            unlogged_cascades: false,
            changes: &[],
        }
    }
}

/// What a destination applies at once.
///
/// All shares but the first are empty when the group is small, and whenever there is an order to keep between tables or
/// a part of a transaction goes on in another group: such a group is committed by one worker, and is never found
/// unfinished.
pub struct Group {
    contents: Folded,
    pub(super) summary: GroupSummary,
}

/// What is known of a group as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GroupSummary {
    pub(super) resume: Option<Position>,
    pub(super) row_changes: u64,
    pub(super) commits: u64,
    pub(super) time_micros: i64,
    pub(super) bytes: usize,
    pub(super) converging: bool,
}

/// What the contents borrow from.
pub(super) struct Buffers {
    pub(super) batches: FrozenVec<Box<Batch>>,
    pub(super) arena: ArenaPool,
}

self_cell!(
    pub(super) struct Folded {
        owner: Buffers,
        #[covariant]
        dependent: Contents,
    }
);

impl Group {
    pub(super) fn new(contents: Folded, summary: GroupSummary) -> Self {
        Group { contents, summary }
    }

    /// What each worker has to do; as many shares as the group was built for.
    #[must_use]
    pub fn shares(&self) -> &[Share<'_>] {
        self.contents.borrow_dependent().shares()
    }

    /// Where the log continues behind the group; `None`: inside a transaction that goes on in the next group.
    #[must_use]
    pub fn resume(&self) -> Option<&Position> {
        self.summary.resume.as_ref()
    }

    /// Number of row changes of the source in the group.
    #[must_use]
    pub fn row_changes(&self) -> u64 {
        self.summary.row_changes
    }

    /// Number of transactions of the source that end in the group.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.summary.commits
    }

    /// Time of the last event, in microseconds since 1970-01-01 UTC; 0 when no event had one.
    #[must_use]
    pub fn time_micros(&self) -> i64 {
        self.summary.time_micros
    }

    /// Bytes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.summary.bytes
    }

    /// Whether rows of the destination may be newer than the log is here, because they were copied while the log went on:
    /// a row to be changed may be missing, a unique value may be at another row. What is written takes its place, and the
    /// log goes on to bring every row to its final state.
    #[must_use]
    pub fn is_converging(&self) -> bool {
        self.summary.converging
    }

    /// Whether a destination has anything to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shares().iter().all(|share| share.jobs.is_empty())
    }
}
