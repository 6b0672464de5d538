//! Identity columns and sequences, set to go on where the source's counters stopped.

use slackwater_decoders::schema::counter::{Counter, CounterName};

use super::{existing::qualified, session::Session};
use crate::{error::Result, types::postgres::quote_name};

/// A sequence as it is here.
struct Sequence {
    /// Its quoted name.
    name: String,
    next: i128,
    increment: i128,
    lowest: i128,
    highest: i128,
}

/// Sets the counters; gives those that have no place here.
///
/// # Errors
/// The server's refusal, or a lost connection.
pub(super) async fn set(session: &mut Session, counters: &[Counter]) -> Result<Vec<(Counter, String)>> {
    let mut without = Vec::new();
    for counter in counters {
        let reason = set_one(session, counter).await.map_err(|error| error.on(&counter.name))?;
        if let Some(reason) = reason {
            without.push((counter.clone(), reason));
        }
    }
    Ok(without)
}

async fn set_one(session: &mut Session, counter: &Counter) -> Result<Option<String>> {
    let Some(name) = sequence_of(session, &counter.name).await? else {
        return Ok(Some(match counter.name {
            CounterName::Column { .. } => "the column has no identity and no sequence here".to_owned(),
            CounterName::Sequence(_) => "there is no such sequence here".to_owned(),
        }));
    };
    let Some(sequence) = read(session, name).await? else { return Ok(None) };
    if (sequence.increment < 0) != counter.descending {
        return Ok(Some("the sequence here counts in the other direction".to_owned()));
    }
    let used = match &counter.name {
        CounterName::Column { table, column } => {
            let outermost = if counter.descending { "min" } else { "max" };
            let question =
                format!("SELECT {outermost}({})::text FROM {}", quote_name(column), qualified(table));
            number(session, &question).await?
        }
        CounterName::Sequence(_) => None,
    };
    let next = next(counter, &sequence, used);
    if next == sequence.next {
        return Ok(None);
    }
    if !(sequence.lowest..=sequence.highest).contains(&next) {
        return Ok(Some("its next number is outside of the sequence's bounds here".to_owned()));
    }
    let sql = format!("SELECT setval('{}', {next}, false)", sequence.name.replace('\'', "''"));
    session.run(&sql).await?;
    Ok(None)
}

/// The number that the sequence has to give next: in its direction behind what the source has given, what it has given here, and the
/// outermost row. It stays in step with the source's: several servers may share the numbers between them.
fn next(counter: &Counter, sequence: &Sequence, used: Option<i128>) -> i128 {
    let sign = if counter.descending { -1 } else { 1 };
    let step = sequence.increment.abs().max(1);
    let wanted = counter.next * sign;
    let free = used.map_or(wanted, |used| used * sign + 1).max(sequence.next * sign);
    let missing = (free - wanted).max(0);
    (wanted + (missing + step - 1) / step * step) * sign
}

/// The quoted name of the sequence that numbers a column, or of that name.
async fn sequence_of(session: &mut Session, name: &CounterName) -> Result<Option<String>> {
    let rows = match name {
        CounterName::Column { table, column } => {
            let question = "SELECT pg_get_serial_sequence($1, a.attname::text) FROM pg_attribute a \
                 WHERE a.attrelid = to_regclass($1) AND a.attname = $2 AND NOT a.attisdropped";
            session.query(question, &[&qualified(table), column]).await?
        }
        CounterName::Sequence(name) => {
            let question = "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class c \
                 JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'S'";
            session.query(question, &[&&*name.database, &&*name.table]).await?
        }
    };
    Ok(rows.first().and_then(|row| row.get(0)))
}

async fn read(session: &mut Session, name: String) -> Result<Option<Sequence>> {
    let question = format!(
        "SELECT l.last_value, l.is_called, s.seqincrement, s.seqmin, s.seqmax FROM {name} l, pg_sequence s \
         WHERE s.seqrelid = $1::text::regclass"
    );
    let rows = session.query(&question, &[&name]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let number = |place: usize| i128::from(row.get::<_, i64>(place));
    let is_called: bool = row.get(1);
    let next = if is_called { number(0) + number(2) } else { number(0) };
    Ok(Some(Sequence { name, next, increment: number(2), lowest: number(3), highest: number(4) }))
}

async fn number(session: &mut Session, question: &str) -> Result<Option<i128>> {
    let rows = session.query(question, &[]).await?;
    let text: Option<String> = rows.first().and_then(|row| row.get(0));
    Ok(text.and_then(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use slackwater_decoders::schema::TableName;

    #[test]
    fn the_next_number_is_behind_all_that_are_used() {
        let counter = |next, descending| {
            let table = TableName::new("public", "t");
            Counter { name: CounterName::Column { table, column: "id".to_owned() }, next, descending }
        };
        let sequence = |next, increment| Sequence {
            name: String::new(),
            next,
            increment,
            lowest: 1,
            highest: i128::from(i64::MAX),
        };
        assert_eq!(next(&counter(100, false), &sequence(1, 1), Some(40)), 100);
        assert_eq!(next(&counter(100, false), &sequence(1, 1), Some(140)), 141);
        assert_eq!(next(&counter(100, false), &sequence(180, 1), Some(140)), 180);
        assert_eq!(next(&counter(101, false), &sequence(2, 2), Some(101)), 103, "odd numbers are ours");
        assert_eq!(next(&counter(-10, true), &sequence(-1, -1), Some(-12)), -13);
        assert_eq!(next(&counter(-10, true), &sequence(-1, -5), None), -10);
    }
}
