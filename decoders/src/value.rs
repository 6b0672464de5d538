//! Values as the source had them: nothing is rounded, padded, shifted to another zone or replaced by NULL.
//!
//! A [`Value`] is three words and `Copy`. Variable-length parts are borrowed, either from the log's own bytes or from
//! the arena of the row.

use std::fmt;

/// One column of a row image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// The image does not have this column (row image MINIMAL or NOBLOB): its value is not known.
    Absent,
    /// The column was not changed and its value was therefore not logged (PostgreSQL's TOAST).
    Unchanged,
    /// The column's value, which may be [`Value::Null`].
    Value(Value<'a>),
}

impl<'a> Cell<'a> {
    /// The value, or `None` when the image does not tell it.
    #[must_use]
    pub fn value(self) -> Option<Value<'a>> {
        match self {
            Cell::Value(value) => Some(value),
            Cell::Absent | Cell::Unchanged => None,
        }
    }
}

/// A value of a column, in the source's full precision.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// SQL NULL.
    Null,
    /// True or false.
    Bool(bool),
    /// A signed integer of up to 64 bits.
    Int(i64),
    /// An integer of an unsigned column of up to 64 bits.
    UInt(u64),
    /// A single precision number. NaN and infinities are possible.
    Float(f32),
    /// A double precision number. NaN and infinities are possible.
    Double(f64),
    /// An exact number as decimal text (`-12.3400`): the scale of the column is kept in the digits. PostgreSQL also has `NaN`,
    /// `Infinity` and `-Infinity`.
    Decimal(&'a str),
    /// Text, already decoded from the column's character set. Also the source's own text of a value that no other variant
    /// holds: of a [`Native`](crate::schema::ColumnType::Native) type, or one outside of its variant's range (`infinity`, a year BC).
    Text(&'a str),
    /// Bytes without a character set.
    Binary(&'a [u8]),
    /// A calendar date; may be zero or partial.
    Date(Date),
    /// A time of day or a signed duration.
    Time(Time),
    /// Date and time without a zone; may be zero or partial.
    DateTime(DateTime),
    /// An instant. (MySQL's zero TIMESTAMP is no instant: it is the [`Value::DateTime`] with all fields 0.)
    Timestamp(Timestamp),
    /// A year, 0 or 1901 to 2155 for MySQL.
    Year(u16),
    /// A bit string.
    Bits(Bits<'a>),
    /// A member of an enumeration.
    Enum(Enum<'a>),
    /// A set of members.
    Set(&'a Set<'a>),
    /// A geometry.
    Geometry(Geometry<'a>),
    /// A JSON document.
    Json(&'a Json<'a>),
    /// A change to a JSON document whose former content is not in the log.
    JsonDiff(&'a JsonDiff<'a>),
    /// A UUID in its canonical byte order.
    Uuid([u8; 16]),
    /// A vector of single precision numbers, little endian, four bytes each, as the source stores it.
    Vector(&'a [u8]),
}

/// A calendar date. Zero and partial dates (`0000-00-00`, `2024-00-15`, `2023-02-31`) are kept as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// Year, 0 to 9999.
    pub year: u16,
    /// Month, 0 to 12 as the source allowed it.
    pub month: u8,
    /// Day of the month, 0 to 31 as the source allowed it.
    pub day: u8,
}

impl Date {
    /// Whether this is a day that exists in the proleptic Gregorian calendar (so not a zero, partial or invalid date).
    #[must_use]
    pub fn is_valid(self) -> bool {
        let leap =
            self.year.is_multiple_of(4) && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let days = match self.month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => 0,
        };
        self.year > 0 && self.day >= 1 && self.day <= days
    }

    /// Days since 1970-01-01, or `None` for a date that does not exist.
    #[must_use]
    pub fn epoch_days(self) -> Option<i64> {
        if !self.is_valid() {
            return None;
        }
        // Days from the civil calendar, years counted from March so that the leap day is the last of its year.
        let (year, month) = (i64::from(self.year), i64::from(self.month));
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
    }

    /// The date that many days after 1970-01-01; years outside 0 to 65535 saturate.
    #[must_use]
    pub fn from_epoch_days(days: i64) -> Self {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Date { year: u16::try_from(year.max(0)).unwrap_or(u16::MAX), month: month as u8, day: day as u8 }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// A signed time of day or duration (`-838:59:59` to `838:59:59` for MySQL).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Microseconds, negative before zero.
    pub micros: i64,
    /// Declared fractional digits, 0 to 6.
    pub precision: u8,
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.micros.unsigned_abs();
        let (seconds, micros) = (total / 1_000_000, (total % 1_000_000) as u32);
        if self.micros < 0 {
            f.write_str("-")?;
        }
        write!(f, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        write_fraction(f, micros, self.precision)
    }
}

/// Date and time of day without a zone. Zero and partial dates are kept as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime {
    /// The calendar date.
    pub date: Date,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 59.
    pub second: u8,
    /// Declared fractional digits, 0 to 6.
    pub precision: u8,
    /// Microseconds within the second, 0 to 999,999.
    pub micros: u32,
}

impl DateTime {
    /// Microseconds since 1970-01-01 00:00:00 of the same zone-less calendar, or `None` for a date that does not exist.
    #[must_use]
    pub fn epoch_micros(self) -> Option<i64> {
        let of_day = i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        Some((self.date.epoch_days()? * 86_400 + of_day) * 1_000_000 + i64::from(self.micros))
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:02}:{:02}:{:02}", self.date, self.hour, self.minute, self.second)?;
        write_fraction(f, self.micros, self.precision)
    }
}

/// An instant. Displays as date and time in UTC, without a zone mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Microseconds since 1970-01-01 00:00:00 UTC.
    pub micros: i64,
    /// Declared fractional digits, 0 to 6.
    pub precision: u8,
}

impl Timestamp {
    /// The same instant as a calendar date and time in UTC.
    #[must_use]
    pub fn to_utc(self) -> DateTime {
        let seconds = self.micros.div_euclid(1_000_000);
        let of_day = seconds.rem_euclid(86_400);
        DateTime {
            date: Date::from_epoch_days(seconds.div_euclid(86_400)),
            hour: (of_day / 3600) as u8,
            minute: (of_day / 60 % 60) as u8,
            second: (of_day % 60) as u8,
            precision: self.precision,
            micros: self.micros.rem_euclid(1_000_000) as u32,
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_utc().fmt(f)
    }
}

/// Writes `.` and `precision` digits of the microseconds; nothing for precision 0.
fn write_fraction(f: &mut fmt::Formatter<'_>, micros: u32, precision: u8) -> fmt::Result {
    match precision {
        0 => Ok(()),
        1..=5 => {
            let precision = usize::from(precision);
            write!(f, ".{:0precision$}", micros / 10_u32.pow(6 - precision as u32))
        }
        _ => write!(f, ".{micros:06}"),
    }
}

/// A bit string, most significant bit first, padded with zero bits on the left to whole bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bits<'a> {
    /// Declared number of bits.
    pub length: u16,
    /// The bits, big endian, right aligned.
    pub bytes: &'a [u8],
}

impl Bits<'_> {
    /// The bits as an unsigned number, or `None` when there are more than 64.
    #[must_use]
    pub fn to_u64(self) -> Option<u64> {
        (self.bytes.len() <= 8).then(|| self.bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }
}

/// A member of an enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enum<'a> {
    /// Place of the member, from 1. 0 is MySQL's empty value for an invalid assignment.
    pub index: u16,
    /// The member's name where the log or the schema tells it.
    pub label: Option<&'a str>,
}

/// A set of members of a declared list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set<'a> {
    /// Bit n is the member n of the declaration, counted from 0.
    pub mask: u64,
    /// The members' names in declared order, joined by commas, where the log or the schema tells them.
    pub labels: Option<&'a str>,
}

