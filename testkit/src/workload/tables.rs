//! The tables of the workload, and what DDL has made of them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use mysql::Conn;

use super::values::Kind;
use crate::sql::query_rows;

#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) sql_type: &'static str,
}

/// One of the tables that exist from the start to the end.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    /// Empty for a table without one.
    pub(super) key: &'static [&'static str],
    pub(super) columns: &'static [Column],
    /// Further clauses of CREATE TABLE, each with a comma before it.
    clauses: &'static str,
}

const fn column(name: &'static str, kind: Kind, sql_type: &'static str) -> Column {
    Column { name, kind, sql_type }
}

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "accounts",
        key: &["id"],
        columns: &[
            column("id", Kind::Serial, "BIGINT UNSIGNED NOT NULL AUTO_INCREMENT"),
            column("email", Kind::UniqueText, "VARCHAR(80) NOT NULL"),
            column("name", Kind::Text(100), "VARCHAR(100)"),
            column("balance", Kind::Decimal(16, 4), "DECIMAL(20,4) NOT NULL"),
            column("opened", Kind::Date, "DATE"),
            column("updated", Kind::DateTime, "DATETIME(6)"),
        ],
        clauses: ", PRIMARY KEY (id), UNIQUE KEY (email)",
    },
    Table {
        name: "holdings",
        key: &["account_id", "symbol"],
        columns: &[
            column("account_id", Kind::Few, "INT NOT NULL"),
            column("symbol", Kind::UniqueText, "CHAR(40) NOT NULL"),
            column("quantity", Kind::Decimal(20, 10), "DECIMAL(30,10)"),
            column("price", Kind::Double, "DOUBLE"),
            column("note", Kind::Text(2_000), "TEXT"),
        ],
        clauses: ", PRIMARY KEY (account_id, symbol)",
    },
    Table {
        name: "documents",
        key: &["path"],
        columns: &[
            column("path", Kind::UniqueText, "VARCHAR(120) COLLATE utf8mb4_bin NOT NULL"),
            column("body", Kind::Text(40_000), "MEDIUMTEXT"),
            column("digest", Kind::Binary(32), "VARBINARY(32)"),
            column("flags", Kind::Bits(10), "BIT(10)"),
            column("kind", Kind::OneOf(&["draft", "final", "gelöscht"]), "ENUM('draft','final','gelöscht')"),
            column("tags", Kind::SetOf(&["red", "green", "blau"]), "SET('red','green','blau')"),
        ],
        clauses: ", PRIMARY KEY (path)",
    },
    Table {
        name: "readings",
        key: &[],
        columns: &[
            column("sensor", Kind::Few, "INT NOT NULL"),
            column("counted", Kind::Few, "SMALLINT"),
            column("label", Kind::OneOf(&["low", "high", "ebb", "flow"]), "VARCHAR(20)"),
            column("measured", Kind::Quarter, "FLOAT"),
        ],
        clauses: ", KEY (sensor)",
    },
    Table {
        name: "seats",
        key: &["id"],
        columns: &[
            column("id", Kind::Serial, "INT NOT NULL"),
            column("place", Kind::Serial, "INT"),
            column("hall", Kind::Few, "TINYINT NOT NULL"),
            column("code", Kind::UniqueText, "VARCHAR(60)"),
            column("guest", Kind::Text(60), "VARCHAR(60) CHARACTER SET utf8mb4"),
        ],
        clauses: ", PRIMARY KEY (id), UNIQUE KEY (place), UNIQUE KEY (hall, code)",
    },
    Table {
        name: "measures",
        key: &["id"],
        columns: &[
            column("id", Kind::SignedSerial, "INT NOT NULL"),
            column("tiny", Kind::Integer(-128, 127), "TINYINT"),
            column("tiny_u", Kind::Integer(0, 255), "TINYINT UNSIGNED"),
            column("small", Kind::Integer(-32_768, 32_767), "SMALLINT"),
            column("medium", Kind::Integer(-8_388_608, 8_388_607), "MEDIUMINT"),
            column("medium_u", Kind::Integer(0, 16_777_215), "MEDIUMINT UNSIGNED"),
            column("big", Kind::Integer(i64::MIN as i128, i64::MAX as i128), "BIGINT"),
            column("big_u", Kind::Integer(0, u64::MAX as i128), "BIGINT UNSIGNED"),
            column("price", Kind::Decimal(35, 30), "DECIMAL(65,30)"),
            column("ratio", Kind::Double, "DOUBLE"),
            column("quarter", Kind::Quarter, "FLOAT"),
            column("lasted", Kind::Time, "TIME(3)"),
            column("seen", Kind::Timestamp, "TIMESTAMP NULL"),
            column("since", Kind::Year, "YEAR"),
            column("latin", Kind::OneOf(&["é", "ß", "plain"]), "VARCHAR(20) CHARACTER SET latin1"),
            column("fixed", Kind::Binary(16), "BINARY(16)"),
            column("raw", Kind::Binary(300), "BLOB"),
        ],
        clauses: ", PRIMARY KEY (id)",
    },
    Table {
        name: STAGING,
        key: &["id"],
        columns: &[column("id", Kind::Serial, "INT NOT NULL"), column("line", Kind::Text(80), "VARCHAR(80)")],
        clauses: ", PRIMARY KEY (id)",
    },
];

