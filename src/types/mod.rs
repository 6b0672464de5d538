//! Source types to destination types, one module for each dialect of a destination.
//!
//! A dialect's `column_type` says how a column is declared so that every value of it survives, and what is lost where the
//! dialect has nothing that fits.

pub mod mysql;
pub mod postgres;
pub mod sqlite;

/// How a column is declared at a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// The type in the destination's spelling. Empty where SQLite is to convert nothing.
    pub declaration: String,
    /// What the destination cannot express, for a person; `None` when nothing is lost.
    pub loss: Option<&'static str>,
}

impl Mapped {
    fn exact(declaration: impl Into<String>) -> Self {
        Mapped { declaration: declaration.into(), loss: None }
    }

    fn lossy(declaration: impl Into<String>, loss: &'static str) -> Self {
        Mapped { declaration: declaration.into(), loss: Some(loss) }
    }
}
