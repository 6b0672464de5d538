//! Rows, as statements for a server and as cells.

use rand::{Rng, RngExt, rngs::ChaCha8Rng};
use slackwater_decoders::value::{Bits, Cell, Date, DateTime, Enum, Time, Timestamp, Value};
use slackwater_testkit::Flavor;

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tiny,
    Int,
    UInt,
    Big,
    UBig,
    Money,
    Precise,
    Float,
    Double,
    Year,
    Bits,
    Day,
    Moment,
    Instant,
    Time,
    Member,
    Bytes,
    Latin,
    Binary,
    General,
    Unicode,
    Unicode520,
    Uca0900,
    Uca0900Bin,
    Uca0900AsCi,
    Uca0900AsCs,
    Uca1400,
}

pub(crate) const MEMBERS: [&str; 4] = ["eu", "US", "b c", "9"];

impl Kind {
    pub(crate) fn of(flavor: Flavor) -> Vec<Kind> {
        use Kind::*;
        let mut kinds = vec![
            Tiny, Int, UInt, Big, UBig, Money, Precise, Float, Double, Year, Bits, Day, Moment, Instant,
            Time, Member, Bytes, Latin, Binary, General, Unicode, Unicode520,
        ];
        match flavor {
            Flavor::Mysql97 => kinds.extend([Uca0900, Uca0900Bin, Uca0900AsCi, Uca0900AsCs]),
            Flavor::Mariadb1011 | Flavor::Mariadb118 => kinds.push(Uca1400),
            _ => {}
        }
        kinds
    }

    pub(crate) fn name(self) -> String {
        format!("{self:?}").to_lowercase() + "_c"
    }

    fn declaration(self) -> &'static str {
        match self {
            Kind::Tiny => "TINYINT",
            Kind::Int => "INT",
            Kind::UInt => "INT UNSIGNED",
            Kind::Big => "BIGINT",
            Kind::UBig => "BIGINT UNSIGNED",
            Kind::Money => "DECIMAL(10,2)",
            Kind::Precise => "DECIMAL(24,8)",
            Kind::Float => "FLOAT",
            Kind::Double => "DOUBLE",
            Kind::Year => "YEAR",
            Kind::Bits => "BIT(12)",
            Kind::Day => "DATE",
            Kind::Moment => "DATETIME(3)",
            Kind::Instant => "TIMESTAMP(2) NULL",
            Kind::Time => "TIME(2)",
            Kind::Member => "ENUM('eu','US','b c','9') COLLATE utf8mb4_general_ci",
            Kind::Bytes => "VARBINARY(40)",
            Kind::Latin => "VARCHAR(40) CHARACTER SET latin1 COLLATE latin1_swedish_ci",
            Kind::Binary => "VARCHAR(40) COLLATE utf8mb4_bin",
            Kind::General => "VARCHAR(40) COLLATE utf8mb4_general_ci",
            Kind::Unicode => "VARCHAR(40) COLLATE utf8mb4_unicode_ci",
            Kind::Unicode520 => "VARCHAR(40) COLLATE utf8mb4_unicode_520_ci",
            Kind::Uca0900 => "VARCHAR(40) COLLATE utf8mb4_0900_ai_ci",
            Kind::Uca0900Bin => "VARCHAR(40) COLLATE utf8mb4_0900_bin",
            Kind::Uca0900AsCi => "VARCHAR(40) COLLATE utf8mb4_0900_as_ci",
            Kind::Uca0900AsCs => "VARCHAR(40) COLLATE utf8mb4_0900_as_cs",
            Kind::Uca1400 => "VARCHAR(40) COLLATE utf8mb4_uca1400_ai_ci",
        }
    }

    pub(crate) fn is_text(self) -> bool {
        self as u8 >= Kind::Latin as u8
    }
}

pub(crate) fn create_table(kinds: &[Kind]) -> String {
    let columns: Vec<_> =
        kinds.iter().map(|kind| format!("`{}` {}", kind.name(), kind.declaration())).collect();
    format!("CREATE TABLE t (id INT PRIMARY KEY, {}) DEFAULT CHARACTER SET utf8mb4", columns.join(", "))
}

