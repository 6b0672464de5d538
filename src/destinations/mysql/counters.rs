//! AUTO_INCREMENT columns and MariaDB's sequences, set to go on where the source's stopped.

use slackwater_decoders::schema::{
    TableName,
    counter::{Counter, CounterName},
};

use super::session::Session;
use crate::{
    error::Result,
    types::mysql::{quote_name, quote_text},
};

/// Sets the counters; gives those that have no place here.
///
/// # Errors
/// The server's refusal, or a lost connection.
pub(super) async fn set(session: &mut Session, counters: &[Counter]) -> Result<Vec<(Counter, String)>> {
    let mut without = Vec::new();
    for counter in counters {
        let reason = match &counter.name {
            CounterName::Column { table, column } => column_counter(session, counter, table, column).await,
            CounterName::Sequence(name) => sequence(session, counter, name).await,
        };
        if let Some(reason) = reason.map_err(|error| error.on(&counter.name))? {
            without.push((counter.clone(), reason));
        }
    }
    Ok(without)
}

/// InnoDB itself takes a number that is not below that of any row: what is asked for is raised to the highest row's and one.
async fn column_counter(
    session: &mut Session,
    counter: &Counter,
    table: &TableName,
    column: &str,
) -> Result<Option<String>> {
    let question = format!(
        "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} \
         AND EXTRA LIKE '%auto_increment%'",
        quote_text(&table.database),
        quote_text(&table.table)
    );
    let found: Option<String> = session.first(question).await?;
    if found.is_none_or(|found| !found.eq_ignore_ascii_case(column)) {
        return Ok(Some("the column has no AUTO_INCREMENT here".to_owned()));
    }
    if counter.descending {
        return Ok(Some("it counts down, and AUTO_INCREMENT counts up".to_owned()));
    }
    if counter.next > i128::from(u64::MAX) {
        return Ok(Some("it has given all the numbers that a column can have".to_owned()));
    }
    if counter.next > standing(session, table).await? {
        let name = qualified(table);
        session.run(format!("ALTER TABLE {name} AUTO_INCREMENT = {}", counter.next)).await?;
    }
    Ok(None)
}

/// What the table gives next. One that has never numbered a row does not say it.
async fn standing(session: &mut Session, table: &TableName) -> Result<i128> {
    if session.server.mysql_since(8) {
        // Else it answers with what it knew up to a day ago.
        session.run("SET SESSION information_schema_stats_expiry = 0").await?;
    }
    let question = format!(
        "SELECT CAST(AUTO_INCREMENT AS CHAR) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
        quote_text(&table.database),
        quote_text(&table.table)
    );
    let next: Option<Option<String>> = session.first(question).await?;
    Ok(next.flatten().and_then(|next| next.parse().ok()).unwrap_or(1))
}

/// SETVAL itself goes in the direction of the sequence only.
async fn sequence(session: &mut Session, counter: &Counter, name: &TableName) -> Result<Option<String>> {
    if !session.server.mariadb {
        return Ok(Some("MySQL has no sequences".to_owned()));
    }
    let question = format!(
        "SELECT 1 FROM information_schema.TABLES WHERE TABLE_TYPE = 'SEQUENCE' AND TABLE_SCHEMA = {} AND TABLE_NAME = {}",
        quote_text(&name.database),
        quote_text(&name.table)
    );
    if session.first::<u8>(question).await?.is_none() {
        return Ok(Some("there is no such sequence here".to_owned()));
    }
    let sequence = qualified(name);
    // As text: of some versions the bounds are unsigned.
    let numbers = ["minimum_value", "maximum_value", "increment"].map(|name| format!("CAST({name} AS CHAR)"));
    let row: Option<(String, String, String)> =
        session.first(format!("SELECT {} FROM {sequence}", numbers.join(", "))).await?;
    let Some((lowest, highest, increment)) = row else { return Ok(None) };
    let number = |text: String| text.parse::<i128>().unwrap_or_default();
    let (lowest, highest, increment) = (number(lowest), number(highest), number(increment));
    if (increment < 0) != counter.descending {
        return Ok(Some("the sequence here counts in the other direction".to_owned()));
    }
    if !(lowest..=highest).contains(&counter.next) {
        return Ok(Some("its next number is outside of the sequence's bounds here".to_owned()));
    }
    session.run(format!("SELECT SETVAL({sequence}, {}, 0)", counter.next)).await?;
    Ok(None)
}

fn qualified(table: &TableName) -> String {
    format!("{}.{}", quote_name(&table.database), quote_name(&table.table))
}
