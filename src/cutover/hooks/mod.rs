//! What turns the traffic over: the command, the webhook, the unit of systemd, in this order.

pub(super) mod command;
mod unit;
mod webhook;

use self::command::Outcome;
use super::machine::Machine;
use crate::{
    config::Cutover as Settings,
    error::{Error, Result},
};

/// How a hook ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The traffic is turned over.
    Switched,
    /// It is not: why.
    NotSwitched(String),
    /// Nobody knows: why.
    Unknown(String),
}

/// One of the three.
#[derive(Clone, Debug)]
pub(super) enum Hook {
    Command(Vec<String>),
    Webhook(String),
    Unit(String),
}

impl Hook {
    /// For people; addresses without what may be secret in them.
    pub(super) fn describe(&self) -> String {
        match self {
            Hook::Command(argv) => format!("command {}", argv.first().map_or("", String::as_str)),
            Hook::Webhook(address) => format!("webhook {}", webhook::without_secrets(address)),
            Hook::Unit(unit) => format!("unit {unit}"),
        }
    }
}

/// The configured ones, in their order.
pub(super) fn configured(settings: &Settings) -> Vec<Hook> {
    let command = (!settings.command.is_empty()).then(|| Hook::Command(settings.command.clone()));
    let webhook = settings.webhook.clone().map(Hook::Webhook);
    let unit = settings.unit.clone().map(Hook::Unit);
    [command, webhook, unit].into_iter().flatten().collect()
}

impl Machine {
    /// Runs them one after the other, up to the first that does not turn the traffic over. One that fails behind one that succeeded
    /// leaves it unknown how the traffic goes.
    ///
    /// # Errors
    /// When what was done cannot be recorded.
    pub(super) async fn run_hooks(&self, description: &str) -> Result<Verdict> {
        self.journal.amend(|record| record.switched_by.clear()).await?;
        let mut ran: Vec<String> = Vec::new();
        for hook in configured(&self.settings) {
            let name = hook.describe();
            match self.run_hook(&hook, description).await {
                Verdict::Switched => {
                    ran.push(name);
                    let done = ran.clone();
                    self.journal.amend(|record| record.switched_by = done).await?;
                }
                Verdict::NotSwitched(why) if ran.is_empty() => {
                    return Ok(Verdict::NotSwitched(format!("{name}: {why}")));
                }
                Verdict::NotSwitched(why) => {
                    let ran = ran.join(", ");
                    return Ok(Verdict::Unknown(format!(
                        "{ran} turned the traffic over, and then {name} did not: {why}"
                    )));
                }
                Verdict::Unknown(why) if ran.is_empty() => {
                    return Ok(Verdict::Unknown(format!("{name}: {why}")));
                }
                Verdict::Unknown(why) => {
                    return Ok(Verdict::Unknown(format!("{name}: {why}; before it ran {}", ran.join(", "))));
                }
            }
        }
        Ok(Verdict::Switched)
    }

    async fn run_hook(&self, hook: &Hook, description: &str) -> Verdict {
        let limit = self.settings.timeout;
        match hook {
            Hook::Command(argv) => {
                match command::run(argv, self.environment(), description.as_bytes(), limit).await {
                    Outcome::Exited(0) => Verdict::Switched,
                    Outcome::Exited(code) => {
                        Verdict::NotSwitched(format!("the command ended with exit code {code}"))
                    }
                    Outcome::NotStarted(why) => Verdict::NotSwitched(why),
                    Outcome::Broken(why) => Verdict::Unknown(why),
                }
            }
            Hook::Webhook(address) => webhook::post(address, description, limit).await,
            Hook::Unit(unit) => unit::start(unit, limit).await,
        }
    }

    /// Puts the description where a unit, which has no input, finds it.
    pub(super) fn leave_description(&self, description: &str) -> Result<()> {
        let path = self.state_dir.join("cutover.json");
        std::fs::write(&path, description).map_err(|error| {
            Error::definite("cannot write the description of the cutover").on(path.display()).caused_by(error)
        })
    }
}
