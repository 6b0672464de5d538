//! What a table's definition says beside what reading rows takes: one question for each kind, over all tables.

use std::collections::HashMap;

use slackwater_decoders::schema::{
    TableName,
    definition::{Check, ColumnDetails, ForeignKey, Indexed, Key, KeyKind, KeyPart, TableDetails},
};
use tokio_postgres::Row;

use super::{
    options, partitions,
    tables::{CatalogTable, NAMES_ROWS, unreadable},
};
use crate::{error::Result, postgres_client::Session};

/// The details of all `tables`, by their OIDs.
///
/// # Errors
/// The server's refusal, or a lost connection.
pub(super) async fn read(session: &Session, tables: &[CatalogTable]) -> Result<HashMap<u32, TableDetails>> {
    let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    let mut columns = columns(session, &oids).await?;
    let mut keys = keys(session, &oids).await?;
    let mut constraints = constraints(session, &oids).await?;
    let mut options = options::read(session, &oids).await?;
    let mut partitions = partitions::read(session, tables).await?;
    let details = tables.iter().map(|table| {
        let constraints = constraints.remove(&table.oid).unwrap_or_default();
        let (options, partitioned) = options.remove(&table.oid).unwrap_or_default();
        let details = TableDetails {
            columns: columns.remove(&table.oid).unwrap_or_default(),
            keys: keys.remove(&table.oid).unwrap_or_default(),
            foreign_keys: constraints.foreign_keys,
            checks: constraints.checks,
            options,
            partitions: partitioned,
            partition_tables: partitions.remove(&table.oid).unwrap_or_default(),
            ..TableDetails::default()
        };
        (table.oid, details)
    });
    Ok(details.collect())
}

/// What stands behind a column's name: `t` is its type, `a` the attribute, `d` its default.
const NATIVE: &str = "format_type(a.atttypid, a.atttypmod) \
     || coalesce(' COMPRESSION ' || CASE {compression} WHEN 'l' THEN 'lz4' WHEN 'p' THEN 'pglz' END, '') \
     || coalesce(' COLLATE ' || CASE WHEN a.attcollation <> t.typcollation \
          THEN quote_ident(cn.nspname) || '.' || quote_ident(co.collname) END, '') \
     || CASE WHEN d.adbin IS NULL THEN '' \
          WHEN {generated} = 's' THEN ' GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') STORED' \
          WHEN {generated} = 'v' THEN ' GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') VIRTUAL' \
          ELSE ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) END";

/// The parts of an identity column or sequence; `s` is the sequence (`pg_sequence`).
pub(super) const SEQUENCE: &str = "'START WITH ' || s.seqstart || ' INCREMENT BY ' || s.seqincrement || ' MINVALUE ' || s.seqmin \
     || ' MAXVALUE ' || s.seqmax || ' CACHE ' || s.seqcache || CASE WHEN s.seqcycle THEN ' CYCLE' ELSE ' NO CYCLE' END";

async fn columns(session: &Session, oids: &[u32]) -> Result<HashMap<u32, Vec<ColumnDetails>>> {
    let generated = if session.major() >= 12 { "a.attgenerated::text" } else { "''" };
    let compression = if session.major() >= 14 { "a.attcompression::text" } else { "''" };
    let native = NATIVE.replace("{generated}", generated).replace("{compression}", compression);
    let question = format!(
        "SELECT a.attrelid, a.attname::text, {native}, a.attnotnull, a.attidentity::text, \
           quote_ident(sn.nspname) || '.' || quote_ident(sc.relname), {SEQUENCE}, \
           col_description(a.attrelid, a.attnum), \
           CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text END \
         FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
         LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         LEFT JOIN pg_collation co ON co.oid = a.attcollation LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace \
         LEFT JOIN pg_depend o ON a.attidentity <> '' AND o.refclassid = 'pg_class'::regclass AND o.refobjid = a.attrelid \
           AND o.refobjsubid = a.attnum AND o.classid = 'pg_class'::regclass AND o.deptype = 'i' \
         LEFT JOIN pg_sequence s ON s.seqrelid = o.objid LEFT JOIN pg_class sc ON sc.oid = s.seqrelid \
         LEFT JOIN pg_namespace sn ON sn.oid = sc.relnamespace \
         WHERE a.attrelid = ANY($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum"
    );
    let mut columns: HashMap<u32, Vec<ColumnDetails>> = HashMap::new();
    for row in session.query(&question, &[&oids]).await.map_err(unreadable)? {
        let identity = match text(&row, 4)?.as_deref() {
            Some("a") => Some("ALWAYS"),
            Some("d") => Some("BY DEFAULT"),
            _ => None,
        };
        let (sequence, numbers) = (text(&row, 5)?, text(&row, 6)?);
        let identity = identity.map(|when| match (sequence, numbers) {
            (Some(sequence), Some(numbers)) => {
                format!("GENERATED {when} AS IDENTITY (SEQUENCE NAME {sequence} {numbers})")
            }
            _ => format!("GENERATED {when} AS IDENTITY"),
        });
        let mut native = text(&row, 2)?.unwrap_or_default();
        if let Some(identity) = &identity {
            native = format!("{native} {identity}");
        }
        if row.try_get::<_, bool>(3).map_err(unreadable)? {
            native.push_str(" NOT NULL");
        }
        let details = ColumnDetails {
            name: text(&row, 1)?.unwrap_or_default(),
            native,
            comment: text(&row, 7)?,
            identity,
            storage: text(&row, 8)?.and_then(|letter| storage(&letter)).map(str::to_owned),
            ..ColumnDetails::default()
        };
        columns.entry(row.try_get(0).map_err(unreadable)?).or_default().push(details);
    }
    Ok(columns)
}

fn storage(letter: &str) -> Option<&'static str> {
    Some(match letter {
        "p" => "PLAIN",
        "e" => "EXTERNAL",
        "m" => "MAIN",
        "x" => "EXTENDED",
        _ => return None,
    })
}

