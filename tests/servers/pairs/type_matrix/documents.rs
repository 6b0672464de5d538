//! JSON documents: every kind of value that the binary form has, and those that JSON text cannot tell apart.

use slackwater_testkit::Flavor;

use super::tables::{Table, named};

/// Texts that every server with JSON takes.
const TEXTS: &[&str] = &[
    "{}",
    "[]",
    "null",
    "true",
    "false",
    "0",
    "-1",
    "32767",
    "32768",
    "-32769",
    "2147483648",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "1.5",
    "1.0",
    "-0.0",
    "0.1",
    "1e100",
    "-1.5e-7",
    "1e15",
    "1e16",
    "123456789012345678901234567890",
    "5e-324",
    "1.7976931348623157e308",
    "\"\"",
    "\"text\"",
    "\"ä€😀\"",
    "\"quote \\\" back \\\\ slash / line \\n tab \\t zero \\u0000 bell \\u0007\"",
    "[1, [2, [3, [4, [5]]]], {\"a\": {\"b\": {\"c\": [{}, []]}}}]",
    "{\"\": 1, \"ä€😀\": 2, \"with space\": 3, \"dot.ted\": 4, \"quo\\\"te\": 5, \"$\": 6}",
    "{\"bb\": 1, \"a\": 2, \"ccc\": 3, \"aa\": [true, false, null]}",
];

/// Values that MySQL keeps with their SQL type.
const OPAQUE: &[&str] = &[
    "CAST(CAST(1.50 AS DECIMAL(10,2)) AS JSON)",
    "JSON_ARRAY(CAST(-99999999999999999999999999999999999.999999999999999999999999999999 AS DECIMAL(65,30)), CAST(0 AS DECIMAL(5,0)))",
    "JSON_OBJECT('d', CAST('2024-02-29' AS DATE), 't', CAST('-838:59:59' AS TIME), 'dt', CAST('2024-01-02 03:04:05.678901' AS DATETIME(6)))",
    "JSON_ARRAY(CAST('00:00:00.000001' AS TIME(6)), TIMESTAMP('2001-02-03 04:05:06'), CAST('1000-01-01' AS DATE))",
    "JSON_ARRAY(x'00FF10', CAST('abc' AS BINARY), b'101')",
    "JSON_OBJECT('large', REPEAT('x', 200), 'larger', REPEAT('y', 70000), 'one', 1)",
    "JSON_OBJECT('geo', ST_GeomFromText('POINT(1 2)'))",
];

/// A table with JSON columns, which are LONGTEXT with a check on MariaDB.
pub(crate) fn table(flavor: Flavor) -> Table {
    let mut values: Vec<String> =
        TEXTS.iter().map(|text| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))).collect();
    values.push("NULL".to_owned());
    if !flavor.is_mariadb() {
        values.extend(OPAQUE.iter().map(|value| (*value).to_owned()));
        // More than 64 KiB: the binary form with wide offsets.
        values.push("CONCAT('[', REPEAT('{\"key\": \"value\", \"n\": 1.25},', 3000), 'null]')".to_owned());
    }
    let mut document = named("document", "JSON", &[]);
    document.values = values;
    let mut small = named("small", "JSON", &["'{\"a\": 1, \"b\": [1, 2, 3]}'", "NULL", "'[]'"]);
    small.values.push("'{\"only\": \"text\"}'".to_owned());
    Table::new("documents", vec![named("plain", "INT", &["1", "2"]), document, small])
}
