//! Tables to try values in: columns with the literals that go into them.

use slackwater_testkit::Flavor;

/// The name of the table with instants that only MariaDB 11.5 and later have.
pub(crate) const LATE_TIMES: &str = "late_times";

/// A table of the matrix.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Its name without the part that names the settings of the log.
    pub(crate) name: String,
    /// Its columns behind `id`.
    pub(crate) columns: Vec<Column>,
    /// What stands behind the columns and behind the table (`, KEY …) …`).
    pub(crate) keys: &'static str,
    /// How much of the matrix it is part of.
    pub(crate) scope: Scope,
}

/// With which settings of the log a table is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// With all.
    Everywhere,
    /// With each form of the metadata: the row image has no part in it.
    Metadata,
}

/// A column of the matrix.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    /// The name, without backticks.
    pub(crate) name: String,
    /// The type and everything else behind the name.
    pub(crate) declaration: String,
    /// What is written into it, as SQL expressions. Empty for a column that the server computes.
    pub(crate) values: Vec<String>,
}

impl Table {
    pub(crate) fn new(name: impl Into<String>, columns: Vec<Column>) -> Self {
        Table { name: name.into(), columns, keys: "", scope: Scope::Everywhere }
    }

    pub(crate) fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }
}

/// A column that is named after its type.
pub(crate) fn column(declaration: &str, values: &[&str]) -> Column {
    named(&declaration.to_lowercase().replace([' ', '(', ')', ','], "_"), declaration, values)
}

pub(crate) fn named(name: &str, declaration: &str, values: &[&str]) -> Column {
    Column {
        name: name.to_owned(),
        declaration: declaration.to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    }
}

fn literals(name: &str, declaration: String, values: Vec<String>) -> Column {
    Column { name: name.to_owned(), declaration, values }
}

/// All tables that a server can have.
pub(crate) fn of(flavor: Flavor) -> Vec<Table> {
    let mut tables =
        vec![integers(), numbers(), bits(), times(), texts(), binaries(), members(), geometries(flavor)];
    if flavor != Flavor::Mysql56 {
        tables.push(super::documents::table(flavor));
        tables.push(computed(flavor));
    }
    tables.push(names());
    if flavor == Flavor::Mysql97 {
        tables.push(vectors("STRING_TO_VECTOR"));
    }
    if flavor == Flavor::Mariadb118 {
        tables.push(vectors("VEC_FromText"));
        tables.push(late_times());
    }
    if flavor.is_mariadb() {
        tables.push(addresses());
        tables.push(compressed());
    }
    tables
}

/// Every width, signed and not, with YEAR and BIT columns between them: these take no part in the log's list of signs, or do.
fn integers() -> Table {
    let mut columns = Vec::new();
    for (name, bits) in [("TINYINT", 8), ("SMALLINT", 16), ("MEDIUMINT", 24), ("INT", 32), ("BIGINT", 64)] {
        let (max, max_unsigned) = ((1_i128 << (bits - 1)) - 1, (1_i128 << bits) - 1);
        let signed = [max, -max - 1, 0, -1, 1].map(|number| number.to_string());
        columns.push(literals(&format!("{name}_s"), name.to_owned(), with_null(signed.to_vec())));
        columns.push(named(&format!("year_{name}"), "YEAR", &["0", "1901", "NULL", "2155", "1970"]));
        let unsigned = [max_unsigned, max + 1, max, 0, 1].map(|number| number.to_string());
        columns.push(literals(
            &format!("{name}_u"),
            format!("{name} UNSIGNED"),
            with_null(unsigned.to_vec()),
        ));
        columns.push(named(&format!("bit_{name}"), "BIT(3)", &["b'101'", "b'0'", "NULL"]));
        columns.push(literals(
            &format!("{name}_z"),
            format!("{name} ZEROFILL"),
            with_null(unsigned.to_vec()),
        ));
    }
    columns.push(column("BOOL", &["TRUE", "FALSE", "NULL"]));
    Table::new("integers", columns)
}

fn with_null(mut values: Vec<String>) -> Vec<String> {
    values.push("NULL".to_owned());
    values
}

