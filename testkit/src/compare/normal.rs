//! The text that one value has on both sides: every conversion between databases that counts as "the same", in one place.
//!
//! | source column | destination column | the same when |
//! | --- | --- | --- |
//! | boolean, integer, YEAR, numeric | any number | the numbers are equal: true is 1, zeros at the end do not count |
//! | real, FLOAT | any number | equal in single precision |
//! | double | any number | equal in double precision, `NaN` equal to itself |
//! | text, enum, network addresses, ranges, composites | text | byte by byte, in UTF-8 |
//! | char(n) | text | byte by byte without the spaces at the end |
//! | bytea, BLOB | bytes | byte by byte |
//! | date, timestamp, DATETIME | any of these, text | to the microsecond; of a zone: in UTC |
//! | a date that does not exist (`2024-00-15`) | PostgreSQL | NULL |
//! | time, interval, TIME | any of these, text | to the microsecond, where it is hours, minutes and seconds only |
//! | json, jsonb | JSON, text | the same members in any order, numbers in double precision |
//! | uuid | uuid, text, 16 bytes | the same digits |
//! | text, 16 bytes | uuid | the same digits |
//! | bit strings, BIT | bit strings, numbers, boolean | the same number |
//! | bit strings | text | the same zeros and ones |
//! | SET | text, an array of text | the same names in their order |
//! | an array | an array, text | as PostgreSQL writes it |
//! | an array | JSON | the same elements, numbers and truth values by their text |
//! | geometry | text | numbers in double precision, all else as PostgreSQL writes it |

use serde_json::Value;

use super::side::Kind;

/// The normal form of values of a column of `source` kind that the destination keeps as `destination` kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Normal {
    source: Kind,
    destination: Option<Kind>,
    to_postgres: bool,
}

impl Normal {
    pub(super) fn of(source: Kind, destination: Option<Kind>, to_postgres: bool) -> Self {
        Self { source, destination, to_postgres }
    }

    /// The form of a value as it stands at a side, whose column is of `kind`.
    pub(super) fn apply(self, kind: Option<Kind>, value: &str) -> Option<String> {
        let source = if self.destination == Some(Kind::Uuid) { Kind::Uuid } else { self.source };
        Some(match source {
            Kind::Boolean | Kind::Integer | Kind::Decimal => number(kind, value),
            Kind::Float => float(value, |number| number),
            Kind::Single => float(value, |number| f64::from(number as f32)),
            Kind::Text => value.to_owned(),
            Kind::Padded => value.trim_end_matches(' ').to_owned(),
            Kind::Bytes => value.strip_prefix("\\x").unwrap_or(value).to_ascii_uppercase(),
            Kind::Moment if self.to_postgres && is_no_date(value) => return None,
            Kind::Moment => moment(value),
            Kind::Time => time(value),
            Kind::Json => json(value),
            Kind::Uuid => value.strip_prefix("\\x").unwrap_or(value).replace('-', "").to_ascii_lowercase(),
            Kind::Bits | Kind::BitNumber if self.destination == Some(Kind::Text) => value.to_owned(),
            Kind::Bits | Kind::BitNumber => number(kind, value),
            Kind::Set if kind == Some(Kind::Array) => {
                let elements = array(value).map(|elements| leaves(&elements).join(","));
                elements.unwrap_or_else(|| value.to_owned())
            }
            Kind::Set => value.to_owned(),
            Kind::Array if self.destination == Some(Kind::Json) => elements(kind, value),
            Kind::Array => value.to_owned(),
            Kind::Geometry => numbers_within(value),
        })
    }
}

