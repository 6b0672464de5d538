//! One workload for every form of the protocol, and what has to come out of it.

use slackwater_testkit::{PostgresServer, PostgresVersion, run_postgres};

/// The tables.
pub(crate) const SCHEMA: &str = "CREATE SCHEMA app; CREATE SCHEMA other;
    CREATE TYPE app.mood AS ENUM ('sad', 'happy');
    CREATE DOMAIN app.positive AS int CHECK (VALUE > 0);
    CREATE TABLE app.kinds (id int PRIMARY KEY, b boolean, s smallint, big bigint, r real, d double precision, n numeric,
        n2 numeric(12,4), t text, v varchar(20), c char(5), by bytea, da date, ti time, ts timestamp, tz timestamptz,
        iv interval, js json, jb jsonb, u uuid, a int[], m app.mood, p app.positive, bi bit(5), vb varbit, ip inet,
        pt point, rg int4range, x xml);
    CREATE TABLE app.long (id int PRIMARY KEY, body text, n int);
    CREATE TABLE app.whole (a int, b text);
    ALTER TABLE app.whole REPLICA IDENTITY FULL;
    CREATE TABLE app.many (id int PRIMARY KEY, filler text);
    CREATE TABLE other.unseen (id int PRIMARY KEY);";

/// Rows of the large transaction that stay, and those of its subtransactions that are rolled back.
const MANY: usize = 3000;

/// Runs it.
pub(crate) fn run(server: &PostgresServer) {
    let version = server.version();
    let mut client = server.client().unwrap();
    let mut run = |sql: &str| run_postgres(&mut client, sql).unwrap();
    run("INSERT INTO app.kinds VALUES (1, true, -5, 9007199254740993, 1.5, 0.1, 'NaN', 12.3400, 'tëxt', 'v', 'c', '\\x00ff',
        '2024-02-29', '23:59:59.123456', '2024-02-29 12:00:00.000001', '2024-02-29 12:00:00+02', '1 mon 2 days 03:04:05',
        '{\"a\": 1.10}', '{\"b\": [1, null]}', '3e11fa47-71ca-11e1-9e33-c80aa9429562', '{1,NULL,3}', 'happy', 7, B'10101',
        B'1', '10.0.0.1/8', '(1,2)', '[1,5)', '<a/>')");
    run(
        "INSERT INTO app.kinds (id, da, ts, tz) VALUES (2, 'infinity', '-infinity', 'infinity'), (3, '0044-03-15 BC', NULL, NULL)",
    );
    // Large values that an update leaves as they are.
    run("INSERT INTO app.long SELECT 1, string_agg(md5(i::text), ''), 0 FROM generate_series(1, 500) i");
    run("UPDATE app.long SET n = 1 WHERE id = 1");
    run("UPDATE app.long SET id = 2 WHERE id = 1");
    run(
        "INSERT INTO app.whole VALUES (1, 'x'), (1, 'x'); UPDATE app.whole SET b = 'y'; DELETE FROM app.whole WHERE a = 1",
    );
    run("INSERT INTO other.unseen VALUES (1)");
    if version >= PostgresVersion::V14 {
        run("TRUNCATE app.whole, other.unseen");
    }
    // Large enough to be sent before its end, with subtransactions of which some are rolled back.
    run("BEGIN");
    for chunk in 0..6 {
        let (from, to) = (chunk * MANY / 6, (chunk + 1) * MANY / 6 - 1);
        let insert = |offset: usize| {
            format!(
                "INSERT INTO app.many SELECT i + {offset}, repeat('x', 200) FROM generate_series({from}, {to}) i"
            )
        };
        run("SAVEPOINT kept");
        run(&insert(0));
        run("SAVEPOINT dropped");
        run(&insert(1_000_000));
        run("SAVEPOINT inner_dropped");
        run(&insert(2_000_000));
        run("RELEASE inner_dropped");
        run("ROLLBACK TO dropped");
        run("RELEASE kept");
    }
    run("COMMIT");
    run("BEGIN");
    run("INSERT INTO app.many SELECT i + 5000000, repeat('y', 200) FROM generate_series(1, 2000) i");
    run("ROLLBACK");
    // Prepared: one small, one large, one rolled back; others commit in between.
    for (name, rows) in [("small", 1), ("large", 2000), ("gone", 10)] {
        let from = match name {
            "small" => 100_000,
            "large" => 200_000,
            _ => 300_000,
        };
        run("BEGIN");
        run(&format!(
            "INSERT INTO app.many SELECT i + {from}, repeat('z', 200) FROM generate_series(1, {rows}) i"
        ));
        run(&format!("PREPARE TRANSACTION '{name}'"));
        run(&format!("INSERT INTO app.many VALUES ({from}, 'between')"));
    }
    run("COMMIT PREPARED 'large'");
    run("ROLLBACK PREPARED 'gone'");
    run("COMMIT PREPARED 'small'");
    run("DELETE FROM app.many WHERE id < 3");
}

/// What is known of the outcome without asking the code under test.
pub(crate) fn verify(lines: &[String], version: PostgresVersion) {
    let count = |what: &str| lines.iter().filter(|line| line.starts_with(what)).count();
    assert_eq!(count("app.many +"), MANY + 3 + 2000 + 1);
    assert_eq!(count("app.many - Int"), 3);
    assert_eq!(count("app.kinds +"), 3);
    assert_eq!(count("app.whole +"), 2);
    assert_eq!(count("app.whole  "), 2, "updates with the whole row before");
    assert_eq!(count("app.long  "), 2);
    assert_eq!(
        lines.iter().filter(|line| line.ends_with("unchanged Int(1)")).count(),
        2,
        "large values are not sent again"
    );
    assert_eq!(count("truncate app.whole"), usize::from(version >= PostgresVersion::V14));
    assert_eq!(count("app.many + Int(1") + count("app.many + Int(2"), {
        let ids = (0..MANY).chain([100_000, 200_000, 100_001]).chain(200_001..=202_000);
        ids.filter(|id| id.to_string().starts_with(['1', '2'])).count()
    });
    assert!(!lines.iter().any(|line| line.contains("other.")));
    // In the order of commits: what was committed while others were prepared comes before them.
    let place =
        |id: usize| lines.iter().position(|line| line.starts_with(&format!("app.many + Int({id})"))).unwrap();
    assert!(
        place(100_000) < place(200_000) && place(300_000) < place(200_001) && place(202_000) < place(100_001)
    );
}
