//! Changes of statements and expressions that a server wrote itself: names are in backticks there.

use std::borrow::Cow;

use crate::types::mysql::{Server, known_collation, quote_name};

/// A piece of SQL text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    /// A name in backticks, with them.
    Name(&'a str),
    /// A string with its quotes.
    Text(&'a str),
    /// Letters, digits, underscores and dollar signs.
    Word(&'a str),
    /// Anything else.
    Other(&'a str),
}

impl<'a> Piece<'a> {
    fn text(self) -> &'a str {
        match self {
            Piece::Name(text) | Piece::Text(text) | Piece::Word(text) | Piece::Other(text) => text,
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$')
}

/// Splits text into pieces that together are the text.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '`' | '\'' | '"' => quoted_length(rest, first),
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (piece, behind) = rest.split_at(length);
        pieces.push(match first {
            '`' => Piece::Name(piece),
            '\'' | '"' => Piece::Text(piece),
            c if is_word(c) => Piece::Word(piece),
            _ => Piece::Other(piece),
        });
        rest = behind;
    }
    pieces
}

/// The length of what starts with a quote, with its closing quote.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((place, c)) = characters.next() {
        if c == '\\' && quote != '`' {
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

/// The name that a piece in backticks stands for.
fn name(piece: &str) -> String {
    let inner = piece.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).unwrap_or(piece);
    inner.replace("``", "`")
}

/// The text with the columns' other names; `None` when a column in it has none.
pub(super) fn with_columns<'n>(text: &str, target: impl Fn(&str) -> Option<&'n str>) -> Option<String> {
    let mut changed = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Name(quoted) => changed.push_str(&quote_name(target(&name(quoted))?)),
            other => changed.push_str(other.text()),
        }
    }
    Some(changed)
}

/// The text with other names of tables wherever it names them together with their database.
pub(super) fn with_tables(text: &str, target: impl Fn(&str, &str) -> Option<(String, String)>) -> String {
    let pieces = pieces(text);
    let mut changed = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(piece) = pieces.get(at) {
        if let (Piece::Name(database), Some(Piece::Other(".")), Some(Piece::Name(table))) =
            (*piece, pieces.get(at + 1), pieces.get(at + 2))
            && let Some((database, table)) = target(&name(database), &name(table))
        {
            changed.push_str(&format!("{}.{}", quote_name(&database), quote_name(&table)));
            at += 3;
            continue;
        }
        changed.push_str(piece.text());
        at += 1;
    }
    changed
}

/// The text with collations that the server has.
pub(super) fn with_collations(text: &str, server: Server) -> Cow<'_, str> {
    let pieces = pieces(text);
    let mut changed = String::with_capacity(text.len());
    let mut behind_collate = false;
    for piece in &pieces {
        match piece {
            Piece::Word(word) if behind_collate => {
                changed.push_str(&known_collation(word, server).0);
                behind_collate = false;
            }
            Piece::Word(word) => {
                behind_collate = word.eq_ignore_ascii_case("collate");
                changed.push_str(word);
            }
            other => changed.push_str(other.text()),
        }
    }
    if changed == text { Cow::Borrowed(text) } else { Cow::Owned(changed) }
}

/// A CREATE statement without its `DEFINER = account`, and whether it had one.
pub(super) fn without_definer(statement: &str) -> (String, bool) {
    let pieces = pieces(statement);
    let is_definer =
        |piece: &Piece<'_>| matches!(piece, Piece::Word(word) if word.eq_ignore_ascii_case("definer"));
    // Only between CREATE and what is created.
    let Some(start) = pieces.iter().take(12).position(is_definer) else {
        return (statement.to_owned(), false);
    };
    let behind = pieces.get(start + 1..).unwrap_or_default();
    let is_space = |piece: &Piece<'_>| piece.text().chars().all(char::is_whitespace);
    let Some(equals) = behind.iter().position(|piece| piece.text() == "=") else {
        return (statement.to_owned(), false);
    };
    let account = behind.get(equals + 1..).unwrap_or_default();
    let account_start = account.iter().position(|piece| !is_space(piece)).unwrap_or_default();
    let account = account.get(account_start..).unwrap_or_default();
    let length = account.iter().position(is_space).unwrap_or(account.len());
    let rest = account.get(length + 1..).unwrap_or_default();
    let kept = pieces.iter().take(start).chain(rest);
    (kept.map(|piece| piece.text()).collect(), true)
}

