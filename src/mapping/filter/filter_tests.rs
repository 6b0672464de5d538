#![allow(clippy::unwrap_used)]

use slackwater_decoders::{
    schema::{Column, ColumnType, Table, TableName},
    value::{Cell, Value},
};

use super::*;

fn table() -> Table {
    let text = Column {
        collation: Some("utf8mb4_general_ci".to_owned()),
        ..Column::new("region", ColumnType::VarChar(20))
    };
    let foreign = Column {
        collation: Some("utf8mb4_swedish_ci".to_owned()),
        ..Column::new("city", ColumnType::VarChar(20))
    };
    Table {
        name: TableName::new("shop", "orders"),
        columns: vec![Column::new("id", ColumnType::Integer { bytes: 4, unsigned: false }), text, foreign],
        primary_key: vec![0],
        unique_keys: Vec::new(),
        indexes: Vec::new(),
        collation: None,
        named: true,
        number: None,
    }
}

fn refusal(text: &str) -> String {
    Filter::compile(text, &table()).unwrap_err().to_string()
}

/// What servers say of conditions is in `tests/servers/mysql/filter_semantics`; here is what is refused, and where.
#[test]
fn what_cannot_be_judged_is_refused_with_its_place() {
    assert_eq!(
        refusal("id = 1 AND regoin = 'eu'"),
        "the table shop.orders has no column regoin (character 12 of the filter)"
    );
    assert!(refusal("id = '5'").contains("write a number without quotes"));
    assert!(refusal("region < 'eu'").contains("COLLATE utf8mb4_bin"));
    assert!(refusal("city = 'a'").contains("utf8mb4_swedish_ci, whose rules are not known here"));
    assert!(refusal("id = NULL").contains("write IS NULL"));
    assert!(refusal("id = 1 XOR id = 2").contains("in parentheses"));
    assert!(refusal("id = 1 = 0").contains("in parentheses"));
    assert!(refusal("id = 1 OR SLEEP(5)").contains("`SLEEP(5)` is not supported in a filter (character 11"));
    assert!(refusal("id IN (SELECT 1)").contains("not supported"));
    assert!(refusal("id = 1; DROP TABLE t").contains("`;` is not expected here (character 7"));
    assert!(refusal(&"(".repeat(10_000)).contains("no SQL condition"));
}

#[test]
fn an_image_without_the_column_is_not_judged() {
    let filter = Filter::compile("region = 'eu'", &table()).unwrap();
    let id = Cell::Value(Value::Int(1));
    let partial = [id, Cell::Absent, Cell::Absent];
    assert_eq!(filter.accepts(Row::new(&partial)), Err(Stop::Absent(1)));
    let before = [id, Cell::Value(Value::Text("EU ")), Cell::Absent];
    assert_eq!(filter.accepts(Row::updated(&before, &partial)), Ok(true));
    assert_eq!(filter.columns(), [1]);
}