/// All keys of relations, in the order of their names, the one that names rows first. It is the primary one, whatever it is declared as.
///
/// # Errors
/// The server's refusal, or a lost connection.
pub(super) async fn keys(session: &Session, oids: &[u32]) -> Result<HashMap<u32, Vec<Key>>> {
    let parts = if session.major() >= 11 { "i.indnkeyatts" } else { "i.indnatts" };
    // A key of a partition that is a part of its table's comes with that: so the table's is not written with ONLY.
    let question = format!(
        "SELECT i.indrelid, c.relname::text, am.amname::text, {NAMES_ROWS}, i.indisunique, co.contype::text, \
           coalesce(pg_get_constraintdef(co.oid), CASE c.relkind WHEN 'I' \
             THEN regexp_replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ') ELSE pg_get_indexdef(i.indexrelid) END), pg_get_expr(i.indpred, i.indrelid), \
           obj_description(c.oid, 'pg_class'), \
           ARRAY(SELECT a.attname::text FROM generate_series(0, {parts} - 1) n LEFT JOIN pg_attribute a \
             ON a.attrelid = i.indrelid AND a.attnum = i.indkey[n] AND a.attnum <> 0 ORDER BY n), \
           ARRAY(SELECT CASE WHEN i.indkey[n] = 0 THEN pg_get_indexdef(i.indexrelid, n + 1, false) END \
             FROM generate_series(0, {parts} - 1) n ORDER BY n), \
           ARRAY(SELECT i.indoption[n] & 1 = 1 FROM generate_series(0, {parts} - 1) n ORDER BY n) \
         FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam \
         LEFT JOIN pg_constraint co ON co.conindid = i.indexrelid AND co.conrelid = i.indrelid AND co.contype IN ('p', 'u', 'x') \
         WHERE i.indrelid = ANY($1) AND i.indislive AND (i.indisvalid OR c.relkind = 'I') \
           AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = c.oid) \
         ORDER BY i.indrelid, NOT {NAMES_ROWS}, c.relname"
    );
    let mut keys: HashMap<u32, Vec<Key>> = HashMap::new();
    for row in session.query(&question, &[&oids]).await.map_err(unreadable)? {
        let flag = |place| row.try_get::<_, bool>(place).map_err(unreadable);
        let kind = match (flag(3)?, flag(4)?, text(&row, 5)?.as_deref()) {
            (true, ..) => KeyKind::Primary,
            (_, true, _) => KeyKind::Unique,
            (.., Some("x")) => KeyKind::Exclusion,
            _ => KeyKind::Plain,
        };
        let names: Vec<Option<String>> = row.try_get(9).map_err(unreadable)?;
        let expressions: Vec<Option<String>> = row.try_get(10).map_err(unreadable)?;
        let descending: Vec<Option<bool>> = row.try_get(11).map_err(unreadable)?;
        let parts = names.into_iter().zip(expressions).zip(descending);
        let key = Key {
            kind,
            name: text(&row, 1)?.unwrap_or_default(),
            parts: parts.map(|((name, expression), descending)| part(name, expression, descending)).collect(),
            visible: true,
            comment: text(&row, 8)?,
            method: text(&row, 2)?,
            parser: None,
            condition: text(&row, 7)?,
            native: text(&row, 6)?.unwrap_or_default(),
        };
        keys.entry(row.try_get(0).map_err(unreadable)?).or_default().push(key);
    }
    Ok(keys)
}

