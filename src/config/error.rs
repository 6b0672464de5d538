//! What is wrong with a task file: where, what, and what was probably meant.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

/// An error in a task file. Displays with the file, line and column, the line itself, and a suggestion.
#[derive(Debug)]
pub struct ConfigError {
    file: PathBuf,
    place: Option<Place>,
    message: String,
    hint: Option<String>,
}

#[derive(Debug)]
struct Place {
    line: usize,
    column: usize,
    text: String,
    width: usize,
}

impl ConfigError {
    /// An error of the file as a whole.
    pub(super) fn of_file(file: &Path, message: impl Into<String>) -> Self {
        ConfigError { file: file.to_owned(), place: None, message: message.into(), hint: None }
    }

    /// Adds what to do.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// An error at a range of bytes of the text.
    pub(super) fn at(file: &Path, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        ConfigError { place: Some(Place::find(text, span)), ..ConfigError::of_file(file, message) }
    }

    /// An error of a key, as `section.key`; of the section where the key is not there.
    pub(super) fn at_key(file: &Path, text: &str, key: &str, message: impl Into<String>) -> Self {
        match span_of(text, key) {
            Some(span) => ConfigError::at(file, text, span, message),
            None => ConfigError::of_file(file, message),
        }
    }

    /// An error at the first place where the text has a name.
    pub(super) fn at_value(file: &Path, text: &str, name: &str, message: impl Into<String>) -> Self {
        match text.find(name) {
            Some(start) => ConfigError::at(file, text, start..start + name.len(), message),
            None => ConfigError::of_file(file, message),
        }
    }

    /// What the TOML reader found, in the section of that name (empty for none).
    pub(super) fn from_toml(file: &Path, text: &str, section: &str, error: &toml::de::Error) -> Self {
        if let Some(told) = ConfigError::renamed_key(file, text, section, error.message()) {
            return told;
        }
        let mistake = Mistake::read(error.message());
        let message = match &mistake {
            Some(mistake) => mistake.message(section),
            None if section.is_empty() => error.message().to_owned(),
            None => format!("{} in [{section}]", error.message()),
        };
        let mut told = match error.span().or_else(|| span_of(text, section)) {
            Some(span) => ConfigError::at(file, text, span, message),
            None => ConfigError::of_file(file, message),
        };
        told.hint = mistake.and_then(|mistake| mistake.hint());
        told
    }

    /// A key that is missing while the section has a similar one: that one is what is wrong.
    fn renamed_key(file: &Path, text: &str, section: &str, message: &str) -> Option<Self> {
        let missing = message.strip_prefix("missing field `")?.strip_suffix('`')?;
        let document = DeTable::parse(text).ok()?;
        let DeValue::Table(table) = document.get_ref().get(section)?.get_ref() else { return None };
        let similar = table.keys().find(|key| is_similar(key.get_ref(), missing))?;
        let message = format!("unknown key `{}` in [{section}]", similar.get_ref());
        Some(ConfigError::at(file, text, similar.span(), message).hint(format!("did you mean `{missing}`?")))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match &self.place {
            None => write!(f, "{file}: {}", self.message)?,
            Some(Place { line, column, text, width }) => {
                let gutter = " ".repeat(line.to_string().len());
                writeln!(f, "{file}:{line}:{column}: {}", self.message)?;
                writeln!(f, " {gutter} |")?;
                writeln!(f, " {line} | {text}")?;
                write!(f, " {gutter} | {}{}", " ".repeat(column - 1), "^".repeat(*width))?;
            }
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Place {
    fn find(text: &str, span: Range<usize>) -> Self {
        let place = span.start.min(text.len());
        let start = (0..=place).rev().find(|&start| text.is_char_boundary(start)).unwrap_or_default();
        let (before, after) = text.split_at(start);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = after.find('\n').map_or(text.len(), |newline| start + newline);
        let line = text.get(line_start..line_end).unwrap_or_default();
        let marked = text.get(start..line_end.min(span.end)).unwrap_or_default();
        Place {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            // Tabs would shift the mark below the line.
            text: line.trim_end().replace('\t', " "),
            width: marked.trim_end().chars().count().max(1),
        }
    }
}

/// A misspelt or misplaced name, as serde words it.
struct Mistake<'a> {
    kind: &'a str,
    given: &'a str,
    expected: Vec<&'a str>,
}

impl<'a> Mistake<'a> {
    /// Reads "unknown field `x`, expected one of `a`, `b`" and its relatives.
    fn read(message: &'a str) -> Option<Self> {
        let kind =
            ["field", "variant"].into_iter().find(|kind| message.starts_with(&format!("unknown {kind} ")))?;
        let mut quoted = message.split('`').skip(1).step_by(2);
        Some(Mistake { kind, given: quoted.next()?, expected: quoted.collect() })
    }

    fn message(&self, section: &str) -> String {
        let place = if section.is_empty() { String::new() } else { format!(" in [{section}]") };
        let what = if self.kind == "field" { "key" } else { "value" };
        format!("unknown {what} `{}`{place}", self.given)
    }

    fn hint(&self) -> Option<String> {
        if self.expected.is_empty() {
            return None;
        }
        Some(suggest(self.given, &self.expected))
    }
}

/// The name that was probably meant, or all there are.
pub(super) fn suggest(given: &str, known: &[&str]) -> String {
    match known.iter().copied().min_by_key(|name| distance(given, name)) {
        Some(name) if is_similar(given, name) => format!("did you mean `{name}`?"),
        _ => format!("known here: {}", known.join(", ")),
    }
}

fn is_similar(given: &str, name: &str) -> bool {
    distance(given, name) <= 1 + given.len() / 4
}

fn distance(given: &str, name: &str) -> usize {
    strsim::damerau_levenshtein(&given.to_lowercase(), name)
}

/// The place of a key given as `section.key`, of its value for a section.
fn span_of(text: &str, path: &str) -> Option<Range<usize>> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut span = None;
    for name in path.split('.').filter(|name| !name.is_empty()) {
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == name) else { break };
        span = Some(key.span());
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    span
}
