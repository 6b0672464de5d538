//! Schema changes, some inside of a transaction with data changes.

use rand::RngExt;

use super::PostgresWorkload;
use super::tables::{EXTRA_KINDS, JOURNAL, STAGING};

/// More than these are not added or made.
const MOST_EXTRAS: usize = 4;
const MOST_PASSING: usize = 4;
const MOST_INDEXES: usize = 3;

impl PostgresWorkload {
    /// The next DDL statement. Each kind falls back on another one where there is nothing to change.
    pub(super) fn ddl(&mut self) -> anyhow::Result<String> {
        let tables = self.all_tables();
        let table = *self.pick(&tables)?;
        let (extras, passing, indexes) = match &self.catalog {
            Some(catalog) => {
                (catalog.extras(table.name).to_vec(), catalog.passing.clone(), catalog.indexes.clone())
            }
            None => Default::default(),
        };
        let schema = self.schema.clone();
        let target = format!("{schema}.{}", table.name);
        let choice = self.rng.random_range(0..100);
        Ok(match choice {
            0..10 if self.truncates => self.truncate(),
            10..25 if passing.len() < MOST_PASSING && !self.additive => {
                let serial = self.next_serial();
                format!(
                    "CREATE TABLE {schema}.passing_{serial} (id bigint NOT NULL PRIMARY KEY, line varchar(80))"
                )
            }
            10..20 if !self.additive => format!("DROP TABLE {schema}.{}", self.pick(&passing)?),
            20..32 if !passing.is_empty() => {
                let (from, to) = (self.pick(&passing)?, self.next_serial());
                format!("ALTER TABLE {schema}.{from} RENAME TO passing_{to}")
            }
            32..40 if indexes.len() < MOST_INDEXES => {
                let columns: Vec<_> = table.columns(true).filter(|column| column.kind.is_short()).collect();
                let column = self.pick(&columns)?.name;
                format!("CREATE INDEX passing_index_{} ON {target} ({column})", self.next_serial())
            }
            32..45 if !indexes.is_empty() => format!("DROP INDEX {schema}.{}", self.pick(&indexes)?),
            45..57 if !extras.is_empty() && !self.additive => {
                format!("ALTER TABLE {target} DROP COLUMN {}", self.pick(&extras)?.name)
            }
            57..70 if !extras.is_empty() && !self.additive => {
                let extra = self.pick(&extras)?;
                let (name, word, serial) = (&extra.name, extra.word(), self.next_serial());
                format!("ALTER TABLE {target} RENAME COLUMN {name} TO extra_{word}_{serial}")
            }
            70..85 if !extras.is_empty() => {
                let extra = self.pick(&extras)?;
                let (.., wider) = extra.kind()?;
                format!("ALTER TABLE {target} ALTER COLUMN {} TYPE {wider}", extra.name)
            }
            _ if extras.len() < MOST_EXTRAS => {
                let (word, _, sql_type, _) = self.pick(EXTRA_KINDS)?;
                format!("ALTER TABLE {target} ADD COLUMN extra_{word}_{} {sql_type}", self.next_serial())
            }
            _ if self.additive => {
                let extra = self.pick(&extras)?;
                let (.., wider) = extra.kind()?;
                format!("ALTER TABLE {target} ALTER COLUMN {} TYPE {wider}", extra.name)
            }
            _ => format!("ALTER TABLE {target} DROP COLUMN {}", self.pick(&extras)?.name),
        })
    }

    /// Where nothing that later steps need goes away; two tables at once now and then.
    pub(super) fn truncate(&mut self) -> String {
        let schema = &self.schema;
        match self.rng.random_range(0..4) {
            0 => format!("TRUNCATE {schema}.readings, {schema}.{STAGING} RESTART IDENTITY"),
            1 => format!("TRUNCATE {schema}.readings"),
            2 => format!("TRUNCATE {schema}.{JOURNAL}"),
            _ => format!("TRUNCATE {schema}.{STAGING} CASCADE"),
        }
    }
}
