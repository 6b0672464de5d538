//! What becomes of one table of the source on its way to the destination.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use slackwater_decoders::{
    arena::Arena,
    event::{RowChange, Truncate},
    schema::{Table, TableName},
    value::{Cell, Value},
};

use super::{
    Selection,
    filter::{Filter, Row, Stop},
    projection::{From, Projection},
    rules::{Operations, Rules},
};
use crate::{
    config::{
        Objects,
        mapping::{MappingRule, Operation},
    },
    error::{Error, Result},
};

/// The rules of a task, compiled once: which tables, under which names, which columns, rows and operations. The same for
/// definitions, for rows that are copied and for changes from the log.
#[derive(Debug)]
pub struct Mapping {
    pub(super) selection: Selection,
    pub(super) rules: Rules,
    /// Columns that the source computes are left out.
    pub(super) without_computed: bool,
    routes: Mutex<Routes>,
}

/// The routes of the definitions that were seen last.
#[derive(Debug, Default)]
struct Routes {
    known: HashMap<TableName, (Arc<Table>, Arc<Route>)>,
    /// Which table of the source became which one of the destination.
    taken: HashMap<TableName, TableName>,
}

/// What becomes of one version of a table's definition.
#[derive(Clone, Debug)]
pub struct Route {
    source: TableName,
    target: Arc<Table>,
    projection: Option<Projection>,
    filter: Option<Filter>,
    filter_rule: String,
    operations: Operations,
    merge: bool,
    columns: Vec<String>,
}

impl Mapping {
    /// A mapping that leaves everything as it is.
    #[must_use]
    pub fn identity(selection: Selection) -> Self {
        Mapping { selection, rules: Rules::default(), without_computed: false, routes: Mutex::default() }
    }

    /// The mapping of a task file.
    ///
    /// # Errors
    /// Definite when a filter is no condition, whatever table it is for.
    pub fn new(objects: &Objects, rules: &[MappingRule]) -> Result<Self> {
        for (number, rule) in rules.iter().enumerate() {
            if let Some(filter) = &rule.filter {
                Filter::check(filter)
                    .map_err(|error| Error::definite(error.to_string()).on(Rules::shown(number, rule)))?;
            }
        }
        let rules = Rules::new(rules, objects.operations.as_deref());
        Ok(Mapping {
            selection: Selection::new(objects),
            rules,
            without_computed: false,
            routes: Mutex::default(),
        })
    }

    /// The same without the columns that the source computes: for a source whose log does not have their values (PostgreSQL) and a
    /// destination that cannot compute them.
    #[must_use]
    pub fn without_computed(self) -> Self {
        Mapping { without_computed: true, ..self }
    }

    /// Where the rows of a table go; `None` when it is not carried. Cheap for a definition that was the table's last time.
    ///
    /// # Errors
    /// Definite when a rule does not fit the definition (a filter names a column that is not there), or when another table has
    /// become the same one of the destination.
    pub fn route(&self, table: &Arc<Table>) -> Result<Option<Arc<Route>>> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, route)) = routes.known.get(&table.name)
            && (Arc::ptr_eq(known, table) || **known == **table)
        {
            return Ok(Some(Arc::clone(route)));
        }
        if !self.selection.includes(&table.name) {
            return Ok(None);
        }
        let route = Arc::new(self.compile(table)?);
        routes.take(&route)?;
        routes.known.insert(table.name.clone(), (Arc::clone(table), Arc::clone(&route)));
        Ok(Some(route))
    }

    /// The name of a table at the destination, whatever its definition is.
    #[must_use]
    pub fn target_name(&self, table: &TableName) -> TableName {
        self.rules.target(table)
    }

    /// What the removal of all rows of a table means for the destination; `None` for nothing.
    ///
    /// # Errors
    /// Definite for one of several tables that became one: the destination's has rows of the others as well.
    pub fn truncate(&self, truncate: &Truncate) -> Result<Option<Truncate>> {
        let decision = self.rules.decide(&truncate.table);
        if !self.selection.includes(&truncate.table) || !decision.operations.has(Operation::Truncate) {
            return Ok(None);
        }
        if decision.merge {
            return Err(Error::definite("TRUNCATE of one of several tables that become one is not carried")
                .on(&truncate.table)
                .at(&truncate.position)
                .remedy(format!(
                    "delete the table's rows from {} by hand, take `truncate` out of its `operations` and start the task again",
                    self.rules.target(&truncate.table)
                )));
        }
        Ok(Some(Truncate { table: self.rules.target(&truncate.table), ..truncate.clone() }))
    }

    /// Compiles the rules for a definition, without a look at other tables.
    pub(super) fn compile(&self, table: &Arc<Table>) -> Result<Route> {
        let decision = self.rules.decide(&table.name);
        let name = self.rules.target(&table.name);
        let projected = Projection::new(table, &decision, self.without_computed)?;
        let filter_rule =
            if decision.filter.is_some() { self.rules.filter_rule(&table.name) } else { String::new() };
        let filter =
            decision.filter.map(|text| Filter::compile(text, table)).transpose().map_err(|error| {
                Error::definite(format!("the filter of {filter_rule} does not fit: {error}"))
                    .on(&table.name)
                    .remedy("change the filter, or leave the table out of the rule")
            })?;
        let (projection, target) = match projected {
            Some((projection, target)) => (Some(projection), Arc::new(Table { name, ..target })),
            None if name == table.name => (None, Arc::clone(table)),
            None => (None, Arc::new(Table { name, ..Table::clone(table) })),
        };
        Ok(Route {
            source: table.name.clone(),
            target,
            projection,
            filter,
            filter_rule,
            operations: decision.operations,
            merge: decision.merge,
            columns: table.columns.iter().map(|column| column.name.clone()).collect(),
        })
    }

    /// Forgets a table that is gone: another one may become what it was at the destination.
    pub(super) fn forget(&self, table: &TableName) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        routes.known.remove(table);
        routes.taken.retain(|_, source| source != table);
    }
}

