//! Tables that take a while to copy, and changes at every distance from where the copy is: rows that move from the part that
//! is copied to the part that is not and back, and unique values that change their rows across it.

use anyhow::Result;
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};
use slackwater_testkit::{mysql::Conn, run_statements};

use super::keys::Keys;

/// Rows of each table.
const ROWS: u32 = 40_000;
/// Keys that rows move to lie in as many steps beside the others.
const ROOM: u32 = 1_000_000;

/// Writes to `shop.bulk_numbers` (a number as its key, a unique secondary key), to `shop.bulk_names` (a key of a text and a
/// number), and to a table whose [keys](Keys) change.
pub(crate) struct Bulk {
    random: ChaCha8Rng,
    serial: u32,
    keys: Keys,
}

impl Bulk {
    /// Makes the tables in the database `shop`, and fills them.
    pub(crate) fn setup(connection: &mut Conn, seed: u64) -> Result<Self> {
        run_statements(
            connection,
            "CREATE TABLE shop.bulk_numbers (id INT NOT NULL PRIMARY KEY, code INT NOT NULL, note VARCHAR(200), \
             UNIQUE KEY by_code (code), KEY by_note (note(20))); \
             CREATE TABLE shop.bulk_names (name VARCHAR(40) NOT NULL, part INT NOT NULL, price DECIMAL(12,2), \
             filler VARCHAR(200), PRIMARY KEY (name, part), KEY by_price (price)) DEFAULT CHARSET=utf8mb4",
        )?;
        for start in (0..ROWS).step_by(2_000) {
            let ids = start..(start + 2_000).min(ROWS);
            let numbers: Vec<String> =
                ids.clone().map(|id| format!("({},{id},REPEAT('n{id} ',9))", id * 10)).collect();
            let names: Vec<String> = ids
                .map(|id| format!("('Größe {:03}',{id},{id}.25,REPEAT('f',{}))", id * 7 % 1_000, id % 200))
                .collect();
            run_statements(
                connection,
                &format!(
                    "INSERT INTO shop.bulk_numbers VALUES {}; INSERT INTO shop.bulk_names VALUES {}",
                    numbers.join(","),
                    names.join(",")
                ),
            )?;
        }
        let keys = Keys::setup(connection)?;
        Ok(Bulk { random: ChaCha8Rng::seed_from_u64(!seed), serial: ROOM, keys })
    }

    /// One transaction.
    pub(crate) fn step(&mut self, connection: &mut Conn) -> Result<()> {
        if self.random.random_range(0..8) == 0 {
            return self.keys.step(connection, &mut self.random);
        }
        let [a, b] = [0; 2].map(|_| self.random.random_range(0..ROWS) * 10);
        self.serial += 1;
        let serial = self.serial;
        let numbers = "shop.bulk_numbers";
        let sql = match self.random.random_range(0..8) {
            0 => format!("INSERT IGNORE INTO {numbers} VALUES ({},{serial},'new')", a + 5),
            1 => format!("DELETE FROM {numbers} WHERE id = {a}"),
            2 => {
                format!("UPDATE {numbers} SET note = 'changed {serial}' WHERE id BETWEEN {a} AND {}", a + 300)
            }
            // To the other end of the table: ahead of the copy or behind it.
            3 => format!("UPDATE IGNORE {numbers} SET id = {} WHERE id = {a}", ROWS * 10 - a + 3),
            4 => format!("UPDATE {numbers} SET id = -{serial} WHERE id = {a}"),
            // Two rows swap a unique value; NULL, where one of them is gone, leaves everything as it is.
            5 => format!(
                "BEGIN; SET @a = (SELECT code FROM {numbers} WHERE id = {a}), @b = (SELECT code FROM {numbers} WHERE id = {b}); \
                 UPDATE {numbers} SET code = -{serial} WHERE id = {a} AND @b IS NOT NULL AND {a} <> {b}; \
                 UPDATE {numbers} SET code = @a WHERE id = {b} AND @a IS NOT NULL AND {a} <> {b}; \
                 UPDATE {numbers} SET code = @b WHERE id = {a} AND @b IS NOT NULL AND {a} <> {b}; COMMIT"
            ),
            // A row goes and its unique value comes back at another place at once.
            6 => format!(
                "BEGIN; SET @a = (SELECT code FROM {numbers} WHERE id = {a}); DELETE FROM {numbers} WHERE id = {a}; \
                 INSERT INTO {numbers} SELECT -{serial}, @a, 'heir' FROM DUAL WHERE @a IS NOT NULL; COMMIT"
            ),
            _ => format!(
                "UPDATE shop.bulk_names SET price = price + 1, part = part + {ROOM} WHERE part BETWEEN {} AND {}",
                a / 10,
                a / 10 + 3
            ),
        };
        run_statements(connection, &sql)
    }
}
