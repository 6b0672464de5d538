//! The local store.

/// The versioned history of the source's table definitions.
pub struct SchemaHistory {}
