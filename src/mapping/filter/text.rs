//! Collations, and what LIKE matches under them.
//!
//! A text is compared with an ASCII constant by replacing each character of it that the collation takes for an ASCII text by that
//! text. A character that is taken for none makes the whole text unequal to every ASCII text, because weights
//! are compared one by one. The tables are under `folds`, one for each collation, read from servers by
//! `testkit/examples/collation_folds.rs`.

use std::{cmp::Ordering, collections::HashMap, fmt, sync::LazyLock};

use sqlparser::ast::Expr;

/// What a collation makes of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Collation {
    rule: Rule,
    /// Whether spaces at the end count (NO PAD), or a shorter text is filled up with spaces (PAD SPACE).
    no_pad: bool,
    /// Whether the character set is of Unicode in an encoding that sorts like it.
    unicode: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Different characters are different.
    Exact,
    /// Some characters are the same as ASCII ones.
    Folded(Table),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    General,
    Unicode,
    Unicode520,
    Uca0900Ai,
    Uca0900As,
    Uca0900Cs,
    Uca1400Ai,
    Latin1Swedish,
}

type Folds = HashMap<char, String>;

/// Lines `41: 61 C0-C5`: a text, and the characters that are taken for it, as code points.
fn read(lines: &str) -> Folds {
    let code = |text: &str| u32::from_str_radix(text, 16).ok();
    let mut folds = Folds::new();
    for line in lines.lines() {
        let Some((text, characters)) = line.split_once(':') else { continue };
        let text: String = text.split_whitespace().filter_map(|part| char::from_u32(code(part)?)).collect();
        for range in characters.split_whitespace() {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            if let (Some(first), Some(last)) = (code(first), code(last)) {
                folds.extend((first..=last).filter_map(char::from_u32).map(|c| (c, text.clone())));
            }
        }
    }
    folds
}

impl Table {
    fn folds(self) -> &'static Folds {
        macro_rules! table {
            ($name:literal) => {{
                static FOLDS: LazyLock<Folds> =
                    LazyLock::new(|| read(include_str!(concat!("folds/", $name, ".txt"))));
                &FOLDS
            }};
        }
        match self {
            Table::General => table!("general_ci"),
            Table::Unicode => table!("unicode_ci"),
            Table::Unicode520 => table!("unicode_520_ci"),
            Table::Uca0900Ai => table!("0900_ai_ci"),
            Table::Uca0900As => table!("0900_as_ci"),
            Table::Uca0900Cs => table!("0900_as_cs"),
            Table::Uca1400Ai => table!("uca1400_ai_ci"),
            Table::Latin1Swedish => table!("latin1_swedish_ci"),
        }
    }

    /// Whether an `l` and a middle dot behind it are one letter, which differs from `l` in its accent only: the one contraction of
    /// the Unicode collation algorithm's default table that begins with an ASCII character. MariaDB has it, MySQL does not.
    fn joins_l(self) -> bool {
        self == Table::Uca1400Ai
    }

    /// The ASCII text that a character is taken for.
    fn fold(self, c: char) -> Option<Folded<'static>> {
        match self.folds().get(&c) {
            Some(text) => Some(Folded::Text(text)),
            None => c.is_ascii().then_some(Folded::Same(c)),
        }
    }
}

enum Folded<'a> {
    Text(&'a str),
    Same(char),
}

impl Collation {
    /// The collation of that name; `None` for one whose rules are not known here.
    pub(super) fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let (charset, rule) = name.split_once('_')?;
        let unicode = matches!(charset, "utf8mb4" | "utf8mb3" | "utf8" | "ascii");
        let plain = rule.replace("nopad_", "");
        let rule_of = match (charset, plain.as_str()) {
            ("latin1", "swedish_ci") => Rule::Folded(Table::Latin1Swedish),
            ("latin1", "bin") => Rule::Exact,
            _ if !unicode => return None,
            (_, "bin" | "0900_bin") => Rule::Exact,
            (_, "general_ci") => Rule::Folded(Table::General),
            ("ascii", _) => return None,
            (_, "unicode_ci") => Rule::Folded(Table::Unicode),
            (_, "unicode_520_ci") => Rule::Folded(Table::Unicode520),
            (_, "0900_ai_ci") => Rule::Folded(Table::Uca0900Ai),
            (_, "0900_as_ci") => Rule::Folded(Table::Uca0900As),
            (_, "0900_as_cs") => Rule::Folded(Table::Uca0900Cs),
            (_, "uca1400_ai_ci") => Rule::Folded(Table::Uca1400Ai),
            _ => return None,
        };
        Some(Collation { rule: rule_of, no_pad: rule.contains("0900") || rule.contains("nopad"), unicode })
    }

    /// Whether different texts are different, apart from spaces at their end.
    pub(super) fn is_exact(self) -> bool {
        self.rule == Rule::Exact
    }

    /// Whether texts are ordered by their characters' code points.
    pub(super) fn is_ordered(self) -> bool {
        self.is_exact() && self.unicode
    }

    /// Whether texts of it are UTF-8 at the server, or ASCII.
    pub(super) fn is_unicode(self) -> bool {
        self.unicode
    }

    /// Compares two texts; under a folding collation only whether they are equal counts, and one of them is an ASCII constant.
    pub(super) fn compare(self, left: &str, right: &str) -> Ordering {
        let Rule::Folded(table) = self.rule else {
            return if self.no_pad { left.cmp(right) } else { padded(left, right) };
        };
        match (self.folded(table, left), self.folded(table, right)) {
            (Some(left), Some(right)) => left.cmp(&right),
            (None, _) => Ordering::Greater,
            (_, None) => Ordering::Less,
        }
    }

    fn folded(self, table: Table, text: &str) -> Option<String> {
        let mut folded = String::with_capacity(text.len());
        let mut characters = text.chars().peekable();
        while let Some(c) = characters.next() {
            if matches!(c, 'l' | 'L') && table.joins_l() {
                characters.next_if(|next| matches!(next, '\u{b7}' | '\u{387}'));
            }
            match table.fold(c)? {
                Folded::Text(text) => folded.push_str(text),
                Folded::Same(c) => folded.push(c),
            }
        }
        if !self.no_pad {
            folded.truncate(folded.trim_end_matches(' ').len());
        }
        Some(folded)
    }

    /// Whether a character of a text is the same as one of a pattern.
    fn same(self, c: char, wanted: char) -> bool {
        let Rule::Folded(table) = self.rule else { return c == wanted };
        match (table.fold(c), table.fold(wanted)) {
            (Some(own), Some(wanted)) => own.single().is_some_and(|own| Some(own) == wanted.single()),
            _ => false,
        }
    }
}

