//! What `information_schema` tells of a database, in a form that both dialects can have in common.

use std::collections::BTreeMap;

use anyhow::Result;
use slackwater_testkit::Server;

/// Facts by object (`column shop.orders.id`).
pub(crate) type Facts = BTreeMap<String, String>;

/// The facts of the database `shop`.
pub(crate) fn facts(server: &Server) -> Result<Facts> {
    let mut facts = Facts::new();
    for query in queries(server) {
        for row in server.query(&query)? {
            let mut cells = row.into_iter().map(|cell| {
                cell.map_or_else(|| "NULL".to_owned(), |text| String::from_utf8_lossy(&text).into_owned())
            });
            let name = cells.next().unwrap();
            let fact = cells.collect::<Vec<_>>().join(" | ");
            // The parts of a key and the partitions of a table are one fact.
            facts
                .entry(name)
                .and_modify(|known: &mut String| *known = format!("{known}; {fact}"))
                .or_insert(fact);
        }
    }
    // MariaDB lists a sequence as a table.
    facts.retain(|name, _| !name.contains(" numbers.") && name != "table numbers");
    for fact in facts.values_mut() {
        *fact = canonical(fact);
    }
    Ok(facts)
}

fn queries(server: &Server) -> Vec<String> {
    let mut queries = vec![
        "SELECT CONCAT('database ', SCHEMA_NAME), DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'shop'",
        "SELECT CONCAT('table ', TABLE_NAME), TABLE_COLLATION, TABLE_COMMENT, ENGINE, ROW_FORMAT, CREATE_OPTIONS LIKE '%partitioned%' \
         FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'shop' AND TABLE_TYPE <> 'VIEW'",
        "SELECT CONCAT('column ', TABLE_NAME, '.', COLUMN_NAME), ORDINAL_POSITION, CONCAT('type ', COLUMN_TYPE), IS_NULLABLE, COLLATION_NAME, \
         EXTRA, CONCAT('comment ', COLUMN_COMMENT), CONCAT('as ', COALESCE(GENERATION_EXPRESSION, '')) \
         FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'shop' ORDER BY TABLE_NAME, ORDINAL_POSITION",
        "SELECT CONCAT('default ', TABLE_NAME, '.', COLUMN_NAME), COLUMN_DEFAULT FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'shop'",
        "SELECT CONCAT('key ', TABLE_NAME, '.', INDEX_NAME), NON_UNIQUE, INDEX_TYPE, INDEX_COMMENT, COLUMN_NAME, \
         IF(INDEX_TYPE = 'SPATIAL', NULL, SUB_PART), COLLATION \
         FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = 'shop' ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX",
        "SELECT CONCAT('foreign key ', r.TABLE_NAME, '.', r.CONSTRAINT_NAME), r.REFERENCED_TABLE_NAME, r.UPDATE_RULE, r.DELETE_RULE, k.COLUMN_NAME, \
         k.REFERENCED_COLUMN_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS r JOIN information_schema.KEY_COLUMN_USAGE k \
         ON k.CONSTRAINT_SCHEMA = r.CONSTRAINT_SCHEMA AND k.CONSTRAINT_NAME = r.CONSTRAINT_NAME AND k.TABLE_NAME = r.TABLE_NAME \
         WHERE r.CONSTRAINT_SCHEMA = 'shop' ORDER BY 1, k.ORDINAL_POSITION",
        "SELECT CONCAT('partitions ', TABLE_NAME), PARTITION_NAME, REPLACE(PARTITION_METHOD, ' ', ''), PARTITION_EXPRESSION, PARTITION_DESCRIPTION \
         FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = 'shop' AND PARTITION_NAME IS NOT NULL ORDER BY TABLE_NAME, PARTITION_ORDINAL_POSITION",
        "SELECT CONCAT('view ', TABLE_NAME), SECURITY_TYPE, CHECK_OPTION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'shop'",
        "SELECT CONCAT('trigger ', TRIGGER_NAME), EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT \
         FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'shop'",
        "SELECT CONCAT('routine ', ROUTINE_NAME), ROUTINE_TYPE, ROUTINE_DEFINITION, IS_DETERMINISTIC, SQL_MODE FROM information_schema.ROUTINES \
         WHERE ROUTINE_SCHEMA = 'shop'",
        "SELECT CONCAT('event ', EVENT_NAME), INTERVAL_VALUE, INTERVAL_FIELD, STATUS, EVENT_DEFINITION FROM information_schema.EVENTS \
         WHERE EVENT_SCHEMA = 'shop'",
    ];
    if !server.flavor().is_mysql_5() {
        queries.push(
            "SELECT CONCAT('check ', CONSTRAINT_NAME), CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = 'shop'",
        );
    }
    queries.into_iter().map(str::to_owned).collect()
}

/// The fact without what each server spells in its own way: quotes, parentheses, introducers, display widths of integers.
fn canonical(fact: &str) -> String {
    let mut text = fact
        .to_lowercase()
        .replace("default_generated", "")
        .replace("current_timestamp()", "current_timestamp");
    // InnoDB does the same for both; MySQL 8.0 has no such mode.
    text = text.replace("no action", "restrict").replace("no_auto_create_user,", "");
    for width in ["tinyint(", "smallint(", "mediumint(", "int(", "year("] {
        while let Some(start) = text.find(width) {
            let open = start + width.len() - 1;
            let close = text[open..].find(')').map_or(text.len() - 1, |close| open + close);
            text.replace_range(open..=close, "");
        }
    }
    for introducer in ["_utf8mb4", "_utf8mb3", "_latin1", "_ascii"] {
        text = text.replace(&format!("{introducer}\\'"), "'").replace(&format!("{introducer}'"), "'");
    }
    text.chars()
        .filter(|c| !"`()\\';".contains(*c))
        .collect::<String>()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Expects that the facts differ for exactly the `stated` objects.
pub(crate) fn expect_same(what: &str, source: &Facts, destination: &Facts, stated: &[(&str, &str)]) {
    let mut names: Vec<_> = source.keys().chain(destination.keys()).collect();
    names.sort();
    names.dedup();
    assert!(names.len() > 100, "{what}: {} facts", names.len());
    let is_stated = |name: &str| stated.iter().any(|(stated, _)| *stated == name);
    let mut wrong = Vec::new();
    for name in names {
        let (theirs, ours) = (source.get(name), destination.get(name));
        if (theirs == ours) == is_stated(name) {
            wrong.push(format!("{name}\n    source      {theirs:?}\n    destination {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{what}: not as stated:\n  {}", wrong.join("\n  "));
}