fn numbers() -> Table {
    let nines = |count: usize| "9".repeat(count);
    let decimal = |precision: usize, scale: usize, unsigned: bool| {
        let whole = if precision == scale { "0".to_owned() } else { nines(precision - scale) };
        let max = if scale == 0 { whole } else { format!("{whole}.{}", nines(scale)) };
        let smallest = if scale == 0 { "1".to_owned() } else { format!("0.{}1", "0".repeat(scale - 1)) };
        let mut values = vec![max.clone(), smallest.clone(), "0".to_owned(), "NULL".to_owned()];
        if !unsigned {
            values.extend([format!("-{max}"), format!("-{smallest}")]);
        }
        let sign = if unsigned { " UNSIGNED" } else { "" };
        let name = format!("decimal_{precision}_{scale}{}", if unsigned { "_u" } else { "" });
        literals(&name, format!("DECIMAL({precision},{scale}){sign}"), values)
    };
    Table::new(
        "numbers",
        vec![
            column(
                "FLOAT",
                &[
                    "3.402823466e38",
                    "-3.402823466e38",
                    "1.175494351e-38",
                    "1e-45",
                    "-1e-40",
                    "0e0",
                    "-0e0",
                    "NULL",
                    "0.1",
                    "16777217",
                    "1.17549e-38",
                    "3.4028e38",
                    "123456.789e0",
                ],
            ),
            column("FLOAT UNSIGNED", &["0.3", "0e0", "NULL", "1e-45"]),
            column("FLOAT(7,3)", &["1234.567", "-9999.999", "0", "NULL"]),
            column(
                "DOUBLE",
                &[
                    "1.7976931348623157e308",
                    "-1.7976931348623157e308",
                    "2.2250738585072014e-308",
                    "5e-324",
                    "-0e0",
                    "0e0",
                    "NULL",
                    "0.1",
                    "1e23",
                    "9007199254740993",
                    "1e15",
                    "1e-7",
                    "123456789012345678",
                ],
            ),
            column("DOUBLE UNSIGNED", &["0.1", "0e0", "NULL", "5e-324"]),
            column("DOUBLE(255,30)", &["0.1e0", "NULL", "-1e20"]),
            decimal(65, 30, false),
            decimal(65, 0, false),
            decimal(30, 30, false),
            decimal(1, 0, false),
            decimal(10, 2, true),
            decimal(18, 9, false),
            decimal(19, 10, false),
            decimal(38, 20, false),
            column("DECIMAL(8,3) ZEROFILL", &["12.5", "0", "NULL", "99999.999"]),
        ],
    )
}

/// All lengths.
fn bits() -> Table {
    let column = |bits: u32| {
        let max = u64::MAX >> (64 - bits);
        let values =
            [max.to_string(), "0".into(), "NULL".into(), (max / 3).to_string(), (max - max / 2).to_string()];
        literals(&format!("bit_{bits}"), format!("BIT({bits})"), values.to_vec())
    };
    Table::new("bits", (1..=64).map(column).collect())
}

