//! What a destination offers for loading rows in bulk.

use async_trait::async_trait;
use slackwater_decoders::event::Rows;

use crate::error::Result;

/// Writes rows of a copy, on a connection of its own.
#[async_trait]
pub trait Loader: Send {
    /// Writes rows by the fastest bulk form that the destination has, and commits them. `rows` has inserts alone, of a table as
    /// the destination is to have it. With `again` some of the rows may be there already, of an attempt whose end is not
    /// known: they are replaced.
    ///
    /// # Errors
    /// After an error it is not known which of the rows are there; transient ones are retried with `again`.
    async fn load(&mut self, rows: &Rows<'_>, again: bool) -> Result<()>;
}