/// The table that is truncated now and then, beside the one without a key.
pub(super) const STAGING: &str = "staging";

impl Table {
    pub(super) fn create_statement(&self, database: &str) -> String {
        let columns: Vec<_> =
            self.columns.iter().map(|column| format!("{} {}", column.name, column.sql_type)).collect();
        format!(
            "CREATE TABLE {database}.{} ({}{}) ENGINE=InnoDB",
            self.name,
            columns.join(", "),
            self.clauses
        )
    }

    /// The columns that an UPDATE may change without looking at other rows.
    pub(super) fn plain_columns(&self) -> impl Iterator<Item = &'static Column> {
        self.columns.iter().filter(|column| !self.key.contains(&column.name))
    }
}

/// A column that DDL has added. Its name says what it holds, through renames and type changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extra {
    pub(super) name: String,
    pub(super) sql_type: String,
}

/// What `kind` in `extra_kind_7` stands for: the values, the first type and the wider one.
pub(super) const EXTRA_KINDS: &[(&str, Kind, &str, &str)] = &[
    ("int", Kind::Integer(-2_147_483_648, 2_147_483_647), "INT", "BIGINT"),
    ("text", Kind::Text(40), "VARCHAR(40)", "VARCHAR(400)"),
    ("price", Kind::Decimal(8, 3), "DECIMAL(12,3)", "DECIMAL(20,6)"),
    ("time", Kind::DateTime, "DATETIME(6)", "DATETIME(6)"),
    ("bytes", Kind::Binary(12), "VARBINARY(12)", "BLOB"),
];

impl Extra {
    pub(super) fn kind(&self) -> anyhow::Result<&'static (&'static str, Kind, &'static str, &'static str)> {
        let word = self.name.split('_').nth(1).unwrap_or_default();
        EXTRA_KINDS
            .iter()
            .find(|(name, ..)| *name == word)
            .with_context(|| format!("unknown column {}", self.name))
    }
}

/// What DDL has made: added columns of the fixed tables, and tables that come and go.
#[derive(Debug, Default)]
pub(super) struct Schema {
    extras: BTreeMap<String, Vec<Extra>>,
    /// `passing_…`: an id, a line.
    pub(super) passing: Vec<String>,
}

impl Schema {
    pub(super) fn read(conn: &mut Conn, database: &str) -> anyhow::Result<Self> {
        let rows = query_rows(
            conn,
            &format!(
                "SELECT table_name, column_name, column_type FROM information_schema.columns \
                 WHERE table_schema = '{database}' ORDER BY table_name, ordinal_position"
            ),
        )?;
        let mut schema = Self::default();
        let mut passing = BTreeSet::new();
        for row in rows {
            let mut texts = row.into_iter().flatten().map(String::from_utf8);
            let mut next = || anyhow::Ok(texts.next().context("no value")??);
            let (table, name, sql_type) = (next()?, next()?, next()?);
            if table.starts_with("passing_") {
                passing.insert(table);
            } else if name.starts_with("extra_") {
                schema.extras.entry(table).or_default().push(Extra { name, sql_type });
            }
        }
        schema.passing = passing.into_iter().collect();
        Ok(schema)
    }

    pub(super) fn extras(&self, table: &str) -> &[Extra] {
        self.extras.get(table).map(Vec::as_slice).unwrap_or_default()
    }
}
