//! Tables that take a while to copy, and changes at every distance from where the copy is: rows that move from the part that
//! is copied to the part that is not and back, unique values that change their rows across it, and long values that stay out of
//! the log while their rows change.

use anyhow::Result;
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};
use slackwater_testkit::{postgres::Client, run_postgres};

use super::SCHEMA;

/// Rows of each table.
const ROWS: u32 = 40_000;
/// Keys that rows move to lie in as many steps beside the others.
const ROOM: u32 = 1_000_000;

/// Writes to `bulk_numbers` (a number as its key, a unique secondary key) and to `bulk_names` (a key of a text and a number, and
/// a long value now and then).
pub(crate) struct Bulk {
    random: ChaCha8Rng,
    serial: u32,
}

impl Bulk {
    /// Makes the tables and fills them.
    pub(crate) fn setup(client: &mut Client, seed: u64) -> Result<Self> {
        run_postgres(
            client,
            &format!(
                "CREATE TABLE {SCHEMA}.bulk_numbers (id int PRIMARY KEY, code int NOT NULL, note varchar(200)); \
                 CREATE UNIQUE INDEX bulk_code ON {SCHEMA}.bulk_numbers (code); \
                 CREATE INDEX bulk_note ON {SCHEMA}.bulk_numbers (note); \
                 CREATE TABLE {SCHEMA}.bulk_names (name varchar(40) NOT NULL, part int NOT NULL, price numeric(12,2), body text, \
                   PRIMARY KEY (name, part)); \
                 ALTER TABLE {SCHEMA}.bulk_names ALTER body SET STORAGE EXTERNAL; \
                 CREATE INDEX bulk_price ON {SCHEMA}.bulk_names (price); \
                 INSERT INTO {SCHEMA}.bulk_numbers SELECT i * 10, i, repeat('n' || i || ' ', 9) FROM generate_series(0, {last}) i; \
                 INSERT INTO {SCHEMA}.bulk_names SELECT 'Größe ' || (i * 7 % 1000), i, i + 0.25, \
                   repeat('f', CASE WHEN i % 100 = 0 THEN 3000 ELSE i % 200 END) FROM generate_series(0, {last}) i",
                last = ROWS - 1
            ),
        )?;
        Ok(Bulk { random: ChaCha8Rng::seed_from_u64(!seed), serial: ROOM })
    }

    /// One transaction.
    pub(crate) fn step(&mut self, client: &mut Client) -> Result<()> {
        let [a, b] = [0; 2].map(|_| self.random.random_range(0..ROWS) * 10);
        self.serial += 1;
        let serial = self.serial;
        let numbers = format!("{SCHEMA}.bulk_numbers");
        let sql = match self.random.random_range(0..8) {
            0 => format!("INSERT INTO {numbers} VALUES ({},{serial},'new') ON CONFLICT DO NOTHING", a + 5),
            1 => format!("DELETE FROM {numbers} WHERE id = {a}"),
            2 => {
                format!("UPDATE {numbers} SET note = 'changed {serial}' WHERE id BETWEEN {a} AND {}", a + 300)
            }
            // To the other end of the table: ahead of the copy or behind it.
            3 => {
                let to = ROWS * 10 - a + 3;
                format!(
                    "UPDATE {numbers} SET id = {to} WHERE id = {a} AND NOT EXISTS (SELECT FROM {numbers} WHERE id = {to})"
                )
            }
            4 => format!("UPDATE {numbers} SET id = -{serial} WHERE id = {a}"),
            5 => swap(&numbers, a, b, serial),
            // A row goes and its unique value comes back at another place at once.
            6 => format!(
                "WITH gone AS (SELECT code FROM {numbers} WHERE id = {a}) \
                 SELECT set_config('bulk.code', (SELECT code::text FROM gone), false); \
                 DELETE FROM {numbers} WHERE id = {a}; \
                 INSERT INTO {numbers} SELECT -{serial}, code::int, 'heir' \
                   FROM nullif(current_setting('bulk.code'), '') AS code WHERE code IS NOT NULL"
            ),
            _ => format!(
                "UPDATE {SCHEMA}.bulk_names SET price = price + 1, part = part + {ROOM} WHERE part BETWEEN {} AND {}",
                a / 10,
                a / 10 + 3
            ),
        };
        run_postgres(client, &sql)
    }
}

/// Two rows swap a unique value, if both are there.
fn swap(numbers: &str, a: u32, b: u32, serial: u32) -> String {
    format!(
        "DO $$ DECLARE first int; second int; BEGIN \
           SELECT code INTO first FROM {numbers} WHERE id = {a}; SELECT code INTO second FROM {numbers} WHERE id = {b}; \
           IF {a} <> {b} AND first IS NOT NULL AND second IS NOT NULL THEN \
             UPDATE {numbers} SET code = -{serial} WHERE id = {a}; \
             UPDATE {numbers} SET code = first WHERE id = {b}; \
             UPDATE {numbers} SET code = second WHERE id = {a}; \
           END IF; END $$"
    )
}
