//! What the text of a statement alone does not say.

/// How the server read the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The session's SQL mode as the query event has it (`Q_SQL_MODE_CODE`): the bit mask of `sql_mode`.
    pub sql_mode: u64,
    /// Whether the server is MariaDB.
    pub mariadb: bool,
    /// The server's version as one number (`90704` is 9.7.4, `101106` is 10.11.6); 0 when it is not known. Decides
    /// about executable comments: at 0 all of them are read, since servers blank those that they did not run before
    /// they log a statement.
    pub version: u32,
    /// The server's `explicit_defaults_for_timestamp`: when off, TIMESTAMP columns are NOT NULL unless they say NULL.
    /// It is off by default in MySQL up to 5.7 and MariaDB up to 10.9, and not logged.
    pub explicit_defaults_for_timestamp: bool,
}

impl Context {
    const REAL_AS_FLOAT: u64 = 1;
    const ANSI_QUOTES: u64 = 1 << 2;
    const ORACLE: u64 = 1 << 9;
    const MAXDB: u64 = 1 << 12;
    const NO_BACKSLASH_ESCAPES: u64 = 1 << 20;

    /// A current MySQL with the default SQL mode.
    #[must_use]
    pub fn mysql() -> Self {
        Context { sql_mode: 0, mariadb: false, version: 0, explicit_defaults_for_timestamp: true }
    }

    /// A current MariaDB with the default SQL mode.
    #[must_use]
    pub fn mariadb() -> Self {
        Context { mariadb: true, ..Self::mysql() }
    }

    /// The same with that SQL mode.
    #[must_use]
    pub fn with_sql_mode(self, sql_mode: u64) -> Self {
        Context { sql_mode, ..self }
    }

    /// Whether `"x"` is an identifier and not a string.
    pub(super) fn ansi_quotes(&self) -> bool {
        self.sql_mode & Self::ANSI_QUOTES != 0
    }

    /// Whether a backslash in a string escapes the character after it.
    pub(super) fn backslash_escapes(&self) -> bool {
        self.sql_mode & Self::NO_BACKSLASH_ESCAPES == 0
    }

    /// Whether `REAL` is single precision.
    pub(super) fn real_is_float(&self) -> bool {
        self.sql_mode & Self::REAL_AS_FLOAT != 0
    }

    /// Whether MariaDB reads types as Oracle does (`DATE` has a time of day).
    pub(super) fn oracle(&self) -> bool {
        self.mariadb && self.sql_mode & Self::ORACLE != 0
    }

    /// Whether `TIMESTAMP` means `DATETIME`.
    pub(super) fn timestamp_is_datetime(&self) -> bool {
        self.sql_mode & Self::MAXDB != 0
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::mysql()
    }
}
