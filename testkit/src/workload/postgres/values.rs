//! SQL literals for each kind of column.

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use crate::workload::values::{WORDS, clock, date, digits, pick, text};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number that no other row has.
    Serial,
    /// A text that no other row has.
    UniqueText,
    /// A small number; many rows have the same.
    Few,
    /// An integer from the smallest to the largest.
    Integer(i64, i64),
    /// A decimal with so many digits before and after the point.
    Decimal(u32, u32),
    /// A decimal of any length, `NaN` now and then.
    Numeric,
    /// A number of single precision with an exact decimal form.
    Quarter,
    /// Any finite number of double precision.
    Double,
    /// The same, and infinities and `NaN`.
    SpecialDouble,
    Bool,
    /// Unicode of up to so many characters.
    Text(usize),
    /// So many characters that do not compress, so that the value is stored beside the row.
    Long(usize),
    /// Up to so many bytes.
    Binary(usize),
    /// From the year 1000 to 9998.
    Date,
    /// The same, and BC, the year 20000 and infinities.
    SpecialDate,
    /// Microseconds.
    Timestamp,
    /// The same, and BC and infinities.
    SpecialTimestamp,
    /// Microseconds and an offset from UTC, between 1971 and 2036.
    TimestampTz,
    Time,
    TimeTz,
    Interval,
    Uuid,
    Json,
    /// So many bits.
    Bits(u32),
    /// Up to so many bits.
    VaryingBits(u32),
    IntegerArray,
    /// One or two dimensions, with NULL and with characters that need quotes.
    TextArray,
    Range,
    TimestampRange,
    Point,
    Inet,
    Composite,
    OneOf(&'static [&'static str]),
}

impl Kind {
    /// Whether every value fits into an index.
    pub(super) fn is_short(self) -> bool {
        !matches!(self, Kind::Long(_) | Kind::Text(_) | Kind::Binary(_) | Kind::Json)
    }

    /// A literal; `serial` makes the unique kinds unique.
    pub(super) fn literal(self, rng: &mut ChaCha8Rng, serial: u64) -> String {
        match self {
            Kind::Serial => serial.to_string(),
            Kind::Few => rng.random_range(0..20).to_string(),
            Kind::Integer(smallest, largest) => match rng.random_range(0..10) {
                // Quoted: a minus sign before the smallest would be applied to a number that is too large.
                0 => format!("'{smallest}'"),
                1 => format!("'{largest}'"),
                _ => format!("'{}'", rng.random_range(smallest..=largest)),
            },
            Kind::Decimal(before, after) => decimal(rng, before, after),
            Kind::Numeric => match rng.random_range(0..12) {
                0 => "'NaN'".into(),
                1 => decimal(rng, 300, 200),
                _ => {
                    let after = rng.random_range(0..12);
                    decimal(rng, 20, after)
                }
            },
            Kind::Quarter => format!("'{}'", f64::from(rng.random_range(-4_000_i32..4_000)) / 4.0),
            Kind::Double => format!("'{:e}'", double(rng)),
            Kind::SpecialDouble => match rng.random_range(0..12) {
                0 => "'NaN'".into(),
                1 => "'-Infinity'".into(),
                _ => format!("'{:e}'", double(rng)),
            },
            Kind::Bool => if rng.random() { "true" } else { "false" }.into(),
            Kind::Uuid => format!("'{}'", uuid(rng)),
            Kind::Bits(count) => bits(rng, count),
            Kind::VaryingBits(most) => {
                let count = rng.random_range(0..=most);
                bits(rng, count)
            }
            Kind::OneOf(values) => quoted(pick(rng, values)),
            Kind::UniqueText => quoted(&format!("{}·{serial}", pick(rng, WORDS))),
            Kind::Text(longest) => quoted(&text(rng, longest)),
            Kind::Long(characters) => {
                let part: String =
                    (0..characters.div_ceil(16)).map(|_| format!("{:016x}", rng.random::<u64>())).collect();
                quoted(&format!("{part}🌊"))
            }
            Kind::Binary(longest) => {
                let bytes = rng.random_range(0..=longest);
                (0..bytes).fold("'\\x".to_owned(), |hex, _| format!("{hex}{:02x}", rng.random::<u8>())) + "'"
            }
            _ => self.temporal_or_composed(rng),
        }
    }

