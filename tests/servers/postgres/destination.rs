//! The PostgreSQL destination against real servers: values, refused rows, definitions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;

use crate::changes::{
    Change::{Delete, Insert, Update},
    *,
};
use crate::postgres::postgres_server::{destination, lines, run, servers};
use slackwater::{
    changes::Group,
    config::{Objects, OnRowError, postgres::PostgresDestination},
    destinations::{Destination, postgres::Postgres},
    error::{Error, Kind},
    mapping::Selection,
    sources::{Finding, Level},
};
use slackwater_decoders::{
    batch::{Batch, Decoded},
    event::{Ddl, Event, Language, SchemaChange},
    schema::*,
    value::*,
};

/// Type of the source's column, its declaration in a column of PostgreSQL where that is one, a value, and its text at the destination.
type Case = (ColumnType, Option<&'static str>, Value<'static>, &'static str);

fn cases() -> Vec<Case> {
    use ColumnType as T;
    let integer = |bytes, unsigned| T::Integer { bytes, unsigned };
    let day = |year, month, day| Date { year, month, day };
    let native = |name: &str| T::Native(name.into());
    let last =
        DateTime { date: day(9999, 12, 31), hour: 23, minute: 59, second: 59, precision: 6, micros: 999_999 };
    vec![
        (integer(1, false), None, Value::Int(-128), "-128"),
        (integer(4, true), None, Value::UInt(4_294_967_295), "4294967295"),
        (integer(8, false), None, Value::Int(i64::MIN), "-9223372036854775808"),
        (integer(8, true), None, Value::UInt(u64::MAX), "18446744073709551615"),
        (T::Float, None, Value::Float(f32::MAX), "3.4028235e+38"),
        (T::Float, None, Value::Float(1e-45), "1e-45"),
        (T::Double, None, Value::Double(-0.0), "-0"),
        (T::Double, None, Value::Double(f64::MIN_POSITIVE), "2.2250738585072014e-308"),
        (T::Double, Some("float8"), Value::Double(f64::NEG_INFINITY), "-Infinity"),
        (
            T::Decimal { precision: 65, scale: 30 },
            None,
            Value::Decimal("-99999999999999999999999999999999999.999999999999999999999999999999"),
            "-99999999999999999999999999999999999.999999999999999999999999999999",
        ),
        (T::Decimal { precision: 0, scale: 0 }, Some("numeric"), Value::Decimal("1.500"), "1.500"),
        (T::Decimal { precision: 0, scale: 0 }, Some("numeric"), Value::Decimal("NaN"), "NaN"),
        (
            T::VarChar(20),
            None,
            Value::Text("it's \\ \"q\" \u{1F600}\t\r\n "),
            "it's \\ \"q\" \u{1F600}\t\r\n ",
        ),
        (T::Char(5), None, Value::Text("ab"), "ab   "),
        (T::VarBinary(9), None, Value::Binary(b"\0'\\\xff"), "\\x00275cff"),
        (T::Binary(4), None, Value::Binary(b"a"), "\\x61000000"),
        (T::Date, None, Value::Date(day(2024, 2, 29)), "2024-02-29"),
        (T::Date, None, Value::Date(day(1, 1, 1)), "0001-01-01"),
        (T::Date, Some("date"), Value::Text("infinity"), "infinity"),
        (T::Date, Some("date"), Value::Text("0044-03-15 BC"), "0044-03-15 BC"),
        (T::Time(6), None, Value::Time(Time { micros: 86_399_999_999, precision: 6 }), "23:59:59.999999"),
        (
            T::Time(0),
            Some("interval"),
            Value::Time(Time { micros: -3_020_399_000_000, precision: 0 }),
            "-838:59:59",
        ),
        (T::DateTime(6), None, Value::DateTime(last), "9999-12-31 23:59:59.999999"),
        (
            T::Timestamp(3),
            None,
            Value::Timestamp(Timestamp { micros: 1_001_000, precision: 3 }),
            "1970-01-01 00:00:01.001+00",
        ),
        (T::Year, None, Value::Year(2155), "2155"),
        (T::Bits(1), None, Value::Bits(Bits { length: 1, bytes: &[1] }), "t"),
        (T::Bits(9), None, Value::Bits(Bits { length: 9, bytes: &[1, 0x31] }), "100110001"),
        (T::Enum(vec!["a".into(), "it's".into()]), None, Value::Enum(Enum { index: 2, label: None }), "it's"),
        (T::Enum(vec!["a".into()]), None, Value::Enum(Enum { index: 0, label: None }), ""),
        (T::Set(vec!["x".into(), "y".into()]), None, Value::Set(&Set { mask: 3, labels: None }), "x,y"),
        (
            T::Set(vec!["x".into(), "y\"".into()]),
            Some("text[]"),
            Value::Set(&Set { mask: 3, labels: Some("x,y\"") }),
            "{x,\"y\\\"\"}",
        ),
        (
            T::Geometry("point".into()),
            None,
            Value::Geometry(Geometry {
                srid: 4326,
                wkb: b"\x01\x01\0\0\0\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\xf0\x3f",
            }),
            "\\x0101000020e61000000000000000000040000000000000f03f",
        ),
        (
            T::Json,
            None,
            Value::Json(&Json { text: "{\"b\": 1.50, \"a\": [1]}", typed: &[] }),
            "{\"a\": [1], \"b\": 1.50}",
        ),
        (T::Vector(2), None, Value::Vector(&[0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]), "{1,2}"),
        (T::Uuid, None, Value::Uuid([0x12; 16]), "12121212-1212-1212-1212-121212121212"),
        (T::Inet6, None, Value::Binary(b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"), "::1"),
        (native("int4range"), Some("int4range"), Value::Text("[1,5)"), "[1,5)"),
        (native("integer[]"), Some("int[]"), Value::Text("{1,NULL,3}"), "{1,NULL,3}"),
        (native("xml"), Some("xml"), Value::Text("<a>\\b</a>"), "<a>\\b</a>"),
        (
            native("interval"),
            Some("interval"),
            Value::Text("1 mon 2 days 03:04:05.6"),
            "1 mon 2 days 03:04:05.6",
        ),
        (native("bit varying"), Some("varbit"), Value::Text("10101"), "10101"),
        (native("public.mood"), Some("public.mood"), Value::Text("sad"), "sad"),
        (native("public.positive"), Some("public.positive"), Value::Int(7), "7"),
        (T::Char(3), Some("char(3)"), Value::Text("é"), "é  "),
    ]
}

fn table_of(name: &str, cases: &[Case]) -> Arc<Table> {
    let mut columns =
        vec![Column { number: Some(1), declared: Some("int".into()), ..Column::new("id", INT) }];
    for (place, (column_type, declared, ..)) in cases.iter().enumerate() {
        columns.push(Column {
            declared: declared.map(str::to_owned),
            number: declared.map(|_| place as i16 + 2),
            ..Column::new(format!("v{place}"), column_type.clone())
        });
    }
    table(name, columns, &[0], &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_value_arrives_as_it_was_by_each_way() {
    for server in servers() {
        run(
            &server,
            "CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
        );
        let mut destination = destination(&server, "");
        destination.open().await.unwrap();
        let cases = cases();
        let expected: Vec<_> = cases.iter().map(|(.., text)| *text).collect();
        let read = |name: &str, id: i64| {
            let columns: Vec<_> = (0..cases.len()).map(|place| format!("concat(v{place})")).collect();
            lines(&server, &format!("SELECT {} FROM shop.{name} WHERE id = {id}", columns.join(",")))
        };
        let row =
            |id| -> Row { [int(id)].into_iter().chain(cases.iter().map(|case| Some(case.2))).collect() };
        let nulls =
            |id| -> Row { [int(id)].into_iter().chain(cases.iter().map(|_| Some(Value::Null))).collect() };

        let applied = table_of("applied", &cases);
        let log = [Insert(row(1)), Insert(nulls(2)), Insert(nulls(3))];
        destination.apply(&changes(&applied, &log), Some(&checkpoint(1))).await.unwrap();
        assert_eq!(read("applied", 1), [expected.join("|")]);
        assert_eq!(
            lines(&server, "SELECT count(*) FROM shop.applied WHERE v0 IS NULL AND v39 IS NULL"),
            ["2"]
        );
        // Written over: all of it, and a part.
        let mut part = row(3);
        part.iter_mut().skip(20).for_each(|cell| *cell = None);
        let log = [
            Update(nulls(2), row(2)),
            Update(vec![int(3); 1].into_iter().chain(part[1..].iter().map(|_| None)).collect(), part),
        ];
        destination.apply(&changes(&applied, &log), Some(&checkpoint(2))).await.unwrap();
        assert_eq!(read("applied", 2), [expected.join("|")]);
        let first: Vec<_> = expected.iter().take(19).copied().collect();
        let third = read("applied", 3);
        assert_eq!(third[0].trim_end_matches('|'), first.join("|"));

        // A copy: as text for all columns, in binary for those that have it.
        let mut loader = destination.loader().await.unwrap();
        let loaded = table_of("loaded", &cases);
        let rows = block(&loaded, &[row(1), nulls(2)]);
        let [Event::Rows(rows)] = rows.events() else { panic!("one event") };
        loader.load(rows, false).await.unwrap();
        loader.load(rows, true).await.unwrap();
        assert_eq!(read("loaded", 1), [expected.join("|")]);
        assert_eq!(
            lines(&server, "SELECT count(*) FROM shop.loaded WHERE v0 IS NULL AND v39 IS NULL"),
            ["1"]
        );
        for (place, case) in cases.iter().enumerate() {
            let name = format!("one{place}");
            let one = table_of(&name, std::slice::from_ref(case));
            let rows = block(&one, &[vec![int(1), Some(case.2)], vec![int(2), Some(Value::Null)]]);
            let [Event::Rows(rows)] = rows.events() else { panic!("one event") };
            loader.load(rows, false).await.unwrap();
            let found = lines(&server, &format!("SELECT concat(v0) FROM shop.{name} WHERE v0 IS NOT NULL"));
            assert_eq!(found, [case.3], "{case:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_are_kept_apart_or_stop_the_task() {
    for server in servers() {
        run(
            &server,
            "CREATE SCHEMA shop; CREATE TABLE shop.t (id int PRIMARY KEY, v varchar(3), n int CHECK (n < 10))",
        );
        run(&server, "CREATE TABLE shop.k (v varchar(3))");
        let columns =
            || vec![Column::new("id", INT), text_column("v", 9, "utf8mb4_bin"), Column::new("n", INT)];
        let keyed = table("t", columns(), &[0], &[]);
        let keyless = table("k", vec![text_column("v", 9, "utf8mb4_bin")], &[], &[]);
        let row = |id, v, n| vec![int(id), text(v), int(n)];
        let mut log: Vec<_> = (0..200).map(|id| Insert(row(id, "abc", 1))).collect();
        log[50] = Insert(row(50, "wxyz", 1));
        log[150] = Insert(row(150, "a\0b", 1));
        log[151] = Insert(row(151, "ab", 10));
        let mut stopped = destination(&server, "");
        stopped.open().await.unwrap();
        let error = stopped.apply(&changes(&keyed, &log), Some(&checkpoint(1))).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Definite);
        let said = error.to_string();
        assert!(said.contains("shop.t") && !said.contains("wxyz") && !said.contains("a\0b"), "{said}");
        assert_eq!(lines(&server, "SELECT count(*) FROM shop.t"), ["0"]);
        drop(stopped);

        let mut keeping = destination(&server, "").with_row_errors(OnRowError::DeadLetter);
        keeping.open().await.unwrap();
        keeping.apply(&changes(&keyed, &log), Some(&checkpoint(1))).await.unwrap();
        assert_eq!(lines(&server, "SELECT count(*) FROM shop.t"), ["197"]);
        assert_eq!(keeping.dead_letters(), 3);
        let letters = "SELECT \"table\", operation, key, length(change) > 100 FROM slackwater.slackwater_dead_letter ORDER BY key";
        let found = lines(&server, letters);
        assert_eq!(found.len(), 3);
        assert!(found[0].starts_with("t|c|") && found[0].contains("150"), "{found:?}");
        let log = [Insert(vec![text("ok")]), Insert(vec![text("too long")]), Delete(vec![text("none")])];
        let error = keeping.apply(&changes(&keyless, &log), Some(&checkpoint(2))).await.unwrap_err();
        assert!(error.to_string().contains("does not exist at the destination"), "{error}");
        keeping.open().await.unwrap();
        keeping.apply(&changes(&keyless, &log[..2]), Some(&checkpoint(2))).await.unwrap();
        assert_eq!(
            (lines(&server, "SELECT * FROM shop.k"), keeping.dead_letters()),
            (vec!["ok".to_owned()], 4)
        );
        let mut loader = keeping.loader().await.unwrap();
        let rows = block(&keyed, &[row(300, "a", 1), row(301, "wxyz", 1), row(1, "new", 2)]);
        let [Event::Rows(rows)] = rows.events() else { panic!("one event") };
        loader.load(rows, false).await.unwrap();
        let loaded = lines(&server, "SELECT id, v FROM shop.t WHERE id IN (1, 300, 301) ORDER BY id");
        assert_eq!((loaded, keeping.dead_letters()), (vec!["1|new".to_owned(), "300|a".to_owned()], 5));

        // What cannot be held is left out where that is wanted.
        let settings = "zero_bytes = 'drop'\ninvalid_dates = 'drop'";
        let mut dropping = destination(&server, settings);
        dropping.open().await.unwrap();
        let dates = table("d", vec![Column::new("id", INT), Column::new("d", ColumnType::Date)], &[0], &[]);
        let zero = Some(Value::Date(Date::default()));
        dropping.apply(&changes(&dates, &[Insert(vec![int(1), zero])]), Some(&checkpoint(3))).await.unwrap();
        dropping.apply(&changes(&keyed, &[Insert(row(150, "a\0b", 1))]), Some(&checkpoint(4))).await.unwrap();
        assert_eq!(lines(&server, "SELECT d, v FROM shop.d, shop.t WHERE t.id = 150"), ["NULL|ab"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_key_and_changed_documents_are_found() {
    for server in servers() {
        let mut destination = destination(&server, "");
        destination.open().await.unwrap();
        let columns = vec![
            Column::new("a", INT),
            Column::new("j", ColumnType::Json),
            text_column("v", 9, "utf8mb4_bin"),
        ];
        let keyless = table("k", columns.clone(), &[], &[]);
        let json = Some(Value::Json(&Json { text: "{\"x\": 1}", typed: &[] }));
        let row = |a, v| vec![int(a), json, v];
        let null = Some(Value::Null);
        let log = [
            Insert(row(1, null)),
            Insert(row(1, null)),
            Insert(row(1, text("b"))),
            Update(row(1, null), row(2, text("c"))),
            Delete(row(1, null)),
        ];
        destination.apply(&changes(&keyless, &log), Some(&checkpoint(1))).await.unwrap();
        assert_eq!(lines(&server, "SELECT a, v FROM shop.k ORDER BY a"), ["1|b", "2|c"]);

        let keyed = table("t", columns, &[0], &[]);
        const DIFF: JsonDiff<'_> = JsonDiff {
            steps: &[JsonDiffStep {
                operation: JsonDiffOperation::Replace,
                path: "$.x",
                value: Some(&Json { text: "2.50", typed: &[] }),
            }],
        };
        let log = [
            Insert(row(1, null)),
            Update(vec![int(1), None, None], vec![None, Some(Value::JsonDiff(&DIFF)), text("d")]),
        ];
        destination.apply(&changes(&keyed, &log), Some(&checkpoint(2))).await.unwrap();
        assert_eq!(lines(&server, "SELECT * FROM shop.t"), ["1|{\"x\": 2.50}|d"]);
    }
}

fn ddl(statement: &'static str, language: Language, changes: Vec<SchemaChange>) -> Arc<Group> {
    let batch = Batch::decode(Vec::new(), |_, _, events| {
        events.push(Event::Ddl(Ddl {
            statement,
            database: "shop",
            position: at(200),
            time_micros: 1_700_000_000_000_000,
            language,
            changes,
        }));
        Ok::<_, Error>(Decoded::default())
    });
    group(batch.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_follow_the_log() {
    const MYSQL: Language = Language::Mysql { sql_mode: 0 };
    for server in servers() {
        let mut destination = destination(&server, "");
        destination.open().await.unwrap();
        let before = table("t", vec![Column::new("id", INT), text_column("v", 9, "utf8mb4_bin")], &[0], &[1]);
        let create = SchemaChange::CreateTable { table: Arc::clone(&before), if_not_exists: false };
        destination.apply(&ddl("CREATE TABLE t …", MYSQL, vec![create]), Some(&checkpoint(1))).await.unwrap();
        let row = |id, v| Insert(vec![int(id), text(v)]);
        destination
            .apply(&changes(&before, &[row(1, "12"), row(2, "13")]), Some(&checkpoint(2)))
            .await
            .unwrap();

        // A column gets another name and type, one comes in between, and a key goes.
        let big = ColumnType::Integer { bytes: 8, unsigned: false };
        let added = Column { nullable: false, ..Column::new("n", INT) };
        let stamp = Column {
            default: Some("CURRENT_TIMESTAMP".into()),
            ..Column::new("at", ColumnType::DateTime(0))
        };
        let after = table("t", vec![Column::new("id", INT), added, Column::new("w", big), stamp], &[0], &[]);
        let alter = SchemaChange::AlterTable {
            before: Arc::clone(&before),
            after: Arc::clone(&after),
            columns_from: vec![Some(0), None, Some(1), None],
        };
        destination.apply(&ddl("ALTER TABLE t …", MYSQL, vec![alter]), Some(&checkpoint(3))).await.unwrap();
        let stamp = "2023-11-14 22:13:20";
        assert_eq!(
            lines(&server, "SELECT id, n, w + 1, at FROM shop.t ORDER BY id"),
            [format!("1|0|13|{stamp}"), format!("2|0|14|{stamp}")]
        );
        let time = Some(Value::Null);
        let log = [Insert(vec![int(3), int(4), int(13), time])];
        destination.apply(&changes(&after, &log), Some(&checkpoint(4))).await.unwrap();
        let rename = SchemaChange::RenameTable {
            from: TableName::new("shop", "t"),
            to: TableName::new("archive", "old"),
        };
        destination.apply(&ddl("RENAME TABLE …", MYSQL, vec![rename]), Some(&checkpoint(5))).await.unwrap();
        assert_eq!(lines(&server, "SELECT count(*) FROM archive.old"), ["3"]);

        // PostgreSQL's own statement, in a transaction with rows, which is taken back as a whole when it is cut off.
        let column = |name: &str, number| Column {
            number: Some(number),
            declared: Some("integer".into()),
            ..Column::new(name, INT)
        };
        let before = table("p", vec![column("id", 1)], &[0], &[]);
        let after = table("p", vec![column("id", 1), column("n", 2)], &[0], &[]);
        destination.apply(&changes(&before, &[Insert(vec![int(1)])]), Some(&checkpoint(6))).await.unwrap();
        let alter = |statement| {
            let change = SchemaChange::AlterTable {
                before: Arc::clone(&before),
                after: Arc::clone(&after),
                columns_from: vec![Some(0), None],
            };
            ddl(statement, Language::Postgres, vec![change])
        };
        let statement = "ALTER TABLE p ADD COLUMN n integer DEFAULT 5";
        destination.apply(&alter(statement), None).await.unwrap();
        destination.apply(&changes(&after, &[Insert(vec![int(2), int(6)])]), None).await.unwrap();
        destination.rollback().await.unwrap();
        assert_eq!(lines(&server, "SELECT * FROM shop.p"), ["1"]);
        destination.apply(&alter(statement), None).await.unwrap();
        let log = [Insert(vec![int(2), int(6)])];
        destination.apply(&changes(&after, &log), Some(&checkpoint(7))).await.unwrap();
        assert_eq!(lines(&server, "SELECT * FROM shop.p ORDER BY id"), ["1|5", "2|6"]);
        let drop = SchemaChange::DropTable { table: TableName::new("shop", "p") };
        destination
            .apply(&ddl("DROP TABLE p", Language::Postgres, vec![drop]), Some(&checkpoint(8)))
            .await
            .unwrap();
        assert_eq!(lines(&server, "SELECT to_regclass('shop.p') IS NULL"), ["t"]);
        assert_eq!(destination.open().await.unwrap(), Some(checkpoint(8).into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_account_lacks_is_said_with_the_remedy() {
    for server in servers() {
        run(
            &server,
            "CREATE ROLE plain LOGIN; CREATE SCHEMA shop; CREATE TABLE shop.t (id int PRIMARY KEY);
             CREATE FUNCTION shop.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
             CREATE TRIGGER g BEFORE INSERT ON shop.t EXECUTE FUNCTION shop.f()",
        );
        let selection = Selection::new(&Objects::default());
        let found = destination(&server, "").check(&selection).await;
        assert!(
            found.iter().all(|finding| finding.level == Level::Ok || finding.code == "destination.tls"),
            "{found:?}"
        );
        let section = format!(
            "host = '127.0.0.1:{}'\nuser = 'plain'\ndatabase = 'postgres'\nworkers = 1",
            server.port()
        );
        let plain = || Postgres::new("plain", toml::from_str::<PostgresDestination>(&section).unwrap());
        let repairs = |findings: Vec<Finding>| -> String {
            let lacking = findings.into_iter().filter(|finding| finding.level != Level::Ok);
            lacking.filter_map(|finding| finding.repair).collect::<Vec<_>>().join("\n")
        };
        let repair = repairs(plain().check(&selection).await);
        for statement in [
            "ALTER TABLE \"shop\".\"t\" OWNER TO \"plain\";",
            "GRANT CREATE ON DATABASE \"postgres\" TO \"plain\";",
            "GRANT EXECUTE ON FUNCTION pg_replication_origin_session_setup TO \"plain\";",
            "GRANT SET ON PARAMETER session_replication_role TO \"plain\";",
        ] {
            assert!(repair.contains(statement), "{statement} is not in:\n{repair}");
        }
        // The repairs are statements that can be run, and then nothing is lacking.
        run(
            &server,
            &repair.lines().filter(|line| !line.contains("--") && line.ends_with(';')).collect::<String>(),
        );
        run(&server, "GRANT USAGE, CREATE ON SCHEMA shop TO plain");
        let mut able = plain();
        let repair = repairs(able.check(&selection).await);
        assert!(!repair.contains("GRANT"), "{repair}");
        able.open().await.unwrap();
        let t = table("t", vec![Column::new("id", INT)], &[0], &[]);
        able.apply(&changes(&t, &[Insert(vec![int(1)])]), Some(&checkpoint(1))).await.unwrap();
        assert_eq!(lines(&server, "SELECT * FROM shop.t"), ["1"]);
    }
}
