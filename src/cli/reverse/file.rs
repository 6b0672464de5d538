//! The text of the task file for the way back.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use crate::{
    config::{DestinationConfig, SourceConfig, Task},
    error::{Error, Result},
    mapping::Inverse,
};

/// Keys of `[cutover]` that hold for both ways.
const CUTOVER_KEYS: [&str; 5] = ["downtime", "verify", "timeout", "interrupted", "poll_interval"];
/// Keys of `[cutover]` that turn traffic to one side, and have to be others for the other one.
const ONE_WAY_KEYS: [&str; 4] = ["command", "webhook", "unit", "fence_command"];
/// Keys of an account that are the same at both ends.
const ACCOUNT_KEYS: [&str; 3] = ["user", "password_file", "password_env"];

/// A task file, and the place of the one for the way back.
pub(super) struct Forward<'a> {
    /// The task.
    pub(super) task: &'a Task,
    /// Its file.
    pub(super) file: &'a Path,
    /// The file's text.
    pub(super) text: &'a str,
    /// The directory that the new file will be in, when it is not the one of `file`.
    pub(super) other_directory: bool,
}

/// The file of the way back.
///
/// # Errors
/// Definite, with all reasons, when there is no way back.
pub(super) fn reversed(forward: &Forward<'_>) -> Result<String> {
    let Forward { task, file, text, .. } = forward;
    let document: Table = toml::from_str(text)
        .map_err(|error| Error::definite("cannot read the task file").on(file.display()).caused_by(error))?;
    refuse_ends(task)?;
    let inverse = Inverse::of(&task.objects, &task.mapping).map_err(|reasons| {
        Error::definite(format!("there is no way back for this task:\n  - {}", reasons.join("\n  - ")))
            .on(&task.name)
            .remedy(
                "run it without `cutover.reverse`; or change the rules, and copy the tables again with them",
            )
    })?;
    let writer = Writer { forward, document: &document, out: String::new() };
    Ok(writer.write(&inverse))
}

fn refuse_ends(task: &Task) -> Result<()> {
    let why = match (&task.source, &task.destination) {
        (SourceConfig::MysqlFiles(_), _) => {
            "the source is a directory of binlog files, which nothing can be written to"
        }
        (_, DestinationConfig::Sqlite(_)) => {
            "the destination is a SQLite file, which has no log of its changes"
        }
        _ => return Ok(()),
    };
    Err(Error::definite(format!("there is no way back for this task: {why}")).on(&task.name))
}

struct Writer<'a> {
    forward: &'a Forward<'a>,
    document: &'a Table,
    out: String,
}

