//! What an operator sees and does.

mod changed_rules;
mod command_line;
mod cutover_at_zero;
mod lost_positions;
mod precheck;
mod precheck_objects;
mod verify;
