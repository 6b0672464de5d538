//! From PostgreSQL 18. Types and their literals are those of `fixtures/postgres/types.sql`, a table each; `odd.sql` has tables
//! that are odd in other ways.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rusqlite::Connection;
use slackwater_testkit::{
    Flavor, PostgresServer, PostgresVersion,
    compare::{Side, expect_same_table},
    query_postgres, run_postgres,
};

use super::{copy, task};
use crate::river::{DATABASE, Destination, PATIENCE};

const TYPES: &str = include_str!("../../../../fixtures/postgres/types.sql");
const ODD: &str = include_str!("odd.sql");
/// What is done to the odd tables behind their copy.
const ODD_CHANGES: &str = include_str!("odd_changes.sql");

/// Every literal twice, and a row without a value for each.
const BEFORE: &str = "DO $$ DECLARE kind record; literal text; n int; BEGIN \
    FOR kind IN SELECT * FROM source.literals LOOP n := 0; \
      FOREACH literal IN ARRAY kind.literals LOOP n := n + 1; \
        EXECUTE format('INSERT INTO app.%I VALUES (%s, %L), (%s, %L), (%s, NULL)', \
          kind.name, n, literal, 1000 + n, literal, 2000 + n); \
      END LOOP; END LOOP; END $$";

/// Every literal is inserted, comes by an update, and stays in a row whose key changes.
const BEHIND: &str = "DO $$ DECLARE kind record; literal text; n int; BEGIN \
    FOR kind IN SELECT * FROM source.literals LOOP n := 0; \
      FOREACH literal IN ARRAY kind.literals LOOP n := n + 1; \
        EXECUTE format('INSERT INTO app.%I VALUES (%s, %L)', kind.name, 3000 + n, literal); \
        EXECUTE format('UPDATE app.%I SET v = %L WHERE id = %s', kind.name, literal, 2000 + n); \
      END LOOP; \
      EXECUTE format('UPDATE app.%I SET id = id + 3000 WHERE id BETWEEN 1000 AND 1999', kind.name); \
    END LOOP; END $$";

/// A source with its rows, without the kinds that a query names.
fn source(without: &str) -> Result<PostgresServer> {
    let server = PostgresServer::builder(PostgresVersion::V18).start()?;
    server.exec(TYPES)?;
    for name in server.query(without)?.into_iter().flatten().flatten() {
        server.exec(&format!("DELETE FROM source.literals WHERE name = '{name}'; DROP TABLE app.{name}"))?;
    }
    server.exec(BEFORE)?;
    server.exec(ODD).context("odd tables")?;
    Ok(server)
}

/// Runs a task from the source to the destination; returns its tables.
fn carry(source: &PostgresServer, destination: &str, format: &str) -> Result<Vec<String>> {
    let directory = tempfile::tempdir()?;
    let sections = format!(
        "{}{destination}[objects]\ninclude = [\"app.*\"]\n",
        source.source_section(DATABASE, &format!("format = \"{format}\"\n"))
    );
    let mut task = task(directory.path(), &sections)?;
    copy(&mut task)?;
    source.exec(BEHIND)?;
    source.exec(ODD_CHANGES).context("odd tables")?;
    task.wait_for_wal(source.end_of_log()?, PATIENCE)?;
    assert!(task.stop()?.success(), "{}", task.log());
    let sql = "SELECT c.relname FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'app'::regnamespace ORDER BY 1";
    Ok(source.query(sql)?.into_iter().flatten().flatten().collect())
}

/// The rows of each table, exactly as the server prints them.
fn printed(server: &PostgresServer, tables: &[String]) -> Result<Vec<Vec<String>>> {
    let mut client = server.client_of(DATABASE)?;
    run_postgres(&mut client, "SET timezone = 'UTC'")?;
    let mut all = Vec::new();
    for table in tables {
        let name = table.replace('"', "\"\"");
        let sql = format!("SELECT t::text COLLATE \"C\" FROM app.\"{name}\" t ORDER BY 1");
        all.push(query_postgres(&mut client, &sql)?.into_iter().flatten().flatten().collect());
    }
    Ok(all)
}