/// Every precision; zero, partial and invalid dates. A TIMESTAMP has none of them but zero.
fn times() -> Table {
    let mut columns = vec![
        column(
            "DATE",
            &[
                "'9999-12-31'",
                "'0000-00-00'",
                "'2024-00-15'",
                "'2024-02-00'",
                "'2023-02-31'",
                "NULL",
                "'1000-01-01'",
                "'0001-01-01'",
                "'0000-01-01'",
            ],
        ),
        column("YEAR", &["0", "1901", "2155", "NULL", "'00'", "1999"]),
    ];
    for precision in 0..=6 {
        let declared = |name: &str| format!("{name}({precision})");
        let fraction = |digits: &str| {
            digits.get(..if precision == 0 { 0 } else { precision + 1 }).unwrap_or_default().to_owned()
        };
        let with = |base: &str, digits: &str| format!("'{base}{}'", fraction(digits));
        columns.push(literals(
            &format!("time_{precision}"),
            declared("TIME"),
            [
                ("838:59:59", ".000000"),
                ("-838:59:59", ".000000"),
                ("838:59:58", ".999999"),
                ("-838:59:58", ".999999"),
                ("00:00:00", ".000000"),
                ("-00:00:00", ".100001"),
                ("-00:00:01", ".000000"),
                ("-12:34:56", ".789012"),
                ("23:59:59", ".999999"),
                ("00:00:00", ".000001"),
            ]
            .iter()
            .map(|(base, digits)| with(base, digits))
            .chain(["NULL".to_owned()])
            .collect(),
        ));
        columns.push(literals(
            &format!("datetime_{precision}"),
            declared("DATETIME"),
            [
                ("9999-12-31 23:59:59", ".999999"),
                ("0000-00-00 00:00:00", ".000000"),
                ("2024-00-15 01:02:03", ".000001"),
                ("2023-02-31 12:00:00", ".500000"),
                ("1000-01-01 00:00:00", ".100000"),
                ("0000-00-00 11:12:13", ".123456"),
                ("1969-12-31 23:59:59", ".999999"),
            ]
            .iter()
            .map(|(base, digits)| with(base, digits))
            .chain(["NULL".to_owned()])
            .collect(),
        ));
        let instants = [
            ("1970-01-01 00:00:01", ".000000"),
            ("2038-01-19 03:14:07", ".999999"),
            ("0000-00-00 00:00:00", ".000000"),
            ("2000-02-29 12:34:56", ".654321"),
        ];
        columns.push(literals(
            &format!("timestamp_{precision}"),
            format!("{} NULL", declared("TIMESTAMP")),
            instants.iter().map(|(base, digits)| with(base, digits)).chain(["NULL".to_owned()]).collect(),
        ));
    }
    Table::new("times", columns)
}

/// MariaDB 11.5 made the seconds of a TIMESTAMP unsigned: no other server of the matrix has these instants, and a task into one stops
/// with a definite error.
fn late_times() -> Table {
    let instants = ["'2038-01-19 03:14:08'", "'2106-02-07 06:28:15.999999'", "NULL"];
    Table::new(
        LATE_TIMES,
        vec![
            column("TIMESTAMP NULL", &instants),
            column("TIMESTAMP(3) NULL", &instants),
            column("TIMESTAMP(6) NULL", &instants),
        ],
    )
}

/// Lengths around those at which the stored form changes; characters of one to four bytes; spaces at the end.
fn texts() -> Table {
    let values = ["''", "'a'", "' a '", "'a  '", "'ä€😀'", "'\\0\\'\"\\\\\\n\\Z%_'", "NULL"];
    let long = |length: usize| format!("REPEAT('x', {length})");
    let filled = |name: &str, declaration: &str, lengths: &[usize]| {
        let values =
            values.iter().map(|value| (*value).to_owned()).chain(lengths.iter().map(|length| long(*length)));
        literals(name, declaration.to_owned(), values.collect())
    };
    let mut columns = vec![
        column("CHAR(0)", &["''", "NULL"]),
        column("CHAR(1)", &["''", "'a'", "' '", "'😀'", "NULL"]),
        filled("char_64", "CHAR(64)", &[63, 64]),
        filled("char_255", "CHAR(255)", &[254, 255]),
        filled("char_255_latin", "CHAR(255) CHARACTER SET latin1", &[255]),
        column("VARCHAR(0)", &["''", "NULL"]),
        filled("varchar_63", "VARCHAR(63)", &[63]),
        filled("varchar_64", "VARCHAR(64)", &[63, 64]),
        filled("varchar_255", "VARCHAR(255) CHARACTER SET latin1", &[255]),
        filled("varchar_256", "VARCHAR(256) CHARACTER SET latin1", &[255, 256]),
        filled("varchar_2000", "VARCHAR(2000)", &[255, 256, 2000]),
        filled("tinytext", "TINYTEXT", &[255]),
        filled("text", "TEXT", &[255, 256, 65535]),
        filled("mediumtext", "MEDIUMTEXT", &[65535, 65536, 70_000]),
        filled("longtext", "LONGTEXT", &[65536]),
        filled("text_bin", "TEXT COLLATE utf8mb4_bin", &[]),
    ];
    columns.push(filled("char_bin", "CHAR(20) COLLATE utf8mb4_bin", &[]));
    Table::new("texts", columns)
}

