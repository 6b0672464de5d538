//! Row filters mean what they mean on the server: random conditions over random rows, judged by both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod conditions;
mod rows;

use std::sync::Arc;

use anyhow::Result;
use conditions::Conditions;
use rand::{SeedableRng, rngs::ChaCha8Rng};
use rows::{Kind, Rows};
use slackwater::{
    config::{Task, mapping::MappingRule},
    mapping::{Mapping, Route},
};
use slackwater_decoders::{
    arena::ArenaPool,
    event::RowChange,
    mysql::{
        catalog::{Catalog, Settings},
        ddl,
    },
    schema::{Table, TableName},
    value::Cell,
};
use slackwater_testkit::{Flavor, Server, TextRow, mysql::prelude::Queryable, query_rows};

const ROWS: usize = 60;
const CONDITIONS: usize = 1200;

/// The definition as the server shows it.
fn definition(flavor: Flavor, create: &str) -> Arc<Table> {
    let version = match flavor {
        Flavor::Mysql97 => 90_700,
        Flavor::Mysql57 | Flavor::Mysql56 => 50_700,
        Flavor::Mariadb1011 => 101_100,
        Flavor::Mariadb118 => 110_800,
    };
    let mariadb = flavor.is_mariadb();
    let mut catalog = Catalog::new(Settings { mariadb, version, ..Settings::default() });
    let context = ddl::Context { mariadb, version, ..ddl::Context::default() };
    catalog.apply(&ddl::parse(create, &context).unwrap(), "f", None).unwrap();
    Arc::clone(catalog.get(&TableName::new("f", "t")).unwrap())
}

/// The rules of a task file with one filter.
fn rules(filter: &str) -> Vec<MappingRule> {
    let filter = serde_json::to_string(filter).unwrap().replace("\\u007f", "\u{7f}");
    let text = format!(
        "[source]\ntype = \"mysql\"\nhosts = [\"a:1\"]\nuser = \"u\"\npassword = \"\"\n[destination]\ntype = \"sqlite\"\n\
         path = \"x.db\"\n[[mapping]]\nmatch = \"f.t\"\nfilter = {filter}\n"
    );
    Task::parse("t.toml".as_ref(), &text).unwrap_or_else(|error| panic!("{error}")).mapping
}

fn route(table: &Arc<Table>, filter: &str) -> slackwater::error::Result<Arc<Route>> {
    Ok(Mapping::new(&Default::default(), &rules(filter))?.route(table)?.unwrap())
}

/// What the two routes of a condition and of its negation say of a row: NULL passes neither.
fn judge(routes: &[Arc<Route>; 2], row: &[Cell<'_>]) -> Result<Option<bool>, String> {
    let pool = ArenaPool::new();
    let passes = |route: &Arc<Route>| {
        let change = RowChange::Insert { after: row };
        route.change(&change, &pool.arena()).map(|change| change.is_some()).map_err(|error| error.to_string())
    };
    match (passes(&routes[0])?, passes(&routes[1])?) {
        (true, false) => Ok(Some(true)),
        (false, true) => Ok(Some(false)),
        (false, false) => Ok(None),
        (true, true) => panic!("a condition and its negation are both true"),
    }
}

fn filters_mean_what_they_mean_on(flavor: Flavor, seed: u64) -> Result<()> {
    let server = Server::builder(flavor).args(["--default-time-zone=+00:00"]).start()?;
    let mut connection = server.conn()?;
    connection.query_drop("SET NAMES utf8mb4")?;
    connection.query_drop("SET SESSION sql_mode = ''")?;
    connection.query_drop("CREATE DATABASE f")?;
    connection.query_drop("USE f")?;
    let kinds = Kind::of(flavor);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    connection.query_drop(rows::create_table(&kinds))?;
    let create: (String, String) = connection.query_first("SHOW CREATE TABLE t")?.unwrap();
    let table = definition(flavor, &create.1);
    let rows = Rows::random(&mut random, &kinds, ROWS);
    rows.statements().iter().try_for_each(|statement| connection.query_drop(statement))?;

    let mut conditions = Conditions::new(&mut random, &kinds);
    let (mut compared, mut refused, mut failed) = (0, Vec::new(), 0);
    for _ in 0..CONDITIONS {
        let condition = conditions.next_condition();
        let routes = match (route(&table, &condition), route(&table, &format!("NOT ({condition})"))) {
            (Ok(route), Ok(negated)) => [route, negated],
            (Err(error), _) => {
                refused
                    .push(format!("{condition}: {}", error.to_string().lines().next().unwrap_or_default()));
                continue;
            }
            (_, Err(error)) => panic!("{condition}: its negation is refused: {error}"),
        };
        let query = format!("SELECT ({condition}) + 0 FROM t ORDER BY id");
        let ours: Vec<_> = rows.images().map(|row| judge(&routes, row)).collect();
        let number =
            |row: &TextRow| row[0].as_ref().map(|text| str::from_utf8(text).unwrap().parse().unwrap());
        let theirs: Vec<Option<f64>> = match query_rows(&mut connection, &query) {
            Ok(theirs) => theirs.iter().map(number).collect(),
            Err(error) => {
                assert!(ours.iter().any(Result::is_err), "{condition}: {error}, and we judged all rows");
                failed += 1;
                continue;
            }
        };
        for (place, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            let theirs = theirs.map(|value| value != 0.0);
            // A server does not always get to what is out of range.
            if ours.as_ref().is_err_and(|error| error.contains("out of range")) {
                continue;
            }
            assert_eq!(ours.as_ref(), Ok(&theirs), "{flavor}: {condition}\n{}", rows.shown(place));
            compared += 1;
        }
        let selected: Vec<u64> =
            connection.query(format!("SELECT id FROM t WHERE {condition} ORDER BY id"))?;
        let passed: Vec<u64> =
            ours.iter().zip(1..).filter(|(ours, _)| **ours == Ok(Some(true))).map(|(_, id)| id).collect();
        if ours.iter().all(Result::is_ok) {
            assert_eq!(passed, selected, "{flavor}: WHERE {condition}");
        }
    }
    println!("{flavor}: {compared} compared, {} refused, {failed} failed on both", refused.len());
    assert!(compared > CONDITIONS * ROWS / 3, "{compared}");
    Ok(())
}

fn seed() -> u64 {
    std::env::var("FILTER_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(4)
}

#[test]
fn on_mysql_9_7() -> Result<()> {
    filters_mean_what_they_mean_on(Flavor::Mysql97, seed())
}

#[test]
fn on_mysql_5_7() -> Result<()> {
    filters_mean_what_they_mean_on(Flavor::Mysql57, seed())
}

#[test]
fn on_mariadb_10_11() -> Result<()> {
    filters_mean_what_they_mean_on(Flavor::Mariadb1011, seed())
}

#[test]
fn on_mariadb_11_8() -> Result<()> {
    filters_mean_what_they_mean_on(Flavor::Mariadb118, seed())
}
