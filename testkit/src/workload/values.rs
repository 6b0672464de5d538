//! SQL literals for each kind of column.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number that no other row has.
    Serial,
    /// The same, below zero for every other row.
    SignedSerial,
    /// A text that no other row has.
    UniqueText,
    /// A small number; many rows have the same.
    Few,
    /// An integer from the smallest to the largest.
    Integer(i128, i128),
    /// A decimal with so many digits before and after the point.
    Decimal(u32, u32),
    /// A binary floating-point number with an exact decimal form, for FLOAT.
    Quarter,
    /// Any finite DOUBLE.
    Double,
    /// Unicode of up to so many characters.
    Text(usize),
    /// Up to so many bytes.
    Binary(usize),
    Date,
    /// Microseconds.
    DateTime,
    /// Whole seconds at noon, which exists in every time zone.
    Timestamp,
    /// Milliseconds, negative half of the time, up to 838 hours.
    Time,
    Year,
    /// So many bits.
    Bits(u32),
    OneOf(&'static [&'static str]),
    SetOf(&'static [&'static str]),
}

impl Kind {
    /// A literal; `serial` makes the unique kinds unique.
    pub(super) fn literal(self, rng: &mut ChaCha8Rng, serial: u64) -> String {
        match self {
            Kind::Serial => serial.to_string(),
            Kind::SignedSerial if serial.is_multiple_of(2) => format!("-{serial}"),
            Kind::SignedSerial => serial.to_string(),
            Kind::UniqueText => quoted(&format!("{}·{serial}", pick(rng, WORDS))),
            Kind::Few => rng.random_range(0..20).to_string(),
            Kind::Integer(smallest, largest) => match rng.random_range(0..10) {
                0 => smallest.to_string(),
                1 => largest.to_string(),
                _ => rng.random_range(smallest..=largest).to_string(),
            },
            Kind::Decimal(before, after) => {
                let before = rng.random_range(1..=before);
                let sign = if rng.random_ratio(1, 3) { "-" } else { "" };
                format!("{sign}{}.{}", digits(rng, before), digits(rng, after))
            }
            Kind::Quarter => (f64::from(rng.random_range(-4_000_i32..4_000)) / 4.0).to_string(),
            Kind::Double => loop {
                let value = f64::from_bits(rng.random());
                // A subnormal's text is not the same in every server.
                if value.is_normal() {
                    break format!("{value:e}");
                }
            },
            Kind::Text(longest) => quoted(&text(rng, longest)),
            Kind::Binary(longest) => {
                let bytes = rng.random_range(0..=longest);
                (0..bytes).fold("x'".to_owned(), |hex, _| format!("{hex}{:02x}", rng.random::<u8>())) + "'"
            }
            Kind::Date => format!("'{}'", date(rng)),
            Kind::DateTime => format!("'{} {}.{}'", date(rng), clock(rng), digits(rng, 6)),
            Kind::Timestamp => format!(
                "'{}-0{}-15 12:{}:00'",
                rng.random_range(1971..2037),
                rng.random_range(1..10),
                rng.random_range(10..60)
            ),
            Kind::Time => {
                let sign = if rng.random() { "-" } else { "" };
                format!(
                    "'{sign}{}:{}:{}.{}'",
                    rng.random_range(0..838),
                    rng.random_range(10..60),
                    rng.random_range(10..60),
                    digits(rng, 3)
                )
            }
            Kind::Year => rng.random_range(1901..2156).to_string(),
            Kind::Bits(count) => {
                format!("b'{}'", (0..count).map(|_| if rng.random() { '1' } else { '0' }).collect::<String>())
            }
            Kind::OneOf(values) => quoted(pick(rng, values)),
            Kind::SetOf(values) => {
                let chosen: Vec<_> = values.iter().copied().filter(|_| rng.random()).collect();
                quoted(&chosen.join(","))
            }
        }
    }
}

/// Each breaks a reader that takes one byte for a character, or a quote for the end.
pub(super) const WORDS: &[&str] = &[
    "tide",
    "Ebbe",
    "marée",
    "прилив",
    "潮汐",
    "🌊🐚",
    "it's",
    "back\\slash",
    "two\nlines",
    "tab\t",
    "\"",
    "NULL",
    "été",
    "",
];

pub(super) fn pick<'a>(rng: &mut ChaCha8Rng, from: &[&'a str]) -> &'a str {
    from.get(rng.random_range(0..from.len())).copied().unwrap_or_default()
}

pub(super) fn text(rng: &mut ChaCha8Rng, longest: usize) -> String {
    // Mostly short; now and then as long as it gets.
    let characters = if rng.random_ratio(1, 20) { longest } else { rng.random_range(0..=longest.min(40)) };
    let mut text = String::new();
    let mut length = 0;
    while length < characters {
        let word = pick(rng, WORDS);
        text.extend(word.chars().chain([' ']).take(characters - length));
        length += word.chars().count() + 1;
    }
    // Trailing spaces are compared in some collations and not in others.
    text.truncate(text.trim_end().len());
    text
}

pub(super) fn digits(rng: &mut ChaCha8Rng, count: u32) -> String {
    (0..count).map(|_| char::from(b'0' + rng.random_range(0..10_u8))).collect()
}

pub(super) fn date(rng: &mut ChaCha8Rng) -> String {
    format!(
        "{:04}-{:02}-{:02}",
        rng.random_range(1000..9999),
        rng.random_range(1..13),
        rng.random_range(1..29)
    )
}

pub(super) fn clock(rng: &mut ChaCha8Rng) -> String {
    format!("{:02}:{:02}:{:02}", rng.random_range(0..24), rng.random_range(0..60), rng.random_range(0..60))
}

/// A string literal for the default sql_mode, where a backslash escapes.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
