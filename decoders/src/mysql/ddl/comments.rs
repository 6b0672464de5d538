//! Comments as the servers' lexers treat them: removed, or, if executable, opened.
//!
//! Source: MySQL reference manual, "Comments"; MariaDB documentation, "Comment Syntax".

use super::{Context, ParseError};

/// The statement without comments and with executable comments opened. What goes is replaced by spaces, so that
/// offsets stay.
pub(super) fn expand(statement: &str, context: &Context) -> Result<String, ParseError> {
    let mut scan = Scan { bytes: statement.as_bytes().to_vec(), at: 0, context, executable: false };
    scan.run()?;
    String::from_utf8(scan.bytes).map_err(|error| ParseError {
        offset: error.utf8_error().valid_up_to(),
        near: "comment".into(),
        reason: "a comment ends within a character".into(),
    })
}

struct Scan<'a> {
    bytes: Vec<u8>,
    at: usize,
    context: &'a Context,
    /// Within an executable comment.
    executable: bool,
}

impl Scan<'_> {
    fn run(&mut self) -> Result<(), ParseError> {
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\'' | b'"' | b'`' => self.quoted(byte),
                b'#' => self.line(),
                b'-' if self.starts_line_comment() => self.line(),
                b'/' if self.peek(1) == Some(b'*') => self.block()?,
                b'*' if self.executable && self.peek(1) == Some(b'/') => {
                    self.blank(2);
                    self.executable = false;
                }
                _ => self.at += 1,
            }
        }
        if self.executable { Err(self.unterminated(self.at)) } else { Ok(()) }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    /// Replaces that many bytes by spaces.
    fn blank(&mut self, count: usize) {
        for byte in self.bytes.iter_mut().skip(self.at).take(count) {
            *byte = b' ';
        }
        self.at = self.bytes.len().min(self.at + count);
    }

    /// Two dashes start a comment only when white space, a control character or nothing follows.
    fn starts_line_comment(&self) -> bool {
        self.peek(1) == Some(b'-')
            && self.peek(2).is_none_or(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control())
    }

    fn line(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        self.blank(length);
    }

    /// Steps over a string or a quoted identifier. An unterminated one is left to the tokenizer to complain about.
    fn quoted(&mut self, quote: u8) {
        let escapes = match quote {
            b'`' => false,
            b'"' if self.context.ansi_quotes() => false,
            _ => self.context.backslash_escapes(),
        };
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            if byte == b'\\' && escapes {
                self.at += 1;
            } else if byte == quote {
                // A doubled quote starts the next piece of the same string: no comment can stand between.
                return;
            }
        }
    }

    fn block(&mut self) -> Result<(), ParseError> {
        let opener = match (self.peek(2), self.peek(3)) {
            (Some(b'!'), _) => 3,
            (Some(b'M'), Some(b'!')) if self.context.mariadb => 4,
            _ => return self.skip_block(false),
        };
        // Within an executable comment, another opener is an ordinary comment to MySQL and MariaDB alike.
        if self.executable {
            return self.skip_block(false);
        }
        let (digits, version) = self.version(opener);
        if !self.runs(version, opener == 4) {
            return self.skip_block(true);
        }
        self.blank(opener + digits);
        self.executable = true;
        Ok(())
    }

    /// The version in an executable comment: five or six digits. Returns their number and value.
    fn version(&self, opener: usize) -> (usize, Option<u32>) {
        let mut value = 0u32;
        let mut digits = 0;
        while let Some(digit) = self.peek(opener + digits).filter(u8::is_ascii_digit) {
            if digits == 6 {
                break;
            }
            value = value * 10 + u32::from(digit - b'0');
            digits += 1;
        }
        if digits < 5 { (0, None) } else { (digits, Some(value)) }
    }

    /// Whether the server ran an executable comment of that version.
    fn runs(&self, version: Option<u32>, of_mariadb: bool) -> bool {
        let Some(version) = version else { return true };
        // MariaDB ignores what was meant for MySQL 5.7 and later.
        if self.context.mariadb && !of_mariadb && (50_700..=99_999).contains(&version) {
            return false;
        }
        self.context.version == 0 || version <= self.context.version
    }

    /// Blanks a comment; with `nesting`, one level of comments within it does not end it.
    fn skip_block(&mut self, nesting: bool) -> Result<(), ParseError> {
        let start = self.at;
        let mut end = start + 2;
        let mut depth = 1;
        while depth > 0 {
            match self.bytes.get(end..end + 2) {
                Some(b"*/") => {
                    depth -= 1;
                    end += 2;
                }
                Some(b"/*") if nesting => {
                    depth += 1;
                    end += 2;
                }
                Some(_) => end += 1,
                None => return Err(self.unterminated(start)),
            }
        }
        self.blank(end - start);
        Ok(())
    }

    fn unterminated(&self, offset: usize) -> ParseError {
        ParseError { offset, near: "comment".into(), reason: "the comment does not end".into() }
    }
}