/// A decimal number without the zeros that do not count.
fn number(kind: Option<Kind>, value: &str) -> String {
    match (kind, value) {
        (Some(Kind::Boolean), "true") => return "1".into(),
        (Some(Kind::Boolean), "false") => return "0".into(),
        (Some(Kind::Bits), _) => {
            let number = u128::from_str_radix(value, 2);
            return number.map_or_else(|_| value.to_owned(), |number| number.to_string());
        }
        _ => {}
    }
    let (sign, digits) = match value.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", value),
    };
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return value.to_owned();
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    match (whole, fraction) {
        ("0", "") => "0".into(),
        (whole, "") => format!("{sign}{whole}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    }
}

/// The shortest text that is the same number.
fn float(value: &str, rounded: impl Fn(f64) -> f64) -> String {
    value.parse().map_or_else(|_| value.to_owned(), |number| format!("{:e}", rounded(number)))
}

/// Every number inside of a text in its shortest form.
fn numbers_within(value: &str) -> String {
    let of_number =
        |character: char| character.is_ascii_digit() || matches!(character, '.' | '-' | '+' | 'e');
    let mut normal = String::new();
    let mut rest = value;
    while let Some(start) = rest.find(of_number) {
        let (before, from) = rest.split_at(start);
        let (digits, after) =
            from.split_at(from.find(|character| !of_number(character)).unwrap_or(from.len()));
        normal.push_str(before);
        normal.push_str(&float(digits, |number| number));
        rest = after;
    }
    normal + rest
}

/// Whether MySQL's date has no month or no day.
fn is_no_date(value: &str) -> bool {
    value.get(4..10).is_some_and(|rest| rest.starts_with("-00-") || rest.ends_with("-00"))
}

/// `YYYY-MM-DD`, and `HH:MM:SS.ffffff` unless it is midnight, without zeros at the end and without UTC's offset.
fn moment(value: &str) -> String {
    let (value, era) = match value.strip_suffix(" BC") {
        Some(value) => (value, " BC"),
        None => (value, ""),
    };
    let value = value.strip_suffix("+00:00").or_else(|| value.strip_suffix("+00")).unwrap_or(value);
    let value = value.strip_suffix('Z').unwrap_or(value).replacen('T', " ", 1);
    let Some((date, clock)) = value.split_once(' ') else {
        return format!("{value}{era}");
    };
    match without_zeros(clock) {
        "00:00:00" => format!("{date}{era}"),
        clock => format!("{date} {clock}{era}"),
    }
}

fn without_zeros(clock: &str) -> &str {
    if clock.contains('.') { clock.trim_end_matches('0').trim_end_matches('.') } else { clock }
}

/// Hours (any number), minutes and seconds as seconds; anything else as it is.
fn time(value: &str) -> String {
    let (sign, clock) = match value.strip_prefix('-') {
        Some(clock) => ("-", clock),
        None => ("", value),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let parts: Vec<Option<u64>> = clock.split(':').map(|part| part.parse().ok()).collect();
    let fraction = fraction.trim_end_matches('0');
    match parts.as_slice() {
        [Some(hours), Some(minutes), Some(seconds)]
            if fraction.bytes().all(|digit| digit.is_ascii_digit()) =>
        {
            let seconds = (hours * 60 + minutes) * 60 + seconds;
            if seconds == 0 && fraction.is_empty() {
                "0".into()
            } else {
                format!("{sign}{seconds}.{fraction}")
            }
        }
        _ => value.to_owned(),
    }
}

fn json(value: &str) -> String {
    let mut normal = String::new();
    match serde_json::from_str(value) {
        Ok(parsed) => write_json(&parsed, &mut normal),
        Err(_) => normal.push_str(value),
    }
    normal
}

fn write_json(value: &Value, normal: &mut String) {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| name.as_str());
            normal.push('{');
            for (name, value) in sorted {
                *normal += &format!("{name:?}:");
                write_json(value, normal);
                normal.push(',');
            }
            normal.push('}');
        }
        Value::Array(elements) => {
            normal.push('[');
            for element in elements {
                write_json(element, normal);
                normal.push(',');
            }
            normal.push(']');
        }
        Value::Number(number) => match number.as_f64() {
            // `1e15` of one is `1000000000000000` of another, and not every one has a negative zero.
            Some(float) if float.fract() == 0.0 && float.abs() < 1e18 && !number.is_i64() => {
                *normal += &format!("{:.0}", float + 0.0);
            }
            Some(float) if !number.is_i64() && !number.is_u64() => *normal += &format!("{float:e}"),
            _ => *normal += &number.to_string(),
        },
        other => *normal += &other.to_string(),
    }
}

/// The elements of an array, or of a JSON array that stands for one, as JSON with texts only.
fn elements(kind: Option<Kind>, value: &str) -> String {
    let parsed = if kind == Some(Kind::Array) { array(value) } else { serde_json::from_str(value).ok() };
    parsed.map_or_else(|| value.to_owned(), |parsed| texts_only(parsed).to_string())
}

fn texts_only(value: Value) -> Value {
    match value {
        Value::Array(elements) => elements.into_iter().map(texts_only).collect(),
        Value::Bool(truth) => Value::from(if truth { "t" } else { "f" }),
        Value::Number(number) => Value::from(number.to_string()),
        other => other,
    }
}

fn leaves(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(elements) => elements.iter().flat_map(leaves).collect(),
        Value::String(text) => vec![text],
        _ => vec!["NULL"],
    }
}

