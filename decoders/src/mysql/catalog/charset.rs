//! Character sets and collations: their names, sizes and defaults.
//!
//! Source: MySQL reference manual, "Supported Character Sets and Collations"; MariaDB documentation, "Supported
//! Character Sets and Collations".

use super::{Collation, Settings};
use crate::mysql::ddl::statement::Charset;

/// Character sets with the largest number of bytes a character and the language part of the default collation.
const CHARSETS: [(&str, u8, &str); 41] = [
    ("armscii8", 1, "general_ci"),
    ("ascii", 1, "general_ci"),
    ("big5", 2, "chinese_ci"),
    ("binary", 1, ""),
    ("cp1250", 1, "general_ci"),
    ("cp1251", 1, "general_ci"),
    ("cp1256", 1, "general_ci"),
    ("cp1257", 1, "general_ci"),
    ("cp850", 1, "general_ci"),
    ("cp852", 1, "general_ci"),
    ("cp866", 1, "general_ci"),
    ("cp932", 2, "japanese_ci"),
    ("dec8", 1, "swedish_ci"),
    ("eucjpms", 3, "japanese_ci"),
    ("euckr", 2, "korean_ci"),
    ("gb18030", 4, "chinese_ci"),
    ("gb2312", 2, "chinese_ci"),
    ("gbk", 2, "chinese_ci"),
    ("geostd8", 1, "general_ci"),
    ("greek", 1, "general_ci"),
    ("hebrew", 1, "general_ci"),
    ("hp8", 1, "english_ci"),
    ("keybcs2", 1, "general_ci"),
    ("koi8r", 1, "general_ci"),
    ("koi8u", 1, "general_ci"),
    ("latin1", 1, "swedish_ci"),
    ("latin2", 1, "general_ci"),
    ("latin5", 1, "turkish_ci"),
    ("latin7", 1, "general_ci"),
    ("macce", 1, "general_ci"),
    ("macroman", 1, "general_ci"),
    ("sjis", 2, "japanese_ci"),
    ("swe7", 1, "swedish_ci"),
    ("tis620", 1, "thai_ci"),
    ("ucs2", 2, "general_ci"),
    ("ujis", 3, "japanese_ci"),
    ("utf16", 4, "general_ci"),
    ("utf16le", 4, "general_ci"),
    ("utf32", 4, "general_ci"),
    ("utf8mb3", 3, "general_ci"),
    ("utf8mb4", 4, "general_ci"),
];

const DEFAULT: &str = "default";

/// The name that current servers use: `utf8` is `utf8mb3`.
#[must_use]
pub fn canonical_charset(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    if name == "utf8" { "utf8mb3".into() } else { name }
}

/// The name that current servers use: `utf8_bin` is `utf8mb3_bin`.
#[must_use]
pub fn canonical_collation(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    name.strip_prefix("utf8_").map(|rest| format!("utf8mb3_{rest}")).unwrap_or(name)
}

/// The character set that a collation is of; `None` when its name does not say (MariaDB's `uca1400_ai_ci` is of any).
#[must_use]
pub fn charset_of_collation(collation: &str) -> Option<String> {
    let collation = canonical_collation(collation);
    let charset = collation.split_once('_').map_or(collation.as_str(), |(charset, _)| charset);
    CHARSETS.iter().find(|(name, ..)| *name == charset).map(|(name, ..)| (*name).to_owned())
}

/// The largest number of bytes that a character has in a character set; `None` for an unknown one.
#[must_use]
pub fn bytes_per_character(charset: &str) -> Option<u8> {
    CHARSETS.iter().find(|(name, ..)| *name == charset).map(|&(_, bytes, _)| bytes)
}

impl Collation {
    /// The collation of that name, unless its name does not say the character set.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        charset_of_collation(name).map(|charset| Collation { charset, name: canonical_collation(name) })
    }

    /// What a session's `collation_server` makes the default, where its name or at least its character set is known.
    pub(super) fn of_session(name: &str, settings: Settings) -> Option<Self> {
        match bytes_per_character(&canonical_charset(name)) {
            Some(_) => Some(Self::of_charset(name, settings)),
            None => Self::named(name),
        }
    }

    /// The default collation of a character set.
    pub(super) fn of_charset(charset: &str, settings: Settings) -> Self {
        let charset = canonical_charset(charset);
        let suffix = match charset.as_str() {
            "utf8mb4" if !settings.mariadb && (settings.version == 0 || settings.version >= 80_000) => {
                "0900_ai_ci"
            }
            name if settings.mariadb && uca_by_default(name, settings.version) => "uca1400_ai_ci",
            name => CHARSETS
                .iter()
                .find(|(known, ..)| *known == name)
                .map_or("general_ci", |&(.., suffix)| suffix),
        };
        let name = if suffix.is_empty() { charset.clone() } else { format!("{charset}_{suffix}") };
        Collation { charset, name }
    }

    /// What a clause says, with what it leaves unsaid from the next wider default.
    pub(super) fn resolve(said: &Charset, wider: Option<&Collation>, settings: Settings) -> Option<Self> {
        let said_charset = said.charset.as_deref().filter(|name| *name != DEFAULT).map(canonical_charset);
        let said_collation =
            said.collation.as_deref().filter(|name| *name != DEFAULT).map(canonical_collation);
        let Some(collation) = said_collation else {
            return match said_charset {
                Some(charset) => Some(Self::of_charset(&charset, settings)),
                None => wider.cloned(),
            };
        };
        if let Some(charset) = charset_of_collation(&collation) {
            return Some(Collation { charset, name: collation });
        }
        let charset = said_charset.or_else(|| wider.map(|wider| wider.charset.clone()))?;
        let name = format!("{charset}_{collation}");
        Some(Collation { charset, name })
    }

    /// The collation by code points of the same character set.
    pub(super) fn binary_order(&self) -> Self {
        let name = if self.charset == "binary" { "binary".into() } else { format!("{}_bin", self.charset) };
        Collation { charset: self.charset.clone(), name }
    }
}

/// MariaDB 11.5 and later map the Unicode character sets to another default (`character_set_collations`).
fn uca_by_default(charset: &str, version: u32) -> bool {
    (version == 0 || version >= 110_500)
        && matches!(charset, "utf8mb3" | "utf8mb4" | "ucs2" | "utf16" | "utf32")
}
