//! What the task has created at the source: listed, and removed.

use super::{Postgres, ddl, publication, slot};
use crate::{config::ByteSize, error::Result, postgres_client::Session, sources::Belonging};

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
            let state = match (slot.is_usable(&self.hosts.config().database), slot.active_pid) {
                (Err(error), _) => error.parts().0,
                (Ok(()), None) => "inactive".to_owned(),
                (Ok(()), Some(_)) => "active".to_owned(),
            };
            let state = format!("{state}, keeps {} of log", ByteSize(slot.retained));
            found.push(Belonging { kind: SLOT, name: names.slot.clone(), state });
        }
        for (trigger, state) in ddl::triggers(session, &names.trigger).await? {
            found.push(Belonging { kind: TRIGGER, name: trigger, state });
        }
        if ddl::has_function(session, &names.trigger).await? {
            let name = format!("{}.{}", ddl::SCHEMA, names.trigger);
            found.push(Belonging {
                kind: FUNCTION,
                name,
                state: "writes statements into the log".to_owned(),
            });
        }
        if let Some(publication) = publication::read(session, &names.publication).await? {
            let tables = match publication.all {
                true => "all tables".to_owned(),
                false => format!("{} tables", publication.tables.len()),
            };
            found.push(Belonging { kind: PUBLICATION, name: names.publication.clone(), state: tables });
        }
        Ok(found)
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
