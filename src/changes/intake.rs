//! The first of two steps from a log to a group: what the events of a batch mean at the destination.
//!
//! This step may fail, and changes nothing. The second one takes the result into the [contents](super::contents) of the group.

use std::{borrow::Cow, sync::Arc};

use slackwater_decoders::{
    arena::Arena,
    event::{Begin, Ddl, Event, RowChange, Rows, Truncate},
    position::{LogPosition, Position},
    schema::TableName,
};

use super::{
    routes::Routes,
    starts::{self, Place},
    steps,
};
use crate::{error::Result, mapping::Route};

/// What the events of a batch mean at the destination, in their order.
#[derive(Debug, Default)]
pub(super) struct Intake<'b> {
    pub(super) pieces: Vec<Piece<'b>>,
    /// Number of row changes of the source.
    pub(super) row_changes: u64,
    /// Number of transactions of the source that end here.
    pub(super) commits: u64,
    /// There are transactions that do not lie before the end that was asked for, and are left out.
    pub(super) has_more: bool,
}

/// One thing that happens at the destination.
#[derive(Debug)]
pub(super) enum Piece<'b> {
    /// Changes of rows of the route's target.
    Rows {
        /// The event that has them.
        rows: &'b Rows<'b>,
        route: Arc<Route>,
        /// At least one.
        changes: Cow<'b, [RowChange<'b>]>,
        /// The destination's own foreign keys change rows of other tables with these.
        cascading: bool,
    },
    Truncate(Truncate),
    Ddl(Ddl<'b>),
}

/// What events are read by.
pub(super) struct Reading<'i, 'b> {
    pub(super) routes: &'i Routes,
    pub(super) converging: bool,
    /// The transaction that is open.
    pub(super) transaction: &'i mut Option<Begin>,
    /// Where the log continues behind the batch.
    pub(super) behind: Option<&'i Position>,
    /// For what the events themselves do not have.
    pub(super) arena: Arena<'b>,
}

impl<'b> Reading<'_, 'b> {
    /// Reads events, up to the first transaction that does not lie before `end`.
    ///
    /// # Errors
    /// Definite when a row image does not fit its table or the rules.
    pub(super) fn read(&mut self, events: &'b [Event<'b>], end: Option<&Position>) -> Result<Intake<'b>> {
        let mut intake = Intake { pieces: Vec::with_capacity(events.len() / 2), ..Intake::default() };
        for event in events {
            if let Some(end) = end
                && is_behind(event, self.transaction.as_ref(), end)
            {
                intake.has_more = true;
                break;
            }
            match event {
                Event::Begin(begin) => *self.transaction = Some(begin.clone()),
                Event::Commit(_) => {
                    *self.transaction = None;
                    intake.commits += 1;
                }
                Event::Rows(rows) => {
                    intake.row_changes += rows.changes.len() as u64;
                    intake.pieces.extend(self.rows(rows)?);
                }
                Event::Truncate(truncate) => {
                    intake.commits += u64::from(self.transaction.is_none());
                    intake.pieces.extend(self.truncate(truncate)?);
                }
                Event::Ddl(ddl) => {
                    intake.commits += u64::from(self.transaction.is_none());
                    intake.pieces.extend(self.ddl(ddl)?);
                }
                Event::Heartbeat(_) => {}
            }
        }
        Ok(intake)
    }

    fn rows(&self, rows: &'b Rows<'b>) -> Result<Option<Piece<'b>>> {
        if self.is_covered(&rows.table.name, &rows.position) {
            return Ok(None);
        }
        let Some(route) = self.routes.route(&rows.table)? else { return Ok(None) };
        let changes = self.changes(rows, &route)?;
        if changes.is_empty() {
            return Ok(None);
        }
        let cascading = rows.unlogged_cascades && self.routes.is_cascading(&route.target().name);
        Ok(Some(Piece::Rows { rows, route, changes, cascading }))
    }

    fn changes(&self, rows: &'b Rows<'b>, route: &Route) -> Result<Cow<'b, [RowChange<'b>]>> {
        let row_end = rows.table.row_end();
        if route.keeps_rows() && row_end.is_none() {
            for change in rows.changes {
                steps::current(rows, None, change)?;
            }
            return Ok(Cow::Borrowed(rows.changes));
        }
        let mut changes = Vec::with_capacity(rows.changes.len());
        for change in rows.changes {
            if let Some(change) = steps::current(rows, row_end, change)? {
                changes.extend(route.change(&change, &self.arena)?);
            }
        }
        Ok(Cow::Owned(changes))
    }

    fn truncate(&self, truncate: &Truncate) -> Result<Option<Piece<'b>>> {
        if self.is_covered(&truncate.table, &truncate.position) {
            return Ok(None);
        }
        Ok(self.routes.truncate(truncate)?.map(Piece::Truncate))
    }

    /// What means nothing leaves no trace: the group has to be the same when it is built again together with what was empty
    /// before it.
    fn ddl(&self, ddl: &Ddl<'b>) -> Result<Option<Piece<'b>>> {
        let starts = self.routes.starts();
        let mut left = ddl.clone();
        if self.converging && !starts.is_empty() {
            let transaction = self.transaction.as_ref().and_then(|begin| begin.transaction.as_ref());
            let place = Place { behind: self.behind, transaction, start: &ddl.position };
            left.changes = ddl.changes.iter().filter_map(|change| starts.uncovered(change, &place)).collect();
            if left.changes.is_empty() && !ddl.changes.is_empty() {
                return Ok(None);
            }
        }
        Ok(self.routes.ddl(&left)?.map(Piece::Ddl))
    }

    /// Whether what happens to a table here is in the table's copy already.
    fn is_covered(&self, table: &TableName, position: &LogPosition) -> bool {
        let starts = self.routes.starts();
        if !self.converging || starts.is_empty() {
            return false;
        }
        match self.transaction.as_ref() {
            Some(begin) => starts.is_covered(table, begin.transaction.as_ref(), &begin.position),
            None => starts.is_covered(table, None, position),
        }
    }
}

/// Whether an event is, or starts, what does not lie before `end`.
pub(super) fn is_behind(event: &Event<'_>, open: Option<&Begin>, end: &Position) -> bool {
    let start = match event {
        Event::Begin(begin) => return !starts::lies_before(begin.transaction.as_ref(), &begin.position, end),
        Event::Rows(rows) => &rows.position,
        Event::Truncate(truncate) => &truncate.position,
        Event::Ddl(ddl) => &ddl.position,
        Event::Commit(_) | Event::Heartbeat(_) => return false,
    };
    open.is_none() && !starts::lies_before(None, start, end)
}
