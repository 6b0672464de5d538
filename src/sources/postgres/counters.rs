//! Where sequences stand: those of columns, and others.

use slackwater_decoders::schema::{
    TableName,
    counter::{Counter, CounterName},
};

use super::{
    TableFilter,
    schema::tables::{NO_EXTENSIONS, OWN_SCHEMAS},
};
use crate::{
    error::{Error, Result},
    postgres_client::{Session, failed, quoted},
};

/// The counters of everything that `wanted` takes.
///
/// # Errors
/// Definite when the account may not read a sequence, with the statement that allows it; else a lost connection.
pub(super) async fn read(session: &Session, wanted: &TableFilter, user: &str) -> Result<Vec<Counter>> {
    let question = format!(
        "SELECT n.nspname::text, c.relname::text, tn.nspname::text, t.relname::text, a.attname::text, s.seqincrement \
         FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         LEFT JOIN pg_depend o ON o.classid = 'pg_class'::regclass AND o.objid = c.oid AND o.objsubid = 0 \
           AND o.refclassid = 'pg_class'::regclass AND o.refobjsubid > 0 AND o.deptype IN ('a', 'i') \
         LEFT JOIN pg_class t ON t.oid = o.refobjid LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace \
         LEFT JOIN pg_attribute a ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid \
         WHERE c.relpersistence <> 't' AND {OWN_SCHEMAS} AND {NO_EXTENSIONS} ORDER BY 1, 2"
    );
    let rows = session.query(&question, &[]).await.map_err(unreadable)?;
    let mut counters = Vec::new();
    for row in rows {
        let text = |place: usize| row.try_get::<_, Option<String>>(place).map_err(unreadable);
        let sequence = TableName::new(text(0)?.unwrap_or_default(), text(1)?.unwrap_or_default());
        let table = text(2)?.zip(text(3)?).map(|(schema, table)| TableName::new(schema, table));
        if !wanted(table.as_ref().unwrap_or(&sequence)) {
            continue;
        }
        let increment = row.try_get::<_, i64>(5).map_err(unreadable)?;
        let next = next(session, &sequence, increment, user).await?;
        let name = match table.zip(text(4)?) {
            Some((table, column)) => CounterName::Column { table, column },
            None => CounterName::Sequence(sequence),
        };
        counters.push(Counter { name, next, descending: increment < 0 });
    }
    Ok(counters)
}

/// What a sequence gives next; numbers that sessions have taken in advance count as given.
async fn next(session: &Session, sequence: &TableName, increment: i64, user: &str) -> Result<i128> {
    let name = format!("{}.{}", quoted(&sequence.database), quoted(&sequence.table));
    let read = session.query_one(&format!("SELECT last_value, is_called FROM {name}"), &[]).await;
    let row = read.map_err(|error| {
        unreadable(error).on(sequence).remedy(format!("GRANT SELECT ON SEQUENCE {name} TO {};", quoted(user)))
    })?;
    let last = i128::from(row.try_get::<_, i64>(0).map_err(unreadable)?);
    let is_called: bool = row.try_get(1).map_err(unreadable)?;
    Ok(if is_called { last + i128::from(increment) } else { last })
}

fn unreadable(error: tokio_postgres::Error) -> Error {
    failed("cannot read where the sequences stand", error)
}
