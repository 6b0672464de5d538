//! The matrix of types: every type with its boundary values, under every form that a server's log can have.

pub mod charsets;
pub mod documents;
pub mod exceptions;
pub mod load;
pub mod settings;
pub mod tables;
