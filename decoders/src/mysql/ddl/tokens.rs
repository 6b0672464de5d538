//! A statement as tokens with their places, and the small steps over them that all readers share.

use std::any::TypeId;

use sqlparser::{
    dialect::{Dialect, MySqlDialect},
    tokenizer::{Location, Token, TokenWithSpan, Tokenizer},
};

use super::{Context, ParseError, statement::ObjectName};

pub(super) const AT: Token = Token::AtSign;
pub(super) const COMMA: Token = Token::Comma;
pub(super) const DOT: Token = Token::Period;
pub(super) const EQUALS: Token = Token::Eq;
pub(super) const LEFT: Token = Token::LParen;
pub(super) const RIGHT: Token = Token::RParen;
pub(super) const SEMICOLON: Token = Token::SemiColon;

/// MySQL's lexical rules under an SQL mode.
#[derive(Debug)]
struct Lexical {
    ansi_quotes: bool,
    backslash_escapes: bool,
}

impl Dialect for Lexical {
    // The tokenizer asks for MySQL by type where the trait has no question for it.
    fn dialect(&self) -> TypeId {
        TypeId::of::<MySqlDialect>()
    }

    fn is_identifier_start(&self, character: char) -> bool {
        character.is_ascii_alphabetic() || matches!(character, '_' | '$') || !character.is_ascii()
    }

    fn is_identifier_part(&self, character: char) -> bool {
        self.is_identifier_start(character) || character.is_ascii_digit()
    }

    fn is_delimited_identifier_start(&self, character: char) -> bool {
        character == '`' || (self.ansi_quotes && character == '"')
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        self.backslash_escapes
    }

    fn supports_numeric_prefix(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct Placed {
    token: Token,
    start: usize,
    end: usize,
}

/// A place in the tokens of a statement.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    context: &'a Context,
    tokens: Vec<Placed>,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of a statement without comments.
    pub(super) fn new(text: &'a str, context: &'a Context) -> Result<Self, ParseError> {
        let lexical =
            Lexical { ansi_quotes: context.ansi_quotes(), backslash_escapes: context.backslash_escapes() };
        let mut offsets = Offsets::new(text);
        let tokens = Tokenizer::new(&lexical, text).with_unescape(false).tokenize_with_location();
        let tokens = tokens.map_err(|error| ParseError {
            offset: offsets.of(error.location),
            near: "token".into(),
            reason: error.message,
        })?;
        let place = |TokenWithSpan { token, span }: TokenWithSpan| {
            let start = offsets.of(span.start);
            (!matches!(token, Token::Whitespace(_) | Token::EOF))
                .then(|| (token, start, offsets.of(span.end)))
        };
        let tokens = tokens
            .into_iter()
            .filter_map(place)
            .map(|(token, start, end)| Placed { token, start, end })
            .collect();
        Ok(Cursor { text, context, tokens, at: 0 })
    }

    pub(super) fn context(&self) -> &'a Context {
        self.context
    }

    /// The next token.
    pub(super) fn peek(&self) -> Option<&Token> {
        self.peek_at(0)
    }