/// An array in PostgreSQL's text form (documentation, "Array Input and Output Syntax"), its elements as texts.
fn array(value: &str) -> Option<Value> {
    // Lower bounds other than 1 stand in front.
    let braces = value.find('{')?;
    let mut characters = value.get(braces + 1..)?.chars().peekable();
    nested(&mut characters)
}

/// What comes behind a `{`, up to its `}`.
fn nested(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Value> {
    let mut elements = Vec::new();
    loop {
        match characters.next()? {
            '}' => return Some(Value::Array(elements)),
            ',' => {}
            '{' => elements.push(nested(characters)?),
            '"' => elements.push(Value::from(quoted(characters)?)),
            first => {
                let mut text = String::from(first);
                while let Some(character) = characters.next_if(|character| !matches!(character, ',' | '}')) {
                    text.push(character);
                }
                elements.push(if text.eq_ignore_ascii_case("null") {
                    Value::Null
                } else {
                    Value::from(text)
                });
            }
        }
    }
}

/// What comes behind a `"`, up to the next one; a backslash takes the character behind it as it is.
fn quoted(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let mut text = String::new();
    loop {
        match characters.next()? {
            '"' => return Some(text),
            '\\' => text.push(characters.next()?),
            character => text.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_values_have_one_form() {
        for (source, [kind, other], [one, two]) in [
            (Kind::Boolean, [Kind::Boolean, Kind::Integer], ["true", "1"]),
            (Kind::Decimal, [Kind::Decimal, Kind::Decimal], ["-0012.5000", "-12.5"]),
            (Kind::Decimal, [Kind::Decimal, Kind::Decimal], ["-0.00", "0"]),
            (Kind::Float, [Kind::Float, Kind::Float], ["0.10000000000000001", "0.1"]),
            (Kind::Single, [Kind::Single, Kind::Float], ["0.1", "0.10000000149011612"]),
            (Kind::Bytes, [Kind::Bytes, Kind::Bytes], ["\\x0aff", "0AFF"]),
            (
                Kind::Moment,
                [Kind::Moment, Kind::Moment],
                ["2024-05-06 07:08:09.5+00", "2024-05-06T07:08:09.500000Z"],
            ),
            (Kind::Moment, [Kind::Moment, Kind::Moment], ["2024-05-06", "2024-05-06 00:00:00.000"]),
            (Kind::Time, [Kind::Time, Kind::Time], ["-838:59:58.5", "-838:59:58.500"]),
            (Kind::Json, [Kind::Json, Kind::Json], ["{\"b\": 1.50, \"a\": [1]}", "{\"a\":[1],\"b\":1.5}"]),
            (Kind::BitNumber, [Kind::BitNumber, Kind::Bits], ["5", "0000000101"]),
            (Kind::Set, [Kind::Set, Kind::Array], ["red,blau", "{red,blau}"]),
            (
                Kind::Uuid,
                [Kind::Uuid, Kind::Bytes],
                ["5ea7c1de-0000-4000-8000-00000000000a", "5EA7C1DE00004000800000000000000A"],
            ),
            (
                Kind::Array,
                [Kind::Array, Kind::Json],
                ["{{1,NULL},{\"a\\\"b\",\"x,y\"}}", "[[1,null],[\"a\\\"b\",\"x,y\"]]"],
            ),
        ] {
            let normal = Normal::of(source, Some(other), false);
            assert_eq!(normal.apply(Some(kind), one), normal.apply(Some(other), two), "{source:?}");
        }
    }

    #[test]
    fn other_values_have_another_form() {
        for (source, one, two) in [
            (Kind::Decimal, "10", "1"),
            (Kind::Decimal, "-1", "1"),
            (Kind::Float, "0.1", "0.10000000000000002"),
            (Kind::Text, "a ", "a"),
            (Kind::Moment, "0044-03-15 BC", "0044-03-15"),
            (Kind::Moment, "2024-05-06 01:00:00", "2024-05-06 01:00:00.000001"),
            (Kind::Time, "1:00:00", "-1:00:00"),
            (Kind::Json, "[[],1]", "[[1]]"),
            (Kind::Json, "{\"a\": \"1\"}", "{\"a\": 1}"),
        ] {
            let normal = Normal::of(source, Some(source), false);
            assert_ne!(normal.apply(Some(source), one), normal.apply(Some(source), two), "{source:?}");
        }
        assert_eq!(
            Normal::of(Kind::Moment, Some(Kind::Moment), true).apply(Some(Kind::Moment), "2024-00-15"),
            None
        );
    }
}
