//! What a statement of the binlog can say.

use crate::schema::ColumnType;

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Statement {
    /// A transaction starts.
    Begin,
    /// The transaction is complete.
    Commit,
    /// The transaction is undone: changes to tables without transactions may stand before it.
    Rollback,
    /// A savepoint of that name is set.
    Savepoint(String),
    /// What came after the savepoint is undone.
    RollbackTo(String),
    /// The savepoint is forgotten.
    ReleaseSavepoint(String),
    /// A distributed transaction starts.
    XaStart(Xid),
    /// A distributed transaction's changes are complete.
    XaEnd(Xid),
    /// A distributed transaction is prepared: committed or rolled back later, by anyone.
    XaPrepare(Xid),
    /// A distributed transaction is committed.
    XaCommit {
        /// Which one.
        xid: Xid,
        /// Whether it was not prepared before.
        one_phase: bool,
    },
    /// A distributed transaction is undone.
    XaRollback(Xid),
    /// Rows change by a statement, not by row events: statement-based logging.
    Data(Data),
    /// A table is created.
    CreateTable(CreateTable),
    /// A table's definition changes.
    AlterTable(AlterTable),
    /// Tables go.
    DropTable {
        /// Which ones.
        tables: Vec<ObjectName>,
        /// Those that do not exist are passed over.
        if_exists: bool,
        /// Only the session's temporary tables are meant.
        temporary: bool,
    },
    /// Tables get other names, one after the other.
    RenameTable {
        /// The names before and after.
        pairs: Vec<(ObjectName, ObjectName)>,
    },
    /// All rows of a table go.
    Truncate(ObjectName),
    /// A key is added to a table.
    CreateIndex {
        /// To which one.
        table: ObjectName,
        /// The key.
        key: KeyDefinition,
        /// Nothing happens when there is a key of that name.
        if_not_exists: bool,
        /// A key of that name is replaced (MariaDB).
        or_replace: bool,
    },
    /// A key goes.
    DropIndex {
        /// Of which table.
        table: ObjectName,
        /// The key's name; `PRIMARY` for the primary key.
        name: String,
        /// Nothing happens when there is none (MariaDB).
        if_exists: bool,
    },
    /// A database is created.
    CreateDatabase {
        /// Its name.
        name: String,
        /// Nothing happens when it exists.
        if_not_exists: bool,
        /// An existing one goes before, with all its tables (MariaDB).
        or_replace: bool,
        /// The defaults of its tables.
        charset: Charset,
    },
    /// A database's defaults change; existing tables keep theirs.
    AlterDatabase {
        /// Its name; `None` for the default database.
        name: Option<String>,
        /// The new defaults.
        charset: Charset,
    },
    /// A database goes, with all its tables.
    DropDatabase {
        /// Its name.
        name: String,
        /// Nothing happens when there is none.
        if_exists: bool,
    },
    /// Neither rows nor definitions of tables are touched.
    Other(Other),
}

/// A name, perhaps with its database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectName {
    /// The database; `None` for the session's default database.
    pub database: Option<String>,
    /// The name in it.
    pub name: String,
}

/// The name of a distributed transaction (X/Open XA).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Xid {
    /// Global transaction identifier, at most 64 bytes.
    pub gtrid: Vec<u8>,
    /// Branch qualifier, at most 64 bytes.
    pub bqual: Vec<u8>,
    /// Format identifier.
    pub format: u32,
}

/// A statement that changes rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// Its first word, in capitals (`INSERT`, `LOAD`, `CALL`).
    pub verb: String,
    /// The tables that it names, without those in subqueries; empty when the statement does not say (`CALL`).
    pub tables: Vec<ObjectName>,
}

/// What kind of object a statement is about that touches neither rows nor definitions of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OtherKind {
    /// A comment only, such as the placeholder for an event that the replica is not to see.
    Comment,
    /// A view.
    View,
    /// A trigger.
    Trigger,
    /// A procedure, function, package or loadable function.
    Routine,
    /// A scheduled event.
    Event,
    /// A user, role or privilege.
    Account,
    /// A sequence (MariaDB): its log has its numbers as rows of a table of that name.
    Sequence,
    /// A temporary table: its rows are not in a row-based log.
    TemporaryTable,
    /// Maintenance of a table or the server (ANALYZE, OPTIMIZE, FLUSH).
    Maintenance,
    /// A variable.
    Variable,
    /// A tablespace, log file group, foreign server, resource group, library or reference system.
    ServerObject,
}

