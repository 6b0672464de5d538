//! What has to be the same beside the rows.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use slackwater_testkit::{Server, TextRow};

/// Requires every index of the source's database `shop` at the destination: its table, name, columns in their order, the length
/// of prefixes, and whether it is unique.
pub(crate) fn expect_indexes(source: &Server, destination: &Server) -> Result<()> {
    let indexes = |server: &Server| -> Result<BTreeSet<TextRow>> {
        let rows = server.query(
            "SELECT table_name, index_name, seq_in_index, column_name, non_unique, sub_part \
             FROM information_schema.statistics WHERE table_schema = 'shop'",
        )?;
        Ok(rows.into_iter().collect())
    };
    let (here, there) = (indexes(source)?, indexes(destination)?);
    let printed = |rows: Vec<&TextRow>| -> Vec<String> {
        let text = |cell: &Option<Vec<u8>>| {
            cell.as_ref().map_or("-".into(), |bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        rows.into_iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join(" ")).collect()
    };
    ensure!(
        here == there,
        "indexes differ\n  only at the source: {:?}\n  only at the destination: {:?}",
        printed(here.difference(&there).collect()),
        printed(there.difference(&here).collect())
    );
    Ok(())
}