/// A geometry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry<'a> {
    /// Spatial reference system, 0 for none.
    pub srid: u32,
    /// Well-known binary (OGC 06-103r4, section 8), x before y.
    pub wkb: &'a [u8],
}

/// Displays 16 bytes as a UUID in its usual form: lower case, with dashes (RFC 9562, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UuidText(pub [u8; 16]);

impl fmt::Display for UuidText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// Displays 16 bytes as an IPv6 address as MariaDB prints it (`sql/sql_type_inet.cc`, `Inet6::to_string`). It differs from
/// RFC 5952 in two points: a single group of zeros is left out as well, and an address that begins with six groups of
/// zeros ends like an IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inet6Text(pub [u8; 16]);

impl fmt::Display for Inet6Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = std::net::Ipv6Addr::from(self.0);
        let groups = address.segments();
        let [.., a, b, c, d] = self.0;
        let (gap, length) = longest_zeros(groups);
        if gap == 0 && (length == 6 || (length == 5 && groups.get(5) == Some(&0xFFFF))) {
            let mapped = if length == 5 { "ffff:" } else { "" };
            return write!(f, "::{mapped}{a}.{b}.{c}.{d}");
        }
        for (place, group) in groups.iter().enumerate() {
            match place.checked_sub(gap) {
                Some(inside) if inside < length => f.write_str(if inside == 0 { "::" } else { "" })?,
                _ if place == 0 || (length > 0 && place == gap + length) => write!(f, "{group:x}")?,
                _ => write!(f, ":{group:x}")?,
            }
        }
        Ok(())
    }
}