/// A statement that touches neither rows nor definitions of tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// What it is about.
    pub kind: OtherKind,
    /// What it does, for a person (`CREATE VIEW`).
    pub description: String,
    /// The object, where it has a name of its own.
    pub object: Option<ObjectName>,
    /// The table that it belongs to, where there is one.
    pub table: Option<ObjectName>,
}

/// `CREATE TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTable {
    /// Its name.
    pub name: ObjectName,
    /// Nothing happens when it exists.
    pub if_not_exists: bool,
    /// An existing one goes before (MariaDB).
    pub or_replace: bool,
    /// The table whose definition it takes (`LIKE`): then there is nothing below.
    pub like: Option<ObjectName>,
    /// Its columns in order.
    pub columns: Vec<ColumnDefinition>,
    /// Its keys in the order said, those in the definitions of columns among them.
    pub keys: Vec<KeyDefinition>,
    /// The defaults of its text columns.
    pub charset: Charset,
    /// Whether more columns and all rows come from a query.
    pub as_select: bool,
    /// Whether it keeps old versions of rows (MariaDB).
    pub system_versioning: bool,
}

/// A character set and collation as far as they are said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Charset {
    /// Character set. `DEFAULT` is kept as a word: the next wider default.
    pub charset: Option<String>,
    /// Collation. `DEFAULT` is kept as a word.
    pub collation: Option<String>,
}

/// A column as a statement defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnDefinition {
    /// Its name.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// Whether NULL is allowed, apart from primary keys.
    pub nullable: bool,
    /// Its expression and whether it is stored, where it is generated.
    pub generated: Option<(String, bool)>,
    /// Whether the server numbers it.
    pub auto_increment: bool,
    /// The default as an expression.
    pub default: Option<String>,
    /// Collation said behind the type.
    pub collation: Option<String>,
    /// The key said with the column.
    pub key: ColumnKeys,
}

impl ColumnDefinition {
    /// The keys said with the column, as definitions of their own.
    #[must_use]
    pub fn keys(&self) -> Vec<KeyDefinition> {
        let key = |kind| KeyDefinition {
            kind,
            name: None,
            parts: vec![KeyPart::Column { name: self.name.clone(), prefix: None }],
            text: None,
        };
        let primary = self.key.primary.then(|| key(KeyKind::Primary));
        let unique = self.key.unique.then(|| key(KeyKind::Unique));
        primary.into_iter().chain(unique).collect()
    }
}

/// The keys that a column's own definition asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ColumnKeys {
    /// `PRIMARY KEY`.
    pub primary: bool,
    /// `UNIQUE`.
    pub unique: bool,
}

/// A type, as far as it can be known without the table's character set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataType {
    /// A type without a character set.
    Plain {
        /// The type.
        column_type: ColumnType,
        /// The canonical spelling (`int(10) unsigned`).
        declared: String,
    },
    /// A type with a character set: `binary` makes it binary, and its bytes a character decide about its size.
    Text {
        /// Which one.
        kind: TextKind,
        /// The character set said with the type.
        charset: TextCharset,
    },
}

/// A type with a character set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextKind {
    /// `CHAR(n)`, in characters.
    Char(u32),
    /// `VARCHAR(n)`, in characters.
    VarChar(u32),
    /// `TINYTEXT` to `LONGTEXT` with its length in bytes.
    Text(u32),
    /// `TEXT(n)`, in characters: the smallest that fits.
    SizedText(u32),
    /// `ENUM`.
    Enum(Vec<String>),
    /// `SET`.
    Set(Vec<String>),
}

/// The character set said with a type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextCharset {
    /// Its name.
    pub charset: Option<String>,
    /// The attribute `BINARY`: the character set's `_bin` collation.
    pub bin_collation: bool,
    /// A collation that the type implies (MariaDB's JSON).
    pub collation: Option<String>,
}

/// What a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// `PRIMARY KEY`.
    Primary,
    /// `UNIQUE`.
    Unique,
    /// Not unique: `INDEX`, `FULLTEXT`, `SPATIAL`, `VECTOR`.
    Plain,
    /// `FOREIGN KEY`: comes with an index when none serves it.
    Foreign,
    /// No key, but an application-time period (MariaDB): makes its two columns NOT NULL.
    Period,
}

