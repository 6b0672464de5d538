//! The switch: with the tail at rest the destination is made ready to take over, and the hooks turn the traffic over.

use async_trait::async_trait;
use slackwater_decoders::position::Position;
use tracing::{info, warn};

use super::{
    description::Findings,
    failpoint::{Side, failpoint},
    hooks::Verdict,
    limit::Limit,
    machine::Machine,
    parts::Switch,
};
use crate::{
    config::After,
    destinations::schema::Stage,
    error::{Error, Result},
    pipeline::handle::{AtRest, Next, Rest},
    positions::CutoverStep,
    sources::fencing::FenceState,
};

pub(super) const UNDECIDED: &str = "find out whether the traffic goes to the destination; then `slackwater cutover TASK.toml --accept` (it does: \
                                    the task counts as cut over) or `--undo` (it does not: everything is taken back, the source is opened). \
                                    Until then the source stays closed to writers";

/// The switch of one attempt.
pub(super) struct Switching {
    pub(super) machine: Machine,
    pub(super) limit: Limit,
    pub(super) findings: Findings,
}

#[async_trait]
impl AtRest for Switching {
    async fn at_rest(&mut self, rest: &mut Rest<'_>) -> Result<Next> {
        let machine = self.machine.clone();
        let made_ready = self.make_ready(rest).await;
        if let Err(error) = made_ready {
            machine.roll_back(&error.to_string(), true, Some(rest.destination())).await?;
            return Ok(Next::Continue);
        }
        let description = machine.describe(&self.findings);
        match machine.turn_over(&description).await? {
            Verdict::Switched => machine.conclude().await,
            Verdict::NotSwitched(why) => {
                machine.roll_back(&why, true, Some(rest.destination())).await?;
                Ok(Next::Continue)
            }
            Verdict::Unknown(why) => Err(machine.undecided(&why).await?),
        }
    }
}

impl Switching {
    /// Everything in front of the hooks.
    async fn make_ready(&mut self, rest: &mut Rest<'_>) -> Result<()> {
        let machine = self.machine.clone();
        let limit = self.limit.clone();
        let position = self.stands_still(rest)?;
        limit.within(machine.plan_statements(rest)).await?;
        failpoint(CutoverStep::Switching, Side::Before).await;
        limit.within(self.set_counters(rest)).await?;
        self.findings.refused =
            limit.within(machine.schemas.cut_over(&*machine.source, rest.destination())).await?;
        if let Some(gate) = &machine.parts.gate {
            machine.journal.amend(|record| record.undo.gate = true).await?;
            limit.within(gate.open()).await?;
            info!(destination = gate.describe(), "the destination is open to writers");
        }
        // First the generation: it is the last that we write to the destination, and the reverse task starts behind it.
        self.findings.generation = limit.within(rest.raise_generation()).await?;
        self.findings.reverse = limit.within(machine.prepare_reverse(position)).await?;
        failpoint(CutoverStep::Switching, Side::After).await;
        Ok(())
    }

    /// The position that the source stands still at: everything up to it is applied and stored.
    fn stands_still(&self, rest: &Rest<'_>) -> Result<Position> {
        let end = self.findings.standstill.clone();
        let end = end.ok_or_else(|| Error::definite("where the source stands still is not known"))?;
        let is_applied = rest.position().is_some_and(|applied| self.machine.source.reached(applied, &end));
        if is_applied {
            Ok(end)
        } else {
            Err(Error::transient("the destination was connected anew, and is not at the end of the log"))
        }
    }

    async fn set_counters(&mut self, rest: &mut Rest<'_>) -> Result<()> {
        let counters = self.machine.source.counters().await?;
        let left = rest.destination().set_counters(&counters).await?;
        for (counter, why) in &left {
            warn!(counter = %counter.name, next = %counter.next, why, "a counter has no place at the destination");
        }
        self.findings.left_counters = left;
        Ok(())
    }
}

impl Machine {
    /// Records what is about to be created at the destination.
    async fn plan_statements(&self, rest: &mut Rest<'_>) -> Result<()> {
        let planned = self.schemas.planned(&*self.source, rest.destination(), Stage::AtCutover).await?;
        let text = serde_json::to_string(&planned).map_err(|error| {
            Error::definite("the statements of the cutover cannot be recorded").caused_by(error)
        })?;
        let statements = (!planned.is_empty()).then_some(text);
        self.journal
            .enter(CutoverStep::Switching, "the destination is made ready to take over", |record| {
                record.undo.statements = statements;
            })
            .await
    }

    async fn prepare_reverse(&self, position: Position) -> Result<Option<Position>> {
        let Some(reverse) = &self.parts.reverse else { return Ok(None) };
        self.journal.amend(|record| record.undo.reverse = true).await?;
        let record = self.journal.record();
        let fence = record.undo.fence.map(FenceState);
        let switch = Switch { task: self.task.to_string(), attempt: record.attempt, position, fence };
        let start = reverse.prepare(&switch).await?;
        info!(task = reverse.name(), position = %start, "the reverse task is prepared");
        Ok(Some(start))
    }

    /// Runs the hooks. From here on nothing is broken off for the sake of time.
    pub(super) async fn turn_over(&self, description: &str) -> Result<Verdict> {
        self.leave_description(description)?;
        let told = description.to_owned();
        self.journal
            .enter(CutoverStep::Hooks, "the traffic is turned over", |record| record.description = Some(told))
            .await?;
        failpoint(CutoverStep::Hooks, Side::Before).await;
        let verdict = self.run_hooks(description).await?;
        failpoint(CutoverStep::Hooks, Side::After).await;
        Ok(verdict)
    }

    /// The traffic is turned over: the reverse task is let loose, and the task is done.
    pub(super) async fn conclude(&self) -> Result<Next> {
        self.journal.enter(CutoverStep::Reversing, "the traffic is turned over", |_| {}).await?;
        failpoint(CutoverStep::Reversing, Side::Before).await;
        if let Some(reverse) = &self.parts.reverse {
            self.insist("starting the reverse task", async || reverse.start().await).await?;
        }
        failpoint(CutoverStep::Reversing, Side::After).await;
        self.journal.enter(CutoverStep::Done, "cut over", |record| record.failures = 0).await?;
        failpoint(CutoverStep::Done, Side::Before).await;
        Ok(if self.settings.after == After::Stop { Next::Stop } else { Next::Continue })
    }

    /// Records that an operator has to decide; the error to end with.
    pub(super) async fn undecided(&self, why: &str) -> Result<Error> {
        self.journal.enter(CutoverStep::Undecided, why, |_| {}).await?;
        Ok(undecided(&self.task, why))
    }
}

/// What a task ends with that an operator has to decide about.
pub(super) fn undecided(task: &str, why: &str) -> Error {
    Error::definite(format!("whether the traffic was turned over is not known: {why}"))
        .on(task)
        .remedy(UNDECIDED)
}
