//! The `slackwater` command.

fn main() {}
