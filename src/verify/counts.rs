//! The number of rows of a table, and no more.

use tokio::time::{Instant, sleep};

use super::{
    Comparing, candidates::CONFIRMATIONS, digest::From, follow::Caught, pair::Pair, report::TableReport,
};
use crate::{config::mapping::Operation, error::Result, sources::rows::Part};

impl Comparing {
    pub(super) async fn counts(&self, pair: &Pair, report: &mut TableReport) -> Result<()> {
        report.method = "numbers of rows";
        let deadline = Instant::now() + self.settings.verify.patience;
        let mut before = None;
        let mut confirmed = 0;
        loop {
            let numbers = tokio::try_join!(self.count_sources(pair), self.count_destination(pair))?;
            (report.source_rows, report.destination_rows) = numbers;
            if numbers.0 == numbers.1 {
                return Ok(());
            }
            confirmed = if before == Some(numbers) { confirmed + 1 } else { 0 };
            before = Some(numbers);
            let left = deadline.saturating_duration_since(Instant::now());
            match self.ends.follow.catch_up(left).await? {
                Caught::AtRest => break,
                Caught::Up if confirmed >= CONFIRMATIONS => break,
                Caught::Up if !left.is_zero() => sleep(super::candidates::FIRST_PAUSE).await,
                Caught::Up | Caught::Late => {
                    report.unsettled += 1;
                    report.notes.push(
                        "the numbers differed whenever they were asked for, while changes came".to_owned(),
                    );
                    return Ok(());
                }
            }
        }
        let (here, there) = (report.source_rows, report.destination_rows);
        if here > there && pair.carries(Operation::Insert) {
            report.missing = here - there;
        }
        if there > here && pair.carries(Operation::Delete) {
            report.extra = there - here;
        }
        Ok(())
    }

    async fn count_sources(&self, pair: &Pair) -> Result<u64> {
        let mut rows = 0;
        for source in &pair.sources {
            if source.route.has_filter() {
                self.scan(pair, From::Source(source), &Part::All, |_| rows += 1).await?;
            } else {
                rows += self.ends.source.count(&source.table.name).await?;
            }
        }
        Ok(rows)
    }

    async fn count_destination(&self, pair: &Pair) -> Result<u64> {
        self.ends.destination.count(&pair.name).await
    }
}
