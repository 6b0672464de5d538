//! What a group holds while it is built, and the shares once it is.

use std::{collections::HashMap, sync::Arc};

use slackwater_decoders::{
    arena::Arena,
    event::{Begin, Ddl, Event, RowChange, Rows, Truncate},
    position::{LogPosition, Position},
    schema::{Table, TableName},
};

use super::{
    fold::TableFold,
    group::{GroupSummary, Job, Share},
    partition,
    routes::Routes,
    starts::{self, Place},
    steps,
};
use crate::{error::Result, mapping::Route};

/// The changes of a group, borrowed from its batches.
#[derive(Debug, Default)]
pub(super) struct Contents<'a> {
    /// In the order of their first change.
    tables: Vec<TableFold<'a>>,
    /// Places in `tables`; the last version of each table.
    by_name: HashMap<TableName, usize>,
    /// By the address of the source's definition, which the batches keep.
    routed: HashMap<usize, Option<Routed>>,
    /// Jobs that come before those of the tables, all for one worker.
    before: Vec<Job<'a>>,
    /// There is an order to keep between tables.
    is_ordered: bool,
    /// Number of changes for the destination.
    changes: usize,
    shares: Vec<Share<'a>>,
}

#[derive(Clone, Debug)]
struct Routed {
    route: Arc<Route>,
    table: usize,
    row_end: Option<usize>,
}

/// What the events of a batch are taken in with.
pub(super) struct Intake<'i, 'a> {
    pub(super) routes: &'i Routes,
    pub(super) converging: bool,
    /// The transaction that is open.
    pub(super) transaction: &'i mut Option<Begin>,
    /// Where the log continues behind the batch.
    pub(super) behind: Option<&'i Position>,
    pub(super) summary: &'i mut GroupSummary,
    pub(super) arena: Arena<'a>,
}

impl<'a> Contents<'a> {
    pub(super) fn shares(&self) -> &[Share<'a>] {
        &self.shares
    }

    /// Bytes of memory beside the batches.
    pub(super) fn bytes(&self) -> usize {
        self.tables.iter().map(TableFold::bytes).sum()
    }

