//! Reading a part of a table at one end.

use slackwater_decoders::batch::Batch;
use std::sync::{Arc, atomic::Ordering};

use super::{
    Comparing,
    digest::{Digester, From, Row, images},
    pair::Pair,
};
use crate::{
    error::{Error, Result},
    sources::rows::{Part, RowReader, RowScan},
};

impl Comparing {
    pub(super) fn reader(&self, from: From<'_>) -> &Arc<dyn RowReader> {
        match from {
            From::Source(_) => &self.ends.source,
            From::Destination => &self.ends.destination,
        }
    }

    /// Begins to read.
    pub(super) async fn open(
        &self,
        pair: &Pair,
        from: From<'_>,
        part: &Part<'_>,
    ) -> Result<Box<dyn RowScan>> {
        let table = match from {
            From::Source(source) => &source.table,
            From::Destination => &pair.destination,
        };
        self.reader(from).scan(table, part).await.map_err(|error| error.on(&table.name))
    }

    /// The next rows, within the limits.
    pub(super) async fn next(&self, from: From<'_>, scan: &mut dyn RowScan) -> Result<Option<Batch>> {
        if self.is_stopped() {
            return Err(Error::transient("the comparison was stopped"));
        }
        let batch = scan.next().await?;
        if let Some(batch) = &batch {
            let rows = images(batch).count() as u64;
            let limit = match from {
                From::Source(_) => {
                    self.progress.0.rows.fetch_add(rows, Ordering::Relaxed);
                    self.limits.first()
                }
                From::Destination => self.limits.last(),
            };
            if let Some(limit) = limit {
                limit.rows(rows, 0).await;
            }
        }
        Ok(batch)
    }

    /// Calls `each` with the rows of a part.
    pub(super) async fn scan(
        &self,
        pair: &Pair,
        from: From<'_>,
        part: &Part<'_>,
        mut each: impl FnMut(Row<'_>) + Send,
    ) -> Result<()> {
        let mut scan = self.open(pair, from, part).await?;
        let mut digester = Digester::new(pair, from, self.hasher);
        while let Some(batch) = self.next(from, &mut *scan).await? {
            digester.read(&batch, &mut each)?;
        }
        Ok(())
    }

    /// Calls `each` with all rows that are to be at the destination.
    pub(super) async fn scan_sources(&self, pair: &Pair, mut each: impl FnMut(Row<'_>) + Send) -> Result<()> {
        for source in &pair.sources {
            self.scan(pair, From::Source(source), &Part::All, &mut each).await?;
        }
        Ok(())
    }
}
