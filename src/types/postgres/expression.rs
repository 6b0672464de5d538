//! Defaults as PostgreSQL prints them (`pg_get_expr`): literals, and a few functions that all servers have.

use slackwater_decoders::mysql::ddl::Literal;

/// The literal that a default is, whatever type it is cast to (`'x'::character varying`, `'-1'::integer`, `true`); `None` for an
/// expression, which only a server can evaluate.
#[must_use]
pub fn literal(expression: &str) -> Option<Literal> {
    let expression = without_parentheses(expression.trim());
    let (value, cast) = split_cast(expression);
    let cast = cast.trim_matches('"');
    if value.eq_ignore_ascii_case("null") {
        return Some(Literal::Null);
    }
    match value {
        "true" => return Some(Literal::Number("1".to_owned())),
        "false" => return Some(Literal::Number("0".to_owned())),
        _ => {}
    }
    if let Some(bits) = value.strip_prefix("B'").and_then(|rest| rest.strip_suffix('\'')) {
        return Some(Literal::Bits(bits.to_owned()));
    }
    let value = without_parentheses(value);
    let text = match value.strip_prefix('E') {
        Some(rest) if rest.starts_with('\'') => unescaped(&string(rest)?)?,
        _ if value.starts_with('\'') => string(value)?,
        _ => {
            let digits = value.replace(' ', "");
            let is_number = digits.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
            return (is_number && digits.parse::<f64>().is_ok()).then_some(Literal::Number(digits));
        }
    };
    let number = ["integer", "smallint", "bigint", "numeric", "real", "double precision"];
    if number.iter().any(|name| cast.starts_with(name)) && !cast.ends_with(']') {
        return Some(Literal::Number(text));
    }
    match (cast, text.as_str()) {
        ("bit" | "bit varying", digits) => Some(Literal::Bits(digits.to_owned())),
        ("boolean", "t" | "true") => Some(Literal::Number("1".to_owned())),
        ("boolean", "f" | "false") => Some(Literal::Number("0".to_owned())),
        ("bytea", hex) => bytes(hex.strip_prefix("\\x")?).map(Literal::Bytes),
        _ => Some(Literal::Text(text)),
    }
}

/// Whether a default is the time of the transaction.
#[must_use]
pub fn is_now(expression: &str) -> bool {
    let expression = without_parentheses(expression.trim()).to_ascii_lowercase();
    let name = expression.split(['(', ':']).next().unwrap_or_default();
    matches!(name, "now" | "current_timestamp" | "localtimestamp" | "transaction_timestamp" | "current_date")
}

/// Whether a default is a random UUID.
#[must_use]
pub fn is_random_uuid(expression: &str) -> bool {
    let name = expression.trim().trim_end_matches("()").rsplit('.').next().unwrap_or_default();
    matches!(name, "gen_random_uuid" | "uuid_generate_v4")
}

fn without_parentheses(expression: &str) -> &str {
    expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(expression)
}

/// The value, and the type behind the last `::` outside of strings.
fn split_cast(expression: &str) -> (&str, &str) {
    let behind_strings = expression.rfind('\'').map_or(0, |place| place + 1);
    let place =
        expression.get(behind_strings..).and_then(|rest| rest.find("::")).map(|place| behind_strings + place);
    match place.and_then(|place| expression.split_at_checked(place)) {
        Some((value, cast)) => (value, cast.trim_start_matches(':')),
        None => (expression, ""),
    }
}

/// The content of a string between quotes, which is all of the text.
fn string(text: &str) -> Option<String> {
    let inner = text.strip_prefix('\'')?.strip_suffix('\'')?;
    let plain = inner.replace("''", "");
    (!plain.contains('\'')).then(|| inner.replace("''", "'"))
}

/// A string without the escapes that the server prints, which are of backslashes alone.
fn unescaped(text: &str) -> Option<String> {
    let plain = text.replace("\\\\", "");
    (!plain.contains('\\')).then(|| text.replace("\\\\", "\\"))
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |place: usize| hex.get(place..place + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..hex.len()).step_by(2).map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // As PostgreSQL 15 shows them.
    #[test]
    fn defaults_are_read() {
        for (expression, expected) in [
            ("'x'::character varying", Some(Literal::Text("x".into()))),
            ("'it''s'::text", Some(Literal::Text("it's".into()))),
            ("'-1'::integer", Some(Literal::Number("-1".into()))),
            ("(- 1.5)", Some(Literal::Number("-1.5".into()))),
            ("0", Some(Literal::Number("0".into()))),
            ("true", Some(Literal::Number("1".into()))),
            ("NULL::character varying", Some(Literal::Null)),
            ("'\\x00ff'::bytea", Some(Literal::Bytes(vec![0, 255]))),
            ("B'101'::\"bit\"", Some(Literal::Bits("101".into()))),
            ("'101'::\"bit\"", Some(Literal::Bits("101".into()))),
            ("'{}'::integer[]", Some(Literal::Text("{}".into()))),
            ("'sad'::app.mood", Some(Literal::Text("sad".into()))),
            ("now()", None),
            ("('a'::text || 'b'::text)", None),
            ("nextval('app.q'::regclass)", None),
        ] {
            assert_eq!(literal(expression), expected, "{expression}");
        }
        assert!(is_now("CURRENT_TIMESTAMP") && is_now("now()") && !is_now("clock_timestamp()"));
    }
}
