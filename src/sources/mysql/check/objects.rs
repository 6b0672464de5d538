//! The tables that are carried.

use slackwater_decoders::{mysql::catalog::Catalog, schema::TableName};

use super::{
    super::{catalog, connection::Connection, questions},
    Settings, copying,
};
use crate::{
    config::Start,
    error::Result,
    mapping::Selection,
    sources::{Finding, Plan},
};

/// Names that are listed before the rest is counted.
const LISTED: usize = 20;

/// The items on tables. Read are their definitions, as at the start of a task.
pub(super) async fn findings(
    connection: &mut Connection,
    plan: &Plan<'_>,
    settings: &Settings,
) -> Vec<Finding> {
    let selection = plan.selection;
    let wanted = selection.clone();
    let filter: super::super::TableFilter =
        std::sync::Arc::new(move |table: &TableName| wanted.includes(table));
    let tables = match catalog::read(connection, &filter).await {
        Ok(tables) => tables,
        Err(error) => return vec![Finding::unanswered("mysql.definitions", &error)],
    };
    let understood = format!("the definitions of {} tables are understood", tables.len());
    let mut findings =
        vec![Finding::ok("mysql.definitions", understood), exist(&tables, selection), keys(&tables)];
    findings.extend(online_change(&tables, selection));
    let cascades = cascades(connection, &tables).await;
    findings.push(cascades.unwrap_or_else(|error| Finding::unanswered("mysql.cascades", &error)));
    if plan.stored.is_none() && *plan.start == Start::Snapshot {
        findings.extend(copying::findings(connection, selection, settings, &tables).await);
    }
    findings
}

fn exist(tables: &Catalog, selection: &Selection) -> Finding {
    let code = "mysql.objects";
    let matched = |pattern: &&crate::config::Pattern| {
        !tables.iter().any(|table| pattern.matches(&table.name.database, &table.name.table))
    };
    let without: Vec<String> = selection
        .patterns()
        .iter()
        .filter(matched)
        .map(|pattern| format!("{}.{}", pattern.database(), pattern.table()))
        .collect();
    if without.is_empty() {
        return Finding::ok(code, format!("{} tables are carried", tables.len()));
    }
    Finding::warning(
        code,
        format!("no table that the account can see is matched by {}", listed(&without)),
        "correct objects.include, or create the tables; they are carried from their CREATE on",
    )
}

fn keys(tables: &Catalog) -> Finding {
    let code = "mysql.keys";
    let without: Vec<String> =
        tables.iter().filter(|table| table.key().is_none()).map(|table| table.name.to_string()).collect();
    if without.is_empty() {
        return Finding::ok(code, "every table has a primary key, or a unique one without NULL");
    }
    let repair: Vec<String> = tables
        .iter()
        .filter(|table| table.key().is_none())
        .map(|table| {
            let name = table_sql(&table.name.database, &table.name.table);
            let free = (0..).map(|n| if n == 0 { "id".to_owned() } else { format!("id{n}") });
            let taken = |name: &String| table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
            let column = free.into_iter().find(|name| !taken(name)).unwrap_or_default();
            format!("ALTER TABLE {name} ADD COLUMN `{column}` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY;")
        })
        .collect();
    Finding::warning(
        code,
        format!(
            "no primary key and no unique key without NULL: {}. Every change of a row there looks for it by all columns",
            listed(&without)
        ),
        repair.join("\n"),
    )
}

/// A tool that fills a table now which will take the place of another one.
fn online_change(tables: &Catalog, selection: &Selection) -> Option<Finding> {
    let is_new = |name: &TableName| name.table.ends_with("_gho") || name.table.ends_with("_new");
    let altered = tables.iter().map(|table| &table.name).filter(|name| is_new(name)).flat_map(|name| {
        let altered = selection.altered(name).filter(|altered| tables.get(altered).is_some());
        altered.map(move |altered| format!("{name} beside {altered}"))
    });
    let found: Vec<String> = altered.collect();
    (!found.is_empty()).then(|| {
        Finding::warning(
            "mysql.online_change",
            format!("an online schema change seems to be under way: {}", listed(&found)),
            "let it end before a new task starts at the end of the log: the rows that are in the new table already are not \
             in the log again; drop the table if it is a remainder",
        )
    })
}

