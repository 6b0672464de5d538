//! The types of a SQLite file.
//!
//! SQLite converts a value by the affinity of its column's declared type (sqlite.org/datatype3.html, section 3). A value
//! has to come back as it was, so the declared type is one whose affinity leaves it alone:
//!
//! | source | declared | stored as |
//! | --- | --- | --- |
//! | integers up to 63 bits, YEAR, BIT(1) to BIT(63) | `INTEGER` | integer |
//! | unsigned 64-bit, BIT(64) | nothing | integer; above 9223372036854775807 decimal text, because the affinity INTEGER would round it to a floating point number |
//! | FLOAT, DOUBLE | nothing | floating point (a FLOAT widened, which is exact); the affinity REAL would turn −0.0 into 0.0. NaN is the text `NaN` |
//! | DECIMAL | `TEXT` | its digits, scale included; NUMERIC would round to 15 digits |
//! | CHAR, VARCHAR, TEXT, ENUM, SET, UUID, INET4, INET6 | `TEXT` | text (labels; members joined by commas) |
//! | BINARY, VARBINARY, BLOB, VECTOR | `BLOB` | bytes |
//! | GEOMETRY | `BLOB` | SRID (4 bytes, little endian) and WKB, as MySQL's own bytes of the column |
//! | DATE, TIME, DATETIME, TIMESTAMP | `TEXT` | MySQL's spelling with all declared fractional digits; TIMESTAMP in UTC |
//! | JSON | `TEXT` | the document as the source prints it |
//! | boolean | `INTEGER` | 1 and 0 |
//! | numeric | `TEXT` | its digits, `NaN`, `Infinity`, `-Infinity` |
//! | infinite dates, years BC or after 9999 | as other dates | PostgreSQL's spelling (`infinity`, `0044-03-15 BC`) |
//! | bit(n) above 64 | `TEXT` | its digits 0 and 1 |
//! | all other types of PostgreSQL | `TEXT` | as PostgreSQL prints them |

use slackwater_decoders::schema::{Column, ColumnType};

use super::{Mapped, postgres::is_of_postgres};

/// How a column is declared in SQLite.
#[must_use]
pub fn column_type(column: &Column) -> Mapped {
    match &column.column_type {
        ColumnType::Integer { bytes: 8.., unsigned: true } => unsigned_64(),
        ColumnType::Bits(64) => unsigned_64(),
        ColumnType::Bits(65..) => Mapped::exact("TEXT"),
        ColumnType::Boolean | ColumnType::Integer { .. } | ColumnType::Bits(_) | ColumnType::Year => {
            Mapped::exact("INTEGER")
        }
        ColumnType::Float | ColumnType::Double => Mapped::exact(""),
        ColumnType::Binary(_) | ColumnType::VarBinary(_) | ColumnType::Blob(_) | ColumnType::Vector(_) => {
            Mapped::exact("BLOB")
        }
        ColumnType::Geometry(_) => Mapped::exact("BLOB"),
        ColumnType::Json if !is_of_postgres(column) => Mapped::lossy(
            "TEXT",
            "decimals, dates and binaries inside a document are told apart by their text alone",
        ),
        ColumnType::Decimal { .. } => Mapped::lossy("TEXT", "decimals compare as text"),
        ColumnType::Native(_) => Mapped::lossy("TEXT", "becomes its text"),
        ColumnType::Date | ColumnType::DateTime(_) | ColumnType::Timestamp(_) if is_of_postgres(column) => {
            Mapped::lossy("TEXT", "infinite dates and years outside of 0 to 9999 do not sort with the others")
        }
        _ => Mapped::exact("TEXT"),
    }
}

fn unsigned_64() -> Mapped {
    Mapped::lossy("", "numbers above 9223372036854775807 are kept as text")
}

/// Whether a column of this type can be SQLite's own row id (`INTEGER PRIMARY KEY`).
#[must_use]
pub fn is_row_id(column_type: &ColumnType) -> bool {
    match column_type {
        ColumnType::Integer { bytes, unsigned } => *bytes < 8 || !unsigned,
        ColumnType::Year => true,
        _ => false,
    }
}