/// Words that differ in what collations ignore.
pub(crate) const WORDS: [&str; 22] = [
    "eu",
    "EU",
    "Eu ",
    "éu",
    "e\u{301}u",
    "strasse",
    "Straße",
    "\u{fb01}n",
    "fin",
    "K",
    "\u{212a}",
    "l\u{b7}",
    "l",
    "",
    " ",
    "ｅｕ",
    "a_b%",
    "a\u{1}b",
    "ab",
    "日本",
    "😀",
    "\u{ad}x",
];
const CHARACTERS: [&str; 32] = [
    "a", "A", "e", "E", "k", "K", "s", "S", "i", "I", "l", "1", "9", " ", "-", "_", "%", "\\", "\t", "é",
    "É", "ß", "ſ", "İ", "ı", "\u{212a}", "\u{301}", "\u{b7}", "\u{a0}", "ﬁ", "𝐚", "中",
];

pub(crate) fn text(random: &mut ChaCha8Rng) -> String {
    if random.random_bool(0.5) {
        return WORDS[random.random_range(0..WORDS.len())].to_owned();
    }
    let length = random.random_range(0..5);
    (0..length).map(|_| CHARACTERS[random.random_range(0..CHARACTERS.len())]).collect()
}

pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// Values of all rows; cells borrow from what is leaked, which a test may do.
pub(crate) struct Rows {
    rows: Vec<(Vec<String>, Vec<Cell<'static>>)>,
}

impl Rows {
    pub(crate) fn random(random: &mut ChaCha8Rng, kinds: &[Kind], count: usize) -> Self {
        let row = |id: usize, random: &mut ChaCha8Rng| {
            let id = (id.to_string(), Cell::Value(Value::Int(id as i64)));
            let values = kinds.iter().map(|kind| match random.random_bool(0.12) {
                true => ("NULL".to_owned(), Cell::Value(Value::Null)),
                false => {
                    let (sql, value) = value(*kind, random);
                    (sql, Cell::Value(value))
                }
            });
            [id].into_iter().chain(values.collect::<Vec<_>>()).unzip()
        };
        Rows { rows: (1..=count).map(|id| row(id, random)).collect() }
    }

    pub(crate) fn statements(&self) -> Vec<String> {
        self.rows.iter().map(|(sql, _)| format!("INSERT INTO t VALUES ({})", sql.join(", "))).collect()
    }

    pub(crate) fn images(&self) -> impl Iterator<Item = &[Cell<'static>]> {
        self.rows.iter().map(|(_, cells)| cells.as_slice())
    }