/// A CREATE statement up to the name of the object, and what follows the name; `None` when `kind` (`VIEW`) does not stand
/// before one. A database before the name goes with it. Triggers and routines of MariaDB are shown as they were written, so
/// that the name may be without backticks.
pub(super) fn around_name(statement: &str, kind: &str) -> Option<(String, String)> {
    let pieces = pieces(statement);
    let is_space = |piece: &Piece<'_>| piece.text().chars().all(char::is_whitespace);
    let is_word =
        |piece: &Piece<'_>, word: &str| matches!(piece, Piece::Word(text) if text.eq_ignore_ascii_case(word));
    let mut start = pieces.iter().position(|piece| is_word(piece, kind))? + 1;
    while pieces.get(start).is_some_and(|piece| {
        is_space(piece) || ["IF", "NOT", "EXISTS"].iter().any(|word| is_word(piece, word))
    }) {
        start += 1;
    }
    let is_name = |place: usize| matches!(pieces.get(place), Some(Piece::Name(_) | Piece::Word(_)));
    let is_qualified = pieces.get(start + 1) == Some(&Piece::Other(".")) && is_name(start + 2);
    let end = if is_qualified { start + 3 } else { start + 1 };
    let text = |range: &[Piece<'_>]| range.iter().map(|piece| piece.text()).collect::<String>();
    is_name(start).then_some(())?;
    Some((text(pieces.get(..start)?), text(pieces.get(end..)?)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_in_expressions_are_replaced_and_strings_are_not() {
        let other = |column: &str| match column {
            "a" => Some("x`y"),
            "b" => Some("b"),
            _ => None,
        };
        assert_eq!(
            with_columns(r"concat(`a`,_utf8mb4'`a` \' ''`',`b`)", other).unwrap(),
            r"concat(`x``y`,_utf8mb4'`a` \' ''`',`b`)"
        );
        assert_eq!(with_columns("`c` + 1", other), None);
    }

    #[test]
    fn tables_of_a_view_are_replaced() {
        let view = "select `s`.`t`.`id` AS `id`,'`s`.`t`' from (`s`.`t` join `s`.`u` `t`)";
        let other = |database: &str, table: &str| {
            (database == "s" && table == "t").then(|| ("d".to_owned(), "t2".to_owned()))
        };
        assert_eq!(
            with_tables(view, other),
            "select `d`.`t2`.`id` AS `id`,'`s`.`t`' from (`d`.`t2` join `s`.`u` `t`)"
        );
    }

    #[test]
    fn a_definer_goes() {
        let view = "CREATE ALGORITHM=UNDEFINED DEFINER=`root`@`10.0.0.%` SQL SECURITY DEFINER VIEW `s`.`v` AS select 1";
        let (view, had) = without_definer(view);
        assert!(had);
        assert_eq!(view, "CREATE ALGORITHM=UNDEFINED SQL SECURITY DEFINER VIEW `s`.`v` AS select 1");
        let around = around_name(&view, "VIEW").unwrap();
        assert_eq!(around.0, "CREATE ALGORITHM=UNDEFINED SQL SECURITY DEFINER VIEW ");
        assert_eq!(around.1, " AS select 1");
        let around = around_name("create trigger if not exists s.t before insert on u", "TRIGGER").unwrap();
        assert_eq!(around, ("create trigger if not exists ".to_owned(), " before insert on u".to_owned()));
        assert_eq!(
            without_definer("CREATE DEFINER = 'a b'@'%' PROCEDURE `p`() SELECT 'DEFINER=x y'").0,
            "CREATE PROCEDURE `p`() SELECT 'DEFINER=x y'"
        );
        assert!(!without_definer("CREATE SEQUENCE `s`.`q` start with 1").1);
    }
}
