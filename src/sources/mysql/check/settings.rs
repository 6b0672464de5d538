//! The server's variables, as they have to be for its log to hold everything.

use std::collections::HashMap;

use super::super::{connection::Version, response::Rows};
use crate::sources::Finding;

/// A log that is kept for less is short: a task that stands still over a night loses its place.
const SHORT_RETENTION: u64 = 24 * 60 * 60;
const DAY: u64 = 24 * 60 * 60;

/// The global variables of a server, in lower case.
pub(super) struct Settings {
    values: HashMap<String, String>,
    version: Version,
}

impl Settings {
    /// From the answer to SHOW GLOBAL VARIABLES.
    pub(super) fn new(rows: &Rows, version: Version) -> Self {
        let pair = |row: super::super::response::Row<'_>| {
            Some((row.at(0)?.to_lowercase(), row.at(1).unwrap_or_default().to_owned()))
        };
        Settings { values: rows.iter().filter_map(pair).collect(), version }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    pub(super) fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("ON") || value == "1")
    }

    fn number(&self, name: &str) -> Option<u64> {
        // MariaDB's expire_logs_days has decimals.
        self.get(name)?.split('.').next()?.parse().ok()
    }

    /// The statement that sets a variable for now and for the next start.
    pub(super) fn set(&self, name: &str, value: &str) -> String {
        if self.version.is_mysql(8, 0, 0) {
            format!("SET PERSIST {name} = {value};")
        } else {
            format!(
                "-- also {name} = {} below [mysqld] in the option file: this holds until the server restarts\n\
                 SET GLOBAL {name} = {value};",
                value.trim_matches('\'')
            )
        }
    }

    /// All items that follow from variables alone.
    pub(super) fn findings(&self, several_hosts: bool) -> Vec<Finding> {
        vec![
            self.log_bin(),
            self.format(),
            self.row_image(),
            self.row_metadata(),
            self.row_value_options(),
            self.retention(),
            self.gtid(several_hosts),
            self.encryption(),
            self.name_case(),
            self.packet(),
            self.timestamp_defaults(),
        ]
    }

    fn log_bin(&self) -> Finding {
        let code = "mysql.log_bin";
        if self.is_on("log_bin") {
            return Finding::ok(code, "the server writes a binlog");
        }
        Finding::error(
            code,
            "the server writes no binlog",
            option_file(&["log_bin = binlog", "server_id = 1"]),
        )
    }

    fn format(&self) -> Finding {
        let code = "mysql.binlog_format";
        match self.get("binlog_format") {
            None | Some("ROW") => Finding::ok(code, "the binlog has rows"),
            Some(other) => Finding::error(
                code,
                format!(
                    "binlog_format is {other}: changes of rows are logged as statements, which cannot be carried. A session \
                     that is open keeps its format until it connects again"
                ),
                self.set("binlog_format", "'ROW'"),
            ),
        }
    }

    fn row_image(&self) -> Finding {
        let code = "mysql.binlog_row_image";
        let cost = if self.version.mariadb {
            "MariaDB logs REPLACE without the columns that it reset to their defaults, so that the destination keeps old \
             values there; and rows of tables without a key cannot be found by all their columns"
        } else {
            "changes hold only some columns: rows of tables without a key cannot be told apart, a row that is missing at \
             the destination cannot be completed, and exported changes have no full before and after"
        };
        match self.get("binlog_row_image") {
            // Before MySQL 5.6.2 and MariaDB 10.1.6 there is nothing else.
            None | Some("FULL" | "FULL_NODUP") => Finding::ok(code, "changes hold whole rows"),
            Some(other) => Finding::warning(
                code,
                format!("binlog_row_image is {other}: {cost}"),
                self.set("binlog_row_image", "'FULL'"),
            ),
        }
    }

    fn row_metadata(&self) -> Finding {
        let code = "mysql.binlog_row_metadata";
        let cost = "columns are named from the definitions that the server has at the start and from the DDL in the log; a \
                    table that was altered between a start in the past and now cannot be read";
        match self.get("binlog_row_metadata") {
            None => Finding::ok(code, format!("this version logs no names: {cost}")),
            Some("FULL") => Finding::ok(code, "the log names columns and keys itself"),
            Some(other) => Finding::warning(
                code,
                format!("binlog_row_metadata is {other}: {cost}"),
                self.set("binlog_row_metadata", "'FULL'"),
            ),
        }
    }

    /// Whether the log names the columns itself.
    pub(super) fn has_full_metadata(&self) -> bool {
        self.get("binlog_row_metadata") == Some("FULL")
    }

    fn row_value_options(&self) -> Finding {
        let partial =
            self.get("binlog_row_value_options").is_some_and(|options| options.contains("PARTIAL_JSON"));
        Finding::ok(
            "mysql.binlog_row_value_options",
            if partial {
                "PARTIAL_JSON is on: updates of JSON columns come as differences, and are applied as such"
            } else {
                "JSON documents are logged whole"
            },
        )
    }

    /// For how long binlog files are kept; `None`: until somebody purges them.
    pub(super) fn kept_seconds(&self) -> Option<u64> {
        let seconds = match self.number("binlog_expire_logs_seconds") {
            Some(seconds) if self.counts_seconds() => seconds,
            _ => self.number("expire_logs_days").unwrap_or(0) * DAY,
        };
        let purges = self.get("binlog_expire_logs_auto_purge").is_none_or(|value| value == "ON");
        (seconds > 0 && purges).then_some(seconds)
    }

    /// Whether the variable in seconds is the one that counts, and not the one in days.
    fn counts_seconds(&self) -> bool {
        self.number("binlog_expire_logs_seconds").is_some_and(|seconds| {
            seconds > 0 || self.number("expire_logs_days").is_none_or(|days| days == 0)
        })
    }

    fn retention(&self) -> Finding {
        let code = "mysql.retention";
        let Some(seconds) = self.kept_seconds() else {
            return Finding::ok(code, "binlog files are kept until somebody purges them");
        };
        let found = format!("binlog files are kept for {}", period(seconds));
        if seconds >= SHORT_RETENTION {
            return Finding::ok(code, found);
        }
        let found = format!("{found}: a task that stands still for longer has to start anew");
        Finding::warning(code, found, self.keep_for(7 * DAY))
    }

    /// The statement that keeps binlog files for that long, or somewhat longer.
    pub(super) fn keep_for(&self, seconds: u64) -> String {
        if self.counts_seconds() {
            self.set("binlog_expire_logs_seconds", &seconds.to_string())
        } else {
            self.set("expire_logs_days", &seconds.div_ceil(DAY).to_string())
        }
    }

    fn gtid(&self, several_hosts: bool) -> Finding {
        let code = "mysql.gtid_mode";
        if self.version.mariadb {
            return self.mariadb_gtid(several_hosts);
        }
        let mode = self.get("gtid_mode").unwrap_or("OFF");
        if mode == "ON" {
            let consistency = self.get("enforce_gtid_consistency").unwrap_or("ON");
            return Finding::ok(
                code,
                format!("every transaction has a GTID (enforce_gtid_consistency is {consistency})"),
            );
        }
        let repair = if self.version.is_mysql(5, 7, 6) {
            // Each step has to be taken on all servers of the topology before the next.
            let steps = [
                ("enforce_gtid_consistency", "ON"),
                ("gtid_mode", "OFF_PERMISSIVE"),
                ("gtid_mode", "ON_PERMISSIVE"),
                ("gtid_mode", "ON"),
            ];
            let from = match mode {
                "ON_PERMISSIVE" => 3,
                "OFF_PERMISSIVE" => 2,
                _ => 0,
            };
            let steps: Vec<String> =
                steps.iter().skip(from).map(|(name, value)| self.set(name, value)).collect();
            format!("-- each step on all servers of the topology before the next\n{}", steps.join("\n"))
        } else {
            option_file(&["gtid_mode = ON", "enforce_gtid_consistency = ON", "log_slave_updates = ON"])
        };
        if several_hosts {
            let found = format!("gtid_mode is {mode}: several servers can be followed by GTID alone");
            return Finding::error(code, found, repair);
        }
        let found = format!(
            "gtid_mode is {mode}: the position is a file and an offset of this server, and no other server can take over"
        );
        Finding::warning(code, found, repair)
    }

    fn mariadb_gtid(&self, several_hosts: bool) -> Finding {
        let code = "mysql.gtid_mode";
        if several_hosts && !self.is_on("gtid_strict_mode") {
            let found =
                "gtid_strict_mode is OFF: a server that was written to on its own could take over unnoticed";
            return Finding::warning(code, found, self.set("gtid_strict_mode", "ON"));
        }
        Finding::ok(code, "every transaction has a GTID")
    }

    fn encryption(&self) -> Finding {
        let encrypted = self.is_on("binlog_encryption") || self.is_on("encrypt_binlog");
        Finding::ok(
            "mysql.binlog_encryption",
            if encrypted {
                "the binlog files are encrypted; the server decrypts what it sends"
            } else {
                "the binlog files are not encrypted"
            },
        )
    }

    fn name_case(&self) -> Finding {
        let value = self.get("lower_case_table_names").unwrap_or("0");
        let meaning = match value {
            "0" => "names of tables differ by case",
            "1" => "names of tables are in lower case",
            _ => "names of tables keep their case and do not differ by it",
        };
        Finding::ok("mysql.lower_case_table_names", format!("lower_case_table_names is {value}: {meaning}"))
    }

    fn packet(&self) -> Finding {
        let bytes = self.number("max_allowed_packet").unwrap_or(0);
        Finding::ok(
            "mysql.max_allowed_packet",
            format!("max_allowed_packet is {bytes} bytes; events up to 1 GiB are read whatever it is"),
        )
    }

    fn timestamp_defaults(&self) -> Finding {
        let code = "mysql.explicit_defaults_for_timestamp";
        // Since 8.0.1 the log says with each statement how it was meant.
        if self.is_on("explicit_defaults_for_timestamp") || self.version.is_mysql(8, 0, 1) {
            return Finding::ok(code, "TIMESTAMP columns in statements of the log have one meaning");
        }
        if self.version.mariadb && self.version.numbers >= (10, 10, 0) {
            let found = "explicit_defaults_for_timestamp is OFF: a CREATE TABLE in the log with a TIMESTAMP column that says \
                         neither NULL nor NOT NULL is taken as nullable";
            return Finding::warning(code, found, self.set("explicit_defaults_for_timestamp", "ON"));
        }
        let found = "explicit_defaults_for_timestamp is OFF: a CREATE TABLE in the log with a TIMESTAMP column that says neither \
                     NULL nor NOT NULL is taken as nullable";
        Finding::warning(code, found, option_file(&["explicit_defaults_for_timestamp = ON"]))
    }
}

