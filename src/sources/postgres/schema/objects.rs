//! Stored objects: one question for each kind, which puts the statement together.

use slackwater_decoders::schema::{
    TableName,
    definition::{ObjectKind, StoredObject},
};

use super::{
    details::{SEQUENCE, text},
    order::Node,
    tables::{FIRST_OWN, OWN_SCHEMAS, unreadable},
};
use crate::{error::Result, postgres_client::Session};

/// OIDs of the catalogs (`src/include/catalog/`), the same on all servers.
pub(super) mod class {
    pub(in super::super) const TYPE: u32 = 1247;
    pub(in super::super) const FUNCTION: u32 = 1255;
    pub(in super::super) const RELATION: u32 = 1259;
    pub(in super::super) const RULE: u32 = 2618;
    pub(in super::super) const TRIGGER: u32 = 2620;
    pub(in super::super) const EXTENSION: u32 = 3079;
}

/// An object with its place in the catalog.
pub(super) struct Found {
    pub(super) node: Node,
    /// Its name without the types of arguments.
    pub(super) bare: TableName,
    /// The OID of the relation that a trigger or rule belongs to.
    pub(super) relation: Option<u32>,
    pub(super) object: StoredObject,
    /// What the statement does not say.
    pub(super) note: Option<String>,
}

/// All objects that belong to no extension, the extensions among them.
///
/// # Errors
/// The server's refusal, or a lost connection.
pub(super) async fn read(session: &Session) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for Listing { kind, class, question } in listings(session.major()) {
        for row in session.query(&question, &[]).await.map_err(unreadable)? {
            let Some(statement) = text(&row, 7)? else { continue };
            let schema = text(&row, 1)?.unwrap_or_default();
            let (bare, name) = (text(&row, 2)?.unwrap_or_default(), text(&row, 3)?);
            let table =
                text(&row, 4)?.zip(text(&row, 5)?).map(|(schema, table)| TableName::new(schema, table));
            let name = TableName::new(schema.as_str(), name.unwrap_or_else(|| bare.clone()));
            let object = StoredObject {
                kind,
                name,
                table,
                column: text(&row, 6)?,
                statement,
                sql_mode: String::new(),
                comment: text(&row, 8)?,
            };
            found.push(Found {
                node: Node { class, oid: row.try_get(0).map_err(unreadable)? },
                bare: TableName::new(schema, bare),
                relation: row.try_get(9).map_err(unreadable)?,
                object,
                note: text(&row, 10)?,
            });
        }
    }
    Ok(found)
}

/// What is asked: OID, schema, name, name with arguments, schema and name of a table, column, statement, comment, OID of the
/// table, note.
struct Listing {
    kind: ObjectKind,
    class: u32,
    question: String,
}

/// The condition that the object of `class` and `oid` belongs to no extension.
fn free(class: u32, oid: &str) -> String {
    format!(
        "NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = {class} AND e.objid = {oid} AND e.deptype = 'e')"
    )
}

const NAMED: &str = "quote_ident(n.nspname) || '.' || quote_ident";

fn listings(major: u32) -> Vec<Listing> {
    let mut listings = vec![extensions()];
    listings.extend(types(major));
    listings.push(sequences());
    listings.extend(functions(major));
    listings.extend(views());
    listings.extend(triggers(major));
    listings
}

fn extensions() -> Listing {
    let question = "SELECT e.oid, n.nspname::text, e.extname::text, NULL::text, NULL::text, NULL::text, NULL::text, \
           'CREATE EXTENSION IF NOT EXISTS ' || quote_ident(e.extname) || ' WITH SCHEMA ' || quote_ident(n.nspname) \
             || ' VERSION ' || quote_literal(e.extversion), obj_description(e.oid, 'pg_extension'), NULL::oid, NULL::text \
         FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname <> 'plpgsql' ORDER BY e.oid";
    Listing { kind: ObjectKind::Extension, class: class::EXTENSION, question: question.to_owned() }
}