/// Start and length of the longest run of zeros, the first of equal ones.
fn longest_zeros(groups: [u16; 8]) -> (usize, usize) {
    let (mut best, mut run) = ((0, 0), (0, 0));
    for (place, group) in groups.iter().enumerate() {
        run = if *group == 0 { (run.0, run.1 + 1) } else { (place + 1, 0) };
        if run.1 > best.1 {
            best = run;
        }
    }
    best
}

/// A JSON document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Json<'a> {
    /// The document as text, printed as the source prints it, with every digit of its numbers.
    pub text: &'a str,
    /// Scalars whose type JSON text cannot carry (MySQL's opaque values: exact decimals, temporals, binaries).
    pub typed: &'a [TypedScalar<'a>],
}

/// A scalar inside a JSON document whose type is lost in JSON text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TypedScalar<'a> {
    /// Where it stands, as a JSON path of the source (`$.a[2]."b c"`).
    pub path: &'a str,
    /// The scalar. One of `Decimal`, `Date`, `Time`, `DateTime`, `Timestamp`, `Binary`.
    pub value: Value<'a>,
}

/// Changes to a JSON document, to be applied in order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JsonDiff<'a> {
    /// The changes.
    pub steps: &'a [JsonDiffStep<'a>],
}

/// One change to a JSON document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JsonDiffStep<'a> {
    /// What happens at the path.
    pub operation: JsonDiffOperation,
    /// Where, as a JSON path of the source.
    pub path: &'a str,
    /// The new value; `None` for [`JsonDiffOperation::Remove`].
    pub value: Option<&'a Json<'a>>,
}

/// What a step of a JSON diff does (MySQL `enum_json_diff_operation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonDiffOperation {
    /// Replaces an existing value (`JSON_REPLACE`).
    Replace,
    /// Adds a member, or inserts an array cell and moves the later ones (`JSON_ARRAY_INSERT`).
    Insert,
    /// Removes a member, or an array cell and moves the later ones (`JSON_REMOVE`).
    Remove,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What MariaDB 10.11 and 11.8 SELECT of an INET6 column.
    #[test]
    fn addresses_print_as_on_mariadb() {
        for (address, printed) in [
            ("::", "::"),
            ("::1", "::1"),
            ("::1:0", "::0.1.0.0"),
            ("::192.0.2.1", "::192.0.2.1"),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8::1:1:1:1:1"),
            ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
            ("1:0:0:2:3:0:0:4", "1::2:3:0:0:4"),
            ("fe80::", "fe80::"),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            let parsed: Result<std::net::Ipv6Addr, _> = address.parse();
            assert_eq!(parsed.map(|address| Inet6Text(address.octets()).to_string()), Ok(printed.to_owned()));
        }
    }
}
