//! The East Asian character sets.
//!
//! Which bytes form a code is each character set's own (the `ismbchar` and `well_formed_len` functions of MySQL's
//! `strings/ctype-*.c`). Which character a code is comes from `encoding_rs` with the servers' differences on top
//! ([`super::exceptions`]), gathered once into a table for the whole character set when its first text arrives.

use std::sync::OnceLock;

use encoding_rs as rs;

use super::exceptions::{self, Exceptions};
use crate::mysql::reader::Malformed;

/// Inclusive ranges of bytes.
type Bytes = &'static [(u8, u8)];

/// A character set of several bytes a character.
pub(super) struct MultiByte {
    /// The nearest relative in the WHATWG encoding standard.
    relative: &'static rs::Encoding,
    /// Lead bytes with the trail bytes that may follow them.
    pairs: &'static [(Bytes, Bytes)],
    /// What the server assigns differently from the relative in codes of two bytes.
    exceptions: Exceptions,
    /// Bytes 0xA1 to 0xDF alone are halfwidth katakana.
    has_single_kana: bool,
    /// Codes of three bytes: 0x8F and two of 0xA1 to 0xFE, with what the server assigns differently.
    triples: Option<Exceptions>,
    /// Codes of four bytes as in GB 18030.
    has_quads: bool,
    pair_table: OnceLock<Box<[u16]>>,
    triple_table: OnceLock<Box<[u16]>>,
}

const EUC_PAIRS: &[(Bytes, Bytes)] = &[(&[(0x8E, 0x8E)], &[(0xA0, 0xDF)]), (&[(0xA1, 0xFE)], EUC_TRAILS)];
const EUC_TRAILS: Bytes = &[(0xA1, 0xFE)];
const SJIS_PAIRS: &[(Bytes, Bytes)] = &[(&[(0x81, 0x9F), (0xE0, 0xFC)], &[(0x40, 0x7E), (0x80, 0xFC)])];
const GBK_PAIRS: &[(Bytes, Bytes)] = &[(&[(0x81, 0xFE)], &[(0x40, 0x7E), (0x80, 0xFE)])];

/// First byte of the codes of three bytes.
const TRIPLE_LEAD: u8 = 0x8F;
/// Entries of a table: lead bytes from 0x80, all trail bytes.
const TABLE_LENGTH: usize = 0x80 << 8;

const MALFORMED: Malformed = Malformed("has bytes that are no character of its character set");

pub(super) static BIG5: MultiByte =
    MultiByte::new(&rs::BIG5_INIT, &[(&[(0xA1, 0xF9)], &[(0x40, 0x7E), (0xA1, 0xFE)])], exceptions::BIG5);
pub(super) static EUCKR: MultiByte =
    MultiByte::new(&rs::EUC_KR_INIT, &[(&[(0x81, 0xFE)], &[(0x41, 0x5A), (0x61, 0x7A), (0x81, 0xFE)])], &[]);
pub(super) static GB2312: MultiByte =
    MultiByte::new(&rs::GBK_INIT, &[(&[(0xA1, 0xF7)], EUC_TRAILS)], exceptions::GB2312);
pub(super) static GBK: MultiByte = MultiByte::new(&rs::GBK_INIT, GBK_PAIRS, exceptions::GBK);
pub(super) static GB18030: MultiByte =
    MultiByte::new(&rs::GB18030_INIT, GBK_PAIRS, exceptions::GB18030).with_quads();
pub(super) static SJIS: MultiByte =
    MultiByte::new(&rs::SHIFT_JIS_INIT, SJIS_PAIRS, exceptions::SJIS).with_single_kana();
pub(super) static CP932: MultiByte = MultiByte::new(&rs::SHIFT_JIS_INIT, SJIS_PAIRS, &[]).with_single_kana();
pub(super) static UJIS: MultiByte =
    MultiByte::new(&rs::EUC_JP_INIT, EUC_PAIRS, exceptions::UJIS).with_triples(exceptions::UJIS_TRIPLES);
pub(super) static EUCJPMS: MultiByte = MultiByte::new(&rs::EUC_JP_INIT, EUC_PAIRS, exceptions::EUCJPMS)
    .with_triples(exceptions::EUCJPMS_TRIPLES);

impl MultiByte {
    const fn new(
        relative: &'static rs::Encoding,
        pairs: &'static [(Bytes, Bytes)],
        exceptions: Exceptions,
    ) -> Self {
        MultiByte {
            relative,
            pairs,
            exceptions,
            has_single_kana: false,
            triples: None,
            has_quads: false,
            pair_table: OnceLock::new(),
            triple_table: OnceLock::new(),
        }
    }

