//! New columns whose values for the rows that are there only the source can evaluate (`DEFAULT now()`, `nextval(…)`).

use slackwater_decoders::{
    event::{Ddl, Language},
    schema::{Column, Table},
};

use super::{
    existing::qualified,
    session::Session,
    write::{end_mark, mark},
};
use crate::{
    error::{Error, Result},
    types::postgres::expression,
};

/// Where an expression is tried.
const MARK: &str = "slackwater_evaluated";

/// Refuses a change by PostgreSQL that would give rows that are there other values than the source's have got. An empty table takes
/// any.
///
/// # Errors
/// Definite, with the column; those of the session.
pub(super) async fn refuse(
    session: &mut Session,
    ddl: &Ddl<'_>,
    before: &Table,
    after: &Table,
    columns_from: &[Option<u16>],
) -> Result<()> {
    if ddl.language != Language::Postgres {
        return Ok(());
    }
    let added = after.columns.iter().zip(columns_from).filter(|(_, from)| from.is_none());
    for (column, _) in added {
        let Some(what) = only_there(session, column).await? else { continue };
        let question = format!("SELECT 1 FROM {} LIMIT 1", qualified(&before.name));
        if session.query(&question, &[]).await?.is_empty() {
            return Ok(());
        }
        let cause = format!("the column {} cannot be added to rows that are there: {what}", column.name);
        return Err(Error::definite(cause).remedy(
            "the log does not hold the values that they have got: copy the table anew, and continue behind this statement with \
             `slackwater positions import`",
        ));
    }
    Ok(())
}

/// Why the values of existing rows are not known here.
async fn only_there(session: &mut Session, column: &Column) -> Result<Option<&'static str>> {
    if column.generated.is_some() {
        return Ok(None);
    }
    if column.auto_increment {
        return Ok(Some("the source has numbered them in an order of its own"));
    }
    let Some(default) = column.default.as_deref() else { return Ok(None) };
    let is_same = expression::literal(default).is_some() || is_immutable(session, default).await?;
    Ok((!is_same).then_some("its default is an expression that only the source can evaluate"))
}

/// Whether an expression has the same value at any time and in any session: the server takes no other for an index. `false` as well
/// where it cannot be tried.
async fn is_immutable(session: &mut Session, default: &str) -> Result<bool> {
    mark(session, MARK).await?;
    let tried = session
        .run(&format!(
            "CREATE TEMPORARY TABLE slackwater_evaluated (a integer); \
             CREATE INDEX ON pg_temp.slackwater_evaluated ((1), (({default}) IS NULL)); \
             DROP TABLE pg_temp.slackwater_evaluated"
        ))
        .await;
    match end_mark(session, MARK, tried).await {
        Ok(()) => Ok(true),
        Err(error) if error.is_transient() => Err(error),
        Err(_) => Ok(false),
    }
}
