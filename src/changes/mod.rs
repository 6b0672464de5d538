//! From the events of a log to what a destination has to do: the changes of one or many source transactions, folded to their
//! net effect on each row, and parted among the destination's workers.
//!
//! A [`Group`] is what a destination applies at once. It ends at a commit of the source, or inside one transaction that is
//! larger than memory; the order of the changes of one row is kept, that of the changes of different rows is not.

mod builder;
mod contents;
mod dead_letter;
mod fold;
mod group;
mod key;
mod net;
mod partition;
mod routes;
mod starts;
mod steps;

pub(crate) use self::builder::has_ddl;
pub(crate) use self::dead_letter::DeadLetter;
pub(crate) use self::key::order as key_order;
pub(crate) use self::steps::{
    AlterState, Step, Steps, alter_state, diverged, key_moves, row_missing, same_names, steps, whole_rows,
};
pub use self::{
    builder::{GroupBuilder, Limits},
    group::{Group, Image, Job, NetChanges, Share},
    routes::Routes,
    starts::TableStarts,
};