/// Lines for the server's option file.
pub(super) fn option_file(lines: &[&str]) -> String {
    format!("below [mysqld] in the server's option file, then restart the server:\n{}", lines.join("\n"))
}

fn period(seconds: u64) -> String {
    if seconds >= DAY { format!("{} days", seconds / DAY) } else { format!("{} minutes", seconds / 60) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::sources::Level;

    fn settings(version: (u16, u16, u16), mariadb: bool, values: &[(&str, &str)]) -> Settings {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings { values, version: Version { text: String::new(), numbers: version, mariadb } }
    }

    /// `SET PERSIST` came with MySQL 8.0, setting gtid_mode while the server runs with 5.7.6; MariaDB has neither.
    #[test]
    fn repairs_have_the_syntax_of_the_version() {
        let repair = |settings: &Settings| settings.format().repair.unwrap();
        let statement = [("binlog_format", "MIXED")];
        assert_eq!(repair(&settings((8, 4, 3), false, &statement)), "SET PERSIST binlog_format = 'ROW';");
        for (version, mariadb) in [((5, 7, 44), false), ((11, 8, 3), true)] {
            let repair = repair(&settings(version, mariadb, &statement));
            assert!(repair.ends_with("\nSET GLOBAL binlog_format = 'ROW';"), "{repair}");
            assert!(repair.starts_with("-- also binlog_format = ROW below [mysqld]"), "{repair}");
        }
        let gtid = |version| settings(version, false, &[("gtid_mode", "OFF")]).gtid(false).repair.unwrap();
        assert!(
            gtid((5, 6, 51))
                .ends_with("\ngtid_mode = ON\nenforce_gtid_consistency = ON\nlog_slave_updates = ON")
        );
        assert!(gtid((5, 7, 44)).contains("SET GLOBAL gtid_mode = ON_PERMISSIVE;"));
        let late = settings((9, 7, 4), false, &[("gtid_mode", "ON_PERMISSIVE")]).gtid(false).repair.unwrap();
        assert!(late.ends_with("next\nSET PERSIST gtid_mode = ON;"), "{late}");
    }

    #[test]
    fn several_servers_need_gtids() {
        let off = settings((8, 0, 40), false, &[("gtid_mode", "OFF")]);
        assert_eq!((off.gtid(false).level, off.gtid(true).level), (Level::Warning, Level::Error));
        let on = settings((8, 0, 40), false, &[("gtid_mode", "ON")]);
        assert_eq!(on.gtid(true).level, Level::Ok);
        let mariadb = settings((10, 11, 6), true, &[("gtid_strict_mode", "OFF")]);
        assert_eq!((mariadb.gtid(false).level, mariadb.gtid(true).level), (Level::Ok, Level::Warning));
    }

    /// 8.0 has both variables and obeys the seconds unless they are 0; before there are days alone, in MariaDB with decimals.
    #[test]
    fn retention_is_read_from_where_the_version_has_it() {
        let found = |version, mariadb, values: &[_]| {
            let finding = settings(version, mariadb, values).retention();
            (finding.level, finding.found)
        };
        let (level, found_80) =
            found((8, 0, 40), false, &[("binlog_expire_logs_seconds", "2592000"), ("expire_logs_days", "0")]);
        assert!(level == Level::Ok && found_80.contains("30 days"), "{found_80}");
        let (level, found_days) =
            found((8, 0, 40), false, &[("binlog_expire_logs_seconds", "0"), ("expire_logs_days", "5")]);
        assert!(level == Level::Ok && found_days.contains("5 days"), "{found_days}");
        let short = [("binlog_expire_logs_seconds", "7200")];
        assert_eq!(found((9, 7, 4), false, &short).0, Level::Warning);
        let kept = [short[0], ("binlog_expire_logs_auto_purge", "OFF")];
        assert_eq!(found((9, 7, 4), false, &kept).0, Level::Ok);
        assert!(found((5, 6, 51), false, &[("expire_logs_days", "0")]).1.contains("until somebody purges"));
        assert_eq!(
            found(
                (10, 11, 6),
                true,
                &[("binlog_expire_logs_seconds", "3600"), ("expire_logs_days", "0.041667")]
            )
            .0,
            Level::Warning
        );
    }
}
