//! The statements of a MySQL or MariaDB binlog, as far as they concern the definitions of tables.
//!
//! A binlog has every statement that is not row changes as text, in the dialect of the server that ran it. [`parse`]
//! says what such a statement does. It is written after the grammars in the reference manuals ("Data Definition
//! Statements" of MySQL 5.1 to 9.7, "Data Definition" of MariaDB 10 and 11) on top of the tokenizer of `sqlparser`.
//!
//! Two rules decide every doubtful case:
//!
//! * Clauses that cannot change how rows are read (engines, partitions, comments, checks) are stepped over.
//! * What is not understood is a [`ParseError`], never a guess: a wrong definition puts values into wrong columns.
//!
//! The rooms: [`statement`] holds what a statement can say; `comments` and `tokens` turn text into tokens; `column`,
//! `data_type`, `default`, `key` and `options` read the parts that CREATE and ALTER share; `create`, `alter`, `drop`,
//! `transaction`, `data` and `other` read the statements; `definition` reads what a server shows of a table.

mod alter;
mod column;
mod comments;
mod context;
mod create;
mod data;
mod data_type;
mod default;
mod definition;
mod drop;
mod error;
mod key;
mod options;
mod other;
pub mod statement;
mod tokens;
mod transaction;

#[cfg(test)]
mod tests;

pub use context::Context;
pub use default::{Literal, literal};
pub use definition::table_details;
pub use error::ParseError;
pub use statement::Statement;

use tokens::Cursor;

pub(in crate::mysql) use data_type::{blob_name, fitting, text_name};

/// Understands one statement of the binlog.
///
/// # Errors
///
/// What in the statement is not understood, and where. The statement then may have changed any table: read the
/// definitions anew, or stop.
pub fn parse(statement: &str, context: &Context) -> Result<Statement, ParseError> {
    // Every transaction starts and some end with these: no need for a tokenizer.
    match statement {
        "BEGIN" => return Ok(Statement::Begin),
        "COMMIT" => return Ok(Statement::Commit),
        "ROLLBACK" => return Ok(Statement::Rollback),
        _ => {}
    }
    // Expanded comments and a string without an end can put a place behind the statement's own end.
    expanded(statement, context)
        .map_err(|error| ParseError { offset: error.offset.min(statement.len()), ..error })
}

fn expanded(statement: &str, context: &Context) -> Result<Statement, ParseError> {
    let text = comments::expand(statement, context)?;
    let mut cursor = Cursor::new(&text, context)?;
    let parsed = any(&mut cursor)?;
    cursor.accept_symbol(&tokens::SEMICOLON);
    if !cursor.at_end() {
        return Err(cursor.error("the statement goes on where it should end"));
    }
    Ok(parsed)
}

/// Dispatches on the first words.
fn any(cursor: &mut Cursor<'_>) -> Result<Statement, ParseError> {
    if cursor.at_end() {
        return Ok(other::comment());
    }
    skip_set_statement(cursor)?;
    for read in [transaction::read, create::read, alter::read, drop::read, data::read, other::read] {
        if let Some(statement) = read(cursor)? {
            return Ok(statement);
        }
    }
    Err(cursor.error("the statement is not known"))
}

/// MariaDB: `SET STATEMENT variable = value, … FOR statement`.
fn skip_set_statement(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    if !cursor.context().mariadb || !cursor.accept_all(&["SET", "STATEMENT"]) {
        return Ok(());
    }
    while !cursor.accept("FOR") {
        if cursor.is("SQL_MODE") {
            return Err(cursor.error("SET STATEMENT changes how the rest of the statement is to be read"));
        }
        if cursor.at_end() {
            return Err(cursor.error("SET STATEMENT without FOR"));
        }
        cursor.skip_one()?;
    }
    Ok(())
}
