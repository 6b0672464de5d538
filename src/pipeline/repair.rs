//! Building a group again that was cut off while its shares were committed.
//!
//! The shares that are committed are known by their number alone, so that the group has to be the same: the same transactions,
//! whatever batches they come in this time, folded by the same rules and parted for as many workers.

use slackwater_decoders::position::Position;
use tokio::sync::mpsc;

use super::{grouper::Rules, queue::Message};
use crate::{changes::Group, error::Result};

/// The group of the transactions up to `end`, from those that `messages` brings; `None` when they end before. The group
/// is as large as it was. The quota does not count it: a reader that waits for it to be applied would never bring its end.
pub(super) async fn rebuild(
    rules: &Rules,
    messages: &mut mpsc::Receiver<Message>,
    end: &Position,
) -> Result<Option<Group>> {
    let mut builder = rules.builder();
    while let Some(message) = messages.recv().await {
        match message {
            Message::Batch(batch, _) => {
                let behind = batch.summary().resume.clone();
                let is_complete = builder.push_until(batch, end)?;
                if is_complete || behind.is_some_and(|behind| rules.source.reached(&behind, end)) {
                    return Ok(Some(builder.build()));
                }
            }
            Message::Rewind => builder = builder.split()?.0,
        }
    }
    Ok(None)
}