impl Clone for Mapping {
    fn clone(&self) -> Self {
        Mapping {
            selection: self.selection.clone(),
            rules: self.rules.clone(),
            without_computed: self.without_computed,
            routes: Mutex::default(),
        }
    }
}

impl Routes {
    /// Requires that no other table becomes the same one.
    fn take(&mut self, route: &Route) -> Result<()> {
        let other = self.taken.entry(route.target.name.clone()).or_insert_with(|| route.source.clone());
        if *other == route.source || route.merge {
            return Ok(());
        }
        Err(collision(&route.source, other, &route.target.name))
    }
}

/// Two tables that become one although no rule says so.
pub(super) fn collision(table: &TableName, other: &TableName, target: &TableName) -> Error {
    Error::definite(format!("{other} and {table} both become {target}")).on(table).remedy(
        "give one another name under [[mapping]], or set `merge = true` (and add a column with `key = true` that tells their \
         rows apart) where that is meant",
    )
}

impl Route {
    /// The table's name at the source.
    #[must_use]
    pub fn source(&self) -> &TableName {
        &self.source
    }

    /// The table as the destination has it: name, columns and key.
    #[must_use]
    pub fn target(&self) -> &Arc<Table> {
        &self.target
    }

    /// For each column of the [target](Self::target) the ordinal of the source's column that it holds; `None` for an added one.
    #[must_use]
    pub fn source_ordinals(&self) -> Vec<Option<usize>> {
        match &self.projection {
            None => (0..self.target.columns.len()).map(Some).collect(),
            Some(projection) => projection
                .cells()
                .iter()
                .map(|from| match from {
                    From::Source(ordinal) => Some(*ordinal),
                    From::Constant(_) => None,
                })
                .collect(),
        }
    }

    /// Whether nothing is changed but, perhaps, the table's name, and every change is carried.
    #[must_use]
    pub fn keeps_rows(&self) -> bool {
        self.projection.is_none() && self.filter.is_none() && self.operations == Operations::ALL
    }

    /// Whether other tables may become the same one.
    #[must_use]
    pub fn is_merged(&self) -> bool {
        self.merge
    }

    /// The operations that are not carried, for people; `None` when all are.
    pub(super) fn left_out_operations(&self) -> Option<String> {
        let names = [
            (Operation::Insert, "insert"),
            (Operation::Update, "update"),
            (Operation::Delete, "delete"),
            (Operation::Truncate, "truncate"),
            (Operation::Ddl, "ddl"),
        ];
        let left_out: Vec<_> = names
            .iter()
            .filter(|(operation, _)| !self.operations.has(*operation))
            .map(|(_, name)| *name)
            .collect();
        (!left_out.is_empty()).then(|| left_out.join(", "))
    }

    pub(super) fn filter_rule(&self) -> &str {
        &self.filter_rule
    }

    /// The ordinals of the columns at the source that the filter is about.
    pub(super) fn filter_columns(&self) -> &[usize] {
        self.filter.as_ref().map(Filter::columns).unwrap_or_default()
    }

    pub(super) fn projection(&self) -> Option<&Projection> {
        self.projection.as_ref()
    }

