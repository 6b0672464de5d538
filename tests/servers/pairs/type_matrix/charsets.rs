//! A table for each character set of a server.

use anyhow::{Context, Result};
use slackwater_testkit::Server;

use super::tables::{Scope, Table, named};

/// Words of several scripts; a character set has some of them.
const WORDS: &[&str] = &[
    "plain",
    "naïve",
    "ß",
    "żółć",
    "čeština",
    "ąžuolas",
    "Ελληνικά",
    "кириллица",
    "עברית",
    "العربية",
    "ไทย",
    "հայերեն",
    "ქართული",
    "日本語カナ",
    "ﾊﾝｶｸ",
    "中文",
    "繁體字",
    "한국어",
    "€",
    "😀",
    "𠀋",
];

/// The tables. Values are text that the character set has; the members of an ENUM and a SET are such text as well.
pub(crate) fn tables(server: &Server) -> Result<Vec<Table>> {
    let charsets =
        server.query("SELECT CHARACTER_SET_NAME FROM information_schema.CHARACTER_SETS ORDER BY 1")?;
    charsets
        .into_iter()
        .filter_map(|row| row.into_iter().next().flatten())
        .map(|name| table(server, &String::from_utf8(name)?))
        .collect()
}

fn table(server: &Server, charset: &str) -> Result<Table> {
    let words = if charset == "binary" { vec!["plain"] } else { known_words(server, charset)? };
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    // In most collations all characters beyond U+FFFF are equal, and so would be two members.
    let members = quoted.iter().filter(|word| !word.contains('𠀋')).cloned().collect::<Vec<_>>();
    let (count, members) = (members.len(), members.join(","));
    let mut values: Vec<&str> = quoted.iter().map(String::as_str).collect();
    values.extend(["''", "NULL"]);
    let column = |name: &str, declaration: &str| {
        named(name, &format!("{declaration} CHARACTER SET {charset}"), &values)
    };
    let list = |name: &str, kind: &str| {
        let last = count.to_string();
        named(name, &format!("{kind}({members}) CHARACTER SET {charset}"), &["1", &last, "0", "NULL"])
    };
    let mut columns =
        vec![column("fixed", "CHAR(20)"), column("varying", "VARCHAR(60)"), column("long_text", "TEXT")];
    // MySQL 5 cuts the members' names to half or a quarter when it creates such a table ('plain' becomes 'pl'), which nothing in
    // its log tells.
    let wide = matches!(charset, "ucs2" | "utf16" | "utf16le" | "utf32");
    if !(wide && server.flavor().is_mysql_5()) {
        columns.extend([list("one", "ENUM"), list("several", "SET")]);
    }
    Ok(Table::new(format!("charset_{charset}"), columns).scope(Scope::Metadata))
}

/// The words that come back from the character set as they were.
fn known_words(server: &Server, charset: &str) -> Result<Vec<&'static str>> {
    let checks: Vec<String> = WORDS
        .iter()
        .map(|word| format!("CAST(CONVERT(CONVERT('{word}' USING {charset}) USING utf8mb4) AS BINARY) = CAST('{word}' AS BINARY)"))
        .collect();
    let row = server.query(&format!("SELECT {}", checks.join(", ")))?.into_iter().next().context("a row")?;
    Ok(WORDS
        .iter()
        .zip(row)
        .filter(|(_, known)| known.as_deref() == Some(b"1"))
        .map(|(word, _)| *word)
        .collect())
}