    /// The token that many places ahead.
    pub(super) fn peek_at(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|placed| &placed.token)
    }

    pub(super) fn at_end(&self) -> bool {
        self.peek().is_none()
    }

    /// Whether nothing more belongs to the statement.
    pub(super) fn at_statement_end(&self) -> bool {
        self.peek().is_none_or(|token| *token == SEMICOLON)
    }

    /// Whether the token that many places ahead is this keyword.
    pub(super) fn is_at(&self, ahead: usize, keyword: &str) -> bool {
        matches!(self.peek_at(ahead), Some(Token::Word(word))
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword))
    }

    /// Whether the next token is this keyword.
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.is_at(0, keyword)
    }

    /// Whether the next token is one of these keywords.
    pub(super) fn is_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    /// Whether the next tokens are these keywords.
    pub(super) fn is_all(&self, keywords: &[&str]) -> bool {
        keywords.iter().enumerate().all(|(ahead, keyword)| self.is_at(ahead, keyword))
    }

    pub(super) fn accept(&mut self, keyword: &str) -> bool {
        self.accept_all(&[keyword])
    }

    pub(super) fn accept_all(&mut self, keywords: &[&str]) -> bool {
        let found = self.is_all(keywords);
        if found {
            self.at += keywords.len();
        }
        found
    }

    /// Steps over one of the keywords.
    pub(super) fn accept_any(&mut self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.accept(keyword))
    }

    pub(super) fn expect_any(&mut self, keywords: &[&str]) -> Result<(), ParseError> {
        if self.accept_any(keywords) {
            return Ok(());
        }
        Err(self.error(format!("one of {} is expected", keywords.join(", "))))
    }

    pub(super) fn expect(&mut self, keyword: &str) -> Result<(), ParseError> {
        if self.accept(keyword) { Ok(()) } else { Err(self.error(format!("{keyword} is expected"))) }
    }

    pub(super) fn is_symbol(&self, symbol: &Token) -> bool {
        self.peek() == Some(symbol)
    }

    pub(super) fn accept_symbol(&mut self, symbol: &Token) -> bool {
        let found = self.is_symbol(symbol);
        if found {
            self.at += 1;
        }
        found
    }

    pub(super) fn expect_symbol(&mut self, symbol: &Token) -> Result<(), ParseError> {
        if self.accept_symbol(symbol) { Ok(()) } else { Err(self.error(format!("\"{symbol}\" is expected"))) }
    }

    /// The next token as an unquoted word in capitals, without stepping over it.
    pub(super) fn keyword(&self) -> Option<String> {
        match self.peek() {
            Some(Token::Word(word)) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
            _ => None,
        }
    }

    /// Whether the next token can be a name.
    pub(super) fn is_name(&self) -> bool {
        matches!(self.peek(), Some(Token::Word(_)))
    }

    /// A name, quoted or not.
    pub(super) fn identifier(&mut self) -> Result<String, ParseError> {
        let Some(Token::Word(word)) = self.peek() else { return Err(self.error("a name is expected")) };
        let name = match word.quote_style {
            Some(quote) => undoubled(&word.value, quote),
            None => word.value.clone(),
        };
        self.at += 1;
        Ok(name)
    }

    /// `name` or `database.name`.
    pub(super) fn object_name(&mut self) -> Result<ObjectName, ParseError> {
        // ".name" is an old way to say "name".
        self.accept_symbol(&DOT);
        let first = self.identifier()?;
        if self.accept_symbol(&DOT) {
            return Ok(ObjectName { database: Some(first), name: self.identifier()? });
        }
        Ok(ObjectName { database: None, name: first })
    }

    /// Names separated by commas.
    pub(super) fn object_names(&mut self) -> Result<Vec<ObjectName>, ParseError> {
        let mut names = vec![self.object_name()?];
        while self.accept_symbol(&COMMA) {
            names.push(self.object_name()?);
        }
        Ok(names)
    }

    /// Whether the next token is a string.
    pub(super) fn is_string(&self) -> bool {
        matches!(
            self.peek(),
            Some(
                Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) | Token::NationalStringLiteral(_)
            )
        )
    }

    /// A string; adjacent ones are one.
    pub(super) fn string(&mut self) -> Result<String, ParseError> {
        let mut value = None::<String>;
        loop {
            let (raw, quote) = match self.peek() {
                Some(Token::SingleQuotedString(raw) | Token::NationalStringLiteral(raw)) => (raw, '\''),
                Some(Token::DoubleQuotedString(raw)) => (raw, '"'),
                _ => return value.ok_or_else(|| self.error("a string is expected")),
            };
            let piece = unescaped(raw, quote, self.context.backslash_escapes());
            value.get_or_insert_default().push_str(&piece);
            self.at += 1;
        }
    }

    /// A number without sign, fraction and exponent.
    pub(super) fn number<N: std::str::FromStr>(&mut self) -> Result<N, ParseError> {
        let Some(Token::Number(digits, false)) = self.peek() else {
            return Err(self.error("a number is expected"));
        };
        let number = digits.parse().map_err(|_| self.error("the number is out of range"))?;
        self.at += 1;
        Ok(number)
    }

    /// A number in parentheses.
    pub(super) fn number_in_parentheses<N: std::str::FromStr>(&mut self) -> Result<N, ParseError> {
        self.expect_symbol(&LEFT)?;
        let number = self.number()?;
        self.expect_symbol(&RIGHT)?;
        Ok(number)
    }

    /// Steps over one token, or over everything in parentheses.
    pub(super) fn skip_one(&mut self) -> Result<(), ParseError> {
        match self.peek() {
            None => Err(self.error("the statement ends too early")),
            Some(token) if *token == LEFT => self.skip_parentheses(),
            Some(token) if *token == RIGHT => Err(self.error("a parenthesis that was not opened")),
            Some(_) => {
                self.at += 1;
                Ok(())
            }
        }
    }

    /// Steps over what the parentheses that start here hold.
    pub(super) fn skip_parentheses(&mut self) -> Result<(), ParseError> {
        let start = self.at;
        self.expect_symbol(&LEFT)?;
        let mut depth = 1;
        while depth > 0 {
            match self.peek() {
                None => {
                    self.at = start;
                    return Err(self.error("the parenthesis is not closed"));
                }
                Some(token) if *token == LEFT => depth += 1,
                Some(token) if *token == RIGHT => depth -= 1,
                Some(_) => {}
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Steps over everything up to the end.
    pub(super) fn skip_all(&mut self) {
        self.at = self.tokens.len();
    }

    /// A place to come back to with [`Cursor::since`] or [`Cursor::back`].
    pub(super) fn place(&self) -> usize {
        self.at
    }

    /// Goes back to a place.
    pub(super) fn back(&mut self, place: usize) {
        self.at = place;
    }

    /// The text from a place up to here, without comments.
    pub(super) fn since(&self, place: usize) -> &'a str {
        let start = self.tokens.get(place).map_or(self.text.len(), |placed| placed.start);
        let end =
            self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(start, |placed| placed.end);
        self.text.get(start..end.max(start)).unwrap_or_default()
    }

    /// An error at the next token.
    pub(super) fn error(&self, reason: impl Into<String>) -> ParseError {
        let (offset, near) = match self.tokens.get(self.at) {
            None => (self.text.len(), "the end".into()),
            Some(Placed { token: Token::Word(word), start, .. }) => {
                (*start, word.value.chars().take(64).collect())
            }
            Some(Placed { token, start, .. }) if is_literal(token) => (*start, "a literal".into()),
            Some(Placed { token, start, .. }) => (*start, token.to_string()),
        };
        ParseError { offset, near, reason: reason.into() }
    }
}

/// Literals may hold values that do not belong into a log file.
fn is_literal(token: &Token) -> bool {
    matches!(
        token,
        Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::NationalStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::SingleQuotedByteStringLiteral(_)
            | Token::DoubleQuotedByteStringLiteral(_)
            | Token::Number(..)
    )
}

/// Two quotes within quotes are one.
fn undoubled(raw: &str, quote: char) -> String {
    let mut buffer = [0; 8];
    let single: &str = quote.encode_utf8(&mut buffer);
    raw.replace(&single.repeat(2), single)
}

/// The value of a string literal. Source: MySQL reference manual, "String Literals", table of escape sequences.
pub(super) fn unescaped(raw: &str, quote: char, backslash_escapes: bool) -> String {
    let mut value = String::with_capacity(raw.len());
    let mut characters = raw.chars();
    while let Some(character) = characters.next() {
        if character == quote {
            value.push(quote);
            characters.next();
        } else if character == '\\' && backslash_escapes {
            match characters.next() {
                Some('0') => value.push('\0'),
                Some('b') => value.push('\u{8}'),
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some('t') => value.push('\t'),
                Some('Z') => value.push('\u{1a}'),
                // These two keep the backslash, for LIKE.
                Some(wildcard @ ('%' | '_')) => value.extend(['\\', wildcard]),
                Some(other) => value.push(other),
                None => value.push('\\'),
            }
        } else {
            value.push(character);
        }
    }
    value
}

/// Turns the tokenizer's lines and columns, which only grow, into byte offsets.
struct Offsets<'a> {
    characters: std::iter::Peekable<std::str::CharIndices<'a>>,
    length: usize,
    line: u64,
    column: u64,
}

impl<'a> Offsets<'a> {
    fn new(text: &'a str) -> Self {
        Offsets { characters: text.char_indices().peekable(), length: text.len(), line: 1, column: 1 }
    }

    fn of(&mut self, location: Location) -> usize {
        while (self.line, self.column) < (location.line, location.column) {
            match self.characters.next() {
                None => return self.length,
                Some((_, '\n')) => {
                    self.line += 1;
                    self.column = 1;
                }
                Some(_) => self.column += 1,
            }
        }
        self.characters.peek().map_or(self.length, |&(offset, _)| offset)
    }
}