    /// What the destination's table is to hold of a row that the source has; `None` for nothing. Which operations are carried makes no
    /// difference.
    ///
    /// # Errors
    /// Definite when the row lacks what a rule asks for.
    pub fn row<'a>(&self, cells: &'a [Cell<'a>], arena: &Arena<'a>) -> Result<Option<&'a [Cell<'a>]>> {
        if let Some(filter) = &self.filter
            && !filter.accepts(Row::new(cells)).map_err(|stop| self.undecided(stop))?
        {
            return Ok(None);
        }
        Ok(Some(match &self.projection {
            Some(projection) => projection.image(cells, arena),
            None => cells,
        }))
    }

    /// Whether rows of the source have no place at the destination by a filter.
    #[must_use]
    pub fn has_filter(&self) -> bool {
        self.filter.is_some()
    }

    /// Whether changes of that kind are carried.
    #[must_use]
    pub fn carries(&self, operation: Operation) -> bool {
        self.operations.has(operation)
    }

    /// What a change means for the destination's table; `None` for nothing. A row that enters the filter becomes an insert,
    /// one that leaves it a delete; whether that is carried is decided then.
    ///
    /// # Errors
    /// Definite when the row image lacks what a rule asks for.
    pub fn change<'a>(&self, change: &RowChange<'a>, arena: &Arena<'a>) -> Result<Option<RowChange<'a>>> {
        if self.keeps_rows() {
            return Ok(Some(*change));
        }
        let change = match &self.filter {
            Some(filter) => self.filtered(filter, change, arena)?,
            None => Some(*change),
        };
        let Some(change) = change.filter(|change| self.operations.has(operation(change))) else {
            return Ok(None);
        };
        let Some(projection) = &self.projection else { return Ok(Some(change)) };
        let image = |cells| projection.image(cells, arena);
        Ok(Some(match change {
            RowChange::Insert { after } => RowChange::Insert { after: image(after) },
            RowChange::Update { before, after } => {
                RowChange::Update { before: image(before), after: image(after) }
            }
            RowChange::Delete { before } => RowChange::Delete { before: image(before) },
        }))
    }

    fn filtered<'a>(
        &self,
        filter: &Filter,
        change: &RowChange<'a>,
        arena: &Arena<'a>,
    ) -> Result<Option<RowChange<'a>>> {
        let judged = |row| filter.accepts(row).map_err(|stop| self.undecided(stop));
        Ok(match *change {
            RowChange::Insert { after } => judged(Row::new(after))?.then_some(*change),
            RowChange::Delete { before } => judged(Row::new(before))?.then_some(*change),
            RowChange::Update { before, after } => {
                match (judged(Row::new(before))?, judged(Row::updated(before, after))?) {
                    (true, true) => Some(*change),
                    (false, true) => Some(RowChange::Insert { after: self.whole(before, after, arena)? }),
                    (true, false) => Some(RowChange::Delete { before }),
                    (false, false) => None,
                }
            }
        })
    }

    /// The row after an update with every column, as far as its two images have them.
    fn whole<'a>(
        &self,
        before: &'a [Cell<'a>],
        after: &'a [Cell<'a>],
        arena: &Arena<'a>,
    ) -> Result<&'a [Cell<'a>]> {
        let is_known =
            |cell: &Cell<'_>| matches!(cell, Cell::Value(value) if !matches!(value, Value::JsonDiff(_)));
        if after.iter().all(is_known) {
            return Ok(after);
        }
        let row = arena.filled(after.len(), Cell::Absent);
        for (ordinal, (cell, new)) in row.iter_mut().zip(after).enumerate() {
            *cell = match new {
                Cell::Value(Value::JsonDiff(_)) => return Err(self.undecided(Stop::Absent(ordinal))),
                Cell::Value(_) => *new,
                Cell::Absent | Cell::Unchanged => before
                    .get(ordinal)
                    .copied()
                    .filter(is_known)
                    .ok_or_else(|| self.undecided(Stop::Absent(ordinal)))?,
            };
        }
        Ok(row)
    }

    fn undecided(&self, stop: Stop) -> Error {
        let column = |ordinal: usize| self.columns.get(ordinal).map(String::as_str).unwrap_or_default();
        let rule = &self.filter_rule;
        match stop {
            Stop::Absent(ordinal) => Error::definite(format!(
                "the row image lacks the column {}, which the filter of {rule} needs",
                column(ordinal)
            ))
            .on(&self.source)
            .remedy(format!(
                "make the source log whole rows, and copy the table again. PostgreSQL: ALTER TABLE {} REPLICA IDENTITY FULL; MySQL and \
                 MariaDB: set binlog_row_image = FULL and binlog_row_value_options = '', and reconnect their sessions",
                self.source
            )),
            Stop::Unreadable(ordinal) => Error::definite(format!(
                "a value of the column {} is not of the column's type, so that the filter of {rule} cannot judge the row",
                column(ordinal)
            ))
            .on(&self.source)
            .remedy("the definition of the table is not what the log was written with: copy the table again"),
            Stop::OutOfRange => Error::definite(format!("a result in the filter of {rule} is out of range"))
                .on(&self.source)
                .remedy("change the filter so that it cannot overflow: the source's server refuses it for the same row"),
        }
    }
}

fn operation(change: &RowChange<'_>) -> Operation {
    match change {
        RowChange::Insert { .. } => Operation::Insert,
        RowChange::Update { .. } => Operation::Update,
        RowChange::Delete { .. } => Operation::Delete,
    }
}

/// The place of each of the destination's columns.
pub(super) fn target_ordinal(route: &Route, from: &From) -> Option<u16> {
    match (&route.projection, from) {
        (None, From::Source(ordinal)) => u16::try_from(*ordinal).ok(),
        (None, From::Constant(_)) => None,
        (Some(projection), from) => projection.place(from),
    }
}
