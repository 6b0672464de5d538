//! Comparing again and again beside the tail of the same process.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};
use tracing::{info, warn};

use super::{Progress, report::Report, task::TaskVerification};
use crate::{
    config::Depth,
    pipeline::status::{Phase, StatusBoard, VerificationStatus, millis_now},
};

/// How often a task that does not follow the log yet is looked at.
const WAITING: Duration = Duration::from_secs(1);

/// Compares all rows, rests for `every`, and begins again, until the task ends. The outcome goes to the status and to the log.
pub async fn compare_forever(
    task: Arc<TaskVerification>,
    every: Duration,
    status: StatusBoard,
    stop: watch::Receiver<bool>,
) {
    loop {
        while status.snapshot().phase != Phase::Tailing {
            sleep(WAITING).await;
        }
        let board = status.clone();
        let follow = task.follow(Box::new(move || Ok(board.snapshot().position)));
        match task.run(Depth::Rows, follow, Progress::default(), stop.clone()).await {
            Ok(report) if report.stopped => {}
            Ok(report) => tell(&report, &status),
            Err(error) => warn!(%error, "the comparison of both ends could not be made"),
        }
        sleep(every).await;
    }
}

fn tell(report: &Report, status: &StatusBoard) {
    let summary = report.summary();
    if report.is_equal() {
        info!(summary, "source and destination were compared");
    } else {
        for table in report.tables.iter().filter(|table| table.differing() > 0 || table.error.is_some()) {
            warn!(
                table = table.table,
                missing = table.missing,
                extra = table.extra,
                changed = table.changed,
                error = table.error,
                "a table of the destination differs from the source"
            );
        }
        warn!(summary, "source and destination were compared: `slackwater verify` lists the rows");
    }
    let outcome = VerificationStatus {
        time_ms: millis_now(),
        summary,
        differing: report.differing(),
        undecided: report.undecided(),
    };
    status.update(|status| status.verification = Some(outcome));
}
