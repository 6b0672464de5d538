//! Event type codes of MySQL (`libs/mysql/binlog/event/binlog_event.h`, `Log_event_type`) and MariaDB
//! (`sql/log_event.h`, `Log_event_type`, from 160).

#![allow(missing_docs, reason = "the names are the servers' own")]

pub const START_V3: u8 = 1;
pub const QUERY: u8 = 2;
pub const STOP: u8 = 3;
pub const ROTATE: u8 = 4;
pub const INTVAR: u8 = 5;
pub const LOAD: u8 = 6;
pub const SLAVE: u8 = 7;
pub const CREATE_FILE: u8 = 8;
pub const APPEND_BLOCK: u8 = 9;
pub const EXEC_LOAD: u8 = 10;
pub const DELETE_FILE: u8 = 11;
pub const NEW_LOAD: u8 = 12;
pub const RAND: u8 = 13;
pub const USER_VAR: u8 = 14;
pub const FORMAT_DESCRIPTION: u8 = 15;
pub const XID: u8 = 16;
pub const BEGIN_LOAD_QUERY: u8 = 17;
pub const EXECUTE_LOAD_QUERY: u8 = 18;
pub const TABLE_MAP: u8 = 19;
pub const WRITE_ROWS_V1: u8 = 23;
pub const UPDATE_ROWS_V1: u8 = 24;
pub const DELETE_ROWS_V1: u8 = 25;
pub const INCIDENT: u8 = 26;
pub const HEARTBEAT: u8 = 27;
pub const IGNORABLE: u8 = 28;
pub const ROWS_QUERY: u8 = 29;
pub const WRITE_ROWS: u8 = 30;
pub const UPDATE_ROWS: u8 = 31;
pub const DELETE_ROWS: u8 = 32;
pub const GTID: u8 = 33;
pub const ANONYMOUS_GTID: u8 = 34;
pub const PREVIOUS_GTIDS: u8 = 35;
pub const TRANSACTION_CONTEXT: u8 = 36;
pub const VIEW_CHANGE: u8 = 37;
pub const XA_PREPARE: u8 = 38;
pub const PARTIAL_UPDATE_ROWS: u8 = 39;
pub const TRANSACTION_PAYLOAD: u8 = 40;
pub const HEARTBEAT_V2: u8 = 41;
pub const GTID_TAGGED: u8 = 42;

pub const MARIADB_ANNOTATE_ROWS: u8 = 160;
pub const MARIADB_BINLOG_CHECKPOINT: u8 = 161;
pub const MARIADB_GTID: u8 = 162;
pub const MARIADB_GTID_LIST: u8 = 163;
pub const MARIADB_START_ENCRYPTION: u8 = 164;
pub const MARIADB_QUERY_COMPRESSED: u8 = 165;
pub const MARIADB_WRITE_ROWS_COMPRESSED_V1: u8 = 166;
pub const MARIADB_UPDATE_ROWS_COMPRESSED_V1: u8 = 167;
pub const MARIADB_DELETE_ROWS_COMPRESSED_V1: u8 = 168;
pub const MARIADB_WRITE_ROWS_COMPRESSED: u8 = 169;
pub const MARIADB_UPDATE_ROWS_COMPRESSED: u8 = 170;
pub const MARIADB_DELETE_ROWS_COMPRESSED: u8 = 171;
pub const MARIADB_PARTIAL_ROW_DATA: u8 = 172;

/// The event's flag that says: who does not know the type may pass over it (`LOG_EVENT_IGNORABLE_F`).
pub const FLAG_IGNORABLE: u16 = 0x80;
/// The event's flag that says: made by the server for this reader, not in the file (`LOG_EVENT_ARTIFICIAL_F`).
pub const FLAG_ARTIFICIAL: u16 = 0x20;
/// The format description's flag that says: the server has not closed the file (`LOG_EVENT_BINLOG_IN_USE_F`).
pub const FLAG_IN_USE: u16 = 0x01;
/// The rows event's flag that says: the statement ends here (`STMT_END_F`).
pub const ROWS_STATEMENT_END: u16 = 0x01;

