//! What a cutover would do, without doing any of it.

use std::fmt;

use serde::Serialize;
use slackwater_decoders::schema::counter::Counter;

use super::{
    fence::{self, Means},
    hooks,
    parts::Parts,
};
use crate::{
    config::{Cutover as Settings, Depth},
    destinations::{
        Destination,
        schema::{PlannedStatement, Stage},
    },
    error::Result,
    pipeline::snapshot::schemas::TableSchemas,
    sources::{Finding, Level, Source, fencing::FencePlan},
};

/// What a cutover would do.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// How the source is closed to writers, for people.
    pub fence: String,
    /// The statements of that, and who could still write, where the source fences itself.
    pub source: Option<FencePlan>,
    /// The counters that would be set at the destination, as they stand now.
    pub counters: Vec<Counter>,
    /// The statements that would run at the destination.
    pub statements: Vec<PlannedStatement>,
    /// What the check of the reverse task has found; `None` without one.
    pub reverse: Option<Vec<Finding>>,
    /// What turns the traffic over, in this order.
    pub hooks: Vec<String>,
    /// How deep both ends would be compared.
    #[serde(skip)]
    pub verify: Depth,
}

/// Looks at both ends of a task. Changes nothing, and needs no running task.
///
/// # Errors
/// When an end cannot be asked, or the source cannot be closed as configured.
pub async fn plan(
    settings: &Settings,
    source: &dyn Source,
    destination: &mut dyn Destination,
    schemas: &mut dyn TableSchemas,
    parts: &Parts,
) -> Result<Plan> {
    let means = fence::means(settings, source);
    let (fence, look) = match (means, source.fencing()) {
        (Means::Nobody(why), _) => (why.to_owned(), None),
        (Means::Command, _) => ("by cutover.fence_command".to_owned(), None),
        (Means::Source, None) => ("not at all".to_owned(), None),
        (Means::Source, Some(fencing)) => ("by its own means".to_owned(), Some(fencing.look().await?)),
    };
    let reverse = match &parts.reverse {
        Some(reverse) => Some(reverse.check().await),
        None => None,
    };
    Ok(Plan {
        fence,
        source: look,
        counters: source.counters().await?,
        statements: schemas.planned(source, destination, Stage::AtCutover).await?,
        reverse,
        hooks: hooks::configured(settings).iter().map(hooks::Hook::describe).collect(),
        verify: settings.verify,
    })
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the source is closed to writers: {}", self.fence)?;
        if let Some(FencePlan { statements, writers, .. }) = &self.source {
            statements.iter().try_for_each(|statement| writeln!(f, "  {statement}"))?;
            for writer in writers {
                let told = fence::told(std::slice::from_ref(writer));
                writeln!(f, "  can still write: {told}")?;
            }
        }
        writeln!(f, "both ends are compared: {:?}", self.verify)?;
        writeln!(f, "counters that are set: {}", self.counters.len())?;
        for counter in &self.counters {
            writeln!(f, "  {} goes on at {}", counter.name, counter.next)?;
        }
        writeln!(f, "statements at the destination: {}", self.statements.len())?;
        self.statements.iter().try_for_each(|statement| writeln!(f, "  {}", statement.object))?;
        match &self.reverse {
            None => writeln!(f, "the reverse task: none")?,
            Some(findings) => {
                writeln!(f, "the reverse task:")?;
                for finding in findings {
                    let level = match finding.level {
                        Level::Ok => "ok",
                        Level::Warning => "warning",
                        Level::Error => "error",
                    };
                    writeln!(f, "  {level:<7}  {}  {}", finding.code, finding.found)?;
                    if let Some(repair) = &finding.repair {
                        writeln!(f, "           {repair}")?;
                    }
                }
            }
        }
        match self.hooks.is_empty() {
            true => {
                write!(f, "the traffic is turned over by: nobody ([cutover] has no command, webhook or unit)")
            }
            false => write!(f, "the traffic is turned over by: {}", self.hooks.join(", then ")),
        }
    }
}
