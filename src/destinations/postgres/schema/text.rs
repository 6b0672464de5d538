//! Changes of what a PostgreSQL server wrote itself: names are qualified there, and quoted where they need it.
//!
//! Lexical rules: PostgreSQL documentation, *Lexical Structure*.

use crate::types::postgres::quote_name;

/// A piece of SQL text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A name in double quotes, with them.
    Name(&'a str),
    /// A word: a name, a keyword, a number.
    Word(&'a str),
    /// A string with its quotes.
    Text(&'a str),
    /// Anything else, a character or a comment each.
    Other(&'a str),
}

impl<'a> Piece<'a> {
    fn text(self) -> &'a str {
        match self {
            Piece::Name(text) | Piece::Word(text) | Piece::Text(text) | Piece::Other(text) => text,
        }
    }

    /// The name that it may be.
    pub(super) fn name(self) -> Option<String> {
        match self {
            Piece::Name(text) => {
                Some(text.trim_start_matches('"').strip_suffix('"').unwrap_or(text).replace("\"\"", "\""))
            }
            Piece::Word(text) => Some(text.to_owned()),
            Piece::Text(_) | Piece::Other(_) => None,
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

/// Splits text into pieces that together are the text.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => quoted_length(rest, '"', false),
            '\'' => quoted_length(rest, '\'', is_escaping(pieces.last())),
            '$' => dollar_length(rest),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (piece, behind) = rest.split_at(length.clamp(first.len_utf8(), rest.len()));
        pieces.push(match first {
            '"' => Piece::Name(piece),
            '\'' => Piece::Text(piece),
            '$' if piece.len() > 1 => Piece::Text(piece),
            c if is_word(c) => Piece::Word(piece),
            _ => Piece::Other(piece),
        });
        rest = behind;
    }
    pieces
}

/// Whether a string behind that piece has escapes (`E'…'`).
fn is_escaping(before: Option<&Piece<'_>>) -> bool {
    matches!(before, Some(Piece::Word("E" | "e")))
}

/// The length of what starts with a quote, with its closing quote.
fn quoted_length(text: &str, quote: char, escapes: bool) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((place, c)) = characters.next() {
        if c == '\\' && escapes {
            characters.next();
        } else if c == quote {
            if characters.peek().is_some_and(|(_, next)| *next == quote) {
                characters.next();
            } else {
                return place + c.len_utf8();
            }
        }
    }
    text.len()
}

/// The length of a string between `$tag$`s; 1 where there is none.
fn dollar_length(text: &str) -> usize {
    let behind = text.get(1..).unwrap_or_default();
    let Some(end) = behind.find('$') else { return 1 };
    let tag = behind.get(..end).unwrap_or_default();
    if !tag.chars().all(|c| c.is_alphanumeric() || c == '_') || tag.starts_with(|c: char| c.is_ascii_digit())
    {
        return 1;
    }
    let opening = end + 2;
    let (delimiter, content) = text.split_at(opening.min(text.len()));
    content.find(delimiter).map_or(text.len(), |place| opening + place + delimiter.len())
}

/// The qualified names in a text, and what looks like one.
pub(super) fn qualified_names(text: &str) -> Vec<(String, String)> {
    let pieces = pieces(text);
    let all = pieces.windows(3).filter_map(|window| match window {
        [schema, Piece::Other("."), name] => Some((schema.name()?, name.name()?)),
        _ => None,
    });
    all.collect()
}

/// The text with other names wherever an object is named together with its schema, and in the names of classes
/// (`nextval('shop.q'::regclass)`).
pub(super) fn with_objects(text: &str, target: &impl Fn(&str, &str) -> Option<(String, String)>) -> String {
    let pieces = pieces(text);
    let mut changed = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(piece) = pieces.get(at) {
        let qualified = match (pieces.get(at + 1), pieces.get(at + 2)) {
            (Some(Piece::Other(".")), Some(name)) => piece.name().zip(name.name()),
            _ => None,
        };
        if let Some((schema, name)) = qualified.and_then(|(schema, name)| target(&schema, &name)) {
            changed.push_str(&format!("{}.{}", quote_name(&schema), quote_name(&name)));
            at += 3;
            continue;
        }
        let is_class = pieces.get(at + 1) == Some(&Piece::Other(":"))
            && pieces.get(at + 3) == Some(&Piece::Word("regclass"));
        match piece {
            Piece::Text(quoted) if is_class => changed.push_str(&with_objects_in_string(quoted, target)),
            other => changed.push_str(other.text()),
        }
        at += 1;
    }
    changed
}

/// Words behind a table in FROM that are no other name for it, as a server prints them.
const BEHIND_TABLES: [&str; 22] = [
    "WHERE",
    "JOIN",
    "LEFT",
    "RIGHT",
    "FULL",
    "INNER",
    "CROSS",
    "NATURAL",
    "ON",
    "USING",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "WINDOW",
    "OFFSET",
    "FETCH",
    "FOR",
    "TABLESAMPLE",
];

/// A query with other names of tables, which keep their former ones inside of it: columns are qualified by these.
pub(super) fn with_tables(text: &str, target: &impl Fn(&str, &str) -> Option<(String, String)>) -> String {
    let pieces = pieces(text);
    let is_space = |piece: &&Piece<'_>| piece.text().chars().all(char::is_whitespace);
    let mut changed = String::with_capacity(text.len());
    let mut at = 0;
    let mut before = "";
    while let Some(piece) = pieces.get(at) {
        let qualified = match (pieces.get(at + 1), pieces.get(at + 2)) {
            (Some(Piece::Other(".")), Some(name)) => piece.name().zip(name.name()),
            _ => None,
        };
        if let Some((schema, former)) = qualified
            && matches!(before, "FROM" | "JOIN" | "," | "(")
            && let Some((schema, name)) = target(&schema, &former)
            && name != former
        {
            changed.push_str(&format!("{}.{}", quote_name(&schema), quote_name(&name)));
            at += 3;
            let next = pieces.get(at..).unwrap_or_default().iter().find(|piece| !is_space(piece));
            let has_other = match next {
                Some(Piece::Word(word)) => !BEHIND_TABLES.contains(word),
                next => matches!(next, Some(Piece::Name(_))),
            };
            if !has_other {
                changed.push_str(&format!(" {}", quote_name(&former)));
            }
            continue;
        }
        if !is_space(&piece) {
            before = piece.text();
        }
        changed.push_str(piece.text());
        at += 1;
    }
    with_objects(&changed, target)
}

fn with_objects_in_string(quoted: &str, target: &impl Fn(&str, &str) -> Option<(String, String)>) -> String {
    let inner = quoted.trim_matches('\'').replace("''", "'");
    format!("'{}'", with_objects(&inner, target).replace('\'', "''"))
}

/// The text with the columns' other names; `None` when one in it has none. `target` gives nothing for a name that is no column's.
pub(super) fn with_columns(text: &str, target: impl Fn(&str) -> Option<Option<String>>) -> Option<String> {
    let pieces = pieces(text);
    let mut changed = String::with_capacity(text.len());
    for (at, piece) in pieces.iter().enumerate() {
        let is = |place: Option<usize>, symbol: &str| {
            place.and_then(|place| pieces.get(place)).is_some_and(|piece| *piece == Piece::Other(symbol))
        };
        // A function, a type behind a cast, or the object in a schema.
        let is_other = is(Some(at + 1), "(")
            || is(Some(at + 1), ".")
            || is(at.checked_sub(1), ".")
            || is(at.checked_sub(1), ":");
        match piece.name().filter(|_| !is_other).and_then(|name| target(&name)) {
            Some(Some(name)) => changed.push_str(&quote_name(&name)),
            Some(None) => return None,
            None => changed.push_str(piece.text()),
        }
    }
    Some(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(schema: &str, name: &str) -> Option<(String, String)> {
        (schema == "shop").then(|| ("store".to_owned(), format!("{name}2")))
    }

    #[test]
    fn objects_have_their_other_names() {
        for (text, expected) in [
            ("nextval('shop.q'::regclass)", r#"nextval('"store"."q2"'::regclass)"#),
            (
                r#"CREATE INDEX i ON shop."Or ders" USING btree (lower(a)) WHERE b = 'shop.x'"#,
                r#"CREATE INDEX i ON "store"."Or ders2" USING btree (lower(a)) WHERE b = 'shop.x'"#,
            ),
            ("SELECT $a$ shop.t $a$, E'\\' shop.t'", "SELECT $a$ shop.t $a$, E'\\' shop.t'"),
            ("other.shop -- shop.t", "other.shop -- shop.t"),
        ] {
            assert_eq!(with_objects(text, &other), expected);
        }
    }

    #[test]
    fn tables_of_a_query_keep_their_former_names_inside() {
        assert_eq!(
            with_tables("SELECT t.n, u.a FROM (shop.t JOIN shop.u u ON t.n = u.a) WHERE f(t.n) > 0", &other),
            r#"SELECT t.n, u.a FROM ("store"."t2" "t" JOIN "store"."u2" u ON t.n = u.a) WHERE f(t.n) > 0"#
        );
    }

    #[test]
    fn columns_have_their_other_names() {
        let columns = |name: &str| match name {
            "lower" => Some(Some("low".to_owned())),
            "gone" => Some(None),
            _ => None,
        };
        assert_eq!(
            with_columns("(lower(lower) > 'lower'::text)", columns).as_deref(),
            Some(r#"(lower("low") > 'lower'::text)"#)
        );
        assert_eq!(with_columns("gone IS NULL", columns), None);
    }

    #[test]
    fn names_are_found() {
        let found = qualified_names(r#"a app.mood, b "x y".z[]"#);
        assert_eq!(found, [("app".into(), "mood".into()), ("x y".into(), "z".into())]);
    }
}
