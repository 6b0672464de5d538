//! The names of what a task creates at its source.

use crate::config::postgres::PostgresSource;

/// The longest name that PostgreSQL keeps (`NAMEDATALEN - 1`).
const NAME_BYTES: usize = 63;
/// What derived names begin with.
const PREFIX: &str = "slackwater_";

/// The names of what a task creates at its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// The replication slot.
    pub(super) slot: String,
    /// The publication.
    pub(super) publication: String,
    /// The event triggers begin with it, and their function has it.
    pub(super) trigger: String,
}

impl Names {
    /// As configured, else derived from the task's name.
    pub(super) fn new(task: &str, config: &PostgresSource) -> Self {
        let derived = derived(task);
        Names {
            slot: config.slot.clone().unwrap_or_else(|| derived.clone()),
            publication: config.publication.clone().unwrap_or_else(|| derived.clone()),
            trigger: derived,
        }
    }
}

/// A name that a slot may have, another one for each task: what a slot's name cannot hold is replaced, and a checksum tells names apart that
/// become alike by that.
fn derived(task: &str) -> String {
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
    // Room for the endings of what is more than one.
    let longest = NAME_BYTES - PREFIX.len() - 10;
    if task.len() <= longest && task.bytes().all(is_plain) {
        return format!("{PREFIX}{task}");
    }
    let replaced: String = task
        .bytes()
        .take(longest - 9)
        .map(|byte| byte.to_ascii_lowercase())
        .map(|byte| if is_plain(byte) { char::from(byte) } else { '_' })
        .collect();
    format!("{PREFIX}{replaced}_{:08x}", crc32fast::hash(task.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_a_slot_and_differ_for_each_task() {
        assert_eq!(derived("orders_2"), "slackwater_orders_2");
        let tasks = ["Orders", "orders-a", "orders.a", "ördérs", &"long".repeat(40), &"long".repeat(41)];
        let names: std::collections::HashSet<_> = tasks.iter().map(|task| derived(task)).collect();
        assert_eq!(names.len(), tasks.len());
        for name in names {
            assert!(name.len() <= NAME_BYTES - 10, "{name}");
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{name}"
            );
        }
    }
}
