//! Literals and the expressions behind DEFAULT and ON UPDATE.

use sqlparser::tokenizer::Token;

use super::{
    Context, ParseError,
    tokens::{Cursor, DOT, LEFT},
};

/// The value of a literal in a DEFAULT clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// NULL.
    Null,
    /// A number as it is spelled, with its sign. TRUE is 1, FALSE is 0.
    Number(String),
    /// A string without its quotes and escapes.
    Text(String),
    /// Bytes in hexadecimal (`x'00FF'`, `0x00FF`).
    Bytes(Vec<u8>),
    /// Binary digits (`b'101'`).
    Bits(String),
}

/// The literal that a column's default is; `None` for an expression, which only a server can evaluate, and for a string with
/// an introducer of a character set other than UTF-8 that is not ASCII.
#[must_use]
pub fn literal(default: &str) -> Option<Literal> {
    let context = Context::mysql();
    let mut cursor = Cursor::new(default, &context).ok()?;
    let literal = read_literal(&mut cursor)?;
    cursor.at_end().then_some(literal)
}

fn read_literal(cursor: &mut Cursor<'_>) -> Option<Literal> {
    let sign = match cursor.peek()? {
        Token::Minus => "-",
        Token::Plus => "+",
        _ => "",
    };
    if !sign.is_empty() {
        cursor.skip_one().ok()?;
    }
    if let Token::Number(digits, _) = cursor.peek()? {
        let number = format!("{}{digits}", sign.trim_start_matches('+'));
        cursor.skip_one().ok()?;
        return Some(Literal::Number(number));
    }
    if !sign.is_empty() {
        return None;
    }
    let introducer = cursor
        .keyword()
        .filter(|word| word.starts_with('_') || matches!(word.as_str(), "DATE" | "TIME" | "TIMESTAMP" | "N"));
    if introducer.is_some() {
        cursor.skip_one().ok()?;
    }
    for (keyword, literal) in [
        ("NULL", Literal::Null),
        ("TRUE", Literal::Number("1".to_owned())),
        ("FALSE", Literal::Number("0".to_owned())),
    ] {
        if cursor.accept(keyword) {
            return Some(literal);
        }
    }
    match cursor.peek()? {
        Token::HexStringLiteral(_) => bytes_literal(cursor).ok().map(Literal::Bytes),
        Token::SingleQuotedByteStringLiteral(digits) => {
            let digits = digits.clone();
            cursor.skip_one().ok()?;
            Some(Literal::Bits(digits))
        }
        _ if cursor.is_string() => {
            let text = cursor.string().ok()?;
            let is_utf8 = introducer.is_none_or(|word| !word.starts_with('_') || word.starts_with("_UTF8"));
            (is_utf8 || text.is_ascii()).then_some(Literal::Text(text))
        }
        _ => None,
    }
}

/// Reads the expression behind DEFAULT, as text: a literal with sign or introducer, an expression in parentheses, or a
/// function with or without arguments. MariaDB also has `NEXT VALUE FOR sequence`.
pub(super) fn expression(cursor: &mut Cursor<'_>) -> Result<String, ParseError> {
    let place = cursor.place();
    if matches!(cursor.peek(), Some(Token::Minus | Token::Plus)) {
        cursor.skip_one()?;
    }
    if cursor.accept_all(&["NEXT", "VALUE", "FOR"]) {
        cursor.object_name()?;
        return Ok(cursor.since(place).to_owned());
    }
    if cursor.is_string() {
        cursor.string()?;
    } else if matches!(cursor.peek(), Some(Token::Word(_))) {
        word(cursor)?;
    } else if is_value(cursor) || cursor.is_symbol(&LEFT) {
        cursor.skip_one()?;
    } else {
        return Err(cursor.error("a default value is expected"));
    }
    let text = cursor.since(place);
    // Kept as it is to be read with escapes, whatever the session's mode was.
    let escapes = cursor.context().backslash_escapes();
    Ok(if escapes { text.to_owned() } else { text.replace('\\', "\\\\") })
}

/// A function, a keyword such as NULL or CURRENT_TIMESTAMP, or an introducer (`_utf8mb4'x'`, `DATE '2000-01-01'`).
fn word(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    let introducer = cursor.keyword().is_some_and(|word| {
        word.starts_with('_') || matches!(word.as_str(), "DATE" | "TIME" | "TIMESTAMP" | "N")
    });
    cursor.identifier()?;
    if introducer && (cursor.is_string() || is_value(cursor)) {
        return cursor.skip_one();
    }
    while cursor.accept_symbol(&DOT) {
        cursor.identifier()?;
    }
    if cursor.is_symbol(&LEFT) {
        cursor.skip_parentheses()?;
    }
    Ok(())
}

/// A number, or bytes in hexadecimal or binary.
fn is_value(cursor: &Cursor<'_>) -> bool {
    matches!(
        cursor.peek(),
        Some(
            Token::Number(..)
                | Token::HexStringLiteral(_)
                | Token::SingleQuotedByteStringLiteral(_)
                | Token::DoubleQuotedByteStringLiteral(_)
        )
    )
}

/// A string, or bytes in hexadecimal that are UTF-8.
pub(super) fn text_literal(cursor: &mut Cursor<'_>) -> Result<String, ParseError> {
    if !matches!(cursor.peek(), Some(Token::HexStringLiteral(_))) {
        return cursor.string();
    }
    let bytes = bytes_literal(cursor)?;
    // Beyond ASCII the bytes mean what the column's character set says.
    let ascii = bytes.is_ascii().then(|| String::from_utf8(bytes).ok()).flatten();
    ascii.ok_or_else(|| cursor.error("a name in hexadecimal beyond ASCII"))
}

/// A string's bytes, or bytes in hexadecimal.
pub(super) fn bytes_literal(cursor: &mut Cursor<'_>) -> Result<Vec<u8>, ParseError> {
    let Some(Token::HexStringLiteral(digits)) = cursor.peek() else {
        return cursor.string().map(String::into_bytes);
    };
    // 0x123 has a leading zero to be thought of.
    let even = if digits.len() % 2 == 0 { digits.clone() } else { format!("0{digits}") };
    let pair =
        |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes = even.as_bytes().chunks(2).map(pair).collect::<Option<Vec<u8>>>();
    let bytes = bytes.ok_or_else(|| cursor.error("hexadecimal digits are expected"))?;
    cursor.skip_one()?;
    Ok(bytes)
}
