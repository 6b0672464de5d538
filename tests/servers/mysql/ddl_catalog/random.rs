//! Random changes to a table with one row, whose values prove which column came from where.

use slackwater_decoders::event::SchemaChange;

use crate::mysql::ddl_catalog::follower::Follower;

const TYPES: [&str; 9] = [
    "INT",
    "BIGINT UNSIGNED",
    "VARCHAR(20)",
    "VARCHAR(30) CHARACTER SET utf8mb4",
    "CHAR(9)",
    "DECIMAL(12,0)",
    "TEXT",
    "TEXT CHARACTER SET utf8mb4",
    "VARBINARY(40)",
];

/// Xorshift: the same seed gives the same statements everywhere.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.throw(all.len())]
    }

    /// Names in any case: columns compare without regard to it.
    fn column(&mut self) -> String {
        let letter = if self.throw(4) == 0 { 'C' } else { 'c' };
        format!("{letter}{}", self.throw(8))
    }

    fn place(&mut self) -> String {
        match self.throw(4) {
            0 => " FIRST".into(),
            1 => format!(" AFTER {}", self.column()),
            _ => String::new(),
        }
    }

    fn definition(&mut self) -> String {
        let key = match self.throw(12) {
            0 => " UNIQUE",
            1 => " NOT NULL PRIMARY KEY",
            2 | 3 => " NOT NULL",
            _ => "",
        };
        format!("{}{key}", self.of(&TYPES))
    }

    fn key(&mut self) -> String {
        let kind = self.of(&["UNIQUE", "INDEX", "UNIQUE KEY", "KEY", "PRIMARY KEY"]);
        let name = if self.throw(2) == 0 { String::new() } else { format!(" k{}", self.throw(4)) };
        let prefix = |dice: &mut Dice| if dice.throw(3) == 0 { "(5)" } else { "" };
        let first = format!("{}{}", self.column(), prefix(self));
        if self.throw(2) == 0 {
            return format!("{kind}{name} ({first})");
        }
        format!("{kind}{name} ({first}, {}{})", self.column(), prefix(self))
    }

    fn action(&mut self, recent: bool) -> String {
        match self.throw(15) {
            0..=2 => format!("ADD COLUMN {} {}{}", self.column(), self.definition(), self.place()),
            3 => format!(
                "ADD ({} {}, {} {})",
                self.column(),
                self.definition(),
                self.column(),
                self.definition()
            ),
            4 | 5 => format!("DROP COLUMN {}", self.column()),
            6 | 7 => {
                format!("CHANGE {} {} {}{}", self.column(), self.column(), self.definition(), self.place())
            }
            8 | 9 => format!("MODIFY {} {}{}", self.column(), self.definition(), self.place()),
            10 if recent => format!("RENAME COLUMN {} TO {}", self.column(), self.column()),
            10 | 11 => format!("ADD {}", self.key()),
            12 => format!("DROP KEY {}{}", self.of(&["k", "c"]), self.throw(6)),
            13 => self
                .of(&[
                    "DROP PRIMARY KEY",
                    "CONVERT TO CHARACTER SET utf8mb4",
                    "CONVERT TO CHARACTER SET latin1 COLLATE latin1_bin",
                    "DEFAULT CHARACTER SET utf8mb4",
                    "ENGINE=InnoDB",
                ])
                .into(),
            _ if recent => format!("RENAME INDEX k{} TO k{}", self.throw(4), self.throw(4)),
            _ => format!("ALTER COLUMN {} DROP DEFAULT", self.column()),
        }
    }
}

/// Changes a table until `count` changes were accepted.
pub(crate) fn change(follower: &mut Follower, seed: u64, count: usize) {
    let version = follower.catalog.settings().version;
    let recent = version >= 80_000;
    follower.run_script(&["CREATE TABLE r (c0 INT PRIMARY KEY, c1 VARCHAR(20), c2 INT UNIQUE, c3 TEXT)"]);
    assert!(follower.run("INSERT INTO r VALUES (1, 2, 3, 4)"));
    let mut dice = Dice(seed);
    let mut counter = 10;
    let mut accepted = 0;
    for _ in 0..count * 40 {
        if accepted == count {
            break;
        }
        let actions = (0..=dice.throw(3)).map(|_| dice.action(recent)).collect::<Vec<_>>();
        let statement = format!("ALTER TABLE r {}", actions.join(", "));
        if is_quirk(follower, &statement) {
            continue;
        }
        let before = follower.rows("SELECT * FROM ddl.r").remove(0);
        if !follower.run(&statement) {
            continue;
        }
        accepted += 1;
        let changes = follower.follow(&statement);
        if !follower.differences.is_empty() {
            return;
        }
        let after = follower.rows("SELECT * FROM ddl.r").remove(0);
        for change in changes {
            let SchemaChange::AlterTable { columns_from, .. } = change else { continue };
            let plain = |value: &Option<Vec<u8>>| {
                value.clone().map(|value| String::from_utf8(value).unwrap().trim_end_matches('\0').to_owned())
            };
            for (value, from) in after.iter().zip(&columns_from) {
                match from {
                    Some(from) => assert_eq!(plain(value), plain(&before[usize::from(*from)]), "{statement}"),
                    None => {
                        let new = plain(value).is_none_or(|value| matches!(value.as_str(), "" | "0"));
                        assert!(new, "{statement}: a new column has a value");
                    }
                }
            }
        }
        renew(follower, &mut counter);
    }
    assert!(accepted >= count.min(100), "only {accepted} statements were accepted");
}

/// What the catalog does not follow, since it is an error of the server: 9.7 makes a TINYTEXT of a TEXT that a statement
/// defines while it converts to a smaller character set; 5.6 keeps the table's default when no column changes.
fn is_quirk(follower: &Follower, statement: &str) -> bool {
    let version = follower.catalog.settings().version;
    statement.contains("CONVERT")
        && (((80_000..100_000).contains(&version) && statement.contains("TEXT")) || version < 50_700)
}

/// Gives every column a value that none had before.
fn renew(follower: &mut Follower, counter: &mut u32) {
    let table = follower.catalog.iter().find(|table| &*table.name.table == "r").expect("table r");
    let assignments = table.columns.iter().map(|column| {
        *counter += 1;
        format!("{} = {counter}", column.name)
    });
    let update = format!("UPDATE r SET {}", assignments.collect::<Vec<_>>().join(", "));
    assert!(follower.run(&update), "{update}");
}
