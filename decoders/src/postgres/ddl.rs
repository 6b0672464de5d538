//! DDL as a logical message: what an event trigger at the source writes with `pg_logical_emit_message(true, 'slackwater:ddl', …)`.
//!
//! One JSON object a command, in a transactional message:
//!
//! ```json
//! {
//!   "tag": "ALTER TABLE",
//!   "statement": "ALTER TABLE shop.orders ADD note text",
//!   "tables": [{
//!     "oid": 16390, "schema": "shop", "name": "orders",
//!     "columns": [{
//!       "name": "id", "attnum": 1, "type_oid": 20, "typmod": -1, "type": "bigint", "not_null": true,
//!       "default": null, "generated": null, "identity": "a"
//!     }],
//!     "primary_key": [1],
//!     "unique": [{"name": "orders_code_key", "columns": [2], "partial": false}],
//!     "replica_identity": "d"
//!   }],
//!   "types": [{"oid": 16402, "schema": "shop", "name": "mood", "kind": {"enum": ["sad", "happy"]}}],
//!   "dropped": [{"oid": 16390, "schema": "shop", "name": "orders", "kind": "table"}]
//! }
//! ```
//!
//! * `tables`: each table that the command created or changed, once, as `pg_catalog` has it when the command ends
//!   (`pg_event_trigger_ddl_commands`, objects of `pg_class`, and the tables of changed columns, indexes and constraints). `columns` in
//!   the order of `attnum`, without dropped ones; `type` is `format_type(atttypid, atttypmod)` with `search_path = ''`; `default` is
//!   `pg_get_expr(adbin, adrelid)`; `generated` is `"s"` or `"v"` (`attgenerated`; the expression is then `default`), `identity` is `"a"` or `"d"`
//!   (`attidentity`); both may be missing, null or empty. `primary_key` and `unique` name columns by `attnum`, in key order; `partial`
//!   (may be missing) is true for an index with a condition or an expression.
//! * `types`: the types that columns of `tables` use and that are not built in, as [`CatalogType`](super::types::CatalogType) with
//!   its OID: `kind` is `{"enum": [labels]}`, `{"domain": {"base": oid, "typmod": -1}}`, `{"composite": [{"name", "type_oid", "typmod"}]}`,
//!   `{"array": {"element": oid}}`, `{"range": {"subtype": oid}}`, `{"multirange": {"range": oid}}` or `"base"`. May be missing; then
//!   the reader supplies them when a [`Need`](super::Need) asks for them.
//! * `dropped`: what `pg_event_trigger_dropped_objects` says of tables (`kind` is its `object_type`). `oid` may be missing. Other
//!   kinds may be there and are described in [`SchemaChange::Other`](crate::event::SchemaChange::Other).
//!
//! Members that are not named here are passed over.

/// The prefix of logical messages that carry DDL.
pub const DDL_PREFIX: &str = "slackwater:ddl";
/// The prefix of logical messages that only move the log on.
pub const HEARTBEAT_PREFIX: &str = "slackwater:heartbeat";
