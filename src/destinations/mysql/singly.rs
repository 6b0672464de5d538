//! Changes of rows one by one, so that what the server refuses can be kept apart.

use std::{slice, sync::Arc};

use slackwater_decoders::event::{RowChange, Rows};

use super::{
    dead_letter::{DeadLetters, is_refusal},
    gathered::Gathered,
    net::NetWriter,
    session::Session,
    tables::ReadyTable,
};
use crate::{changes::NetChanges, error::Result};

/// Where a change stands before it is tried.
const MARK: &str = "slackwater_row";

/// Makes changes one by one in the open transaction, and counts what it keeps apart.
pub(super) struct Singly<'a> {
    pub(super) session: &'a mut Session,
    pub(super) dead_letters: &'a DeadLetters,
    /// Letters so far.
    pub(super) letters: u64,
}

impl Singly<'_> {
    /// Applies net effects.
    pub(super) async fn net(
        &mut self,
        writer: &mut NetWriter,
        table: &ReadyTable,
        net: &NetChanges<'_>,
        converging: bool,
    ) -> Result<()> {
        let rows = net.without_changes();
        for (change, one) in net.singly() {
            self.mark().await?;
            let made = writer.apply(self.session, table, &one, 1, converging).await;
            self.keep_refused(made, &rows, &change, None).await?;
        }
        Ok(())
    }

    /// Applies the changes of an event, in their order.
    pub(super) async fn in_order(
        &mut self,
        gathered: &mut Gathered,
        table: &Arc<ReadyTable>,
        rows: &Rows<'_>,
    ) -> Result<()> {
        for (change, number) in rows.changes.iter().zip(0..) {
            let one = Rows { changes: slice::from_ref(change), ..rows.clone() };
            self.mark().await?;
            let made = match gathered.rows(self.session, table, &one).await {
                Ok(()) => gathered.send_all(self.session).await,
                refused => refused,
            };
            if made.is_err() {
                gathered.clear();
            }
            self.keep_refused(made, rows, change, Some(number)).await?;
        }
        Ok(())
    }

    async fn mark(&mut self) -> Result<()> {
        self.session.run(format!("SAVEPOINT {MARK}")).await.map(drop)
    }

    /// Keeps a change that was refused, and takes back what it has done so far: it may have been several statements.
    async fn keep_refused(
        &mut self,
        made: Result<()>,
        rows: &Rows<'_>,
        change: &RowChange<'_>,
        number: Option<u64>,
    ) -> Result<()> {
        match made {
            Err(refusal) if is_refusal(&refusal) => {
                self.session.run(format!("ROLLBACK TO SAVEPOINT {MARK}")).await?;
                self.letters += self.dead_letters.keep(self.session, rows, change, number, &refusal).await?;
                Ok(())
            }
            made => made,
        }
    }
}
