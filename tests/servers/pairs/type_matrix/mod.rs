//! The matrix of types: every type with its boundary values, under every form that a server's log can have.

pub(crate) mod charsets;
pub(crate) mod documents;
pub(crate) mod exceptions;
pub(crate) mod load;
pub(crate) mod settings;
pub(crate) mod tables;
