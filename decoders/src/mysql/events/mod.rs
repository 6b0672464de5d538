//! Events that are not rows: the format of the log, transactions and their names, statements, and events inside of events.

pub(in crate::mysql) mod format;
pub(in crate::mysql) mod gtid_event;
pub(in crate::mysql) mod payload;
pub(in crate::mysql) mod query;
