//! What is said of a table as a whole.

use std::collections::HashMap;

use super::{details::text, tables::unreadable};
use crate::{error::Result, postgres_client::Session};

/// Options with their values, and `PARTITION BY …`.
pub(super) type Options = (Vec<(String, String)>, Option<String>);

/// The options of relations, by their OIDs, in the order that [`definition`](slackwater_decoders::schema::definition) says.
///
/// # Errors
/// The server's refusal, or a lost connection.
pub(super) async fn read(session: &Session, oids: &[u32]) -> Result<HashMap<u32, Options>> {
    let method = if session.major() >= 12 {
        "CASE WHEN am.amname <> 'heap' THEN quote_ident(am.amname) END"
    } else {
        "NULL"
    };
    let question = format!(
        "SELECT c.oid, CASE WHEN c.relpersistence = 'u' THEN '' END, \
           (SELECT string_agg(quote_ident(pn.nspname) || '.' || quote_ident(p.relname), ', ' ORDER BY h.inhseqno) \
             FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace \
             WHERE h.inhrelid = c.oid AND NOT c.relispartition), \
           CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END, {method}, \
           array_to_string(c.reloptions, ', '), quote_ident(ts.spcname), \
           CASE c.relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING' WHEN 'i' THEN (SELECT 'USING INDEX ' || quote_ident(ic.relname) \
             FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisreplident) END, \
           CASE WHEN c.relforcerowsecurity THEN 'FORCE' WHEN c.relrowsecurity THEN 'ENABLE' END, \
           obj_description(c.oid, 'pg_class'), \
           CASE WHEN c.relkind = 'p' THEN 'PARTITION BY ' || pg_get_partkeydef(c.oid) END \
         FROM pg_class c LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace LEFT JOIN pg_am am ON am.oid = c.relam \
         WHERE c.oid = ANY($1)"
    );
    const NAMES: [&str; 9] = [
        "UNLOGGED",
        "INHERITS",
        "OF",
        "ACCESS METHOD",
        "WITH",
        "TABLESPACE",
        "REPLICA IDENTITY",
        "ROW SECURITY",
        "COMMENT",
    ];
    let mut all = HashMap::new();
    for row in session.query(&question, &[&oids]).await.map_err(unreadable)? {
        let mut options = Vec::new();
        for (place, name) in NAMES.iter().enumerate() {
            options.extend(text(&row, place + 1)?.map(|value| ((*name).to_owned(), value)));
        }
        all.insert(row.try_get(0).map_err(unreadable)?, (options, text(&row, NAMES.len() + 1)?));
    }
    Ok(all)
}
