//! A small table whose keys come and go, alone and together with columns, while its unique values change their rows.

use anyhow::Result;
use rand::{RngExt as _, rngs::ChaCha8Rng};
use slackwater_testkit::{mysql::Conn, run_statements};

const ROWS: u32 = 200;
/// A name and a definition each.
const KEYS: [(&str, &str); 4] = [
    ("by_group", "KEY by_group (grp)"),
    ("by_note", "KEY by_note (note(10))"),
    ("by_both", "KEY by_both (grp, code)"),
    ("one_code", "UNIQUE KEY one_code (code)"),
];

/// Writes to `shop.keyed`.
#[derive(Default)]
pub(crate) struct Keys {
    /// Which of the keys are there.
    present: [bool; KEYS.len()],
    /// The number in the name of the column that was added last, while it is there.
    extra: Option<u32>,
}

impl Keys {
    /// Makes the table, without any key but the primary one, and fills it.
    pub(crate) fn setup(connection: &mut Conn) -> Result<Self> {
        let rows: Vec<String> = (0..ROWS).map(|id| format!("({id},{id},{},'note {id}')", id % 7)).collect();
        run_statements(
            connection,
            &format!(
                "CREATE TABLE shop.keyed (id INT NOT NULL PRIMARY KEY, code INT NOT NULL, grp INT, note VARCHAR(60)); \
                 INSERT INTO shop.keyed VALUES {}",
                rows.join(",")
            ),
        )?;
        Ok(Keys::default())
    }

    /// A change of keys, or one of rows.
    pub(crate) fn step(&mut self, connection: &mut Conn, random: &mut ChaCha8Rng) -> Result<()> {
        let sql = match random.random_range(0..4) {
            0 => self.alter(random),
            _ => {
                // Two rows swap their codes.
                let (a, b) = (random.random_range(0..ROWS), random.random_range(0..ROWS));
                format!(
                    "BEGIN; SELECT code INTO @a FROM shop.keyed WHERE id = {a}; SELECT code INTO @b FROM shop.keyed WHERE id = {b}; \
                     UPDATE shop.keyed SET code = -1 WHERE id = {a}; UPDATE shop.keyed SET code = @a WHERE id = {b}; \
                     UPDATE shop.keyed SET code = IF({a} = {b}, @a, @b) WHERE id = {a}; COMMIT"
                )
            }
        };
        run_statements(connection, &sql)
    }

    /// One or two keys come or go; now and then a column does in the same statement.
    fn alter(&mut self, random: &mut ChaCha8Rng) -> String {
        let first = random.random_range(0..KEYS.len());
        let second = random.random_range(0..KEYS.len());
        let mut parts = Vec::new();
        let keys = KEYS.iter().zip(&mut self.present).enumerate();
        for (_, ((name, definition), present)) in keys.filter(|(place, _)| [first, second].contains(place)) {
            parts.push(if *present { format!("DROP KEY {name}") } else { format!("ADD {definition}") });
            *present = !*present;
        }
        if random.random_range(0..3) == 0 {
            parts.push(match self.extra.take() {
                Some(number) => format!("DROP COLUMN extra_{number}"),
                None => {
                    let number = *self.extra.insert(random.random());
                    format!("ADD COLUMN extra_{number} INT, ADD KEY by_extra_{number} (extra_{number})")
                }
            });
        }
        format!("ALTER TABLE shop.keyed {}", parts.join(", "))
    }
}
