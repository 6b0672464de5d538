//! The server's own logical replication, as a contender.

use anyhow::Result;
use slackwater_testkit::PostgresServer;

use super::servers::DATABASE;

/// The publication at the source that the subscription and the task read.
pub(crate) const PUBLICATION: &str = "bench";

/// The subscription at the destination, and its slot.
pub(crate) const SUBSCRIPTION: &str = "native";

/// Publishes the schema.
pub(crate) fn publish(source: &PostgresServer) -> Result<()> {
    source.exec(&format!("CREATE PUBLICATION {PUBLICATION} FOR TABLES IN SCHEMA sbtest"))
}

/// Makes a subscription on a slot that is there; it does nothing yet.
pub(crate) fn prepare(source: &PostgresServer, destination: &PostgresServer) -> Result<()> {
    destination.exec(&format!(
        "CREATE SUBSCRIPTION {SUBSCRIPTION} \
         CONNECTION 'host=127.0.0.1 port={} user=postgres dbname={DATABASE}' PUBLICATION {PUBLICATION} \
         WITH (create_slot = false, slot_name = '{SUBSCRIPTION}', copy_data = false, enabled = false)",
        source.port()
    ))
}

/// Starts it.
pub(crate) fn enable(destination: &PostgresServer) -> Result<()> {
    destination.exec(&format!("ALTER SUBSCRIPTION {SUBSCRIPTION} ENABLE"))
}