fn binaries() -> Table {
    let values = ["''", "'a'", "x'00'", "x'610000'", "x'006100'", "x'FFFE20'", "' a '", "NULL"];
    let filled = |declaration: &str, lengths: &[usize]| {
        let mut filled = column(declaration, &values);
        filled.values.extend(lengths.iter().map(|length| format!("REPEAT(x'C3', {length})")));
        filled
    };
    Table::new(
        "binaries",
        vec![
            column("BINARY(0)", &["''", "NULL"]),
            column("BINARY(1)", &["''", "x'00'", "x'20'", "x'FF'", "NULL"]),
            filled("BINARY(16)", &[16]),
            filled("BINARY(255)", &[255]),
            column("VARBINARY(0)", &["''", "NULL"]),
            filled("VARBINARY(255)", &[255]),
            filled("VARBINARY(256)", &[255, 256]),
            filled("TINYBLOB", &[255]),
            filled("BLOB", &[255, 256, 65535]),
            filled("MEDIUMBLOB", &[65535, 65536]),
            filled("LONGBLOB", &[65536]),
        ],
    )
}

fn list(count: usize) -> String {
    (1..=count).map(|number| format!("'m{number}'")).collect::<Vec<_>>().join(",")
}

/// 0 is an ENUM's value for what is no member, which prints like the empty string.
fn members() -> Table {
    let mut columns = vec![
        named("enum_3", "ENUM('a','b''c','ü,x')", &["'a'", "3", "0", "NULL", "2", "'wrong'"]),
        named("enum_empty", "ENUM('','x')", &["''", "0", "'x'", "NULL"]),
        named("enum_255", &format!("ENUM({})", list(255)), &["1", "255", "0", "NULL"]),
        named("enum_256", &format!("ENUM({})", list(256)), &["1", "255", "256", "0", "NULL"]),
        named("enum_3000", &format!("ENUM({})", list(3000)), &["3000", "1", "0", "NULL"]),
        named("enum_latin", "ENUM('é','ß') CHARACTER SET latin1", &["'é'", "2", "0", "NULL"]),
    ];
    for count in [1, 8, 9, 16, 17, 24, 25, 32, 33, 63, 64] {
        let all = u64::MAX >> (64 - count);
        let values = [
            all.to_string(),
            "0".into(),
            "NULL".into(),
            "1".into(),
            (all - all / 2).to_string(),
            "'m1'".into(),
        ];
        columns.push(literals(&format!("set_{count}"), format!("SET({})", list(count)), values.to_vec()));
    }
    columns.push(named("set_latin", "SET('é','ß') CHARACTER SET latin1", &["'é,ß'", "''", "'ß'", "NULL"]));
    Table::new("members", columns)
}

fn geometries(flavor: Flavor) -> Table {
    let new = flavor == Flavor::Mysql97;
    let from_text = if new || flavor == Flavor::Mysql57 { "ST_GeomFromText" } else { "GeomFromText" };
    let kinds = [
        ("POINT", vec!["POINT(1 2)", "POINT(-1.5e10 0.1)"]),
        ("LINESTRING", vec!["LINESTRING(0 0,1 1,2 0)"]),
        ("POLYGON", vec!["POLYGON((0 0,4 0,4 4,0 4,0 0),(1 1,2 1,2 2,1 2,1 1))"]),
        ("MULTIPOINT", vec!["MULTIPOINT(1 1,2 2)"]),
        ("MULTILINESTRING", vec!["MULTILINESTRING((0 0,1 1),(2 2,3 3))"]),
        ("MULTIPOLYGON", vec!["MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6 5,6 6,5 5)))"]),
        ("GEOMETRYCOLLECTION", vec!["GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))"]),
    ];
    let mut columns = Vec::new();
    let mut all = Vec::new();
    for (kind, texts) in kinds {
        let mut values: Vec<_> = texts.iter().map(|text| format!("{from_text}('{text}')")).collect();
        let in_4326 = texts.first().map(|text| format!("{from_text}('{text}', 4326)"));
        values.extend(in_4326);
        all.extend(values.iter().cloned());
        columns.push(literals(&kind.to_lowercase(), kind.to_owned(), with_null(values)));
    }
    if !new && flavor != Flavor::Mysql57 {
        // Only a number there: MySQL since 5.7 knows which systems exist.
        all.push(format!("{from_text}('POINT(3 4)', 101)"));
    }
    columns.push(literals("geometry", "GEOMETRY".into(), with_null(all)));
    if new {
        columns.push(literals(
            "geometry_4326",
            "GEOMETRY SRID 4326".into(),
            vec![format!("{from_text}('POINT(10 170)', 4326)"), "NULL".into()],
        ));
    }
    Table::new("geometries", columns)
}

