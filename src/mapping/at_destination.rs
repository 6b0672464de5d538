//! What a task carries, in the destination's names: for what is asked there before a task starts.

use std::sync::Arc;

use slackwater_decoders::schema::{Table, TableName};

use super::{Mapping, Selection};
use crate::config::Pattern;

impl Mapping {
    /// The selection in the destination's names. `tables` are those that the source has now: what rules make of the tables of a
    /// pattern is told by them. A pattern whose tables get other names becomes the databases that they go to.
    #[must_use]
    pub fn at_destination(&self, tables: &[Arc<Table>]) -> Selection {
        let mut include = Vec::new();
        for pattern in self.selection.patterns() {
            for target in self.pattern_at_destination(pattern, tables) {
                if !include.contains(&target) {
                    include.push(target);
                }
            }
        }
        Selection { include, exclude: self.selection.exclude.clone() }
    }

    fn pattern_at_destination(&self, pattern: &Pattern, tables: &[Arc<Table>]) -> Vec<Pattern> {
        let carried = |table: &&Arc<Table>| {
            pattern.matches(&table.name.database, &table.name.table) && self.selection.includes(&table.name)
        };
        let mut sources: Vec<TableName> =
            tables.iter().filter(carried).map(|table| table.name.clone()).collect();
        let (database, table) = (pattern.database(), pattern.table());
        if sources.is_empty() && Pattern::is_name(database) {
            // A table that is yet to come.
            sources.push(TableName::new(database, if Pattern::is_name(table) { table } else { "" }));
        }
        let targets: Vec<TableName> = sources.iter().map(|source| self.target_name(source)).collect();
        if targets == sources {
            return vec![pattern.clone()];
        }
        let is_one = Pattern::is_name(database) && Pattern::is_name(table);
        let target = |name: TableName| {
            if is_one {
                Pattern::of_table(&name.database, &name.table)
            } else {
                Pattern::of_database(&name.database)
            }
        };
        targets.into_iter().map(target).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use slackwater_decoders::schema::{Column, ColumnType};

    use super::*;
    use crate::config::Task;

    const TASK: &str = r#"
[source]
type = "mysql-files"
directory = "binlogs"
[destination]
type = "sqlite"
path = "shop.db"
[objects]
include = ["shop.*", "crm_[0-9].*", "blog.posts", "new.*", "log.*"]
[[mapping]]
match = "shop.*"
database = "archive"
[[mapping]]
match = "crm_?.customer"
database = "crm"
[[mapping]]
match = "blog.posts"
table = "articles"
[[mapping]]
match = "new.*"
database = "old"
"#;

    #[test]
    fn patterns_become_what_their_tables_become() {
        let task = Task::parse("task.toml".as_ref(), TASK).unwrap();
        let mapping = Mapping::new(&task.objects, &task.mapping).unwrap();
        let table = |(database, table): (&str, &str)| {
            Arc::new(Table {
                name: TableName::new(database, table),
                columns: vec![Column::new("id", ColumnType::Year)],
                primary_key: Vec::new(),
                unique_keys: Vec::new(),
                indexes: Vec::new(),
                collation: None,
                named: true,
                number: None,
            })
        };
        let tables = [
            ("shop", "a"),
            ("shop", "b"),
            ("crm_1", "customer"),
            ("crm_1", "address"),
            ("blog", "posts"),
            ("log", "x"),
        ];
        let selection = mapping.at_destination(&tables.map(table));
        let patterns: Vec<String> = selection.patterns().iter().map(ToString::to_string).collect();
        assert_eq!(patterns, ["archive.*", "crm.*", "crm_1.*", "blog.articles", "old.*", "log.*"]);
    }
}
