//! One attempt, from the look at both ends to the switch.

use tokio::sync::watch;
use tracing::{error, info};

use super::{
    description::Findings,
    failpoint::{Side, failpoint},
    fence::{self, Means},
    journal::told,
    limit::Limit,
    machine::Machine,
    switch::Switching,
};
use crate::{
    config::Depth,
    error::{Error, Result},
    pipeline::{handle::TailHandle, status::Phase},
    positions::{CutoverStep, Undo},
    sources::{Level, fencing::FencePlan},
};

impl Machine {
    /// Makes one attempt. Whatever its outcome, it is recorded, and the source is open again unless the traffic was turned over.
    ///
    /// # Errors
    /// What stops the task: something cannot be taken back.
    pub(super) async fn attempt(
        &self,
        tail: &TailHandle,
        dry_run: bool,
        cancelled: watch::Receiver<bool>,
        stop: watch::Receiver<bool>,
    ) -> Result<()> {
        self.journal.begin(dry_run);
        let plan = match self.check().await {
            Ok(plan) => plan,
            Err(error) => return self.give_up(&error).await,
        };
        self.status.update(|status| status.phase = Phase::CuttingOver);
        let limit = Limit::new(self.settings.downtime, cancelled, stop);
        let outcome = match self.close_and_compare(tail, plan.as_ref(), &limit).await {
            Ok(_) if dry_run => {
                self.journal.enter(CutoverStep::RollingBack, "the dry run is over", |_| {}).await?;
                let took = told(&self.journal.record().durations);
                self.roll_back(&format!("dry run: nothing stands in the way ({took})"), false, None).await
            }
            Ok(findings) => self.switch(tail, findings, &limit).await,
            Err(error) => self.roll_back(&error.to_string(), true, None).await,
        };
        self.status.update(|status| {
            if status.phase == Phase::CuttingOver {
                status.phase = Phase::Tailing;
            }
        });
        let record = self.journal.record();
        info!(
            step = record.step.name(),
            note = record.note,
            took = told(&record.durations),
            "the attempt is over"
        );
        outcome
    }

    /// What can be found out before anybody is kept from writing.
    async fn check(&self) -> Result<Option<FencePlan>> {
        if let Some(reverse) = &self.parts.reverse {
            let findings = reverse.check().await;
            let bad: Vec<_> = findings.iter().filter(|finding| finding.level == Level::Error).collect();
            if let Some(first) = bad.first() {
                let error = Error::definite(format!(
                    "the reverse task could not run: {} ({} errors)",
                    first.found,
                    bad.len()
                ));
                let remedy =
                    first.repair.clone().unwrap_or_else(|| "see `slackwater check` of it".to_owned());
                return Err(error.on(reverse.name()).remedy(remedy));
            }
        }
        if self.settings.verify != Depth::None && self.parts.verification.is_none() {
            return Err(Error::definite(
                "cutover.verify asks for a comparison that these two ends do not offer",
            )
            .remedy("set cutover.verify = \"none\", and compare by other means"));
        }
        self.look().await
    }

    /// Nothing was touched: the task goes on as before.
    async fn give_up(&self, error: &Error) -> Result<()> {
        error!(%error, "the cutover does not begin");
        self.journal
            .enter(CutoverStep::Waiting, format!("not begun: {error}"), |record| record.failures += 1)
            .await
    }

    /// Fencing, draining, verifying.
    async fn close_and_compare(
        &self,
        tail: &TailHandle,
        plan: Option<&FencePlan>,
        limit: &Limit,
    ) -> Result<Findings> {
        let undo = self.fence_undo(plan);
        let note = match self.means() {
            Means::Nobody(why) => why.to_owned(),
            Means::Source | Means::Command => "the source is closed to writers".to_owned(),
        };
        self.journal.enter(CutoverStep::Fencing, note, |record| record.undo = undo).await?;
        failpoint(CutoverStep::Fencing, Side::Before).await;
        let writers = self.raise(plan, limit).await?;
        failpoint(CutoverStep::Fencing, Side::After).await;

        let mut note = "what was committed before is applied".to_owned();
        if !writers.is_empty() {
            note.push_str(&format!("; can still write: {}", fence::told(&writers)));
        }
        self.journal.enter(CutoverStep::Draining, note, |_| {}).await?;
        failpoint(CutoverStep::Draining, Side::Before).await;
        let standstill = self.drain(tail, limit).await?;
        failpoint(CutoverStep::Draining, Side::After).await;

        let found = Some(standstill.clone());
        self.journal
            .enter(CutoverStep::Verifying, "both ends are compared", |record| record.standstill = found)
            .await?;
        failpoint(CutoverStep::Verifying, Side::Before).await;
        let verification = match (&self.parts.verification, self.settings.verify) {
            (_, Depth::None) | (None, _) => None,
            (Some(verification), depth) => Some(limit.within(verification.run(depth)).await?),
        };
        if let Some(summary) = verification.as_ref().filter(|summary| summary.differing > 0) {
            return Err(Error::definite(format!(
                "{} of {} rows differ: {}",
                summary.differing,
                summary.rows,
                summary.details.join("; ")
            ))
            .remedy("`slackwater verify` shows them, `slackwater repair` mends them"));
        }
        failpoint(CutoverStep::Verifying, Side::After).await;
        Ok(Findings { standstill: Some(standstill), writers, verification, ..Findings::default() })
    }

    async fn switch(&self, tail: &TailHandle, findings: Findings, limit: &Limit) -> Result<()> {
        let work = Switching { machine: self.clone(), limit: limit.clone(), findings };
        match tail.at_rest(work, limit.deadline()).await {
            // What stops the task comes from the tail.
            Ok(_) => Ok(()),
            // Nothing of the switch has begun.
            Err(error) if self.journal.step() == CutoverStep::Verifying => {
                self.roll_back(&error.to_string(), true, None).await
            }
            Err(error) => Err(error),
        }
    }

    /// What a start finds of an attempt that was cut off, in front of the hooks.
    pub(super) fn cut_off(&self) -> Option<(String, Undo)> {
        let record = self.journal.record();
        record
            .step
            .is_revocable()
            .then(|| (format!("the daemon ended while it was {}", record.step.name()), record.undo))
    }
}
