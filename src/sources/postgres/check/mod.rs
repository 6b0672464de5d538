//! The precheck of a server: each item is asked for, even when one before it fails.
//!
//! * `settings`: the server and the account. `objects`: the tables. Here: getting there, and the slot.

mod objects;
mod settings;

use super::{Postgres, ddl, questions, slot};
use crate::{
    config::{ByteSize, Start, postgres::DdlCapture, source::TlsMode},
    error::Result,
    postgres_client::{Address, Session, literal, quoted},
    sources::{Finding, Plan},
};

impl Postgres {
    /// The items of all servers of the task.
    pub(super) async fn findings(&self, plan: &Plan<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let addresses = self.hosts.addresses();
        for address in addresses {
            let mut of_host = self.findings_at(address, plan).await;
            if addresses.len() > 1 {
                for finding in &mut of_host {
                    finding.found = format!("{address}: {}", finding.found);
                }
            }
            findings.append(&mut of_host);
        }
        findings
    }

    async fn findings_at(&self, address: &Address, plan: &Plan<'_>) -> Vec<Finding> {
        let session = match self.hosts.connect_to(address).await {
            Ok(session) => session,
            Err(error) => return vec![Finding::unanswered("postgres.account", &error)],
        };
        let mut findings = vec![self.encryption(&session)];
        findings.extend(settings::findings(&session, self.hosts.config()).await);
        let is_standby = match questions::is_standby(&session).await {
            Ok(is_standby) => is_standby,
            Err(error) => {
                findings.push(Finding::unanswered("postgres.role", &error));
                return findings;
            }
        };
        if is_standby && self.hosts.addresses().len() > 1 {
            findings.push(self.standby(&session).await);
            return findings;
        }
        let several = [
            ("postgres.replication", self.replication(&session).await),
            ("postgres.slot", self.slot(&session, plan).await),
            ("postgres.ddl", self.capture(&session).await),
        ];
        for (code, finding) in several {
            findings.push(finding.unwrap_or_else(|error| Finding::unanswered(code, &error)));
        }
        findings
            .extend(objects::findings(&session, plan, self.hosts.config(), &self.names.publication).await);
        findings
    }

    fn encryption(&self, session: &Session) -> Finding {
        let (code, mode) = ("postgres.tls", self.hosts.config().tls.mode);
        match session.address() {
            _ if session.is_encrypted() => {
                Finding::ok(code, format!("the connection is encrypted (tls.mode is {mode})"))
            }
            Address::Unix(..) => Finding::ok(code, "the connection is a local socket"),
            Address::Tcp(..) if mode == TlsMode::Disabled => {
                Finding::ok(code, "the connection is not encrypted, as configured (tls.mode is disabled)")
            }
            Address::Tcp(..) => Finding::warning(
                code,
                format!(
                    "the server offers no TLS and tls.mode is {mode}: what is read can be seen on the way"
                ),
                "set ssl = on at the server, or tls = { mode = \"disabled\" } in the task file",
            ),
        }
    }

    /// A login for replication, which pg_hba.conf may refuse where it lets the account in otherwise.
    async fn replication(&self, session: &Session) -> Result<Finding> {
        let (_, identity) = self.hosts.replicate(session).await?;
        let found = format!("cluster {}, timeline {}", identity.system, identity.timeline);
        Ok(Finding::ok("postgres.replication", found))
    }

    /// What of the slot a promoted standby will have.
    async fn standby(&self, session: &Session) -> Finding {
        let code = "postgres.standby";
        let repair = "with PostgreSQL 17 or later: source.failover = true for a new task, and sync_replication_slots = on, \
                      hot_standby_feedback = on and a dbname in primary_conninfo at the standby";
        match slot::read(session, &self.names.slot).await {
            Err(error) => Finding::unanswered(code, &error),
            Ok(Some(slot)) if slot.failover => Finding::ok(code, "a standby that keeps the slot"),
            Ok(_) if session.major() >= 17 && self.hosts.config().failover => {
                Finding::ok(code, "a standby; the slot comes once it is created")
            }
            Ok(_) => Finding::warning(
                code,
                "a standby without the slot: the task stops when it is promoted",
                repair,
            ),
        }
    }

    async fn slot(&self, session: &Session, plan: &Plan<'_>) -> Result<Finding> {
        let (code, config) = ("postgres.slot", self.hosts.config());
        let existing = slot::read(session, &self.names.slot).await?;
        let Some(slot) = existing else {
            return match plan.stored {
                Some(from) => Err(slot::missing(&self.names.slot, Some(from))),
                None if config.create && *plan.start != Start::Earliest => {
                    Ok(Finding::ok(code, format!("slot {} will be created", self.names.slot)))
                }
                None => Err(slot::missing(&self.names.slot, None)),
            };
        };
        match plan.stored {
            // One that is in use is in use by the task, as far as the check can tell.
            Some(from) if slot.active_pid.is_none() => slot.can_serve(from, &config.database)?,
            _ => slot.is_usable(&config.database)?,
        }
        let found = format!("slot {} keeps {} of log", slot.name, ByteSize(slot.retained));
        Ok(match slot.alarm(config.retained_log_limit) {
            Some(warning) => Finding::warning(
                code,
                format!("slot {}: {warning}", slot.name),
                "start the task, or remove the slot with slackwater release; the log fills the disk otherwise",
            ),
            None => Finding::ok(code, found),
        })
    }

    async fn capture(&self, session: &Session) -> Result<Finding> {
        let (code, capture) = ("postgres.ddl", self.hosts.config().ddl);
        let obstacle = if capture == DdlCapture::Compare {
            Some("source.ddl is \"compare\"")
        } else {
            ddl::obstacle(session).await?
        };
        Ok(match (obstacle, capture) {
            (None, _) => {
                Finding::ok(code, "an event trigger writes statements that change definitions into the log")
            }
            (Some(obstacle), DdlCapture::EventTrigger) => Finding::error(
                code,
                format!("statements cannot be captured: {obstacle}"),
                format!(
                    "ALTER ROLE {} SUPERUSER; or source.ddl = \"compare\"",
                    quoted(&self.hosts.config().user)
                ),
            ),
            (Some(obstacle), _) => Finding::warning(
                code,
                format!(
                    "changed definitions are noticed with the next row of the table ({obstacle}): a dropped table is not, and one \
                     that is changed twice before its log is read may stop the task"
                ),
                format!(
                    "let the task connect as a superuser of PostgreSQL 14 or later, or stop it around ALTER TABLE \
                         (slot {})",
                    literal(&self.names.slot)
                ),
            ),
        })
    }
}
