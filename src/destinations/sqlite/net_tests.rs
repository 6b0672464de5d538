//! Net effects and copies that are newer than the log.
#![allow(clippy::unwrap_used)]

use slackwater_decoders::{
    event::{RowChange, Rows},
    position::LogPosition,
    schema::{Column, ColumnType, Table, UniqueKey},
    value::{Cell, Value},
};

use super::*;
use crate::changes::{Image, NetChanges};

const INT: ColumnType = ColumnType::Integer { bytes: 4, unsigned: false };

fn table(unique: bool) -> Arc<Table> {
    let key = UniqueKey { name: "u".into(), columns: vec![1], partial: false };
    Arc::new(Table {
        name: TableName::new("shop", "t"),
        columns: vec![Column { nullable: false, ..Column::new("id", INT) }, Column::new("u", INT)],
        primary_key: vec![0],
        unique_keys: unique.then_some(key).into_iter().collect(),
        indexes: Vec::new(),
        collation: None,
        named: true,
        number: None,
    })
}

fn mode(converging: bool) -> Mode<'static> {
    Mode { converging, dead_letters: None }
}

fn row(id: i64, unique: i64) -> [Cell<'static>; 2] {
    [Cell::Value(Value::Int(id)), Cell::Value(Value::Int(unique))]
}

fn net<'a>(deletes: Vec<Image<'a>>, inserts: Vec<Image<'a>>, upserts: Vec<Image<'a>>) -> NetChanges<'a> {
    let position = LogPosition::Binlog { file: "binlog.000001".into(), offset: 4 };
    NetChanges {
        table: table(true),
        position,
        time_micros: 0,
        deletes,
        inserts,
        upserts,
        updates: Vec::new(),
    }
}

fn rows(connection: &Connection) -> Vec<(i64, i64)> {
    let mut statement = connection.prepare("SELECT id, u FROM t ORDER BY id").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(|row| row.unwrap()).collect()
}

#[test]
fn unique_values_that_change_places_between_rows_arrive_where_they_go() {
    let connection = Connection::open_in_memory().unwrap();
    Tables::prepare(&connection).unwrap();
    let mut tables = Tables::new(&SqliteDestination::at(":memory:"));
    let (first, second, third) = (row(1, 10), row(2, 20), row(3, 30));
    let come = net(vec![], vec![&first, &second, &third], vec![]);
    apply::net(&connection, &mut tables, &come, mode(false)).unwrap();
    // 1 and 2 exchange their unique values, 3 takes the key 4, and 5 was never there.
    let gone = [Cell::Value(Value::Int(5)), Cell::Absent];
    let (first_new, second_new, moved) = (row(1, 20), row(2, 10), row(4, 30));
    let swap = net(vec![&first, &second, &third, &gone], vec![&first_new, &second_new, &moved], vec![]);
    // Twice, as after a crash that the checkpoint came before.
    for _ in 0..2 {
        apply::net(&connection, &mut tables, &swap, mode(false)).unwrap();
        assert_eq!(rows(&connection), [(1, 20), (2, 10), (4, 30)]);
    }
    let changed = row(2, 11);
    apply::net(&connection, &mut tables, &net(vec![], vec![], vec![&changed]), mode(false)).unwrap();
    assert_eq!(rows(&connection), [(1, 20), (2, 11), (4, 30)]);
}

#[test]
fn what_was_copied_later_than_the_log_is_converges() {
    let connection = Connection::open_in_memory().unwrap();
    Tables::prepare(&connection).unwrap();
    let mut tables = Tables::new(&SqliteDestination::at(":memory:"));
    // The source: 1 has u = 10, gives it up for 11, then 2 comes with 10. The copy saw 2 and not yet 1.
    let (newer, older, final_state) = (row(2, 10), row(1, 10), row(1, 11));
    apply::net(&connection, &mut tables, &net(vec![], vec![&newer], vec![]), mode(true)).unwrap();
    apply::net(&connection, &mut tables, &net(vec![], vec![&older], vec![]), mode(true)).unwrap();
    apply::net(&connection, &mut tables, &net(vec![], vec![&newer], vec![&final_state]), mode(true)).unwrap();
    assert_eq!(rows(&connection), [(1, 11), (2, 10)]);
    // A partial image of a row that is gone already changes nothing while converging, and is an error behind it.
    let (before, after) =
        ([Cell::Value(Value::Int(9)), Cell::Absent], [Cell::Absent, Cell::Value(Value::Int(1))]);
    let change = [RowChange::Update { before: &before, after: &after }];
    let partial = Rows {
        table: table(true),
        position: LogPosition::Binlog { file: "binlog.000001".into(), offset: 9 },
        time_micros: 0,
        sequence: 0,
        unlogged_cascades: false,
        changes: &change,
    };
    apply::rows(&connection, &mut tables, &partial, mode(true)).unwrap();
    assert!(!apply::rows(&connection, &mut tables, &partial, mode(false)).unwrap_err().is_transient());
    assert_eq!(rows(&connection), [(1, 11), (2, 10)]);
}
