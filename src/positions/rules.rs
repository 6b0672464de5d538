//! The rules about tables that a task runs under, kept to notice that its file has others.
//!
//! A stored position says that the destination has what the log had before it, of the tables and in the form that the rules of that time
//! said. Under other rules that is not so: a table that is carried in addition has no rows there, one with another name is another
//! table.

use super::{Checkpoint, Completeness, Store};
use crate::{
    config::TableRules,
    error::{Error, Result},
};

const RULES: &[u8] = b"rules";

impl Store {
    /// Makes sure that a task runs under the rules that it ran under before. A new task's rules are taken down.
    ///
    /// # Errors
    /// Definite when they are others, or the record is damaged; also when the disk does not take it.
    pub fn require_rules(&self, rules: &TableRules) -> Result<()> {
        let before = self.rules()?;
        match before.filter(|_| self.found().is_some()) {
            Some(before) if before == *rules => Ok(()),
            Some(before) => Err(changed(&rules.differences(&before))),
            None => self.record_rules(rules),
        }
    }

    /// Takes other rules for a task, from where it stands on; in what they differ. Definitions of tables are read from the source again
    /// where `read_again` says so: of tables that were not carried there are none.
    ///
    /// # Errors
    /// Definite for a task without a position, or with a copy that is not complete: its rows were read under the former rules. Also
    /// when the disk does not take it.
    pub fn accept_rules(&self, rules: &TableRules, read_again: bool) -> Result<Vec<String>> {
        let Some(stored) = self.found() else {
            return Err(Error::definite(
                "there is no position yet: a new task takes the rules that its file has",
            ));
        };
        let Checkpoint { completeness, .. } = &stored.checkpoint;
        if *completeness != Completeness::Complete {
            return Err(Error::definite("the tables are not all copied, and those that are were copied under the former rules").remedy(
                "let the task run under the former rules until it follows the log; or begin anew: remove the task's row from the \
                 destination's table slackwater_checkpoint and move the state directory away",
            ));
        }
        let before = self.rules()?.unwrap_or_default();
        if read_again {
            self.history().forget()?;
            self.save(&stored.checkpoint, stored.origin)?;
        }
        self.record_rules(rules)?;
        Ok(rules.differences(&before))
    }

    fn rules(&self) -> Result<Option<TableRules>> {
        self.disk().get(RULES).map(|found| found.map(|(_, rules)| rules)).map_err(|damage| {
            Error::definite("the record of the rules about tables is damaged")
                .on(self.directory().display())
                .caused_by(damage)
                .remedy("move the state directory away, then `slackwater positions import TASK.toml --from-destination`")
        })
    }

    fn record_rules(&self, rules: &TableRules) -> Result<()> {
        self.disk().put(RULES, 0, rules)
    }

    /// Forgets the rules: the next run takes those of its file.
    pub(super) fn forget_rules(&self) -> Result<()> {
        self.disk().remove(RULES)
    }
}

fn changed(differences: &[String]) -> Error {
    Error::definite(format!(
        "the task ran under other rules about tables, and its position holds under these alone:\n  {}",
        differences.join("\n  ")
    ))
    .remedy(
        "put the former rules back; or, to go on from here under the new ones, `slackwater positions accept-rules TASK.toml`, \
         whose --help says what that means for rows that are there already. Tables are best added by a second task, with a name and \
         a state directory of its own and `start = \"snapshot\"`",
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use slackwater_decoders::position::Position;

    use super::*;
    use crate::{config::Task, positions::Origin};

    fn rules(include: &str) -> TableRules {
        let text = format!(
            "[source]\ntype = \"mysql-files\"\ndirectory = \"b\"\n[destination]\ntype = \"sqlite\"\npath = \"s.db\"\n\
             [objects]\ninclude = [{include}]\n"
        );
        Task::parse("task.toml".as_ref(), &text).unwrap().rules
    }

    #[test]
    fn other_rules_stop_a_task_that_has_a_position_until_they_are_accepted() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let (one, two) = (rules("\"shop.a\""), rules("\"shop.a\", \"shop.b\""));
        store.require_rules(&two).unwrap();
        store.require_rules(&one).unwrap();
        assert!(store.accept_rules(&two, true).is_err(), "there is no position yet");
        let position = Position::binlog("binlog.000001", 4, None);
        let checkpoint = |completeness| Checkpoint::first(position.clone(), completeness);
        store.save(&checkpoint(Completeness::Copying), Origin::Start).unwrap();
        assert!(store.accept_rules(&two, true).unwrap_err().to_string().contains("not all copied"));
        let complete = Checkpoint { sequence: 1, ..checkpoint(Completeness::Complete) };
        store.save(&complete, Origin::Applied).unwrap();
        store.history().replace_all(&position, &[]).unwrap();
        drop(store);

        let store = Store::open(directory.path()).unwrap();
        store.require_rules(&one).unwrap();
        let error = store.require_rules(&two).unwrap_err();
        assert!(
            !error.is_transient() && error.to_string().contains("objects.include has \"shop.b\" in addition"),
            "{error}"
        );
        assert_eq!(store.accept_rules(&two, false).unwrap(), ["objects.include has \"shop.b\" in addition"]);
        assert!(!store.history().is_empty());
        store.accept_rules(&one, true).unwrap();
        assert!(store.history().is_empty());
        drop(store);

        let store = Store::open(directory.path()).unwrap();
        store.require_rules(&one).unwrap();
        assert!(store.history().is_empty() && store.found().unwrap().checkpoint == complete);
    }
}