fn types(major: u32) -> Vec<Listing> {
    let listing = |statement: &str, from: &str, condition: &str| Listing {
        kind: ObjectKind::Type,
        class: class::TYPE,
        question: format!(
            "SELECT t.oid, n.nspname::text, t.typname::text, NULL::text, NULL::text, NULL::text, NULL::text, {statement}, \
               obj_description(t.oid, 'pg_type'), NULL::oid, NULL::text \
             FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace {from} \
             WHERE {condition} AND t.oid >= {FIRST_OWN} AND {OWN_SCHEMAS} AND {} ORDER BY t.oid",
            free(class::TYPE, "t.oid")
        ),
    };
    let collated = |own: &str, usual: &str| {
        format!(
            "coalesce((SELECT ' COLLATE ' || quote_ident(cn.nspname) || '.' || quote_ident(co.collname) FROM pg_collation co \
             JOIN pg_namespace cn ON cn.oid = co.collnamespace WHERE co.oid = {own} AND {own} <> {usual}), '')"
        )
    };
    let multirange = if major >= 14 {
        "|| ', MULTIRANGE_TYPE_NAME = ' || (SELECT quote_ident(n.nspname) || '.' || quote_ident(m.typname) FROM pg_type m \
         WHERE m.oid = r.rngmultitypid)"
    } else {
        ""
    };
    vec![
        listing(
            &format!(
                "'CREATE TYPE ' || {NAMED}(t.typname) || ' AS ENUM (' || coalesce((SELECT string_agg(quote_literal(enumlabel), \
                 ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid), '') || ')'"
            ),
            "",
            "t.typtype = 'e'",
        ),
        listing(
            &format!(
                "'CREATE DOMAIN ' || {NAMED}(t.typname) || ' AS ' || format_type(t.typbasetype, t.typtypmod) || {} \
                 || coalesce(' DEFAULT ' || pg_get_expr(t.typdefaultbin, 0), '') || CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END \
                 || coalesce((SELECT string_agg(' CONSTRAINT ' || quote_ident(conname) || ' ' || pg_get_constraintdef(oid), '' \
                 ORDER BY conname) FROM pg_constraint WHERE contypid = t.oid AND contype = 'c'), '')",
                collated("t.typcollation", "b.typcollation")
            ),
            "JOIN pg_type b ON b.oid = t.typbasetype",
            "t.typtype = 'd'",
        ),
        listing(
            &format!(
                "'CREATE TYPE ' || {NAMED}(t.typname) || ' AS (' || coalesce((SELECT string_agg(quote_ident(a.attname) || ' ' \
                 || format_type(a.atttypid, a.atttypmod) || {}, ', ' ORDER BY a.attnum) FROM pg_attribute a \
                 JOIN pg_type u ON u.oid = a.atttypid WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), '') || ')'",
                collated("a.attcollation", "u.typcollation")
            ),
            "JOIN pg_class c ON c.oid = t.typrelid",
            "t.typtype = 'c' AND c.relkind = 'c'",
        ),
        listing(
            &format!(
                "'CREATE TYPE ' || {NAMED}(t.typname) || ' AS RANGE (SUBTYPE = ' || format_type(r.rngsubtype, NULL) \
                 || coalesce((SELECT ', SUBTYPE_OPCLASS = ' || quote_ident(n.nspname) || '.' || quote_ident(o.opcname) FROM pg_opclass o \
                 JOIN pg_namespace n ON n.oid = o.opcnamespace WHERE o.oid = r.rngsubopc AND NOT o.opcdefault), '') \
                 || CASE WHEN r.rngcanonical <> 0 THEN ', CANONICAL = ' || r.rngcanonical ELSE '' END \
                 || CASE WHEN r.rngsubdiff <> 0 THEN ', SUBTYPE_DIFF = ' || r.rngsubdiff ELSE '' END {multirange} || ')'"
            ),
            "JOIN pg_range r ON r.rngtypid = t.oid",
            "t.typtype = 'r'",
        ),
    ]
}

fn sequences() -> Listing {
    let question = format!(
        "SELECT c.oid, n.nspname::text, c.relname::text, NULL::text, tn.nspname::text, t.relname::text, a.attname::text, \
           'CREATE SEQUENCE ' || {NAMED}(c.relname) || ' AS ' || format_type(s.seqtypid, NULL) || ' ' || {SEQUENCE}, \
           obj_description(c.oid, 'pg_class'), NULL::oid, NULL::text \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence s ON s.seqrelid = c.oid \
         LEFT JOIN pg_depend o ON o.classid = {relation} AND o.objid = c.oid AND o.refclassid = {relation} AND o.deptype IN ('a', 'i') \
         LEFT JOIN pg_class t ON t.oid = o.refobjid LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace \
         LEFT JOIN pg_attribute a ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid \
         WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND o.deptype IS DISTINCT FROM 'i' AND {OWN_SCHEMAS} AND {} ORDER BY c.oid",
        free(class::RELATION, "c.oid"),
        relation = class::RELATION,
    );
    Listing { kind: ObjectKind::Sequence, class: class::RELATION, question }
}

