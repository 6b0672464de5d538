//! Connections to PostgreSQL servers, as a source and a destination have them alike.
//!
//! * `address`, `wire`: where a server listens, and the stream to it: TCP, TLS or a Unix socket.
//! * `session`: a logged-in connection for statements, with the settings fixed that change how values are written.
//! * `failure`: what a server's refusals mean, and what may be told of them.
//!
//! The replication connection of the source opens its stream here as well, so that all are encrypted and verified alike.

mod address;
mod failure;
mod session;
mod wire;

pub(crate) use self::{
    address::Address,
    failure::{ServerError, failed, refused, server_error},
    session::{Login, Session},
    wire::Wire,
};

/// The name of an object as it is written in a statement: in double quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as it is written in a statement, whatever `standard_conforming_strings` says.
pub(crate) fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_are_quoted() {
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'b"), "E'a\\\\''b'");
    }
}
