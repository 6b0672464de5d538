//! Random conditions, most of them of fitting types.

use rand::{RngExt, rngs::ChaCha8Rng};

use crate::mysql::filter_semantics::rows::{Kind, MEMBERS, WORDS, quoted, text};

pub(crate) struct Conditions<'a> {
    random: &'a mut ChaCha8Rng,
    kinds: &'a [Kind],
}

impl<'a> Conditions<'a> {
    pub(crate) fn new(random: &'a mut ChaCha8Rng, kinds: &'a [Kind]) -> Self {
        Conditions { random, kinds }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.random_range(0..from.len())]
    }

    pub(crate) fn next_condition(&mut self) -> String {
        self.condition(2)
    }

    fn condition(&mut self, depth: u32) -> String {
        if depth == 0 || self.random.random_bool(0.35) {
            return self.predicate();
        }
        let (a, b) = (self.condition(depth - 1), self.condition(depth - 1));
        match self.random.random_range(0..8) {
            0 | 1 => format!("{a} AND {b}").replacen("XOR", "XOR", 1),
            2 | 3 => format!("({a} OR {b})"),
            4 => format!("(({a}) XOR ({b}))"),
            5 => format!("NOT ({a})"),
            6 => format!(
                "({a}) IS {}",
                self.pick(&["TRUE", "FALSE", "NOT TRUE", "NOT FALSE", "UNKNOWN", "NULL", "NOT NULL"])
            ),
            _ => format!("({a}) = ({b})"),
        }
    }

    fn relation(&mut self) -> &'static str {
        self.pick(&["=", "<>", "<", "<=", ">", ">=", "<=>", "!="])
    }

    fn predicate(&mut self) -> String {
        let kind = self.pick(self.kinds);
        let column = kind.name();
        let not = self.pick(&["", "", "NOT "]);
        if self.random.random_bool(0.08) {
            return format!("{column} IS {not}NULL");
        }
        match kind {
            Kind::Day | Kind::Moment | Kind::Instant => self.of_dates(&column, not),
            Kind::Time => {
                let value = self.pick(&[
                    "'00:00:00'",
                    "'-00:00:00.01'",
                    "'10:00:00'",
                    "'838:59:59'",
                    "TIME'23:59:59.99'",
                ]);
                format!("{column} {} {value}", self.relation())
            }
            Kind::Member => {
                let member = self.pick(&[MEMBERS[0], MEMBERS[1], "EU", "b C", "", "none", "9"]);
                match self.random.random_range(0..3) {
                    0 => format!("{column} {not}IN ({}, 'us')", quoted(member)),
                    1 => format!("{column} {not}LIKE {}", self.pick(&["'e%'", "'_u'", "'US'", "''", "'%c'"])),
                    _ => format!("{column} {} {}", self.pick(&["=", "<>", "<=>"]), quoted(member)),
                }
            }
            Kind::Bytes => {
                let value = text(self.random);
                match self.random.random_range(0..3) {
                    0 => format!("LENGTH({column}) {} {}", self.relation(), self.random.random_range(0..5)),
                    1 => format!("{column} {} X'6575'", self.relation()),
                    _ => format!("{column} {} {}", self.relation(), quoted(&value)),
                }
            }
            kind if kind.is_text() => self.of_text(kind, &column, not),
            _ => self.of_numbers(not),
        }
    }

    fn of_dates(&mut self, column: &str, not: &str) -> String {
        let day = self.pick(&["'2024-01-01'", "'2024-12-31'", "'9999-12-31'", "DATE'2024-07-01'"]);
        let moment = self.pick(&[
            "'2024-12-31 23:59:59'",
            "'2024-01-01 00:00:00.001'",
            "TIMESTAMP'2024-07-01 12:30:00.5'",
        ]);
        let other = self.pick(&["day_c", "moment_c", "instant_c"]);
        match self.random.random_range(0..8) {
            0 => format!(
                "YEAR({column}) {} {}",
                self.relation(),
                self.pick(&["2024", "1970", "9999", "i"].map(|year| if year == "i" {
                    "int_c"
                } else {
                    year
                }))
            ),
            1 => format!("DATE({column}) {} {day}", self.relation()),
            2 => format!("{column} {not}BETWEEN {day} AND {moment}"),
            3 => format!("{column} {not}IN ({day}, {moment})"),
            4 => format!("{column} {} {other}", self.relation()),
            5 => format!("COALESCE({column}, {column}) {} {moment}", self.relation()),
            6 => format!("{column} {} {moment}", self.relation()),
            _ => format!("{column} {} {day}", self.relation()),
        }
    }

    fn of_text(&mut self, kind: Kind, column: &str, not: &str) -> String {
        let constant = match self.random.random_bool(0.8) {
            true => self.pick(&WORDS.map(str::to_owned).each_ref().map(String::as_str)).to_owned(),
            false => text(self.random),
        };
        let constant = quoted(&constant);
        let pattern = self.pick(&[
            "'e%'",
            "'_u'",
            "'%S%'",
            "'k'",
            "'a\\_b\\%'",
            "'%'",
            "''",
            "'a|_b%' ESCAPE '|'",
            "'%i%n'",
            "'l_'",
            "'stra%e'",
            "'% '",
        ]);
        let ordered = matches!(kind, Kind::Binary | Kind::Uca0900Bin);
        let relation = if ordered { self.relation() } else { self.pick(&["=", "<>", "<=>", "="]) };
        match self.random.random_range(0..10) {
            0 => format!("{column} {not}LIKE {pattern}"),
            1 => format!("{column} {not}IN ('eu', {constant})"),
            2 => format!(
                "{}({column}) {} {}",
                self.pick(&["CHAR_LENGTH", "LENGTH"]),
                self.relation(),
                self.random.random_range(0..6)
            ),
            3 => format!("{}({column}) = {constant}", self.pick(&["LOWER", "UPPER"])),
            4 => format!(
                "SUBSTRING({column}, {}, {}) = 'e'",
                self.random.random_range(-3..4),
                self.random.random_range(-1..3)
            ),
            5 => format!("CRC32({column}) % 4 = {}", self.random.random_range(0..4)),
            6 => format!("IFNULL({column}, 'eu') {relation} {constant}"),
            7 if kind != Kind::Latin => {
                format!("{column} COLLATE utf8mb4_bin {} {constant}", self.relation())
            }
            8 => format!("{}({column}) {not}LIKE {pattern}", self.pick(&["LOWER", "UPPER"])),
            _ => format!("{column} {relation} {constant}"),
        }
    }

    fn of_numbers(&mut self, not: &str) -> String {
        match self.random.random_range(0..6) {
            0 => format!("{} {not}BETWEEN {} AND {}", self.number(1), self.number(0), self.number(0)),
            1 => format!(
                "{} {not}IN ({}, {}, {})",
                self.number(1),
                self.number(0),
                self.number(0),
                self.number(0)
            ),
            2 => self.number(1),
            _ => {
                let (a, b) = (self.number(2), self.number(1));
                format!("{a} {} {b}", self.relation())
            }
        }
    }

    fn number(&mut self, depth: u32) -> String {
        const COLUMNS: [&str; 11] = [
            "tiny_c",
            "int_c",
            "uint_c",
            "big_c",
            "ubig_c",
            "money_c",
            "precise_c",
            "float_c",
            "double_c",
            "bits_c",
            "year_c",
        ];
        const CONSTANTS: [&str; 18] = [
            "0",
            "1",
            "5",
            "10",
            "12",
            "-1",
            "-10",
            "2024",
            "0.5",
            "10.50",
            "-1.5",
            "99999999.99",
            "9223372036854775807",
            "18446744073709551615",
            "-9223372036854775808",
            "1e1",
            "0.1e0",
            "1e-1",
        ];
        if depth == 0 || self.random.random_bool(0.4) {
            return if self.random.random_bool(0.6) { self.pick(&COLUMNS) } else { self.pick(&CONSTANTS) }
                .to_owned();
        }
        let (a, b) = (self.number(depth - 1), self.number(depth - 1));
        match self.random.random_range(0..14) {
            0 | 1 => format!("({a} + {b})"),
            2 | 3 => format!("({a} - {b})"),
            4 => format!("{a} * {b}").replace("* -", "* 1 * -"),
            5 => format!("({a} / {b})"),
            6 => format!("({a} DIV {b})"),
            7 => format!("({a} % {b})"),
            8 => format!("MOD({a}, {b})"),
            9 => format!("ABS({a})"),
            10 => format!("COALESCE({a}, {b})"),
            11 => format!("IFNULL({a}, {b})"),
            12 => format!("CRC32({a})"),
            _ => format!("-({a})"),
        }
    }
}
