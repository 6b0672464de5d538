//! Which of the copies of a position counts.

use super::{Checkpoint, Completeness, Origin, Stored, copies::COPY_AGAIN};
use crate::error::{Error, Result};

/// Where a task continues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Neither side knows the task: it starts where its file says.
    Fresh,
    /// It continues behind this checkpoint.
    At {
        /// The checkpoint that counts.
        checkpoint: Checkpoint,
        /// Why this one, for the log.
        reason: String,
    },
}

/// Decides between the local store and the destination's checkpoint: the destination's counts, because it was
/// committed together with the data.
///
/// # Errors
/// Definite, when one side is missing in a way that only a loss explains, or when a newer generation took over.
pub fn reconcile(local: Option<&Stored>, destination: Option<&Checkpoint>) -> Result<Resume> {
    match (local, destination) {
        (None, None) => Ok(Resume::Fresh),
        (None, Some(checkpoint)) if checkpoint.completeness != Completeness::Complete => {
            Err(Error::definite(format!(
                "the destination holds an incomplete copy of this task ({}), but the local store, which knows how far \
                 each table is, is empty",
                checkpoint.position
            ))
            .remedy(COPY_AGAIN))
        }
        (None, Some(checkpoint)) => Err(Error::definite(format!(
            "the destination holds a checkpoint of this task ({}), but the local store is empty",
            checkpoint.position
        ))
        .remedy(
            "if the state directory was lost: `slackwater positions import TASK.toml --from-destination`; if another \
             task has the same name, give this one another name",
        )),
        (Some(stored), None) if stored.origin == Origin::Applied => Err(Error::definite(format!(
            "changes up to {} were applied, but the destination holds no checkpoint of this task: it is not the \
             database that was written to, or it was emptied",
            stored.checkpoint.position
        ))
        .remedy(
            "connect the destination that was used before; to begin again with an empty one, move the state directory \
             away; to continue at a position of your own, `slackwater positions import`",
        )),
        (Some(stored), None) => Ok(Resume::At {
            checkpoint: stored.checkpoint.clone(),
            reason: match stored.origin {
                Origin::Imported => "imported by the operator; the destination has no checkpoint yet",
                _ => "the stored start of the task; the destination has no checkpoint yet",
            }
            .to_owned(),
        }),
        (Some(stored), Some(checkpoint)) => both(&stored.checkpoint, checkpoint),
    }
}

fn both(local: &Checkpoint, destination: &Checkpoint) -> Result<Resume> {
    if destination.generation > local.generation {
        return Err(Error::definite(format!(
            "this task is of generation {}, the destination is at generation {}: another task took over, or the \
             state directory is an older copy of the one that was used last",
            local.generation, destination.generation
        ))
        .remedy(
            "do not start this task again; if it is the rightful one, and nothing else writes to the destination in its name, \
             `slackwater positions import TASK.toml --from-destination`",
        ));
    }
    let reason = if local.position == destination.position {
        "the destination's checkpoint and the local store agree".to_owned()
    } else if destination.sequence >= local.sequence {
        format!(
            "the destination's checkpoint counts; the local store was behind it at {}, as after any sudden stop",
            local.position
        )
    } else {
        format!(
            "the destination's checkpoint counts although the local store was ahead of it at {}: the destination was \
             set back (a restored backup?), and the log is applied again from its checkpoint",
            local.position
        )
    };
    Ok(Resume::At { checkpoint: Checkpoint { generation: local.generation, ..destination.clone() }, reason })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use slackwater_decoders::position::Position;

    use super::*;
    use crate::positions::Completeness;

    fn checkpoint(generation: u64, sequence: u64, offset: u64) -> Checkpoint {
        Checkpoint {
            generation,
            sequence,
            position: Position::binlog("binlog.000001", offset, None),
            completeness: Completeness::Complete,
        }
    }

    fn stored(origin: Origin, checkpoint: Checkpoint) -> Stored {
        Stored { checkpoint, origin, history: 0 }
    }

    #[test]
    fn the_destination_counts_whether_it_is_ahead_or_behind() {
        for (sequence, offset) in [(9, 900), (2, 200)] {
            let local = stored(Origin::Applied, checkpoint(1, 5, 500));
            let Resume::At { checkpoint, .. } =
                reconcile(Some(&local), Some(&checkpoint(1, sequence, offset))).unwrap()
            else {
                panic!("the task is not new")
            };
            assert_eq!(
                (checkpoint.sequence, checkpoint.position),
                (sequence, Position::binlog("binlog.000001", offset, None))
            );
        }
    }

    #[test]
    fn a_side_that_was_lost_is_an_error_with_a_remedy() {
        let error = reconcile(None, Some(&checkpoint(1, 5, 500))).unwrap_err();
        assert!(!error.is_transient());
        assert!(error.to_string().contains("slackwater positions import"), "{error}");
        let local = stored(Origin::Applied, checkpoint(1, 5, 500));
        assert!(reconcile(Some(&local), None).unwrap_err().to_string().contains("holds no checkpoint"));
    }

    #[test]
    fn a_start_that_never_reached_the_destination_is_repeated_at_the_same_place() {
        let local = stored(Origin::Start, checkpoint(1, 0, 154));
        let Resume::At { checkpoint, .. } = reconcile(Some(&local), None).unwrap() else { panic!("not new") };
        assert_eq!(checkpoint.position, Position::binlog("binlog.000001", 154, None));
    }

    #[test]
    fn a_superseded_task_does_not_start() {
        let local = stored(Origin::Applied, checkpoint(1, 5, 500));
        let error = reconcile(Some(&local), Some(&checkpoint(2, 6, 600))).unwrap_err();
        assert!(error.to_string().contains("another task took over"), "{error}");
    }
}
