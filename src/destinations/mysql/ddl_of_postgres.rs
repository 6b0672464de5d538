//! Changes of tables by PostgreSQL that a server of MySQL would make in another way.

use slackwater_decoders::{
    event::{Ddl, SchemaChange},
    schema::{Column, ColumnType},
};

use super::{columns, qualified};
use crate::{
    destinations::mysql::session::Session,
    error::{Error, Result},
    types::postgres::expression,
};

/// Refuses a change that would leave other values in rows that are there than the source has. An empty table takes any.
///
/// # Errors
/// Definite, with the column.
pub(super) async fn refuse_unlike(session: &mut Session, ddl: &Ddl<'_>, change: &SchemaChange) -> Result<()> {
    let SchemaChange::AlterTable { before, after, columns_from } = change else { return Ok(()) };
    let using = ddl.statement.split_whitespace().any(|word| word.eq_ignore_ascii_case("using"));
    let unlike = after.columns.iter().zip(columns_from).find_map(|(column, from)| {
        let old = from.and_then(|ordinal| before.columns.get(usize::from(ordinal)));
        let what = match old {
            None => added(column),
            Some(old) if old.column_type == column.column_type && old.declared == column.declared => None,
            Some(_) if using => Some("its values become what an expression of the source made of them"),
            Some(old) if converts_alike(&old.column_type, &column.column_type) => None,
            Some(_) => Some("its values are not converted alike here"),
        };
        what.map(|what| (column, what))
    });
    let Some((column, what)) = unlike else { return Ok(()) };
    if columns(session, &before.name).await?.is_empty() {
        return Ok(());
    }
    let question = format!("SELECT 1 FROM {} LIMIT 1", qualified(&before.name));
    let row: Option<u8> = session.first(question).await?;
    if row.is_none() {
        return Ok(());
    }
    Err(Error::definite(format!("the column {} cannot be altered: {what}", column.name)).on(&before.name).remedy(
        "the log does not hold the new values: copy the table anew, and continue behind this statement with \
         `slackwater positions import`",
    ))
}

/// Why the values that existing rows get are not known.
fn added(column: &Column) -> Option<&'static str> {
    if column.generated.is_some() {
        return Some("the column is computed, and the log does not have the values of existing rows");
    }
    let default = column.default.as_deref()?;
    expression::literal(default)
        .is_none()
        .then_some("its default is an expression that only the source can evaluate")
}

/// Whether MySQL and PostgreSQL make the same values of all that fit.
fn converts_alike(from: &ColumnType, to: &ColumnType) -> bool {
    use ColumnType as T;
    match (from, to) {
        (T::Integer { bytes: before, .. }, T::Integer { bytes: after, .. }) => before <= after,
        (T::Integer { .. }, T::Decimal { .. } | T::VarChar(_) | T::Text(_))
        | (T::Float, T::Double)
        | (T::Decimal { .. }, T::Decimal { precision: 0, .. })
        | (T::VarChar(_) | T::Text(_) | T::Uuid, T::Text(_))
        | (T::Text(_), T::VarChar(_))
        | (T::Date, T::DateTime(_)) => true,
        (T::VarChar(before), T::VarChar(after)) | (T::Char(before), T::Char(after)) => before <= after,
        (T::Decimal { scale: before, precision: 1.. }, T::Decimal { scale: after, precision: 1.. }) => {
            before <= after
        }
        (T::Time(before), T::Time(after))
        | (T::DateTime(before), T::DateTime(after))
        | (T::Timestamp(before), T::Timestamp(after)) => before <= after,
        // Members that were added behind the others, or renamed: both keep a value by its place.
        (T::Enum(before), T::Enum(after)) => after.starts_with(before),
        (before, after) => before == after,
    }
}