/// Foreign keys that change other rows, which InnoDB does below the log.
///
/// They are read from the CREATE statements: MariaDB's information_schema shows them to nobody who may only read.
async fn cascades(connection: &mut Connection, tables: &Catalog) -> Result<Finding> {
    let code = "mysql.cascades";
    // MySQL 9.6 took foreign keys out of InnoDB: what they change is logged like any other change.
    let native = questions::variable(connection, "innodb_native_foreign_keys").await?;
    if connection.version().is_mysql(9, 6, 0) && native.as_deref() == Some("OFF") {
        return Ok(Finding::ok(code, "what foreign keys change is in the log"));
    }
    let (mut names, mut repair) = (Vec::new(), Vec::new());
    for table in tables.iter() {
        let Some(statement) = catalog::create_statement(connection, &table.name).await? else { continue };
        for cascade in statement.lines().filter_map(Cascade::of_line) {
            let sql = table_sql(&table.name.database, &table.name.table);
            names.push(format!("{} of {}", cascade.name, table.name));
            // The definition names a table of the same database without its database.
            repair.push(format!(
                "USE {};\nALTER TABLE {sql} DROP FOREIGN KEY {};\nALTER TABLE {sql} ADD {};",
                identifier(&table.name.database),
                cascade.name,
                cascade.without_actions
            ));
        }
    }
    if names.is_empty() {
        return Ok(Finding::ok(code, "no foreign key changes rows of a table that is carried"));
    }
    let found = format!(
        "foreign keys with CASCADE or SET NULL change rows below the log; a MySQL or MariaDB destination with the same foreign \
         keys repeats that, any other destination keeps those rows: {}",
        listed(&names)
    );
    let note = "-- for other destinations; the application then changes the dependent rows itself";
    Ok(Finding::warning(code, found, format!("{note}\n{}", repair.join("\n"))))
}

/// A foreign key that changes rows.
#[derive(Debug, PartialEq, Eq)]
struct Cascade<'a> {
    /// Quoted.
    name: &'a str,
    /// Its definition up to the actions.
    without_actions: &'a str,
}

impl<'a> Cascade<'a> {
    /// Reads a line of SHOW CREATE TABLE: ``CONSTRAINT `c` FOREIGN KEY (`a`) REFERENCES `t` (`b`) ON DELETE CASCADE``.
    fn of_line(line: &'a str) -> Option<Self> {
        let definition = line.trim_start();
        let (name, rest) = definition.strip_prefix("CONSTRAINT ")?.split_once(" FOREIGN KEY ")?;
        let end = rest.rfind(')')? + 1;
        let actions = rest.get(end..)?;
        let changes = actions.contains("CASCADE") || actions.contains("SET NULL");
        let without_actions = definition.get(..definition.len() - actions.len())?;
        changes.then_some(Cascade { name, without_actions })
    }
}

fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn table_sql(database: &str, table: &str) -> String {
    format!("{}.{}", identifier(database), identifier(table))
}

/// Some names, and how many more there are.
pub(super) fn listed(names: &[String]) -> String {
    let first = names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_that_change_rows_count() {
        let line = "  CONSTRAINT `c)1` FOREIGN KEY (`a`,`b`) REFERENCES `o`.`t` (`a`,`b`)";
        let of = |actions: &str| Cascade::of_line(&format!("{line}{actions},")).is_some();
        assert!(
            of(" ON DELETE CASCADE") && of(" ON UPDATE SET NULL") && !of("") && !of(" ON DELETE NO ACTION")
        );
        let cascade = format!("{line} ON DELETE CASCADE ON UPDATE CASCADE");
        let expected = Cascade { name: "`c)1`", without_actions: line.trim_start() };
        assert_eq!(Cascade::of_line(&cascade), Some(expected));
    }
}
