//! What a group holds while it is built, and the shares once it is.

use std::{collections::HashMap, sync::Arc};

use slackwater_decoders::{
    arena::Arena,
    event::{Ddl, RowChange, Rows},
    schema::{Table, TableName},
};

use super::{
    fold::{TableFold, copied_change},
    group::{Job, Share},
    intake::Piece,
    partition,
};

/// The changes of a group. What they borrow is in the group's arena.
#[derive(Debug, Default)]
pub(super) struct Contents<'a> {
    /// In the order of their first change.
    tables: Vec<TableFold<'a>>,
    /// Places in `tables`; the last version of each table.
    by_name: HashMap<TableName, usize>,
    /// The same by the address of the definition, which is kept so that no other one gets the address.
    by_address: HashMap<usize, (Arc<Table>, usize)>,
    /// Jobs that come before those of the tables, all for one worker.
    before: Vec<Job<'a>>,
    /// There is an order to keep between tables.
    is_ordered: bool,
    /// Number of changes for the destination.
    changes: usize,
    shares: Vec<Share<'a>>,
}

impl<'a> Contents<'a> {
    pub(super) fn shares(&self) -> &[Share<'a>] {
        &self.shares
    }

    /// Bytes of memory beside the arena.
    pub(super) fn bytes(&self) -> usize {
        self.tables.iter().map(TableFold::bytes).sum()
    }

    /// Takes in what comes next, of which nothing is borrowed. `converging`: see [`Group::is_converging`](super::Group::is_converging).
    pub(super) fn take(&mut self, pieces: &[Piece<'_>], converging: bool, arena: &Arena<'a>) {
        for piece in pieces {
            match piece {
                Piece::Rows { rows, route, changes, cascading: true } => {
                    self.cascade(rows, route.target(), changes, arena);
                }
                Piece::Rows { rows, route, changes, cascading: false } => {
                    let place = self.place(route.target(), converging, arena);
                    self.changes += changes.len();
                    let Some(table) = self.tables.get_mut(place) else { continue };
                    changes.iter().for_each(|change| table.change(rows, change, arena));
                }
                Piece::Truncate(truncate) => {
                    self.in_sequence(arena);
                    self.before.push(Job::Truncate(truncate.clone()));
                }
                Piece::Ddl(ddl) => {
                    self.in_sequence(arena);
                    self.before.push(Job::Ddl(Ddl {
                        statement: arena.text(ddl.statement),
                        database: arena.text(ddl.database),
                        position: ddl.position.clone(),
                        time_micros: ddl.time_micros,
                        language: ddl.language,
                        changes: ddl.changes.clone(),
                    }));
                }
            }
        }
    }

    /// The destination's own foreign keys change rows together with these ones, so that everything before them has to be there.
    fn cascade(
        &mut self,
        rows: &Rows<'_>,
        target: &Arc<Table>,
        changes: &[RowChange<'_>],
        arena: &Arena<'a>,
    ) {
        self.changes += changes.len();
        self.in_sequence(arena);
        let changes: Vec<_> = changes.iter().map(|change| copied_change(change, arena)).collect();
        self.before.push(Job::InOrder(Rows {
            table: Arc::clone(target),
            position: rows.position.clone(),
            time_micros: rows.time_micros,
            sequence: rows.sequence,
            unlogged_cascades: true,
            changes: arena.slice(&changes),
        }));
    }

    /// Closes everything that is open: what follows comes behind it, whatever the table.
    fn in_sequence(&mut self, arena: &Arena<'a>) {
        self.is_ordered = true;
        let open = self.tables.iter_mut().flat_map(|table| table.finish(arena));
        self.before.extend(open);
    }

    /// The place of a table at the destination. Another version of it comes behind the changes of the one before.
    fn place(&mut self, target: &Arc<Table>, converging: bool, arena: &Arena<'a>) -> usize {
        let address = Arc::as_ptr(target).addr();
        if let Some((_, place)) = self.by_address.get(&address) {
            return *place;
        }
        let known = self.by_name.get(&target.name).copied();
        let place = match known {
            Some(place) if self.tables.get(place).is_some_and(|known| known.table == *target) => place,
            _ => {
                if known.is_some() {
                    self.in_sequence(arena);
                    // Rows read by the former definition would come behind these ones.
                    self.by_address.clear();
                }
                self.tables.push(TableFold::new(Arc::clone(target), converging));
                self.tables.len() - 1
            }
        };
        self.by_name.insert(target.name.clone(), place);
        self.by_address.insert(address, (Arc::clone(target), place));
        place
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
        self.by_address = HashMap::new();
    }
}
