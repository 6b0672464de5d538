//! Triggers and rules, removed again: the cutover that created them was rolled back.

use slackwater_decoders::schema::definition::ObjectKind;

use super::{existing::qualified, session::Session};
use crate::{
    destinations::schema::{Kind, PlannedStatement, Stage},
    error::Result,
    types::postgres::quote_name,
};

/// Removes those of these statements that would act on what is applied. For sessions that apply as a replica
/// (`session_replication_role`) only triggers of `ENABLE ALWAYS` and `ENABLE REPLICA` do.
///
/// # Errors
/// The server's refusal, or a lost connection.
pub(super) async fn withdraw(session: &mut Session, statements: &[PlannedStatement]) -> Result<()> {
    for statement in statements {
        let Some(sql) = removing(statement, session.is_replica) else { continue };
        session.run(&sql).await.map_err(|error| error.on(&statement.object))?;
    }
    Ok(())
}

/// The statement that removes what a statement has created; `None` where it does not act on what is applied.
fn removing(statement: &PlannedStatement, is_replica: bool) -> Option<String> {
    let is_trigger = statement.object.kind == Kind::Stored(ObjectKind::Trigger);
    let table = statement.target.as_ref().filter(|_| is_trigger && statement.stage == Stage::AtCutover)?;
    let words = statement.sql.to_uppercase();
    if is_replica && !words.contains("ENABLE ALWAYS") && !words.contains("ENABLE REPLICA") {
        return None;
    }
    let words: Vec<&str> = words.split_whitespace().take(4).collect();
    let word = if words.contains(&"RULE") && !words.contains(&"TRIGGER") { "RULE" } else { "TRIGGER" };
    let target = &statement.object.target;
    let name =
        target.strip_prefix(&*table.database).and_then(|rest| rest.strip_prefix('.')).unwrap_or(target);
    Some(format!("DROP {word} IF EXISTS {} ON {}", quote_name(name), qualified(table)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destinations::schema::Object;
    use slackwater_decoders::schema::TableName;

    #[test]
    fn what_acts_on_what_is_applied_is_removed() {
        let removed = |sql: &str, is_replica| {
            let object = Object {
                kind: Kind::Stored(ObjectKind::Trigger),
                source: "s.Audit".to_owned(),
                target: "s.Audit".to_owned(),
            };
            let table = TableName::new("s", "t");
            removing(&PlannedStatement::new(object, Stage::AtCutover, sql).of(&table, &table), is_replica)
        };
        let trigger = "CREATE TRIGGER \"Audit\" AFTER INSERT ON s.t FOR EACH ROW EXECUTE FUNCTION s.f()";
        assert_eq!(removed(trigger, true), None);
        assert_eq!(
            removed(trigger, false).as_deref(),
            Some("DROP TRIGGER IF EXISTS \"Audit\" ON \"s\".\"t\"")
        );
        let always = format!("{trigger}; ALTER TABLE s.t ENABLE ALWAYS TRIGGER \"Audit\"");
        assert!(removed(&always, true).is_some());
        let rule = "CREATE RULE \"Audit\" AS ON INSERT TO s.t DO ALSO NOTHING";
        assert_eq!(removed(rule, false).as_deref(), Some("DROP RULE IF EXISTS \"Audit\" ON \"s\".\"t\""));
    }
}
