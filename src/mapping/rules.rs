//! The rules that decide about one table.

use std::collections::BTreeMap;

use slackwater_decoders::schema::TableName;

use super::online_change::altered_tables;
use crate::config::mapping::{AddedColumn, Case, Columns, MappingRule, Operation, Rename};

/// What the rules of a task say, in the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    rules: Vec<MappingRule>,
    /// What holds where no rule says which operations.
    operations: Operations,
}

/// What the rules say about one table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Decision<'a> {
    pub(super) columns: Option<&'a Columns>,
    pub(super) added: Option<&'a BTreeMap<String, AddedColumn>>,
    pub(super) filter: Option<&'a str>,
    pub(super) operations: Operations,
    pub(super) merge: bool,
}

impl Rules {
    pub(super) fn new(rules: &[MappingRule], operations: Option<&[Operation]>) -> Self {
        Rules { rules: rules.to_vec(), operations: operations.map_or(Operations::ALL, Operations::of) }
    }

    /// Whether nothing is changed, whatever the table.
    pub(super) fn is_identity(&self) -> bool {
        self.rules.is_empty() && self.operations == Operations::ALL
    }

    /// Whether an operation is carried where no rule says which ones are.
    pub(super) fn task_carries(&self, operation: Operation) -> bool {
        self.operations.has(operation)
    }

    pub(super) fn all(&self) -> &[MappingRule] {
        &self.rules
    }

    /// The rules about a table. Those about a table that is changed online are about the tool's tables beside it as well: their
    /// rows become the table's.
    fn of<'a>(&'a self, table: &TableName) -> impl Iterator<Item = &'a MappingRule> + use<'a> {
        let names: Vec<TableName> = [table.clone()].into_iter().chain(altered_tables(table)).collect();
        self.rules
            .iter()
            .filter(move |rule| names.iter().any(|name| rule.tables.matches(&name.database, &name.table)))
    }

    /// What the first rule that has it says of an aspect.
    fn first<'a, T>(&'a self, table: &TableName, aspect: impl Fn(&'a MappingRule) -> Option<T>) -> Option<T> {
        self.of(table).find_map(aspect)
    }

    pub(super) fn decide<'a>(&'a self, table: &TableName) -> Decision<'a> {
        Decision {
            columns: self.first(table, |rule| rule.columns.as_ref()),
            added: self.first(table, |rule| rule.add.as_ref()),
            filter: self.first(table, |rule| rule.filter.as_deref()),
            operations: self.operations(table),
            merge: self.first(table, |rule| rule.merge).unwrap_or(false),
        }
    }

    /// The operations that the rule with the narrowest pattern names; of equally narrow ones the first.
    pub(super) fn operations(&self, table: &TableName) -> Operations {
        let mut narrowest: Option<(&MappingRule, &[Operation])> = None;
        for rule in self.of(table) {
            let Some(operations) = &rule.operations else { continue };
            let is_narrower =
                narrowest.is_none_or(|(other, _)| rule.tables.specificity() > other.tables.specificity());
            if is_narrower {
                narrowest = Some((rule, operations));
            }
        }
        narrowest.map_or(self.operations, |(_, operations)| Operations::of(operations))
    }

    /// The name that a table has at the destination.
    pub(super) fn target(&self, table: &TableName) -> TableName {
        let (database, name) = (&*table.database, &*table.table);
        let rename = |rule: Option<&Rename>, own: &str| match rule {
            Some(rule) => rule.apply(own, database, name),
            None => own.to_owned(),
        };
        let new_database = rename(self.first(table, |rule| rule.database.as_ref()), database);
        let of_its_own = |rule: &&MappingRule| rule.tables.matches(database, name);
        let new_table =
            rename(self.rules.iter().filter(of_its_own).find_map(|rule| rule.table.as_ref()), name);
        let cased = |name: String| match self.first(table, |rule| rule.case) {
            Some(Case::Lower) => name.to_lowercase(),
            Some(Case::Upper) => name.to_uppercase(),
            Some(Case::Keep) | None => name,
        };
        let target = TableName::new(cased(new_database), cased(new_table));
        if target == *table { table.clone() } else { target }
    }

    /// Whether a rule is about tables of a database.
    pub(super) fn touch_database(&self, database: &str) -> bool {
        self.rules.iter().any(|rule| rule.tables.matches_database(database))
    }

    /// The name that a database has at the destination, where the rules about whole databases tell it alone.
    pub(super) fn target_database(&self, database: &str) -> Option<String> {
        let of_database = |rule: &&MappingRule| rule.tables.matches_database(database);
        let decided_by_tables = |rule: &MappingRule| {
            (rule.database.is_some() || rule.case.is_some())
                && (!rule.tables.is_of_databases()
                    || matches!(&rule.database, Some(Rename::Template(template)) if !template.is_of_database()))
        };
        if self.rules.iter().filter(of_database).any(decided_by_tables) {
            return None;
        }
        Some(self.target(&TableName::new(database, "")).database.to_string())
    }

    /// Under which number of the file and which pattern a rule is shown.
    pub(super) fn shown(number: usize, rule: &MappingRule) -> String {
        format!("[[mapping]] {} (match = \"{}\")", number + 1, rule.tables)
    }

    /// The rule that has the filter of a table.
    pub(super) fn filter_rule(&self, table: &TableName) -> String {
        self.rules
            .iter()
            .enumerate()
            .find(|(_, rule)| rule.filter.is_some() && self.of(table).any(|own| std::ptr::eq(own, *rule)))
            .map_or_else(|| "[[mapping]]".to_owned(), |(number, rule)| Rules::shown(number, rule))
    }
}

impl Rename {
    /// The new name of a database or table that is called `own`.
    fn apply(&self, own: &str, database: &str, table: &str) -> String {
        match self {
            Rename::Template(template) => template.fill(database, table),
            Rename::Replace(from, to) => own.replace(from, to),
            Rename::Regex(regex, with) => regex.replace(own, with.as_str()).into_owned(),
            Rename::Ends { strip_prefix, strip_suffix, prefix, suffix } => {
                let own = own.strip_prefix(strip_prefix.as_str()).unwrap_or(own);
                let own = own.strip_suffix(strip_suffix.as_str()).unwrap_or(own);
                format!("{prefix}{own}{suffix}")
            }
        }
    }
}

/// A set of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operations(u8);

impl Operations {
    pub(super) const ALL: Operations = Operations(0b1_1111);

    fn of(operations: &[Operation]) -> Self {
        Operations(operations.iter().fold(0, |set, operation| set | bit(*operation)))
    }

    pub(super) fn has(self, operation: Operation) -> bool {
        self.0 & bit(operation) != 0
    }
}

impl Default for Operations {
    fn default() -> Self {
        Operations::ALL
    }
}

fn bit(operation: Operation) -> u8 {
    match operation {
        Operation::Insert => 1,
        Operation::Update => 1 << 1,
        Operation::Delete => 1 << 2,
        Operation::Truncate => 1 << 3,
        Operation::Ddl => 1 << 4,
    }
}
