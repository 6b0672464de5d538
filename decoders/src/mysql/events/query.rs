//! The QUERY event: a statement and the session settings it depends on
//! (MySQL `libs/mysql/binlog/event/statement_events.h`, "Query_event").

use crate::arena::Arena;
use crate::mysql::{
    charset::Charset,
    reader::{Malformed, Reader},
};

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mysql) struct Query<'a> {
    pub(in crate::mysql) database: &'a str,
    pub(in crate::mysql) statement: &'a str,
    pub(in crate::mysql) settings: Settings,
}

/// The settings of the session that ran it, as far as they matter for reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::mysql) struct Settings {
    pub(in crate::mysql) sql_mode: u64,
    /// Collation id of the client's character set, in which the statement is written.
    pub(in crate::mysql) client: Option<u16>,
    /// Collation id of the server.
    pub(in crate::mysql) server: Option<u16>,
    /// `explicit_defaults_for_timestamp`, where the log says it.
    pub(in crate::mysql) explicit_timestamp_defaults: Option<bool>,
}

impl<'a> Query<'a> {
    /// Reads the event's body. `uncompress` gets what stands for the statement.
    pub(in crate::mysql) fn parse(
        body: &'a [u8],
        arena: &Arena<'a>,
        uncompress: impl FnOnce(&'a [u8]) -> Result<&'a [u8], Malformed>,
    ) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        reader.skip(8)?;
        let database_length = usize::from(reader.u8()?);
        reader.skip(2)?;
        let variables_length = usize::from(reader.u16()?);
        let settings = Settings::parse(reader.take(variables_length)?)?;
        let database = reader.take(database_length)?;
        reader.skip(1)?;
        let statement = uncompress(reader.rest())?;
        let client = settings.client.and_then(Charset::by_collation);
        let statement = match (std::str::from_utf8(statement), client) {
            (Ok(text), None) => text,
            (_, Some(charset)) => charset.decode(statement, arena)?,
            (Err(_), None) => return Err(Malformed("has a statement in an unknown character set")),
        };
        let database =
            std::str::from_utf8(database).map_err(|_| Malformed("has a name that is not UTF-8"))?;
        Ok(Query { database, statement, settings })
    }
}

impl Settings {
    /// Reads the status variables. They have no lengths: behind one that is not known nothing can be read, and the ones that
    /// matter come first.
    fn parse(variables: &[u8]) -> Result<Self, Malformed> {
        let mut settings = Settings::default();
        let mut reader = Reader::new(variables);
        while !reader.is_empty() {
            match reader.u8()? {
                // Q_FLAGS2, Q_AUTO_INCREMENT, Q_MASTER_DATA_WRITTEN
                0 | 3 | 10 => reader.skip(4)?,
                // Q_SQL_MODE
                1 => settings.sql_mode = reader.u64()?,
                // Q_CATALOG: length, text, zero byte
                2 => skip_text(&mut reader, 1)?,
                // Q_CHARSET: client, connection, server
                4 => {
                    settings.client = Some(reader.u16()?);
                    reader.skip(2)?;
                    settings.server = Some(reader.u16()?);
                }
                // Q_TIME_ZONE, Q_CATALOG_NZ
                5 | 6 => skip_text(&mut reader, 0)?,
                // Q_LC_TIME_NAMES, Q_CHARSET_DATABASE, Q_DEFAULT_COLLATION_FOR_UTF8MB4
                7 | 8 | 18 => reader.skip(2)?,
                // Q_TABLE_MAP_FOR_UPDATE, Q_DDL_LOGGED_WITH_XID, MariaDB's Q_XID
                9 | 17 | 129 => reader.skip(8)?,
                // Q_INVOKER: user, host
                11 => {
                    skip_text(&mut reader, 0)?;
                    skip_text(&mut reader, 0)?;
                }
                // Q_UPDATED_DB_NAMES: a count, 254 for too many, and names with a zero byte behind each
                12 => skip_names(&mut reader)?,
                // Q_MICROSECONDS, MariaDB's Q_HRNOW
                13 | 128 => reader.skip(3)?,
                // Q_EXPLICIT_DEFAULTS_FOR_TIMESTAMP
                16 => settings.explicit_timestamp_defaults = Some(reader.u8()? != 0),
                // Q_SQL_REQUIRE_PRIMARY_KEY, Q_DEFAULT_TABLE_ENCRYPTION
                19 | 20 => reader.skip(1)?,
                _ => break,
            }
        }
        Ok(settings)
    }
}

fn skip_text(reader: &mut Reader<'_>, behind: usize) -> Result<(), Malformed> {
    let length = usize::from(reader.u8()?);
    reader.skip(length + behind)
}

fn skip_names(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let count = reader.u8()?;
    if count < 254 {
        for _ in 0..count {
            let length = reader.rest().iter().position(|byte| *byte == 0);
            reader.skip(length.ok_or(Malformed("has a name without an end"))? + 1)?;
        }
    }
    Ok(())
}