/// The rows event's flag that says: foreign keys were not looked at (`NO_FOREIGN_KEY_CHECKS_F`).
pub const ROWS_NO_FOREIGN_KEYS: u16 = 0x02;
/// The rows event's flag of servers whose log has what foreign keys do to other tables (seen from MySQL 9.7 on every rows
/// event; 5.6, 5.7 and MariaDB up to 11.8 do not set it and do not log it).
pub const ROWS_LOGGED_CASCADES: u16 = 0x10;

/// A name for messages.
#[must_use]
pub fn name(code: u8) -> &'static str {
    match code {
        START_V3 => "START_V3",
        QUERY => "QUERY",
        STOP => "STOP",
        ROTATE => "ROTATE",
        INTVAR => "INTVAR",
        LOAD | NEW_LOAD => "LOAD",
        CREATE_FILE => "CREATE_FILE",
        APPEND_BLOCK => "APPEND_BLOCK",
        EXEC_LOAD => "EXEC_LOAD",
        DELETE_FILE => "DELETE_FILE",
        RAND => "RAND",
        USER_VAR => "USER_VAR",
        FORMAT_DESCRIPTION => "FORMAT_DESCRIPTION",
        XID => "XID",
        BEGIN_LOAD_QUERY => "BEGIN_LOAD_QUERY",
        EXECUTE_LOAD_QUERY => "EXECUTE_LOAD_QUERY",
        TABLE_MAP => "TABLE_MAP",
        WRITE_ROWS_V1 | WRITE_ROWS => "WRITE_ROWS",
        UPDATE_ROWS_V1 | UPDATE_ROWS => "UPDATE_ROWS",
        DELETE_ROWS_V1 | DELETE_ROWS => "DELETE_ROWS",
        INCIDENT => "INCIDENT",
        HEARTBEAT => "HEARTBEAT",
        ROWS_QUERY => "ROWS_QUERY",
        GTID => "GTID",
        ANONYMOUS_GTID => "ANONYMOUS_GTID",
        PREVIOUS_GTIDS => "PREVIOUS_GTIDS",
        TRANSACTION_CONTEXT => "TRANSACTION_CONTEXT",
        VIEW_CHANGE => "VIEW_CHANGE",
        XA_PREPARE => "XA_PREPARE",
        PARTIAL_UPDATE_ROWS => "PARTIAL_UPDATE_ROWS",
        TRANSACTION_PAYLOAD => "TRANSACTION_PAYLOAD",
        HEARTBEAT_V2 => "HEARTBEAT_V2",
        GTID_TAGGED => "GTID_TAGGED",
        MARIADB_ANNOTATE_ROWS => "ANNOTATE_ROWS",
        MARIADB_BINLOG_CHECKPOINT => "BINLOG_CHECKPOINT",
        MARIADB_GTID => "MariaDB GTID",
        MARIADB_GTID_LIST => "GTID_LIST",
        MARIADB_START_ENCRYPTION => "START_ENCRYPTION",
        MARIADB_QUERY_COMPRESSED => "QUERY_COMPRESSED",
        MARIADB_WRITE_ROWS_COMPRESSED_V1 | MARIADB_WRITE_ROWS_COMPRESSED => "WRITE_ROWS_COMPRESSED",
        MARIADB_UPDATE_ROWS_COMPRESSED_V1 | MARIADB_UPDATE_ROWS_COMPRESSED => "UPDATE_ROWS_COMPRESSED",
        MARIADB_DELETE_ROWS_COMPRESSED_V1 | MARIADB_DELETE_ROWS_COMPRESSED => "DELETE_ROWS_COMPRESSED",
        MARIADB_PARTIAL_ROW_DATA => "PARTIAL_ROW_DATA",
        _ => "unknown",
    }
}
