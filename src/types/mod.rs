//! Source types to destination types.
