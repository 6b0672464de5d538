//! What the task has created at the source: listed, and removed.

use super::{
    Postgres, ddl, publication,
    slot::{self, Slot},
};
use crate::{error::Result, postgres_client::Session, sources::Belonging};

const SLOT: &str = "replication slot";
const PUBLICATION: &str = "publication";
const TRIGGER: &str = "event trigger";
const FUNCTION: &str = "function";

impl Postgres {
    /// What is there now, in the order in which it is removed.
    pub(super) async fn found(&self, session: &Session) -> Result<Vec<Belonging>> {
        let names = &self.names;
        let mut found = Vec::new();
        if let Some(slot) = slot::read(session, &names.slot).await? {
            found.push(self.described(slot));
        }
        let mut add = |kind: &str, name: String, state: String| {
            found.push(Belonging { kind: kind.to_owned(), name, state, retained_bytes: None, warning: None });
        };
        for (trigger, state) in ddl::triggers(session, &names.trigger).await? {
            add(TRIGGER, trigger, state);
        }
        if ddl::has_function(session, &names.trigger).await? {
            let name = format!("{}.{}", ddl::SCHEMA, names.trigger);
            add(FUNCTION, name, "writes statements into the log".to_owned());
        }
        if let Some(publication) = publication::read(session, &names.publication).await? {
            let tables = match publication.all {
                true => "all tables".to_owned(),
                false => format!("{} tables", publication.tables.len()),
            };
            add(PUBLICATION, names.publication.clone(), tables);
        }
        Ok(found)
    }

    fn described(&self, slot: Slot) -> Belonging {
        let config = self.hosts.config();
        let usable = slot.is_usable(&config.database).map_err(|error| error.parts().0);
        let mut state = match (&usable, slot.active_pid) {
            (Err(why), _) => why.clone(),
            (Ok(()), None) => "inactive".to_owned(),
            (Ok(()), Some(_)) => "active".to_owned(),
        };
        if let (Ok(()), Some(status)) = (&usable, &slot.wal_status) {
            state = format!("{state}, {status}");
        }
        Belonging {
            kind: SLOT.to_owned(),
            warning: usable.err().or_else(|| slot.alarm(config.retained_log_limit)),
            retained_bytes: Some(slot.retained),
            name: slot.name,
            state,
        }
    }

    /// Removes what is there. The slot first: it keeps log.
    pub(super) async fn remove(&self, session: &Session) -> Result<Vec<Belonging>> {
        let found = self.found(session).await?;
        let has = |kind| found.iter().any(|belonging| belonging.kind == kind);
        if has(SLOT) {
            slot::drop_slot(session, &self.names.slot).await?;
        }
        if has(TRIGGER) || has(FUNCTION) {
            ddl::remove(session, &self.names.trigger).await?;
        }
        if has(PUBLICATION) {
            publication::drop_publication(session, &self.names.publication).await?;
        }
        Ok(found)
    }
}
