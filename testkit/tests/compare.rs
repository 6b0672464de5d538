//! A difference of one value, one row or one type between two databases is found and told by key and column.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use slackwater_testkit::compare::{Side, expect_same_table, expect_same_tables};
use slackwater_testkit::workload::PostgresWorkload;
use slackwater_testkit::{Flavor, PostgresServer, PostgresVersion, Server};

/// The tables of a load, each with its copy of the same name.
fn pairs(server: &PostgresServer, load: &PostgresWorkload) -> anyhow::Result<Vec<(String, String)>> {
    Ok(load.tables(&mut server.client()?)?.into_iter().map(|table| (table.clone(), table)).collect())
}

#[test]
fn a_seeded_difference_between_two_versions_is_told() -> anyhow::Result<()> {
    let old = PostgresServer::builder(PostgresVersion::V10).start()?;
    let new = PostgresServer::builder(PostgresVersion::V18).start()?;
    let (here, there) = (Side::Postgres(&old, "postgres"), Side::Postgres(&new, "postgres"));
    let mut tables = Vec::new();
    for server in [&old, &new] {
        let mut load = PostgresWorkload::new(9);
        let mut client = server.client()?;
        load.setup(&mut client)?;
        for _ in 0..100 {
            load.step(&mut client)?;
        }
        tables = pairs(server, &load)?;
    }
    let rows = expect_same_tables(here, there, tables)?;
    assert!(rows > 500, "{rows}");

    let error = |table: &str| format!("{:#}", expect_same_table((here, table), (there, table)).unwrap_err());
    let id = new.query_string("SELECT min(id) FROM workload.measures WHERE numbers IS NOT NULL")?.unwrap();
    new.exec(&format!("UPDATE workload.measures SET numbers = numbers || 7 WHERE id = {id}"))?;
    let told = error("workload.measures");
    assert!(told.contains("in 1 places") && told.contains(&format!("id = \"{id}\": numbers is ")), "{told}");

    new.exec("DELETE FROM workload.readings WHERE ctid = (SELECT min(ctid) FROM workload.readings)")?;
    let told = error("workload.readings");
    assert!(told.contains("in 1 places") && told.contains("times at the destination"), "{told}");

    new.exec("DELETE FROM workload.seats WHERE id = (SELECT min(id) FROM workload.seats)")?;
    old.exec("DELETE FROM workload.seats WHERE id = (SELECT max(id) FROM workload.seats)")?;
    let told = error("workload.seats");
    assert!(told.contains(": only at the source") && told.contains(": only at the destination"), "{told}");

    new.exec("ALTER TABLE workload.accounts RENAME COLUMN name TO title")?;
    assert!(error("workload.accounts").contains("has no column name"));
    Ok(())
}

#[test]
fn empty_tables_do_not_pass_for_equal() -> anyhow::Result<()> {
    let server = PostgresServer::builder(PostgresVersion::V15).start()?;
    server.exec("CREATE TABLE a (id int); CREATE TABLE b (id int)")?;
    let side = Side::Postgres(&server, "postgres");
    assert_eq!(expect_same_table((side, "public.a"), (side, "public.b"))?, 0);
    let error = expect_same_tables(side, side, [("public.a", "public.b")]).unwrap_err();
    assert!(error.to_string().contains("nothing was compared"));
    Ok(())
}

#[test]
fn values_are_the_same_in_another_database() -> anyhow::Result<()> {
    let postgres = PostgresServer::builder(PostgresVersion::V18).start()?;
    let mysql = Server::builder(Flavor::Mysql97).start()?;
    postgres.exec(
        "CREATE TABLE t (id int PRIMARY KEY, b boolean, n numeric(20,4), r real, d double precision, c char(5), \
         x bytea, day date, at timestamptz, clock time, j jsonb, u uuid, bits bit(10), tags text[]); \
         INSERT INTO t VALUES (1, true, 12.5, 0.1, 0.1, 'ab', '\\x00ff', '2024-02-29', '2024-02-29 12:00:00.5+02', \
         '23:59:59.25', '{\"b\": 1, \"a\": [1.50, null]}', '5ea7c1de-0000-4000-8000-00000000000a', B'0000000101', '{red,blau}'), \
         (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    )?;
    mysql.exec(
        "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, b TINYINT(1), n DECIMAL(20,4), r FLOAT, d DOUBLE, c CHAR(5), \
         x VARBINARY(9), day DATE, at DATETIME(6), clock TIME(6), j JSON, u BINARY(16), bits BIT(10), tags JSON); \
         INSERT INTO shop.t VALUES (1, 1, 12.5, 0.1, 0.1, 'ab', x'00ff', '2024-02-29', '2024-02-29 10:00:00.5', \
         '23:59:59.25', '{\"a\": [1.5, null], \"b\": 1}', x'5ea7c1de00004000800000000000000a', b'101', '[\"red\", \"blau\"]'), \
         (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    )?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("copy.db");
    rusqlite::Connection::open(&file)?.execute_batch(
        "CREATE TABLE t (id, b, n, r, d, c, x, day, at, clock, j, u, bits, tags); \
         INSERT INTO t VALUES (1, 1, '12.5000', 0.1, 0.1, 'ab', x'00ff', '2024-02-29', '2024-02-29 10:00:00.5', \
         '23:59:59.25', '{\"a\":[1.5,null],\"b\":1}', '5ea7c1de-0000-4000-8000-00000000000a', 5, '{red,blau}'), \
         (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    )?;
    let (here, there) = (Side::Postgres(&postgres, "postgres"), Side::Mysql(&mysql));
    assert_eq!(expect_same_table((here, "public.t"), (there, "shop.t"))?, 2);
    assert_eq!(expect_same_table((here, "public.t"), (Side::Sqlite(&file), "t"))?, 2);
    // The other way round an array is what a SET becomes, and a JSON value is no array.
    postgres.exec("ALTER TABLE t DROP tags")?;
    mysql.exec("ALTER TABLE shop.t DROP tags, ADD s SET('red','green','blau'); UPDATE shop.t SET s = 'red,blau' WHERE id = 1")?;
    postgres.exec("ALTER TABLE t ADD s text[]; UPDATE t SET s = '{red,blau}' WHERE id = 1")?;
    assert_eq!(expect_same_table((there, "shop.t"), (here, "public.t"))?, 2);

    // What one database would round or cut off is a difference.
    for (column, value) in [
        ("n", "12.5001"),
        ("at", "'2024-02-29 10:00:00.500001'"),
        ("c", "'aB'"),
        ("x", "x'00fe'"),
        ("d", "0.10000000000000002"),
    ] {
        mysql.exec(&format!("CREATE TABLE shop.kept AS SELECT * FROM shop.t; UPDATE shop.t SET {column} = {value} WHERE id = 1"))?;
        let told = format!("{:#}", expect_same_table((there, "shop.t"), (here, "public.t")).unwrap_err());
        assert!(
            told.contains("in 1 places") && told.contains(&format!("id = \"1\": {column} is ")),
            "{told}"
        );
        mysql.exec(&format!("UPDATE shop.t, shop.kept SET shop.t.{column} = shop.kept.{column} WHERE shop.t.id = shop.kept.id; DROP TABLE shop.kept"))?;
    }
    Ok(())
}