fn part(name: Option<String>, expression: Option<String>, descending: Option<bool>) -> KeyPart {
    let of = match (name, expression) {
        (Some(name), _) => Indexed::Column(name),
        (None, expression) => Indexed::Expression(without_parentheses(expression.unwrap_or_default())),
    };
    KeyPart { of, prefix: None, descending: descending.unwrap_or_default() }
}

/// Foreign keys and conditions.
#[derive(Default)]
struct Constraints {
    foreign_keys: Vec<ForeignKey>,
    checks: Vec<Check>,
}

async fn constraints(session: &Session, oids: &[u32]) -> Result<HashMap<u32, Constraints>> {
    let enforced = if session.major() >= 18 { "co.conenforced" } else { "TRUE" };
    let parent = if session.major() >= 11 { "co.conparentid = 0" } else { "TRUE" };
    let names = |relation: &str, numbers: &str| {
        format!(
            "ARRAY(SELECT a.attname::text FROM unnest({numbers}) WITH ORDINALITY AS k (n, place) \
             JOIN pg_attribute a ON a.attrelid = {relation} AND a.attnum = k.n ORDER BY k.place)"
        )
    };
    let question = format!(
        "SELECT co.conrelid, co.conname::text, co.contype::text, pg_get_constraintdef(co.oid), {enforced}, \
           pg_get_expr(co.conbin, co.conrelid), rn.nspname::text, r.relname::text, {}, {}, \
           co.confdeltype::text, co.confupdtype::text \
         FROM pg_constraint co LEFT JOIN pg_class r ON r.oid = co.confrelid LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace \
         WHERE co.conrelid = ANY($1) AND co.contype IN ('c', 'f') AND {parent} AND (co.conislocal OR co.coninhcount = 0) \
         ORDER BY co.conrelid, co.conname",
        names("co.conrelid", "co.conkey"),
        names("co.confrelid", "co.confkey"),
    );
    let mut constraints: HashMap<u32, Constraints> = HashMap::new();
    for row in session.query(&question, &[&oids]).await.map_err(unreadable)? {
        let of = constraints.entry(row.try_get(0).map_err(unreadable)?).or_default();
        let (name, native) = (text(&row, 1)?.unwrap_or_default(), text(&row, 3)?);
        if text(&row, 2)?.as_deref() == Some("c") {
            of.checks.push(Check {
                name: Some(name),
                expression: without_parentheses(text(&row, 5)?.unwrap_or_default()),
                enforced: row.try_get(4).map_err(unreadable)?,
                native,
            });
            continue;
        }
        of.foreign_keys.push(ForeignKey {
            name,
            columns: row.try_get(8).map_err(unreadable)?,
            references: TableName::new(
                text(&row, 6)?.unwrap_or_default(),
                text(&row, 7)?.unwrap_or_default(),
            ),
            referenced: row.try_get(9).map_err(unreadable)?,
            on_delete: text(&row, 10)?.and_then(|letter| action(&letter)),
            on_update: text(&row, 11)?.and_then(|letter| action(&letter)),
            native,
        });
    }
    Ok(constraints)
}

/// `confdeltype` and `confupdtype` (documentation, "pg_constraint").
fn action(letter: &str) -> Option<String> {
    let words = match letter {
        "r" => "RESTRICT",
        "c" => "CASCADE",
        "n" => "SET NULL",
        "d" => "SET DEFAULT",
        _ => return None,
    };
    Some(words.to_owned())
}

/// The expression without one pair of parentheses around all of it.
fn without_parentheses(expression: String) -> String {
    let Some(inner) = expression.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) else {
        return expression;
    };
    let (mut depth, mut quote) = (0_i32, None);
    for character in inner.chars() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return expression;
        }
    }
    inner.to_owned()
}

pub(super) fn text(row: &Row, place: usize) -> Result<Option<String>> {
    row.try_get(place).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parentheses_around_all_go() {
        for (before, after) in [
            ("(a > 0)", "a > 0"),
            ("(a > 0) AND (b > 0)", "(a > 0) AND (b > 0)"),
            ("(a = ')'::text)", "a = ')'::text"),
            ("lower(a)", "lower(a)"),
        ] {
            assert_eq!(without_parentheses(before.to_owned()), after);
        }
    }
}