    /// Takes events in, up to the first transaction that does not lie before `end`. `false`: there was one.
    pub(super) fn take(
        &mut self,
        events: &'a [Event<'a>],
        end: Option<&Position>,
        intake: &mut Intake<'_, 'a>,
    ) -> Result<bool> {
        for event in events {
            if let Some(end) = end
                && is_behind(event, intake.transaction.as_ref(), end)
            {
                return Ok(false);
            }
            match event {
                Event::Begin(begin) => *intake.transaction = Some(begin.clone()),
                Event::Commit(_) => {
                    *intake.transaction = None;
                    intake.summary.commits += 1;
                }
                Event::Rows(rows) => self.rows(rows, intake)?,
                Event::Truncate(truncate) => self.truncate(truncate, intake)?,
                Event::Ddl(ddl) => self.ddl(ddl, intake)?,
                Event::Heartbeat(_) => {}
            }
        }
        Ok(true)
    }

    fn rows(&mut self, rows: &'a Rows<'a>, intake: &mut Intake<'_, 'a>) -> Result<()> {
        intake.summary.row_changes += rows.changes.len() as u64;
        if intake.is_covered(&rows.table.name, &rows.position) {
            return Ok(());
        }
        let Some(routed) = self.route(&rows.table, intake)? else { return Ok(()) };
        if rows.unlogged_cascades && intake.routes.is_cascading(&routed.route.target().name) {
            return self.cascade(rows, &routed, intake);
        }
        let Some(table) = self.tables.get_mut(routed.table) else { return Ok(()) };
        for change in rows.changes {
            if let Some(change) = routed.change(rows, change, &intake.arena)? {
                table.change(rows, change, &intake.arena);
                self.changes += 1;
            }
        }
        Ok(())
    }

    /// The destination's own foreign keys change rows together with these ones, so that everything before them has to be there.
    fn cascade(&mut self, rows: &'a Rows<'a>, routed: &Routed, intake: &Intake<'_, 'a>) -> Result<()> {
        let mut changes: Vec<RowChange<'a>> = Vec::with_capacity(rows.changes.len());
        for change in rows.changes {
            changes.extend(routed.change(rows, change, &intake.arena)?);
        }
        if changes.is_empty() {
            return Ok(());
        }
        self.changes += changes.len();
        self.in_sequence(&intake.arena);
        let table = Arc::clone(routed.route.target());
        let changes = intake.arena.slice(&changes);
        self.before.push(Job::InOrder(Rows { table, changes, ..rows.clone() }));
        Ok(())
    }

    fn truncate(&mut self, truncate: &Truncate, intake: &mut Intake<'_, 'a>) -> Result<()> {
        intake.count_statement();
        if intake.is_covered(&truncate.table, &truncate.position) {
            return Ok(());
        }
        if let Some(truncate) = intake.routes.truncate(truncate)? {
            self.in_sequence(&intake.arena);
            self.before.push(Job::Truncate(truncate));
        }
        Ok(())
    }

    fn ddl(&mut self, ddl: &Ddl<'a>, intake: &mut Intake<'_, 'a>) -> Result<()> {
        intake.count_statement();
        let starts = intake.routes.starts();
        let mut left = ddl.clone();
        if intake.converging && !starts.is_empty() {
            let transaction = intake.transaction.as_ref().and_then(|begin| begin.transaction.as_ref());
            let place = Place { behind: intake.behind, transaction, start: &ddl.position };
            left.changes = ddl.changes.iter().filter_map(|change| starts.uncovered(change, &place)).collect();
            if left.changes.is_empty() && !ddl.changes.is_empty() {
                return Ok(());
            }
        }
        // What means nothing leaves no trace: the group has to be the same when it is built again together with what was
        // empty before it.
        if let Some(ddl) = intake.routes.ddl(&left)? {
            self.in_sequence(&intake.arena);
            self.before.push(Job::Ddl(ddl));
        }
        Ok(())
    }

    /// Closes everything that is open: what follows comes behind it, whatever the table.
    fn in_sequence(&mut self, arena: &Arena<'a>) {
        self.is_ordered = true;
        let open = self.tables.iter_mut().flat_map(|table| table.finish(arena));
        self.before.extend(open);
    }

    fn route(&mut self, table: &Arc<Table>, intake: &Intake<'_, 'a>) -> Result<Option<Routed>> {
        let address = Arc::as_ptr(table).addr();
        if let Some(routed) = self.routed.get(&address) {
            return Ok(routed.clone());
        }
        let routed = match intake.routes.route(table)? {
            None => None,
            Some(route) => {
                let number = self.place(route.target(), intake);
                Some(Routed { row_end: table.row_end(), table: number, route })
            }
        };
        self.routed.insert(address, routed.clone());
        Ok(routed)
    }

    /// The place of a table at the destination. Another version of it comes behind the changes of the one before.
    fn place(&mut self, target: &Arc<Table>, intake: &Intake<'_, 'a>) -> usize {
        let known = self.by_name.get(&target.name).copied();
        let same = |table: &TableFold<'_>| Arc::ptr_eq(&table.table, target) || table.table == *target;
        if let Some(number) = known {
            if self.tables.get(number).is_some_and(same) {
                return number;
            }
            self.in_sequence(&intake.arena);
            // Rows read by the former definition would come behind these ones.
            self.routed.clear();
        }
        self.tables.push(TableFold::new(Arc::clone(target), intake.converging));
        self.by_name.insert(target.name.clone(), self.tables.len() - 1);
        self.tables.len() - 1
    }

    /// Parts what was taken in among so many workers; `alone`: the first one gets everything.
    pub(super) fn part(&mut self, workers: usize, alone: bool, arena: &Arena<'a>) {
        self.shares.resize_with(workers, Share::default);
        let alone = alone || self.is_ordered || workers == 1 || self.changes < partition::WORTH_PARTING;
        if alone {
            self.in_sequence(arena);
            if let Some(first) = self.shares.first_mut() {
                first.jobs.append(&mut self.before);
            }
        } else {
            for table in &mut self.tables {
                partition::part(table, &mut self.shares, arena);
            }
        }
        self.tables = Vec::new();
        self.by_name = HashMap::new();
        self.routed = HashMap::new();
    }
}

impl Intake<'_, '_> {
    /// A statement outside of a transaction is one.
    fn count_statement(&mut self) {
        self.summary.commits += u64::from(self.transaction.is_none());
    }

    /// Whether what happens to a table here is in the table's copy already.
    fn is_covered(&self, table: &TableName, position: &LogPosition) -> bool {
        let starts = self.routes.starts();
        if !self.converging || starts.is_empty() {
            return false;
        }
        match &self.transaction {
            Some(begin) => starts.is_covered(table, begin.transaction.as_ref(), &begin.position),
            None => starts.is_covered(table, None, position),
        }
    }
}

impl Routed {
    fn change<'a>(
        &self,
        rows: &Rows<'_>,
        change: &RowChange<'a>,
        arena: &Arena<'a>,
    ) -> Result<Option<RowChange<'a>>> {
        match steps::current(rows, self.row_end, change)? {
            Some(change) => self.route.change(&change, arena),
            None => Ok(None),
        }
    }
}

/// Whether an event is, or starts, what does not lie before `end`.
fn is_behind(event: &Event<'_>, open: Option<&Begin>, end: &Position) -> bool {
    let start = match event {
        Event::Begin(begin) => return !starts::lies_before(begin.transaction.as_ref(), &begin.position, end),
        Event::Rows(rows) => &rows.position,
        Event::Truncate(truncate) => &truncate.position,
        Event::Ddl(ddl) => &ddl.position,
        Event::Commit(_) | Event::Heartbeat(_) => return false,
    };
    open.is_none() && !starts::lies_before(None, start, end)
}