/// A key as a statement defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyDefinition {
    /// What it is.
    pub kind: KeyKind,
    /// Its name; for a foreign key the name of its index.
    pub name: Option<String>,
    /// Its parts in order.
    pub parts: Vec<KeyPart>,
    /// The statement's own words for it, where it stands by itself in a definition of a table or behind ADD.
    pub text: Option<KeyText>,
}

/// The words of a key around its name, without comments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyText {
    /// What stands before the name (`UNIQUE KEY`, `FOREIGN KEY`), without CONSTRAINT and IF NOT EXISTS.
    pub kind: String,
    /// What stands behind it: the parts with prefixes, expressions and orders, and the options (`(note(10) DESC) INVISIBLE`).
    pub rest: String,
}

/// A part of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPart {
    /// A column, or so much of its start (characters of text, bytes of binary).
    Column {
        /// Its name.
        name: String,
        /// The length of the prefix.
        prefix: Option<u32>,
    },
    /// An expression.
    Expression,
    /// An application-time period that may not overlap (MariaDB).
    Period(String),
}

/// `ALTER TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterTable {
    /// Which one.
    pub name: ObjectName,
    /// Nothing happens when there is none (MariaDB).
    pub if_exists: bool,
    /// What happens to it, in order.
    pub actions: Vec<AlterAction>,
}

/// Where a column goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where it is, or last when it is new.
    Unsaid,
    /// First.
    First,
    /// After the column of that name.
    After(String),
}

/// One action of `ALTER TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AlterAction {
    /// A new column, with the keys said with it.
    AddColumn {
        /// The column.
        definition: ColumnDefinition,
        /// Where it goes.
        place: Place,
        /// Nothing happens when there is one of that name (MariaDB).
        if_not_exists: bool,
    },
    /// A column goes.
    DropColumn {
        /// Its name.
        name: String,
        /// Nothing happens when there is none (MariaDB).
        if_exists: bool,
    },
    /// A column is defined anew, perhaps under another name (`CHANGE`, `MODIFY`), with the keys said with it.
    ChangeColumn {
        /// Its name before.
        name: String,
        /// What it is from now on.
        definition: ColumnDefinition,
        /// Where it goes.
        place: Place,
        /// Nothing happens when there is none (MariaDB).
        if_exists: bool,
    },
    /// A column gets another name.
    RenameColumn {
        /// The name before.
        from: String,
        /// The name after.
        to: String,
        /// Nothing happens when there is none (MariaDB).
        if_exists: bool,
    },
    /// A column's default is set, or removed with `None`.
    SetDefault {
        /// The column.
        column: String,
        /// The default.
        default: Option<String>,
    },
    /// A new key.
    AddKey {
        /// The key.
        key: KeyDefinition,
        /// Nothing happens when there is one of that name (MariaDB).
        if_not_exists: bool,
    },
    /// A key goes; `PRIMARY` is the primary key.
    DropKey {
        /// Its name.
        name: String,
        /// Nothing happens when there is none (MariaDB).
        if_exists: bool,
    },
    /// A constraint of any kind goes: a unique key, the primary key, or what does not matter here.
    DropConstraint {
        /// Its name.
        name: String,
    },
    /// A key gets another name.
    RenameKey {
        /// The name before.
        from: String,
        /// The name after.
        to: String,
        /// Nothing happens when there is none (MariaDB).
        if_exists: bool,
    },
    /// The table gets another name.
    Rename(ObjectName),
    /// All text columns and the table's default get another character set.
    ConvertCharset(Charset),
    /// The table's default changes, its columns do not.
    DefaultCharset(Charset),
    /// MariaDB keeps old versions of rows from now on, or no longer does.
    SystemVersioning(bool),
    /// Rows come or go without being in the log: a partition is dropped, emptied or exchanged, a tablespace imported.
    Rows {
        /// What happens (`DROP PARTITION`).
        operation: String,
        /// The partitions; empty for all or none.
        partitions: Vec<String>,
        /// The other table that the rows go to or come from.
        other: Option<ObjectName>,
    },
    /// Neither rows nor columns are touched.
    Other(String),
}
