//! Objects that act on rows by themselves, removed again: the cutover that created them was rolled back.

use slackwater_decoders::schema::definition::ObjectKind;

use super::session::Session;
use crate::{
    destinations::schema::{Kind, PlannedStatement, Stage},
    error::{Error, Result},
    types::mysql::quote_name,
};

/// Removes the triggers and events of these statements.
///
/// # Errors
/// The server's refusal, or a lost connection.
pub(super) async fn withdraw(session: &mut Session, statements: &[PlannedStatement]) -> Result<()> {
    for statement in statements.iter().filter(|statement| statement.stage == Stage::AtCutover) {
        let Some(sql) = removing(statement)? else { continue };
        session.run(sql).await.map_err(|error| error.on(&statement.object))?;
    }
    Ok(())
}

/// The statement that removes what a statement has created; `None` for what does not act by itself.
fn removing(statement: &PlannedStatement) -> Result<Option<String>> {
    let word = match statement.object.kind {
        Kind::Stored(ObjectKind::Trigger) => "TRIGGER",
        Kind::Stored(ObjectKind::Event) => "EVENT",
        _ => return Ok(None),
    };
    let target = &statement.object.target;
    let parts = match &statement.database {
        // A name may have a dot of its own.
        Some(database) => target
            .strip_prefix(database.as_str())
            .and_then(|rest| rest.strip_prefix('.'))
            .map(|name| (database.as_str(), name)),
        None => target.split_once('.'),
    };
    let (database, name) = parts.ok_or_else(|| {
        Error::definite("the object's name here does not name its database").on(&statement.object)
    })?;
    Ok(Some(format!("DROP {word} IF EXISTS {}.{}", quote_name(database), quote_name(name))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::destinations::schema::Object;

    #[test]
    fn only_what_acts_by_itself_is_removed() {
        let statement = |kind, target: &str, database: Option<&str>| {
            let object =
                Object { kind: Kind::Stored(kind), source: target.to_owned(), target: target.to_owned() };
            let mut statement = PlannedStatement::new(object, Stage::AtCutover, "");
            statement.database = database.map(str::to_owned);
            removing(&statement).unwrap()
        };
        assert_eq!(
            statement(ObjectKind::Trigger, "a.b.c", Some("a.b")).unwrap(),
            "DROP TRIGGER IF EXISTS `a.b`.`c`"
        );
        assert_eq!(statement(ObjectKind::Event, "a.e", None).unwrap(), "DROP EVENT IF EXISTS `a`.`e`");
        assert_eq!(statement(ObjectKind::Function, "a.f", Some("a")), None);
    }
}
