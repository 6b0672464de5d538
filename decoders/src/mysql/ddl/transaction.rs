//! Statements that start, end and divide transactions.
//!
//! Source: MySQL reference manual, "Transactional and Locking Statements".

use super::{
    ParseError, Statement, default,
    statement::Xid,
    tokens::{COMMA, Cursor},
};

pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Option<Statement>, ParseError> {
    let statement = if cursor.accept("BEGIN") {
        cursor.accept("WORK");
        Statement::Begin
    } else if cursor.accept_all(&["START", "TRANSACTION"]) {
        // READ ONLY, READ WRITE, WITH CONSISTENT SNAPSHOT
        cursor.skip_all();
        Statement::Begin
    } else if cursor.accept("COMMIT") {
        cursor.accept("WORK");
        Statement::Commit
    } else if cursor.accept("ROLLBACK") {
        cursor.accept("WORK");
        rollback(cursor)?
    } else if cursor.accept("SAVEPOINT") {
        Statement::Savepoint(cursor.identifier()?)
    } else if cursor.accept_all(&["RELEASE", "SAVEPOINT"]) {
        Statement::ReleaseSavepoint(cursor.identifier()?)
    } else if cursor.accept("XA") {
        distributed(cursor)?
    } else {
        return Ok(None);
    };
    Ok(Some(statement))
}

fn rollback(cursor: &mut Cursor<'_>) -> Result<Statement, ParseError> {
    if !cursor.accept("TO") {
        return Ok(Statement::Rollback);
    }
    // "ROLLBACK TO savepoint" is a savepoint of that name.
    if cursor.is("SAVEPOINT") && cursor.peek_at(1).is_some() {
        cursor.expect("SAVEPOINT")?;
    }
    cursor.identifier().map(Statement::RollbackTo)
}

fn distributed(cursor: &mut Cursor<'_>) -> Result<Statement, ParseError> {
    if cursor.accept_any(&["START", "BEGIN"]) {
        let xid = xid(cursor)?;
        cursor.accept_any(&["JOIN", "RESUME"]);
        Ok(Statement::XaStart(xid))
    } else if cursor.accept("END") {
        let xid = xid(cursor)?;
        if cursor.accept("SUSPEND") {
            cursor.accept_all(&["FOR", "MIGRATE"]);
        }
        Ok(Statement::XaEnd(xid))
    } else if cursor.accept("PREPARE") {
        xid(cursor).map(Statement::XaPrepare)
    } else if cursor.accept("COMMIT") {
        let xid = xid(cursor)?;
        Ok(Statement::XaCommit { xid, one_phase: cursor.accept_all(&["ONE", "PHASE"]) })
    } else if cursor.accept("ROLLBACK") {
        xid(cursor).map(Statement::XaRollback)
    } else {
        Err(cursor.error("START, END, PREPARE, COMMIT or ROLLBACK is expected"))
    }
}

/// `gtrid [, bqual [, format]]`; the format is 1 unless said.
fn xid(cursor: &mut Cursor<'_>) -> Result<Xid, ParseError> {
    let mut xid = Xid { gtrid: default::bytes_literal(cursor)?, bqual: Vec::new(), format: 1 };
    if cursor.accept_symbol(&COMMA) {
        xid.bqual = default::bytes_literal(cursor)?;
        if cursor.accept_symbol(&COMMA) {
            xid.format = cursor.number()?;
        }
    }
    Ok(xid)
}
