//! A table as the information schema shows it, and as the catalog has it, in one form.

use std::collections::BTreeMap;

use slackwater_decoders::{
    mysql::catalog::{Catalog, canonical_charset, canonical_collation},
    schema::{ColumnType, Table},
};
use slackwater_testkit::TextRow;

use crate::mysql::ddl_catalog::follower::{DATABASE, Follower};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Observed {
    columns: Vec<Column>,
    /// Unique, and whether partial, and columns.
    keys: BTreeMap<String, (bool, bool, Vec<String>)>,
    collation: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    name: String,
    nullable: bool,
    kind: String,
    declared: String,
    charset: Option<String>,
    collation: Option<String>,
    generated: Option<bool>,
    auto_increment: bool,
}

impl Observed {
    /// A key that was partial may be whole after its column has changed: the catalog, which does not keep the lengths
    /// of prefixes, still has it as partial. The other way round would be an error.
    pub(crate) fn as_cautious_as(&self, server: Option<&Observed>) -> Observed {
        let mut same = self.clone();
        for (name, key) in &mut same.keys {
            let whole = server.and_then(|server| server.keys.get(name)).is_some_and(|key| !key.1);
            key.1 &= !whole;
        }
        same
    }
}

fn optional(row: &TextRow, index: usize) -> Option<String> {
    row[index].as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn text(row: &TextRow, index: usize) -> String {
    optional(row, index).expect("not NULL")
}

/// The tables as the server shows them.
pub(crate) fn tables(follower: &mut Follower) -> BTreeMap<String, Observed> {
    let tables = follower.rows(&format!(
        "SELECT table_name, table_collation FROM information_schema.tables \
         WHERE table_schema = '{DATABASE}' AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')"
    ));
    let mut observed = tables
        .iter()
        .map(|row| {
            let collation = optional(row, 1).map(|name| canonical_collation(&name));
            (text(row, 0), Observed { collation, ..Observed::default() })
        })
        .collect::<BTreeMap<_, _>>();
    let columns = follower.rows(&format!(
        "SELECT table_name, column_name, is_nullable, data_type, column_type, character_set_name, collation_name, \
         extra FROM information_schema.columns WHERE table_schema = '{DATABASE}' \
         ORDER BY table_name, ordinal_position"
    ));
    for row in &columns {
        if let Some(table) = observed.get_mut(&text(row, 0)) {
            table.columns.push(column(row));
        }
    }
    keys(follower, &mut observed);
    observed
}

fn column(row: &TextRow) -> Column {
    let extra = text(row, 7).to_uppercase();
    let generated =
        if extra.contains("VIRTUAL") { Some(false) } else { extra.contains("STORED").then_some(true) };
    let mut kind = text(row, 3).to_lowercase();
    if kind == "geomcollection" {
        kind = "geometrycollection".into();
    }
    Column {
        name: text(row, 1),
        nullable: text(row, 2) == "YES",
        kind,
        declared: without_width(&text(row, 4)),
        charset: optional(row, 5).map(|name| canonical_charset(&name)),
        collation: optional(row, 6).map(|name| canonical_collation(&name)),
        generated,
        auto_increment: extra.contains("AUTO_INCREMENT"),
    }
}

/// Display widths of integers are shown by some versions only.
fn without_width(declared: &str) -> String {
    let declared =
        declared.replace(" /*M!100301 COMPRESSED*/", "").replace("geomcollection", "geometrycollection");
    if declared.starts_with("year") {
        return "year".into();
    }
    let integer = declared.split('(').next().is_some_and(|name| name.ends_with("int"));
    match (integer, declared.find('('), declared.find(')')) {
        (true, Some(open), Some(close)) => format!("{}{}", &declared[..open], &declared[close + 1..]),
        _ => declared,
    }
}

fn keys(follower: &mut Follower, observed: &mut BTreeMap<String, Observed>) {
    let statistics = follower.rows(&format!(
        "SELECT table_name, index_name, non_unique, column_name, sub_part FROM information_schema.statistics \
         WHERE table_schema = '{DATABASE}' ORDER BY table_name, index_name, seq_in_index"
    ));
    for row in &statistics {
        let Some(table) = observed.get_mut(&text(row, 0)) else { continue };
        let unique = text(row, 2) == "0";
        let key = table.keys.entry(text(row, 1)).or_insert((unique, false, Vec::new()));
        // Prefixes of keys that are not unique are not kept.
        key.1 |= unique && text(row, 1) != "PRIMARY" && (row[3].is_none() || row[4].is_some());
        key.2.extend(optional(row, 3).map(|name| name.to_lowercase()));
    }
}

/// The tables as the catalog has them.
pub(crate) fn catalog_tables(catalog: &Catalog) -> BTreeMap<String, Observed> {
    let tables = catalog.iter().filter(|table| &*table.name.database == DATABASE);
    tables.map(|table| (table.name.table.to_string(), of_table(table))).collect()
}

fn of_table(table: &Table) -> Observed {
    let names = |ordinals: &[u16]| {
        ordinals.iter().map(|&ordinal| table.columns[usize::from(ordinal)].name.to_lowercase()).collect()
    };
    let mut keys = BTreeMap::new();
    if !table.primary_key.is_empty() {
        keys.insert("PRIMARY".to_owned(), (true, false, names(&table.primary_key)));
    }
    for key in &table.unique_keys {
        keys.insert(key.name.clone(), (true, key.partial, names(&key.columns)));
    }
    for index in &table.indexes {
        keys.insert(index.name.clone(), (false, false, names(&index.columns)));
    }
    let columns = table.columns.iter().filter(|column| !is_hidden(column)).map(|column| Column {
        name: column.name.clone(),
        nullable: column.nullable,
        kind: kind(&column.column_type),
        declared: without_width(column.declared.as_deref().unwrap_or("unknown")),
        charset: column.charset.clone(),
        collation: column.collation.clone(),
        generated: column.generated.as_ref().map(|generated| generated.stored),
        auto_increment: column.auto_increment,
    });
    Observed { columns: columns.collect(), keys, collation: table.collation.clone() }
}

/// MariaDB does not show the columns of row versions that it added itself.
fn is_hidden(column: &slackwater_decoders::schema::Column) -> bool {
    matches!(column.name.as_str(), "row_start" | "row_end")
}

fn kind(column_type: &ColumnType) -> String {
    let long = |bytes: u32, kind: &str| {
        let size = match bytes {
            0xff => "tiny",
            0xffff => "",
            0xff_ffff => "medium",
            _ => "long",
        };
        format!("{size}{kind}")
    };
    match column_type {
        ColumnType::Integer { bytes, .. } => {
            ["tinyint", "smallint", "mediumint", "int", "", "", "", "bigint"][usize::from(*bytes) - 1].into()
        }
        ColumnType::Float => "float".into(),
        ColumnType::Double => "double".into(),
        ColumnType::Decimal { .. } => "decimal".into(),
        ColumnType::Char(_) => "char".into(),
        ColumnType::VarChar(_) => "varchar".into(),
        ColumnType::Text(bytes) => long(*bytes, "text"),
        ColumnType::Binary(_) => "binary".into(),
        ColumnType::VarBinary(_) => "varbinary".into(),
        ColumnType::Blob(bytes) => long(*bytes, "blob"),
        ColumnType::Date => "date".into(),
        ColumnType::Time(_) => "time".into(),
        ColumnType::DateTime(_) => "datetime".into(),
        ColumnType::Timestamp(_) => "timestamp".into(),
        ColumnType::Year => "year".into(),
        ColumnType::Bits(_) => "bit".into(),
        ColumnType::Enum(_) => "enum".into(),
        ColumnType::Set(_) => "set".into(),
        ColumnType::Geometry(name) => name.clone(),
        ColumnType::Json => "json".into(),
        ColumnType::Uuid => "uuid".into(),
        ColumnType::Inet4 => "inet4".into(),
        ColumnType::Inet6 => "inet6".into(),
        ColumnType::Vector(_) => "vector".into(),
        other => format!("{other:?}"),
    }
}