fn vectors(function: &str) -> Table {
    let vector = |text: &str| format!("{function}('{text}')");
    let wide = format!("[{}]", (0..2048).map(|number| format!("{number}.5")).collect::<Vec<_>>().join(","));
    Table::new(
        "vectors",
        vec![
            literals(
                "vector_1",
                "VECTOR(1)".into(),
                vec![vector("[1.5]"), vector("[-2e-38]"), "NULL".into()],
            ),
            literals(
                "vector_3",
                "VECTOR(3)".into(),
                vec![vector("[0,-0.0,3.4e38]"), vector("[1e-30,0.1,-3.4e38]"), "NULL".into()],
            ),
            literals("vector_2048", "VECTOR(2048)".into(), vec![vector(&wide), "NULL".into()]),
        ],
    )
}

fn addresses() -> Table {
    Table::new(
        "addresses",
        vec![
            column(
                "UUID",
                &[
                    "'00000000-0000-0000-0000-000000000000'",
                    "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
                    "'6ccd780c-baba-1026-9564-5b8c656024db'",
                    "'f47ac10b-58cc-4372-a567-0e02b2c3d479'",
                    "'018f3f6e-8f5c-7cc2-98c5-1a2b3c4d5e6f'",
                    "'123e4567-e89b-62d3-a456-426614174000'",
                    "'f47ac10b-58cc-3372-8567-0e02b2c3d400'",
                    "'f47ac10b-58cc-0072-0567-0e02b2c30000'",
                    "NULL",
                    "'00000000-0000-4000-8000-000000000000'",
                ],
            ),
            column("INET4", &["'0.0.0.0'", "'255.255.255.255'", "'10.0.0.0'", "NULL", "'32.32.32.32'"]),
            column(
                "INET6",
                &[
                    "'::'",
                    "'::1'",
                    "'2001:db8::ff00:42:8329'",
                    "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'",
                    "'::ffff:192.0.2.1'",
                    "'::192.0.2.1'",
                    "'2001:db8:0:1:1:1:1:1'",
                    "'fe80::'",
                    "'1:0:0:2:0:0:0:3'",
                    "'1:0:0:2:3:0:0:4'",
                    "'::ffff'",
                    "'::1:0'",
                    "NULL",
                ],
            ),
        ],
    )
}

fn compressed() -> Table {
    let values = ["''", "'a'", "REPEAT('abc', 700)", "'ä😀'", "NULL", "REPEAT('q', 99)", "REPEAT('q', 101)"];
    Table::new(
        "compressed",
        vec![
            named("varchar_c", "VARCHAR(3000) COMPRESSED", &values),
            named("varbinary_c", "VARBINARY(3000) COMPRESSED", &values),
            named("tinytext_c", "TINYTEXT COMPRESSED", &["''", "'a'", "REPEAT('x', 200)", "NULL"]),
            named("text_c", "TEXT COMPRESSED", &values),
            named("blob_c", "BLOB COMPRESSED", &values),
            named("mediumtext_c", "MEDIUMTEXT COMPRESSED", &["REPEAT('long', 30000)", "NULL", "''"]),
            named("longblob_c", "LONGBLOB COMPRESSED", &["REPEAT('long', 30000)", "x'0000'", "NULL"]),
            named(
                "latin_c",
                "VARCHAR(300) COMPRESSED CHARACTER SET latin1",
                &["REPEAT('é', 300)", "'ß'", "NULL"],
            ),
        ],
    )
}

