#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::*;
use crate::arena::ArenaPool;

/// Of every well-formed code of every character set: the number, and the CRC-32 over code and UTF-8 in turn. MySQL 9.7
/// (ascii: 5.7), where `HEX(CONVERT(CONVERT(UNHEX(code) USING charset) USING utf8mb4))` was not NULL; codes as
/// [`codes`] lists them. Adapted: 0x8EA0 of ujis and eucjpms, which is no character, is shown by the server as two
/// question marks; single bytes from 0x80 of eucjpms, which MySQL alone takes for something by themselves (as `?`), are
/// left out.
const DIGESTS: &[(&str, u32, u32)] = &[
    ("dec8", 256, 0xE4C0BC27),
    ("cp850", 256, 0xCA24D548),
    ("hp8", 256, 0x901EB89F),
    ("koi8r", 256, 0xF5478E15),
    ("latin1", 256, 0xEB4B6BC8),
    ("latin2", 256, 0xB5A9589D),
    ("swe7", 256, 0xA221BD9D),
    ("ascii", 256, 0x32ED19C3),
    ("hebrew", 256, 0xE0E8E36A),
    ("tis620", 256, 0x62C85B87),
    ("koi8u", 256, 0xAC56C220),
    ("greek", 256, 0xBB61C942),
    ("cp1250", 256, 0x777E5BBC),
    ("latin5", 256, 0x23B2158B),
    ("armscii8", 256, 0xA077F96C),
    ("cp866", 256, 0x7E86E913),
    ("keybcs2", 256, 0x07C7A35A),
    ("macce", 256, 0xD6F15FB5),
    ("macroman", 256, 0x9C0C4258),
    ("cp852", 256, 0x128D01C8),
    ("latin7", 256, 0x39656747),
    ("cp1251", 256, 0x817BDE77),
    ("cp1256", 256, 0x036C6F87),
    ("cp1257", 256, 0x2EA6D062),
    ("geostd8", 256, 0x0E6B58CB),
    ("big5", 14101, 0x9D2D75D7),
    ("ujis", 17864, 0xA0A011C6),
    ("sjis", 23504, 0x1FB70244),
    ("euckr", 22556, 0xF26279FC),
    ("gb2312", 8306, 0xD836156F),
    ("gbk", 24068, 0x775A74AB),
    ("cp932", 23504, 0x8359F99E),
    ("eucjpms", 17864, 0x2A2AB976),
    ("gb18030", 1611668, 0xBEADAB4C),
    ("ucs2", 63488, 0x0B0BD9FE),
    ("utf16", 63488, 0x0B0BD9FE),
    ("utf16le", 63488, 0xE612D87B),
];

/// All bytes, all pairs from 0x8000 (Unicode: from 0) and the longer codes.
fn codes(charset: &str) -> Vec<Vec<u8>> {
    let mut codes: Vec<Vec<u8>> = Vec::new();
    let unicode = ["ucs2", "utf16", "utf16le"].contains(&charset);
    if !unicode {
        codes.extend((0..=0xFF).map(|byte| vec![byte]));
    }
    let multi_byte = Charset::by_name(charset).unwrap().max_bytes_per_char() > 1;
    if multi_byte {
        let first = if unicode { 0 } else { 0x8000 };
        codes.extend((first..=0xFFFF_u16).map(|code| code.to_be_bytes().to_vec()));
    }
    if ["ujis", "eucjpms"].contains(&charset) {
        codes.extend((0x8000..=0xFFFF_u16).map(|code| [&[0x8F], &code.to_be_bytes()[..]].concat()));
    }
    if charset == "gb18030" {
        let half = || (0x81..=0xFE).flat_map(|high| (0x30..=0x39).map(move |low| [high, low]));
        codes.extend(half().flat_map(|front| half().map(move |back| [front, back].concat())));
    }
    codes
}

#[test]
fn every_code_becomes_the_character_of_the_server() {
    let mut pool = ArenaPool::new();
    for (name, count, digest) in DIGESTS {
        let charset = Charset::by_name(name).unwrap();
        let (mut well_formed, mut crc) = (0, crc32fast::Hasher::new());
        let codes = codes(name);
        let arena = pool.arena();
        for code in &codes {
            if let Ok(text) = charset.decode(code, &arena) {
                well_formed += 1;
                crc.update(code);
                crc.update(text.as_bytes());
            }
        }
        assert_eq!((well_formed, crc.finalize()), (*count, *digest), "{name}");
        drop(arena);
        pool.reset();
    }
}