    const fn with_single_kana(mut self) -> Self {
        self.has_single_kana = true;
        self
    }

    const fn with_triples(mut self, exceptions: Exceptions) -> Self {
        self.triples = Some(exceptions);
        self
    }

    const fn with_quads(mut self) -> Self {
        self.has_quads = true;
        self
    }

    /// Appends the text of `bytes`.
    pub(super) fn decode(&self, bytes: &[u8], text: &mut String) -> Result<(), Malformed> {
        let pairs = self.pair_table.get_or_init(|| self.build_pairs());
        let mut rest = bytes;
        loop {
            rest = match rest {
                [] => return Ok(()),
                [byte @ ..=0x7F, tail @ ..] => {
                    text.push(char::from(*byte));
                    tail
                }
                [kana @ 0xA1..=0xDF, tail @ ..] if self.has_single_kana => {
                    text.push(halfwidth_kana(*kana));
                    tail
                }
                [TRIPLE_LEAD, lead, trail, tail @ ..] if self.triples.is_some() => {
                    let triples = self.triple_table.get_or_init(|| self.build_triples());
                    text.push(entry(triples, *lead, *trail)?);
                    tail
                }
                [0x81..=0xFE, 0x30..=0x39, 0x81..=0xFE, 0x30..=0x39, tail @ ..] if self.has_quads => {
                    let code = rest.get(..4).unwrap_or_default();
                    text.push(self.relative_character(code).unwrap_or('?'));
                    tail
                }
                [lead, trail, tail @ ..] => {
                    text.push(entry(pairs, *lead, *trail)?);
                    tail
                }
                [_] => return Err(MALFORMED),
            };
        }
    }

    /// The relative's character for the bytes of one code, if it is one character.
    fn relative_character(&self, code: &[u8]) -> Option<char> {
        let text = self.relative.decode_without_bom_handling_and_without_replacement(code)?;
        let mut characters = text.chars();
        characters.next().filter(|_| characters.next().is_none())
    }

    fn build_pairs(&self) -> Box<[u16]> {
        build(self.pairs, self.exceptions, |lead, trail| self.relative_character(&[lead, trail]))
    }

    fn build_triples(&self) -> Box<[u16]> {
        let exceptions = self.triples.unwrap_or_default();
        build(&[(EUC_TRAILS, EUC_TRAILS)], exceptions, |lead, trail| {
            self.relative_character(&[TRIPLE_LEAD, lead, trail])
        })
    }
}

/// The place of a code in a table; `None` for a lead byte below 0x80.
fn place(lead: u8, trail: u8) -> Option<usize> {
    Some(usize::from(lead.checked_sub(0x80)?) << 8 | usize::from(trail))
}

/// The character of a code.
fn entry(table: &[u16], lead: u8, trail: u8) -> Result<char, Malformed> {
    // 0 marks what is no code; no server assigns U+0000 to a code of several bytes.
    match place(lead, trail).and_then(|place| table.get(place)) {
        Some(0) | None => Err(MALFORMED),
        Some(unit) => char::from_u32(u32::from(*unit)).ok_or(MALFORMED),
    }
}

/// A table of all codes: `?` for those without a character, 0 for what is no code.
fn build(
    pairs: &[(Bytes, Bytes)],
    exceptions: Exceptions,
    relative: impl Fn(u8, u8) -> Option<char>,
) -> Box<[u16]> {
    let bytes = |ranges: Bytes| ranges.iter().flat_map(|(first, last)| *first..=*last);
    let mut table = vec![0; TABLE_LENGTH].into_boxed_slice();
    for (leads, trails) in pairs {
        for lead in bytes(leads) {
            for trail in bytes(trails) {
                // All of the servers' tables stay within 16 bits; what the relative has beyond them the server has not.
                let character = relative(lead, trail).and_then(|c| u16::try_from(u32::from(c)).ok());
                set(&mut table, lead, trail, character.unwrap_or(u16::from(b'?')));
            }
        }
    }
    for (first, last, character) in exceptions {
        for (distance, code) in (*first..=*last).enumerate() {
            let [lead, trail] = code.to_be_bytes();
            let unit = if *character == 0 { u16::from(b'?') } else { *character + distance as u16 };
            set(&mut table, lead, trail, unit);
        }
    }
    table
}

fn set(table: &mut [u16], lead: u8, trail: u8, unit: u16) {
    if let Some(entry) = place(lead, trail).and_then(|place| table.get_mut(place)) {
        *entry = unit;
    }
}

/// The halfwidth katakana of JIS X 0201, bytes 0xA1 to 0xDF.
fn halfwidth_kana(byte: u8) -> char {
    char::from_u32(0xFF61 - 0xA1 + u32::from(byte)).unwrap_or('?')
}