fn functions(major: u32) -> Vec<Listing> {
    let is_function = if major >= 11 { "p.prokind IN ('f', 'w')" } else { "NOT p.proisagg" };
    let is_procedure = if major >= 11 { "p.prokind = 'p'" } else { "FALSE" };
    let listing = |kind, condition: &str| Listing {
        kind,
        class: class::FUNCTION,
        question: format!(
            "SELECT p.oid, n.nspname::text, p.proname::text, p.proname || '(' || oidvectortypes(p.proargtypes) || ')', \
               NULL::text, NULL::text, NULL::text, rtrim(pg_get_functiondef(p.oid), E' \\n'), obj_description(p.oid, 'pg_proc'), NULL::oid, NULL::text \
             FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang \
             WHERE {condition} AND l.lanname NOT IN ('c', 'internal') AND p.oid >= {FIRST_OWN} AND {OWN_SCHEMAS} AND {} ORDER BY p.oid",
            free(class::FUNCTION, "p.oid")
        ),
    };
    vec![listing(ObjectKind::Function, is_function), listing(ObjectKind::Procedure, is_procedure)]
}

fn views() -> Vec<Listing> {
    let listing = |kind, letter: &str, words: &str, end: &str| Listing {
        kind,
        class: class::RELATION,
        question: format!(
            "SELECT c.oid, n.nspname::text, c.relname::text, NULL::text, NULL::text, NULL::text, NULL::text, \
               'CREATE {words} ' || {NAMED}(c.relname) || coalesce(' WITH (' || array_to_string(c.reloptions, ', ') || ')', '') \
               || ' AS ' || regexp_replace(btrim(pg_get_viewdef(c.oid)), ';$', '') || '{end}', \
               obj_description(c.oid, 'pg_class'), NULL::oid, NULL::text \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind = '{letter}' AND c.relpersistence <> 't' AND {OWN_SCHEMAS} AND {} ORDER BY c.oid",
            free(class::RELATION, "c.oid")
        ),
    };
    vec![
        listing(ObjectKind::View, "v", "VIEW", ""),
        listing(ObjectKind::MaterializedView, "m", "MATERIALIZED VIEW", " WITH NO DATA"),
    ]
}

/// Triggers, and rules beside those that views are made of.
fn triggers(major: u32) -> Vec<Listing> {
    let is_own = if major >= 13 { "AND t.tgparentid = 0" } else { "" };
    let state = |letter: &str, what: &str| {
        format!(
            "CASE {letter} WHEN 'D' THEN '{what} is disabled' WHEN 'R' THEN '{what} is enabled for replicas (ENABLE REPLICA)' \
             WHEN 'A' THEN '{what} is enabled always (ENABLE ALWAYS)' END"
        )
    };
    let listing = |class, columns: String, from: &str, condition: String| Listing {
        kind: ObjectKind::Trigger,
        class,
        question: format!(
            "SELECT {columns} FROM {from} JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {condition} AND {OWN_SCHEMAS}"
        ),
    };
    let common = "NULL::text, n.nspname::text, c.relname::text, NULL::text";
    vec![
        listing(
            class::TRIGGER,
            format!(
                "t.oid, n.nspname::text, t.tgname::text, {common}, pg_get_triggerdef(t.oid), obj_description(t.oid, 'pg_trigger'), \
                 c.oid, {}",
                state("t.tgenabled", "the trigger")
            ),
            "pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid",
            format!("NOT t.tgisinternal {is_own} AND {}", free(class::TRIGGER, "t.oid")),
        ),
        listing(
            class::RULE,
            format!(
                "r.oid, n.nspname::text, r.rulename::text, {common}, regexp_replace(btrim(pg_get_ruledef(r.oid)), ';$', ''), \
                 obj_description(r.oid, 'pg_rewrite'), c.oid, {}",
                state("r.ev_enabled", "the rule")
            ),
            "pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class",
            format!("r.rulename <> '_RETURN' AND {}", free(class::RULE, "r.oid")),
        ),
    ]
}