#[test]
fn text_of_several_characters() {
    let pool = ArenaPool::new();
    let arena = pool.arena();
    // SELECT HEX(CONVERT(_utf8mb4'aé€ 日本 b' USING …)) on MySQL 9.7, characters the set lacks left out.
    let texts: &[(&str, &[u8], &str)] = &[
        ("latin1", b"a\xE9\x80 b", "aé€ b"),
        ("sjis", b"a \x93\xFA\x96\x7B b", "a 日本 b"),
        ("ujis", b"a \xC6\xFC\xCB\xDC b", "a 日本 b"),
        ("gb18030", b"a\xA8\xA6\xA2\xE3 \xC8\xD5\xB1\xBE b", "aé€ 日本 b"),
        ("utf16", b"\0a\0\xE9\x20\xAC\xD8\x3D\xDE\x00", "aé€😀"),
        ("utf16le", b"a\0\xE9\0\xAC\x20\x3D\xD8\x00\xDE", "aé€😀"),
        ("utf32", b"\0\0\0a\0\x01\xF6\0", "a😀"),
        ("swe7", b"a{}|b", "aäåöb"),
        ("utf8mb4", "aé€😀".as_bytes(), "aé€😀"),
    ];
    for (name, bytes, text) in texts {
        assert_eq!(Charset::by_name(name).unwrap().decode(bytes, &arena), Ok(*text), "{name}");
    }
}

#[test]
fn ill_formed_text_is_refused() {
    let pool = ArenaPool::new();
    let arena = pool.arena();
    let texts: &[(&str, &[u8])] = &[
        ("utf8mb3", b"a\xC3"),
        ("utf8mb4", b"\xED\xA0\x80"),
        ("sjis", b"a\x93"),
        ("big5", b"\x80\x40"),
        ("ujis", b"\x8F\xA1"),
        ("gb18030", b"\x81\x30\x81"),
        ("ucs2", b"\xD8\x3D\xDE\x00"),
        ("utf16", b"\0a\0"),
        ("utf16", b"\xD8\x3D\0a"),
        ("utf32", b"\0\x11\0\0"),
    ];
    for (name, bytes) in texts {
        assert!(Charset::by_name(name).unwrap().decode(bytes, &arena).is_err(), "{name} {bytes:x?}");
    }
}

#[test]
fn ascii_text_is_borrowed() {
    let pool = ArenaPool::new();
    let arena = pool.arena();
    let bytes = *b"plain";
    for name in ["latin1", "sjis", "utf8mb4", "ascii"] {
        let text = Charset::by_name(name).unwrap().decode(&bytes, &arena).unwrap();
        assert_eq!(text.as_ptr(), bytes.as_ptr(), "{name}");
    }
}

#[test]
fn collations_belong_to_character_sets() {
    // information_schema of MySQL 5.6, 9.7 and MariaDB 11.8.
    let ids = [
        (8, "latin1"),
        (33, "utf8mb3"),
        (45, "utf8mb4"),
        (63, "binary"),
        (124, "utf16"),
        (215, "utf8mb3"),
        (248, "gb18030"),
        (255, "utf8mb4"),
        (323, "utf8mb4"),
        (579, "utf8mb3"),
        (738, "utf32"),
        (1025, "big5"),
        (1070, "utf8mb4"),
        (1270, "utf8mb4"),
        (2048, "utf8mb3"),
        (2308, "utf8mb4"),
        (2759, "ucs2"),
        (3015, "utf16"),
        (3271, "utf32"),
    ];
    for (id, name) in ids {
        assert_eq!(Charset::by_collation(id).map(Charset::name), Some(name), "{id}");
    }
    for id in [0, 17, 100, 324, 1024, 3400, 4096, u16::MAX] {
        assert_eq!(Charset::by_collation(id), None, "{id}");
    }
    assert_eq!(collation_charset("utf8_general_ci").map(Charset::name), Some("utf8mb3"));
    assert_eq!(collation_charset("utf8mb4_0900_ai_ci"), Some(Charset::UTF8MB4));
    assert_eq!(collation_charset("binary").map(Charset::name), Some("binary"));
    assert_eq!(collation_charset("uca1400_ai_ci"), None);
}

#[test]
fn random_bytes_never_panic() {
    let mut pool = ArenaPool::new();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..5_000 {
        let mut bytes = [0; 24];
        for byte in &mut bytes {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Mostly the bytes that start and continue codes.
            *byte = if state >> 62 == 0 { state as u8 } else { state as u8 | 0x80 };
        }
        let length = (state >> 32) as usize % (bytes.len() + 1);
        let arena = pool.arena();
        for charset in ALL {
            if let Ok(text) = charset.decode(&bytes[..length], &arena) {
                assert!(text.len() <= 3 * length, "{charset:?} {bytes:x?}");
            }
        }
        drop(arena);
        pool.reset();
    }
}