impl Folded<'_> {
    /// The one character, where it is one.
    fn single(&self) -> Option<char> {
        match self {
            Folded::Same(c) => Some(*c),
            Folded::Text(text) => {
                let mut characters = text.chars();
                characters.next().filter(|_| characters.next().is_none())
            }
        }
    }
}

/// Compares by code point (which is the order of UTF-8), the shorter text filled up with spaces.
fn padded(left: &str, right: &str) -> Ordering {
    let length = left.len().max(right.len());
    let filled = |text: &str| text.bytes().chain(std::iter::repeat(b' ')).take(length).collect::<Vec<u8>>();
    filled(left).cmp(&filled(right))
}

/// The pattern of a LIKE.
#[derive(Clone, Debug)]
pub(super) struct LikePattern {
    elements: Vec<Element>,
    collation: Collation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    /// `%`
    Any,
    /// `_`
    One,
    Character(char),
}

impl LikePattern {
    pub(super) fn new(pattern: &str, escape: char, collation: Collation) -> Self {
        let mut elements = Vec::new();
        let mut characters = pattern.chars().peekable();
        while let Some(c) = characters.next() {
            elements.push(match c {
                // An escape at the end stands for itself.
                _ if c == escape => Element::Character(characters.next().unwrap_or(c)),
                '%' if elements.last() == Some(&Element::Any) => continue,
                '%' => Element::Any,
                '_' => Element::One,
                c => Element::Character(c),
            });
        }
        LikePattern { elements, collation }
    }

    /// Whether the whole text matches. Goes back to the last `%` alone, so that it takes at most text times pattern steps.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut place, mut at) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        loop {
            let matched = match (self.elements.get(at), text.get(place)) {
                (None, None) => return true,
                (Some(Element::Any), _) => {
                    retry = Some((at + 1, place));
                    at += 1;
                    continue;
                }
                (Some(Element::One), Some(_)) => true,
                (Some(Element::Character(wanted)), Some(c)) => self.collation.same(*c, *wanted),
                _ => false,
            };
            if matched {
                (place, at) = (place + 1, at + 1);
                continue;
            }
            match &mut retry {
                Some((behind, from)) if *from < text.len() => {
                    *from += 1;
                    (at, place) = (*behind, *from);
                }
                _ => return false,
            }
        }
    }
}

/// What LOWER and UPPER do, as far as ASCII texts can tell: the characters beyond ASCII whose other case is ASCII.
pub(super) fn with_case(text: &str, upper: bool) -> String {
    let change = |c: char| match (c, upper) {
        (c, true) if c.is_ascii() => c.to_ascii_uppercase(),
        (c, false) if c.is_ascii() => c.to_ascii_lowercase(),
        ('\u{131}', true) => 'I',
        ('\u{17f}', true) => 'S',
        ('\u{130}', false) => 'i',
        ('\u{212a}', false) => 'k',
        (c, _) => c,
    };
    text.chars().map(change).collect()
}

/// An operand as it is shown in an error: without the values of long constants.
pub(super) struct Shown<'a>(pub(super) &'a Expr);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LENGTH: usize = 60;
        let text = self.0.to_string();
        match text.char_indices().nth(LENGTH) {
            Some((place, _)) => write!(f, "`{}…`", text.get(..place).unwrap_or_default()),
            None => write!(f, "`{text}`"),
        }
    }
}