impl Writer<'_> {
    fn write(mut self, inverse: &Inverse) -> String {
        self.head();
        self.source();
        self.destination();
        self.objects(inverse);
        self.shared_section("apply");
        self.cutover();
        self.shared_section("log");
        self.out
    }

    fn line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    fn key(&mut self, key: &str, value: &Value) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.out, "{key} = {value}");
    }

    fn text(&mut self, key: &str, text: &str) {
        self.key(key, &Value::String(text.to_owned()));
    }

    fn section(&self, name: &str) -> Table {
        self.document.get(name).and_then(Value::as_table).cloned().unwrap_or_default()
    }

    fn head(&mut self) {
        let Forward { task, file, .. } = self.forward;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        self.line(&format!(
            "# The way back of {name}: what is written to its destination once traffic is there is carried to its source, so that\n\
             # `slackwater rollback {name}` can turn the traffic back without a loss. Written by `slackwater reverse`.\n\
             #\n\
             # In {name}:\n\
             #   [cutover]\n\
             #   reverse = \"<this file>\"\n\
             # The cutover checks both ends of this task before it begins, and starts it at the switch. Try before: `slackwater check` with\n\
             # this file.\n"
        ));
        let reverse = format!("{}-reverse", task.name.chars().take(56).collect::<String>());
        self.text("name", &reverse);
        let state_dir = match self.document.get("state_dir").and_then(Value::as_str) {
            Some(directory) => self.placed(&beside(directory)),
            None => beside(&task.state_dir.to_string_lossy()),
        };
        self.text("state_dir", &state_dir);
        self.line("start = \"now\"                     # the cutover sets the position: the end of the log inside of the switch");
    }

    /// A path of the first file as this one has to write it.
    fn placed(&self, path: &str) -> String {
        let directory = self.forward.file.parent().filter(|_| self.forward.other_directory);
        match directory {
            Some(directory) if Path::new(path).is_relative() => {
                directory.join(path).to_string_lossy().into_owned()
            }
            _ => path.to_owned(),
        }
    }

    fn source(&mut self) {
        let account = self.section("destination");
        self.line("\n# The former destination. The account needs, in addition to what it has:");
        match &self.forward.task.destination {
            DestinationConfig::Postgres(config) => {
                let user = quoted(&config.user, '"');
                self.line(&format!(
                    "#   ALTER ROLE {user} REPLICATION;\n\
                     #   ownership of the tables (or membership in their owner), for the publication\n\
                     # and the server wal_level = logical, a free slot (max_replication_slots) and a free sender (max_wal_senders).\n\
                     # To close it to applications at a rollback: ALTER DATABASE … SET default_transaction_read_only needs its owner."
                ));
                self.line("[source]\ntype = \"postgresql\"");
                self.key("hosts", &Value::Array(vec![Value::String(config.host.clone())]));
                self.text("database", &config.database);
            }
            DestinationConfig::Mysql(config) => {
                let user = quoted(&config.user, '`');
                self.line(&format!(
                    "#   GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {user};      -- BINLOG MONITOR at MariaDB\n\
                     #   GRANT SYSTEM_VARIABLES_ADMIN, CONNECTION_ADMIN ON *.* TO {user};   -- READ_ONLY ADMIN at MariaDB: to close it at a rollback\n\
                     # and the server log_bin, binlog_format = ROW, binlog_row_image = FULL."
                ));
                self.line("[source]\ntype = \"mysql\"");
                self.key("hosts", &Value::Array(vec![Value::String(config.host.clone())]));
            }
            DestinationConfig::Sqlite(_) => {}
        }
        self.account(&account, "SOURCE_PASSWORD");
    }

    fn destination(&mut self) {
        let account = self.section("source");
        self.line(
            "\n# The former source. It stays closed to applications while this task runs; the account writes nevertheless. It needs:",
        );
        let hosts = match &self.forward.task.source {
            SourceConfig::Postgres(config) => {
                let (user, database) = (quoted(&config.user, '"'), quoted(&config.database, '"'));
                self.line(&format!(
                    "#   GRANT CREATE ON DATABASE {database} TO {user};       -- for the schema \"slackwater\", which holds the checkpoint\n\
                     #   GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA … TO {user};\n\
                     #   GRANT SET ON PARAMETER session_replication_role TO {user};   -- 15 and later; so that triggers do not fire again"
                ));
                self.line("[destination]\ntype = \"postgresql\"");
                self.text("host", config.hosts.first().map(String::as_str).unwrap_or_default());
                self.text("database", &config.database);
                config.hosts.len()
            }
            SourceConfig::Mysql(config) => {
                let user = quoted(&config.user, '`');
                self.line(&format!(
                    "#   GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES ON … TO {user};   -- each database\n\
                     #   GRANT SELECT, INSERT, UPDATE, DELETE, CREATE ON slackwater.* TO {user};      -- the checkpoint\n\
                     #   GRANT CONNECTION_ADMIN ON *.* TO {user};      -- READ_ONLY ADMIN at MariaDB: to write while read_only is on"
                ));
                self.line("[destination]\ntype = \"mysql\"");
                self.text("host", config.hosts.first().map(String::as_str).unwrap_or_default());
                config.hosts.len()
            }
            SourceConfig::MysqlFiles(_) => 0,
        };
        if hosts > 1 {
            self.line(
                "# The first of several addresses of the former source: name the one that can be written to.",
            );
        }
        self.account(&account, "DESTINATION_PASSWORD");
    }

    /// The keys of a section that say how to log in.
    fn account(&mut self, section: &Table, variable: &str) {
        for key in ACCOUNT_KEYS {
            match section.get(key).and_then(Value::as_str) {
                Some(path) if key == "password_file" => {
                    let path = self.placed(path);
                    self.text(key, &path);
                }
                Some(text) => self.text(key, text),
                None => {}
            }
        }
        if section.contains_key("password") {
            self.line("# The first file has the password in the open; it is not repeated here.");
            self.text("password_env", variable);
        }
        if let Some(tls) = section.get("tls") {
            self.key("tls", tls);
        }
    }

    fn objects(&mut self, inverse: &Inverse) {
        let mut exclude = inverse.exclude.clone();
        let checkpoint = match &self.forward.task.destination {
            DestinationConfig::Postgres(config) => config.checkpoint_schema.as_str(),
            DestinationConfig::Mysql(config) => config.checkpoint_database.as_str(),
            DestinationConfig::Sqlite(_) => "slackwater",
        };
        if checkpoint != "slackwater" {
            exclude.push(format!("{checkpoint}.*"));
        }
        self.line("\n[objects]");
        if inverse.rules.is_empty() && self.has_regular_expressions() {
            self.key(
                "include",
                &self.section("objects").get("include").cloned().unwrap_or(Value::Array(Vec::new())),
            );
            exclude.clear();
            self.key(
                "exclude",
                &self.section("objects").get("exclude").cloned().unwrap_or(Value::Array(Vec::new())),
            );
        } else {
            self.key("include", &array(&inverse.include));
        }
        if !exclude.is_empty() {
            self.key("exclude", &array(&exclude));
        }
        if !inverse.with_ddl {
            self.key("operations", &array(&["insert", "update", "delete", "truncate"]));
        }
        for rule in &inverse.rules {
            self.line("\n[[mapping]]");
            self.text("match", &rule.tables);
            self.text("database", &rule.database);
            if let Some(table) = &rule.table {
                self.text("table", table);
            }
            if !rule.columns.is_empty() {
                let rename: Table =
                    rule.columns.iter().map(|(new, old)| (new.clone(), Value::String(old.clone()))).collect();
                self.key(
                    "columns",
                    &Value::Table(Table::from_iter([("rename".to_owned(), Value::Table(rename))])),
                );
            }
        }
    }

    fn has_regular_expressions(&self) -> bool {
        let objects = &self.forward.task.objects;
        objects.include.iter().chain(&objects.exclude).any(crate::config::Pattern::is_regex)
    }

    /// A section that means the same for both ways.
    fn shared_section(&mut self, name: &str) {
        let section = self.section(name);
        if section.is_empty() {
            return;
        }
        self.line(&format!("\n[{name}]"));
        for (key, value) in &section {
            self.key(key, value);
        }
    }

    fn cutover(&mut self) {
        let section = self.section("cutover");
        let file = self.forward.file;
        self.line("\n# The way forward again: what `slackwater rollback` does is the cutover of this task.\n[cutover]");
        self.text("when", "manual");
        let first = if self.forward.other_directory {
            file.to_path_buf()
        } else {
            PathBuf::from(file.file_name().unwrap_or_default())
        };
        self.text("reverse", &first.to_string_lossy());
        for (key, value) in CUTOVER_KEYS.iter().filter_map(|key| Some((key, section.get(*key)?))) {
            self.key(key, value);
        }
        match section.get("fence").and_then(Value::as_str) {
            Some("command") => {
                self.line("# fence = \"command\"         # with a command that closes this source");
            }
            Some(fence) => self.text("fence", fence),
            None => {}
        }
        let one_way: Vec<_> =
            ONE_WAY_KEYS.iter().filter_map(|key| Some((*key, section.get(*key)?))).collect();
        if !one_way.is_empty() {
            self.line("# The first file turns the traffic to its destination with these. Here belongs what turns it back.");
        }
        for (key, value) in one_way {
            self.line(&format!("# {key} = {value}"));
        }
    }
}

fn beside(state_dir: &str) -> String {
    let (stem, end) = match state_dir.trim_end_matches('/').strip_suffix(".state") {
        Some(stem) => (stem, ".state"),
        None => (state_dir.trim_end_matches('/'), ""),
    };
    format!("{stem}-reverse{end}")
}

fn array(texts: &[impl AsRef<str>]) -> Value {
    Value::Array(texts.iter().map(|text| Value::String(text.as_ref().to_owned())).collect())
}

/// An account's name as a statement has it.
fn quoted(name: &str, quote: char) -> String {
    let doubled = name.replace(quote, &format!("{quote}{quote}"));
    format!("{quote}{doubled}{quote}")
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