fn into_15(format: &str, without: &str) -> Result<()> {
    let (source, destination) = (source(without)?, Destination::postgres(PostgresVersion::V15)?);
    let Destination::Postgres(server, _) = &destination else { unreachable!() };
    let tables = carry(&source, &server.destination_section(DATABASE, ""), format)?;
    let (expected, found) = (printed(&source, &tables)?, printed(server, &tables)?);
    let mut different = Vec::new();
    for ((table, expected), found) in tables.iter().zip(&expected).zip(&found) {
        ensure!(!expected.is_empty(), "{table} has no row");
        let only = |these: &[String], those: &[String]| -> Vec<String> {
            let only = these.iter().filter(|row| !those.contains(row));
            only.map(|row| row.chars().take(200).collect()).take(4).collect()
        };
        if expected != found {
            different.push(format!(
                "{table}: {} rows and {}\n  source {:#?}\n  destination {:#?}",
                expected.len(),
                found.len(),
                only(expected, found),
                only(found, expected)
            ));
        }
    }
    assert!(different.is_empty(), "{} tables differ:\n{}", different.len(), different.join("\n"));
    Ok(())
}

#[test]
fn as_text_into_15() -> Result<()> {
    // 15 has no infinite intervals.
    into_15("text", "SELECT name FROM source.literals WHERE since > 15")
}

#[test]
fn in_binary_into_15() -> Result<()> {
    // An amount of money has no currency there, a table no name.
    let without = "SELECT name FROM source.literals WHERE since > 15 OR type IN ('money', 'regclass')";
    into_15("binary", without)
}

/// What no column of the destination can hold, by table.
type Refused<'a> = &'a [(&'a str, &'a str)];

/// Carries everything as text, and compares it with what the source has apart from the refused values.
fn into_another(destination: &Destination, without: &str, refused: Refused<'_>) -> Result<()> {
    let source = source(without)?;
    let tables = carry(&source, &destination.section(), "text")?;
    for (table, condition) in refused {
        // A row whose change is refused stays as it was.
        source.exec(&format!(
            "UPDATE app.{table} SET v = NULL WHERE ({condition}) AND id BETWEEN 2000 AND 2999; \
             DELETE FROM app.{table} WHERE ({condition}) AND v IS NOT NULL"
        ))?;
    }
    // What the source computes is not carried to other kinds of databases.
    source.exec("ALTER TABLE app.made DROP COLUMN twice")?;
    let file = destination.file();
    let mut different = Vec::new();
    for table in &tables {
        let (there, copy) = match (destination, &file) {
            (Destination::Server(server), _) => (Side::Mysql(server), format!("app.{table}")),
            (_, file) => (Side::Sqlite(file.as_deref().unwrap()), table.clone()),
        };
        if let (Side::Sqlite(file), "bit_70" | "varbit") = (there, table.as_str()) {
            different.extend(expect_same_text(&source, file, table).err().map(|error| format!("{error:#}")));
            continue;
        }
        let compared =
            expect_same_table((Side::Postgres(&source, DATABASE), &format!("app.{table}")), (there, &copy));
        different.extend(compared.err().map(|error| format!("{error:#}")));
    }
    assert!(different.is_empty(), "{} tables differ:\n{}", different.len(), different.join("\n"));
    Ok(())
}

/// A text of zeros and ones looks like a number.
fn expect_same_text(source: &PostgresServer, file: &Path, table: &str) -> Result<()> {
    let expected = source.query(&format!("SELECT id, v::text FROM app.{table} t ORDER BY t.id"))?;
    let connection = Connection::open(file)?;
    let mut statement = connection.prepare(&format!("SELECT id, v FROM {table} ORDER BY id"))?;
    let found =
        statement.query_map([], |row| Ok(vec![Some(row.get::<_, i64>(0)?.to_string()), row.get(1)?]))?;
    let found = found.collect::<rusqlite::Result<Vec<Vec<Option<String>>>>>()?;
    ensure!(found == expected, "{table} has {found:?} instead of {expected:?}");
    Ok(())
}

#[test]
fn into_mysql_97() -> Result<()> {
    let infinite = "v::text IN ('NaN', 'Infinity', '-Infinity')";
    let years = "NOT v BETWEEN '0001-01-01' AND '9999-12-31 23:59:59.999999'";
    let refused = [
        ("float4", infinite),
        ("float8", infinite),
        // Digits before the point, and behind it.
        ("numeric", "v::text = 'NaN' OR abs(v) >= 1e35 OR trim_scale(v) <> trunc(v, 30)"),
        ("numeric_infinite", "v IS NOT NULL"),
        ("date", years),
        ("timestamp", years),
        ("timestamptz", years),
        ("jsonb", "length(v::text) > 300"),
    ];
    into_another(&Destination::server(Flavor::Mysql97)?, "SELECT NULL WHERE false", &refused)
}

#[test]
fn into_sqlite() -> Result<()> {
    into_another(&Destination::sqlite()?, "SELECT NULL WHERE false", &[])
}
