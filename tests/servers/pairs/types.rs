//! Every type with its boundary values under every form of the log: what arrives equals the source's own SELECT.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::Path;

use crate::pairs::type_matrix::{
    charsets,
    exceptions::{self, Way},
    load,
    settings::{self, Extra, Settings},
    tables::{self, LATE_TIMES, Table},
};
use crate::river::{Destination, PATIENCE, PROGRAM, source_section};
use anyhow::{Context, Result};
use slackwater_testkit::{
    Flavor, Server, Task,
    compare::{expect_equal, source_rows},
    run_statements,
};

/// The source's tables: name and what is in it.
struct Matrix {
    source: Server,
    tables: Vec<(String, Table, Settings)>,
}

impl Matrix {
    fn start(flavor: Flavor) -> Result<Self> {
        let mut builder = Server::builder(flavor).arg("--max-allowed-packet=128M");
        if flavor.is_mysql_5() {
            // A row may have a tenth of the redo log in BLOBs.
            builder = builder.arg("--innodb-log-file-size=256M");
        }
        let source = builder.start()?;
        source.exec("CREATE DATABASE shop")?;
        let mut kinds = tables::of(flavor);
        kinds.extend(charsets::tables(&source)?);
        let mut tables = Vec::new();
        for settings in settings::of(flavor) {
            for table in kinds.iter().filter(|table| settings.includes(table.scope)) {
                if settings.extra == Extra::PartialJson && table.name != "documents" {
                    continue;
                }
                for key in ["key", "nokey"] {
                    tables.push((
                        format!("{}_{}_{key}", settings.name(), table.name),
                        table.clone(),
                        settings,
                    ));
                }
            }
        }
        Ok(Matrix { source, tables })
    }

    fn create(&self) -> Result<()> {
        let mut connection = self.source.conn()?;
        run_statements(
            &mut connection,
            "SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'",
        )?;
        for (name, table, _) in &self.tables {
            load::create(&mut connection, name, table, !name.ends_with("_nokey"))
                .with_context(|| format!("create {name}"))?;
        }
        Ok(())
    }

    fn change(&self) -> Result<()> {
        let mut connection = self.source.conn()?;
        run_statements(
            &mut connection,
            "SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'",
        )?;
        for (name, table, settings) in &self.tables {
            settings.set(&mut connection, self.source.flavor())?;
            load::change(&mut connection, name, table).with_context(|| format!("change {name}"))?;
        }
        Ok(())
    }
}

/// Compares the tables that were carried with the source's.
fn compare(
    matrix: &Matrix,
    destination: &Destination,
    shown: bool,
    wanted: &dyn Fn(Settings) -> bool,
) -> Result<()> {
    let mut failures = Vec::new();
    for (name, table, settings) in matrix.tables.iter().filter(|(_, _, settings)| wanted(*settings)) {
        if table.name == LATE_TIMES && matches!(destination, Destination::Server(_)) {
            continue;
        }
        let (source, qualified) = (&matrix.source, format!("shop.{name}"));
        let (mut expected, mut found) =
            (source_rows(source, &qualified)?, destination.rows(source, &qualified)?);
        let server = match destination {
            Destination::Sqlite(_) | Destination::Postgres(..) => None,
            Destination::Server(server) => Some(&**server),
        };
        let keyed = !name.ends_with("_nokey");
        let way = Way { source: source.flavor(), destination: server, shown, settings: *settings, keyed };
        exceptions::apply(way, table, &mut expected, &mut found)?;
        let what = format!("{} to {}: {name}", source.flavor(), destination.name());
        failures.extend(expect_equal(&what, &expected, &found).err().map(|error| error.to_string()));
    }
    assert!(failures.is_empty(), "{} tables differ:\n{}", failures.len(), failures.join("\n"));
    Ok(())
}

/// A task of its own directory, from `start`, for the tables of `shop` that the patterns take.
fn task(
    directory: &Path,
    matrix: &Matrix,
    destination: &Destination,
    start: &str,
    include: &[String],
) -> Result<Task> {
    let mut objects = format!("{include:?}");
    if let Destination::Server(_) = destination {
        objects += &format!("\nexclude = [\"shop.*_{LATE_TIMES}_*\"]");
    }
    let source = source_section(&[&matrix.source], start).replace(r#"["shop.*"]"#, &objects);
    Task::new(PROGRAM, directory, &(source + &destination.section()))
}

/// Into servers go the forms of the log in which rows are most and least complete.
fn for_servers(settings: Settings) -> bool {
    match settings.extra {
        Extra::None => {
            settings.image == "FULL" && matches!(settings.metadata, "" | "FULL")
                || settings.image == "MINIMAL" && matches!(settings.metadata, "" | "NO_LOG" | "MINIMAL")
        }
        Extra::PartialJson => settings.image == "MINIMAL",
        Extra::Compressed => false,
    }
}

/// All of it into SQLite, twice: with the definitions from the server as it is when the task starts, and from the log. A part of it
/// into servers.
fn matrix(flavor: Flavor) -> Result<()> {
    let matrix = Matrix::start(flavor)?;
    matrix.create()?;
    let everything = ["shop.*".to_owned()];
    let (directories, early) = (tempfile::tempdir()?, Destination::sqlite()?);
    let mut first = task(&directories.path().join("now"), &matrix, &early, "now", &everything)?;
    first.start()?;
    first.wait_for(&matrix.source.end_of_log()?, PATIENCE)?;
    matrix.change()?;
    let end = matrix.source.end_of_log()?;
    first.wait_for(&end, PATIENCE)?;
    compare(&matrix, &early, true, &|_| true).context("definitions from the server")?;
    assert!(first.stop()?.success(), "{}", first.log());
    let parts: Vec<String> = settings::of(flavor)
        .into_iter()
        .filter(|it| for_servers(*it))
        .map(|it| format!("shop.{}_*", it.name()))
        .collect();
    for (name, destination, include) in [
        ("sqlite", Destination::sqlite()?, &everything[..]),
        ("mysql", Destination::server(Flavor::Mysql97)?, &parts),
        ("mariadb", Destination::server(Flavor::Mariadb1011)?, &parts),
    ] {
        let mut task = task(&directories.path().join(name), &matrix, &destination, "earliest", include)?;
        task.start()?;
        task.wait_for(&end, PATIENCE)?;
        assert!(task.stop()?.success(), "{}", task.log());
        let everything = include.len() == 1;
        compare(&matrix, &destination, false, &|settings| everything || for_servers(settings))?;
    }
    Ok(())
}

#[test]
fn mysql_97() -> Result<()> {
    matrix(Flavor::Mysql97)
}
#[test]
fn mysql_57() -> Result<()> {
    matrix(Flavor::Mysql57)
}
#[test]
fn mysql_56() -> Result<()> {
    matrix(Flavor::Mysql56)
}
#[test]
fn mariadb_1011() -> Result<()> {
    matrix(Flavor::Mariadb1011)
}
#[test]
fn mariadb_118() -> Result<()> {
    matrix(Flavor::Mariadb118)
}
