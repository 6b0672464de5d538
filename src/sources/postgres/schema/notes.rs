//! What the database has and the definitions do not hold, for people.

use slackwater_decoders::schema::TableName;

use super::{
    details::text,
    tables::{FIRST_OWN, OWN_SCHEMAS, unreadable},
};
use crate::{error::Result, postgres_client::Session, sources::postgres::TableFilter};

/// One note for each object of a kind that is not carried, of those that `selected` takes.
///
/// # Errors
/// The server's refusal, or a lost connection.
pub(super) async fn read(session: &Session, selected: &TableFilter) -> Result<Vec<String>> {
    let aggregates = if session.major() >= 11 { "p.prokind = 'a'" } else { "p.proisagg" };
    let named = "quote_ident(n.nspname) || '.' || quote_ident";
    let question = format!(
        "SELECT n.nspname::text, c.relname::text, CASE c.relkind WHEN 'f' THEN 'foreign table ' || {named}(c.relname) || ' is not carried' \
           ELSE 'table ' || {named}(c.relname) || ' is UNLOGGED: its rows are in no log, and neither copied nor followed' END \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE (c.relkind = 'f' OR c.relkind IN ('r', 'p') AND c.relpersistence = 'u') AND {OWN_SCHEMAS} \
         UNION ALL SELECT n.nspname, c.relname, 'row-security policy ' || quote_ident(o.polname) || ' of table ' || {named}(c.relname) \
           || ' is not carried' FROM pg_policy o JOIN pg_class c ON c.oid = o.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         UNION ALL SELECT n.nspname, c.relname, 'index ' || quote_ident(i.relname) || ' of materialized view ' || {named}(c.relname) \
           || ' is not carried: ' || pg_get_indexdef(i.oid) FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid \
           JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'm' AND {OWN_SCHEMAS} \
         UNION ALL SELECT n.nspname, s.stxname, 'extended statistics ' || {named}(s.stxname) || ' are not carried' \
           FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace \
         UNION ALL SELECT n.nspname, p.proname, 'aggregate ' || {named}(p.proname) || ' is not carried' FROM pg_proc p \
           JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {aggregates} AND {OWN_SCHEMAS} AND p.oid >= {FIRST_OWN} AND NOT EXISTS \
           (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e') \
         UNION ALL SELECT n.nspname, p.proname, 'function ' || {named}(p.proname) || ' is written in ' || l.lanname || ' and not carried' \
           FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang \
           WHERE l.lanname IN ('c', 'internal') AND NOT {aggregates} AND {OWN_SCHEMAS} AND p.oid >= {FIRST_OWN} AND NOT EXISTS \
           (SELECT FROM pg_depend e WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype IN ('e', 'i')) \
         UNION ALL SELECT NULL, NULL, 'event trigger ' || quote_ident(evtname) || ' is not carried' FROM pg_event_trigger v \
           WHERE NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_event_trigger'::regclass AND e.objid = v.oid \
             AND e.deptype = 'e') \
         ORDER BY 3"
    );
    let mut notes = vec!["owners and privileges are not carried: grant them at the destination".to_owned()];
    for row in session.query(&question, &[]).await.map_err(unreadable)? {
        let name = text(&row, 0)?.zip(text(&row, 1)?).map(|(schema, name)| TableName::new(schema, name));
        if name.is_none_or(|name| selected(&name)) {
            notes.extend(text(&row, 2)?);
        }
    }
    Ok(notes)
}