    fn temporal_or_composed(self, rng: &mut ChaCha8Rng) -> String {
        match self {
            Kind::SpecialDate if rng.random_ratio(1, 6) => {
                quoted(pick(rng, &["infinity", "-infinity", "0044-03-15 BC", "20000-02-29"]))
            }
            Kind::SpecialTimestamp if rng.random_ratio(1, 6) => quoted(pick(
                rng,
                &["infinity", "-infinity", "0044-03-15 12:00:00.5 BC", "20000-02-29 00:00:00"],
            )),
            Kind::Date | Kind::SpecialDate => format!("'{}'", date(rng)),
            Kind::Timestamp | Kind::SpecialTimestamp => {
                format!("'{} {}.{}'", date(rng), clock(rng), digits(rng, 6))
            }
            Kind::TimestampTz => {
                let (year, offset) = (rng.random_range(1971..2037), rng.random_range(-11..14));
                let (month, day) = (rng.random_range(1..13), rng.random_range(2..28));
                format!("'{year}-{month:02}-{day:02} {}.{}{offset:+03}'", clock(rng), digits(rng, 6))
            }
            Kind::Time => format!("'{}.{}'", clock(rng), digits(rng, 6)),
            Kind::TimeTz => format!("'{}{:+03}:30'", clock(rng), rng.random_range(-11..14)),
            Kind::Interval => format!(
                "'{} mons {} days {}.{}'",
                rng.random_range(-500..500),
                rng.random_range(-40..40),
                clock(rng),
                digits(rng, 6)
            ),
            Kind::Json => json(rng),
            Kind::IntegerArray => {
                let numbers: Vec<String> =
                    (0..rng.random_range(0..6)).map(|_| rng.random::<i32>().to_string()).collect();
                format!("'{{{}}}'", numbers.join(","))
            }
            Kind::TextArray => text_array(rng),
            Kind::Range => match rng.random_range(0..5) {
                0 => "'empty'".into(),
                1 => format!("'[{},)'", rng.random_range(-50..50)),
                _ => format!("'[{},{})'", rng.random_range(-50..0), rng.random_range(0..50)),
            },
            Kind::TimestampRange => {
                let year = rng.random_range(1971..2030);
                format!("'[\"{year}-01-02 {}+00\",\"{}-03-04 {}+00\")'", clock(rng), year + 1, clock(rng))
            }
            Kind::Point => {
                format!("'({},{})'", rng.random_range(-90..90), f64::from(rng.random_range(-360..360)) / 4.0)
            }
            Kind::Inet => format!("'10.{}.{}.0/24'", rng.random::<u8>(), rng.random::<u8>()),
            _ => {
                let line = text(rng, 30).replace('\\', "\\\\").replace('"', "\\\"");
                quoted(&format!("({},\"{line}\")", rng.random::<i32>()))
            }
        }
    }
}

fn decimal(rng: &mut ChaCha8Rng, before: u32, after: u32) -> String {
    let before = rng.random_range(1..=before);
    let sign = if rng.random_ratio(1, 3) { "-" } else { "" };
    let point = if after == 0 { "" } else { "." };
    format!("'{sign}{}{point}{}'", digits(rng, before), digits(rng, after))
}

/// Within what every version and every other database reads without an error: no subnormal.
fn double(rng: &mut ChaCha8Rng) -> f64 {
    loop {
        let value = f64::from_bits(rng.random());
        if value.is_normal() {
            return value;
        }
    }
}

fn bits(rng: &mut ChaCha8Rng, count: u32) -> String {
    format!("B'{}'", (0..count).map(|_| if rng.random() { '1' } else { '0' }).collect::<String>())
}

fn uuid(rng: &mut ChaCha8Rng) -> String {
    let hex = format!("{:032x}", rng.random::<u128>());
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    [part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-")
}

fn json(rng: &mut ChaCha8Rng) -> String {
    let line = serde_json::Value::String(text(rng, 30));
    quoted(&format!(
        "{{\"n\": {}, \"list\": [true, null, {{}}, {}.5], \"line\": {line}}}",
        rng.random::<i32>(),
        rng.random_range(0..100)
    ))
}

fn text_array(rng: &mut ChaCha8Rng) -> String {
    let mut row = || {
        let element = |rng: &mut ChaCha8Rng| {
            if rng.random_ratio(1, 6) { "NULL".to_owned() } else { quoted(pick(rng, WORDS)) }
        };
        format!("[{}, {}]", element(rng), element(rng))
    };
    let rows = [row(), row()];
    let [first, second] = &rows;
    if rng.random_ratio(1, 3) {
        format!("ARRAY[{first}, {second}]::text[]")
    } else {
        format!("ARRAY{first}::text[]")
    }
}

/// A string literal under `standard_conforming_strings`, where a backslash is a character.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
