//! Literals and the expressions behind DEFAULT and ON UPDATE.

use sqlparser::tokenizer::Token;

use super::{
    ParseError,
    tokens::{Cursor, DOT, LEFT},
};

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
    Ok(cursor.since(place).to_owned())
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