    pub(crate) fn shown(&self, place: usize) -> String {
        self.rows[place].0.join(", ")
    }
}

fn pick<T: Copy>(random: &mut ChaCha8Rng, from: &[T]) -> T {
    from[random.random_range(0..from.len())]
}

fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn value(kind: Kind, random: &mut ChaCha8Rng) -> (String, Value<'static>) {
    match kind {
        Kind::Tiny | Kind::Int | Kind::Big => {
            let (least, most) = match kind {
                Kind::Tiny => (-128, 127),
                Kind::Int => (i32::MIN.into(), i32::MAX.into()),
                _ => (i64::MIN, i64::MAX),
            };
            let any = random.random_range(least..=most);
            let number = pick(random, &[least, most, 0, 1, -1, 5, 10, 12, any]);
            (number.to_string(), Value::Int(number))
        }
        Kind::UInt | Kind::UBig => {
            let most = if kind == Kind::UInt { u32::MAX.into() } else { u64::MAX };
            let any = random.random_range(0..=most);
            let number = pick(random, &[0, 1, 5, 10, 12, most, any]);
            (number.to_string(), Value::UInt(number))
        }
        Kind::Money | Kind::Precise => {
            let scale = if kind == Kind::Money { 2 } else { 8 };
            let whole = pick(random, &["0", "5", "10", "-10", "99999999", "-99999999", "12", "7"]);
            let digits = ["00", "10", "50", "99", "01"];
            let fraction = format!("{:0<scale$}", pick(random, &digits));
            let text = format!("{whole}.{fraction}");
            (text.clone(), Value::Decimal(leaked(text)))
        }
        Kind::Float => {
            let any = (random.random_range(-1e6..1e6f64)) as f32;
            let number = pick(random, &[0.0, 1.0, -1.5, 0.1, 10.0, 5.0, 1e30, any]);
            (format!("{number:e}"), Value::Float(number))
        }
        Kind::Double => {
            let any = random.random_range(-1e6..1e6);
            let number = pick(random, &[0.0, 1.0, -1.5, 0.1, 10.0, 12.25, 1e300, any]);
            (format!("{number:e}"), Value::Double(number))
        }
        Kind::Year => {
            let year = pick(random, &[0, 1901, 1999, 2000, 2024, 2155]);
            (format!("'{year:04}'"), Value::Year(year))
        }
        Kind::Bits => {
            let bits = random.random_range(0..4096_u16);
            (
                bits.to_string(),
                Value::Bits(Bits { length: 12, bytes: Box::leak(Box::new(bits.to_be_bytes())) }),
            )
        }
        Kind::Day => {
            let date = day(random);
            (format!("'{date}'"), Value::Date(date))
        }
        Kind::Moment => {
            let micros = pick(random, &[0, 1000, 500_000, 999_000]);
            let moment = clock(random, 3, micros);
            (format!("'{moment}'"), Value::DateTime(moment))
        }
        Kind::Instant => {
            let seconds = pick(random, &[1, 1_704_067_200, 1_735_689_599, 1_719_792_000]);
            let micros = seconds * 1_000_000 + pick(random, &[0, 10_000, 990_000]);
            let instant = Timestamp { micros, precision: 2 };
            (format!("'{instant}'"), Value::Timestamp(instant))
        }
        Kind::Time => {
            let micros = pick(
                random,
                &[0, -10_000, 86_399_990_000, 36_000_000_000, -3_020_399_000_000, 3_020_399_000_000],
            );
            let time = Time { micros, precision: 2 };
            (format!("'{time}'"), Value::Time(time))
        }
        Kind::Member => {
            let index = random.random_range(0..=MEMBERS.len());
            let label = index.checked_sub(1).map(|place| MEMBERS[place]);
            (format!("'{}'", label.unwrap_or("none")), Value::Enum(Enum { index: index as u16, label: None }))
        }
        Kind::Bytes => {
            let text = text(random);
            (quoted(&text), Value::Binary(leaked(text).as_bytes()))
        }
        Kind::Latin => {
            let text = pick(random, &["eu", "EU ", "éu", "Straße", "", " ", "ab", "ÅB", "ab\u{a0}", "12"])
                .to_owned();
            (quoted(&text), Value::Text(leaked(text)))
        }
        _ => {
            let text = text(random);
            (quoted(&text), Value::Text(leaked(text)))
        }
    }
}

fn day(random: &mut impl Rng) -> Date {
    let days = [
        (0, 0, 0),
        (2024, 1, 1),
        (2024, 12, 31),
        (2024, 2, 29),
        (1000, 1, 1),
        (9999, 12, 31),
        (2024, 0, 0),
        (2024, 7, 1),
    ];
    let (year, month, day) = days[random.random_range(0..days.len())];
    Date { year, month, day }
}

fn clock(random: &mut ChaCha8Rng, precision: u8, micros: u32) -> DateTime {
    let date = day(random);
    let (hour, minute, second) = pick(random, &[(0, 0, 0), (23, 59, 59), (12, 30, 0)]);
    let zero = date == Date::default();
    let (hour, minute, second, micros) = if zero { (0, 0, 0, 0) } else { (hour, minute, second, micros) };
    DateTime { date, hour, minute, second, precision, micros }
}