fn computed(flavor: Flavor) -> Table {
    let mut columns = vec![
        named("base", "INT", &["1", "2", "NULL", "-7"]),
        named("word", "VARCHAR(20)", &["'a'", "'ä'", "NULL", "''"]),
        named("virtual_sum", "BIGINT AS (base * 2) VIRTUAL", &[]),
        named("stored_word", "VARCHAR(40) AS (CONCAT(word, '-', base)) STORED", &[]),
        named("later", "INT", &["9", "NULL"]),
        named("virtual_word", "VARCHAR(20) AS (UPPER(word)) VIRTUAL", &[]),
    ];
    if flavor != Flavor::Mysql57 {
        columns.push(named("by_expression", "INT DEFAULT (1 + 2)", &["5", "NULL"]));
        columns.push(named("unseen", "VARCHAR(10) INVISIBLE", &["'x'", "NULL"]));
        columns.push(named("unseen_default", "INT DEFAULT 12 INVISIBLE", &["1", "NULL"]));
    }
    Table::new("computed", columns)
}

/// Names that need quoting, and defaults of every kind, which a row image may leave out.
fn names() -> Table {
    let columns = vec![
        named("a b", "INT", &["1", "NULL"]),
        named("quote\"d", "INT", &["2", "NULL"]),
        named("it's", "INT", &["3", "NULL"]),
        named("größe_日本", "INT", &["4", "NULL"]),
        named("select", "INT", &["5", "NULL"]),
        named("back`tick", "INT", &["6", "NULL"]),
        named("a.b", "INT", &["7", "NULL"]),
        named("@1", "INT", &["8", "NULL"]),
        named("per%cent?", "INT", &["9", "NULL"]),
        named("rowid", "INT", &["10", "NULL"]),
        named("d_text", "VARCHAR(20) DEFAULT 'it''s \\\\ ä'", &["'x'", "NULL"]),
        named("d_number", "DECIMAL(10,3) DEFAULT -1.5", &["2", "NULL"]),
        named("d_float", "FLOAT DEFAULT 0.1", &["2", "NULL"]),
        named("d_double", "DOUBLE DEFAULT 0.1", &["2", "NULL"]),
        named("d_unsigned", "BIGINT UNSIGNED DEFAULT 18446744073709551615", &["2", "NULL"]),
        named("d_bits", "BIT(10) DEFAULT b'1000000001'", &["b'1'", "NULL"]),
        named("d_bytes", "VARBINARY(10) DEFAULT 'abc'", &["x'00FF'", "NULL"]),
        named("d_hex", "VARBINARY(10) DEFAULT x'006110'", &["x'00FF'", "NULL"]),
        named("d_fixed", "BINARY(4) DEFAULT 'ab'", &["x'00FF'", "NULL"]),
        named("d_char", "CHAR(6) DEFAULT 'ab  '", &["'x'", "NULL"]),
        named("d_date", "DATE DEFAULT '2001-02-03'", &["'2000-01-01'", "NULL"]),
        named("d_zero", "DATE DEFAULT '0000-00-00'", &["'2000-01-01'", "NULL"]),
        named("d_time", "TIME(3) DEFAULT '-01:02:03.5'", &["'01:00'", "NULL"]),
        named("d_datetime", "DATETIME(2) DEFAULT '2001-02-03 04:05:06.78'", &["'2000-01-01'", "NULL"]),
        named("d_stamp", "TIMESTAMP NULL DEFAULT '0000-00-00 00:00:00'", &["'2000-01-01 00:00:00'", "NULL"]),
        named("d_year", "YEAR DEFAULT 1999", &["2000", "NULL"]),
        named("d_enum", "ENUM('a','b') DEFAULT 'b'", &["'a'", "NULL"]),
        named("d_set", "SET('a','b','c') DEFAULT 'c,a'", &["'a'", "NULL"]),
        named("d_null", "VARCHAR(10) DEFAULT NULL", &["'a'", "NULL"]),
    ];
    Table::new("names", columns)
}
