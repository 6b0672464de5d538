//! Columns as defined in statements become columns of tables.

use super::{CatalogError, Collation, Settings, bytes_per_character};
use crate::{
    mysql::ddl::{
        self,
        statement::{Charset, ColumnDefinition, DataType, TextCharset, TextKind},
    },
    schema::{Column, ColumnType, Generated, TableName},
};

/// The bytes that a VARCHAR can have at most.
const VARCHAR_BYTES: u64 = 0xffff;

/// What a column's definition depends on.
pub(super) struct Surroundings<'a> {
    pub(super) table: &'a TableName,
    /// The table's default.
    pub(super) collation: Option<&'a Collation>,
    pub(super) settings: Settings,
}

impl Surroundings<'_> {
    /// The column that a definition makes.
    pub(super) fn column(&self, definition: &ColumnDefinition) -> Result<Column, CatalogError> {
        let mut column = match &definition.data_type {
            DataType::Plain { column_type, declared } => {
                let mut column = Column::new(&*definition.name, column_type.clone());
                column.declared = Some(declared.clone());
                column
            }
            DataType::Text { kind, charset } => self.text(definition, kind, charset)?,
        };
        column.nullable = definition.nullable;
        column.auto_increment = definition.auto_increment;
        column.default.clone_from(&definition.default);
        column.generated = definition
            .generated
            .as_ref()
            .map(|(expression, stored)| Generated { expression: Some(expression.clone()), stored: *stored });
        Ok(column)
    }

    fn text(
        &self,
        definition: &ColumnDefinition,
        kind: &TextKind,
        charset: &TextCharset,
    ) -> Result<Column, CatalogError> {
        let said = Charset {
            charset: charset.charset.clone(),
            collation: definition.collation.clone().or_else(|| charset.collation.clone()),
        };
        let mut collation = Collation::resolve(&said, self.collation, self.settings);
        if charset.bin_collation && said.collation.is_none() {
            collation = collation.map(|collation| collation.binary_order());
        }
        let column_type = column_type(kind, collation.as_ref()).ok_or_else(|| {
            CatalogError::UnknownCharset { table: self.table.clone(), column: definition.name.clone() }
        })?;
        let mut column = Column::new(&*definition.name, column_type);
        set_collation(&mut column, collation);
        Ok(column)
    }
}

/// Whether values of the type are text.
pub(super) fn is_text(column_type: &ColumnType) -> bool {
    matches!(
        column_type,
        ColumnType::Char(_)
            | ColumnType::VarChar(_)
            | ColumnType::Text(_)
            | ColumnType::Enum(_)
            | ColumnType::Set(_)
    )
}

/// Sets the character set of a text column, and the spelling of its type.
fn set_collation(column: &mut Column, collation: Option<Collation>) {
    column.declared = declared(&column.column_type);
    if is_text(&column.column_type) {
        (column.charset, column.collation) = collation.map(|it| (it.charset, it.name)).unzip();
    } else {
        (column.charset, column.collation) = (None, None);
    }
}

/// The column after CONVERT TO CHARACTER SET: long texts grow where they would hold fewer characters.
pub(super) fn convert(column: &mut Column, to: &Collation) {
    if !is_text(&column.column_type) || column.charset.as_deref() == Some("binary") {
        return;
    }
    let before = column.charset.as_deref().and_then(bytes_per_character).unwrap_or(1);
    let kind = match &column.column_type {
        ColumnType::Char(length) => TextKind::Char(*length),
        ColumnType::VarChar(length) => TextKind::VarChar(*length),
        ColumnType::Text(bytes) => TextKind::SizedText(bytes / u32::from(before)),
        ColumnType::Enum(names) => TextKind::Enum(names.clone()),
        ColumnType::Set(names) => TextKind::Set(names.clone()),
        _ => return,
    };
    let Some(column_type) = column_type(&kind, Some(to)) else { return };
    column.column_type = column_type;
    set_collation(column, Some(to.clone()));
}

/// The type in a character set; `None` when the set is needed and not known.
fn column_type(kind: &TextKind, collation: Option<&Collation>) -> Option<ColumnType> {
    let charset = collation.map(|collation| collation.charset.as_str());
    let bytes = charset.and_then(bytes_per_character).map(u64::from);
    let binary = charset == Some("binary");
    Some(match kind {
        TextKind::Enum(names) => ColumnType::Enum(names.clone()),
        TextKind::Set(names) => ColumnType::Set(names.clone()),
        TextKind::Char(length) if binary => ColumnType::Binary(*length),
        TextKind::Char(length) => ColumnType::Char(*length),
        TextKind::VarChar(length) => {
            // Four bytes a character is the most that there is.
            let size =
                u64::from(*length) * bytes.or((u64::from(*length) * 4 <= VARCHAR_BYTES).then_some(4))?;
            if size > VARCHAR_BYTES {
                // Without a strict SQL mode, what is too long becomes a long text.
                return Some(long(ddl::fitting(size), binary));
            }
            if binary { ColumnType::VarBinary(*length) } else { ColumnType::VarChar(*length) }
        }
        TextKind::Text(capacity) => long(*capacity, binary),
        TextKind::SizedText(length) => long(ddl::fitting(u64::from(*length) * bytes?), binary),
    })
}

fn long(capacity: u32, binary: bool) -> ColumnType {
    if binary { ColumnType::Blob(capacity) } else { ColumnType::Text(capacity) }
}

/// The canonical spelling of a type that has, or could have, a character set.
fn declared(column_type: &ColumnType) -> Option<String> {
    Some(match column_type {
        ColumnType::Char(length) => format!("char({length})"),
        ColumnType::VarChar(length) => format!("varchar({length})"),
        ColumnType::Text(capacity) => ddl::text_name(*capacity).into(),
        ColumnType::Binary(length) => format!("binary({length})"),
        ColumnType::VarBinary(length) => format!("varbinary({length})"),
        ColumnType::Blob(capacity) => ddl::blob_name(*capacity).into(),
        ColumnType::Enum(names) => format!("enum({})", quoted(names)),
        ColumnType::Set(names) => format!("set({})", quoted(names)),
        _ => return None,
    })
}

fn quoted(names: &[String]) -> String {
    let quote = |name: &String| format!("'{}'", name.replace('\'', "''"));
    names.iter().map(quote).collect::<Vec<_>>().join(",")
}
