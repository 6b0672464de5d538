//! Schema changes that every flavor understands.

use rand::RngExt;

use super::Workload;
use super::tables::{EXTRA_KINDS, Extra, STAGING, TABLES};

/// More than these are not added or made.
const MOST_EXTRAS: usize = 4;
const MOST_PASSING: usize = 4;

impl Workload {
    /// The next DDL statement. Each kind falls back on another one where there is nothing to change.
    pub(super) fn ddl(&mut self) -> anyhow::Result<String> {
        let table = self.pick(TABLES)?;
        let (extras, passing) = match &self.schema {
            Some(schema) => (schema.extras(table.name).to_vec(), schema.passing.clone()),
            None => Default::default(),
        };
        let database = self.database.clone();
        let target = format!("{database}.{}", table.name);
        let choice = self.rng.random_range(0..100);
        Ok(match choice {
            0..15 => {
                // Where nothing that later steps need goes away.
                let name = if self.rng.random() { "readings" } else { STAGING };
                format!("TRUNCATE TABLE {database}.{name}")
            }
            15..35 if passing.len() < MOST_PASSING => self.create_table(),
            15..25 => format!("DROP TABLE {database}.{}", self.pick(&passing)?),
            25..45 if !passing.is_empty() => {
                let (from, to) = (self.pick(&passing)?, self.next_serial());
                // Both spellings are in use.
                if self.rng.random() {
                    format!("RENAME TABLE {database}.{from} TO {database}.passing_{to}")
                } else {
                    format!("ALTER TABLE {database}.{from} RENAME TO {database}.passing_{to}")
                }
            }
            45..60 if !extras.is_empty() => {
                format!("ALTER TABLE {target} DROP COLUMN {}", self.pick(&extras)?.name)
            }
            60..72 if !extras.is_empty() => {
                let Extra { name, sql_type } = self.pick(&extras)?;
                let renamed =
                    format!("extra_{}_{}", name.split('_').nth(1).unwrap_or_default(), self.next_serial());
                format!("ALTER TABLE {target} CHANGE COLUMN {name} {renamed} {sql_type}")
            }
            72..85 if !extras.is_empty() => {
                let extra = self.pick(&extras)?;
                let (.., wider) = extra.kind()?;
                format!("ALTER TABLE {target} MODIFY COLUMN {} {wider}", extra.name)
            }
            _ if extras.len() < MOST_EXTRAS => {
                let (word, _, sql_type, _) = self.pick(EXTRA_KINDS)?;
                let name = format!("extra_{word}_{}", self.next_serial());
                let place = match self.rng.random_range(0..3) {
                    0 => " FIRST".to_owned(),
                    1 => format!(" AFTER {}", self.pick(table.columns)?.name),
                    _ => String::new(),
                };
                format!("ALTER TABLE {target} ADD COLUMN {name} {sql_type}{place}")
            }
            _ => format!("ALTER TABLE {target} DROP COLUMN {}", self.pick(&extras)?.name),
        })
    }

    fn create_table(&mut self) -> String {
        let serial = self.next_serial();
        format!(
            "CREATE TABLE {}.passing_{serial} (id BIGINT NOT NULL, line VARCHAR(80), PRIMARY KEY (id)) ENGINE=InnoDB",
            self.database
        )
    }
}
