//! The task file: one TOML file, typed and validated, with errors that name the line and what was probably meant.
//!
//! Secrets are never in the file unless someone insists: keys that end in `_file` or `_env` say where they are. A
//! relative `password_file` is looked for in systemd's `$CREDENTIALS_DIRECTORY` first, then beside the task file.

mod cutover;
pub mod destination;
mod error;
pub mod mapping;
mod overrides;
mod pattern;
pub mod postgres;
mod rules;
mod sections;
mod size;
mod snapshot;
pub mod source;
mod window;

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, de::DeserializeOwned};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

pub use self::{
    cutover::{After, Cutover, Depth, Fence, Interrupted, Verify, When},
    error::ConfigError,
    overrides::Overrides,
    pattern::{Pattern, PatternError},
    rules::TableRules,
    sections::{Apply, Log, LogFormat, Objects, OnRowError, SchemaSection, Start},
    size::ByteSize,
    snapshot::{Existing, Snapshot, Then},
    window::Window,
};
use self::{
    destination::{MysqlDestination, SqliteDestination},
    mapping::MappingRule,
    postgres::{PostgresDestination, PostgresSource},
    source::{MysqlFilesSource, MysqlSource},
};

const STATE_ROOT: &str = "/var/lib/slackwater";

/// One task: one source, one destination.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its name: names the state directory and the checkpoint at the destination. The file's name without `.toml`
    /// unless set.
    pub name: String,
    /// Where the local store is: `state_dir`, else systemd's `$STATE_DIRECTORY`, else `/var/lib/slackwater/<name>`.
    pub state_dir: PathBuf,
    /// Where a new task starts.
    pub start: Start,
    /// `[source]`.
    pub source: SourceConfig,
    /// `[destination]`.
    pub destination: DestinationConfig,
    /// `[objects]`.
    pub objects: Objects,
    /// `[schema]`.
    pub schema: SchemaSection,
    /// `[snapshot]`.
    pub snapshot: Snapshot,
    /// `[[mapping]]`, in the order of the file.
    pub mapping: Vec<MappingRule>,
    /// `[objects]` and `[[mapping]]` in the form in which they are kept.
    pub rules: TableRules,
    /// `[apply]`.
    pub apply: Apply,
    /// `[cutover]`.
    pub cutover: Cutover,
    /// `[verify]`.
    pub verify: Verify,
    /// `[log]`.
    pub log: Log,
    /// A hash over `[source]` and `[destination]`, to see at a reload whether they changed.
    fixed: u64,
}

/// `[source]`, by its `type`.
#[derive(Clone, Debug)]
pub enum SourceConfig {
    /// `type = "mysql"`: a server.
    Mysql(MysqlSource),
    /// `type = "mysql-files"`: a directory of binlog files.
    MysqlFiles(MysqlFilesSource),
    /// `type = "postgresql"`: a database of a PostgreSQL server.
    Postgres(PostgresSource),
}

/// `[destination]`, by its `type`.
#[derive(Clone, Debug)]
pub enum DestinationConfig {
    /// `type = "sqlite"`: a file.
    Sqlite(SqliteDestination),
    /// `type = "mysql"`: a server.
    Mysql(MysqlDestination),
    /// `type = "postgresql"`: a database of a PostgreSQL server.
    Postgres(PostgresDestination),
}

const SOURCES: [&str; 3] = ["mysql", "mysql-files", "postgresql"];
const DESTINATIONS: [&str; 3] = ["sqlite", "mysql", "postgresql"];

/// Everything but the two tagged sections.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Common {
    name: Option<String>,
    state_dir: Option<PathBuf>,
    #[serde(default)]
    start: Start,
    #[serde(default)]
    objects: Objects,
    #[serde(default)]
    schema: SchemaSection,
    #[serde(default)]
    snapshot: Snapshot,
    #[serde(default)]
    mapping: Vec<MappingRule>,
    #[serde(default)]
    apply: Apply,
    #[serde(default)]
    cutover: Cutover,
    #[serde(default)]
    verify: Verify,
    #[serde(default)]
    log: Log,
    // Taken out before; named here for the suggestions.
    #[serde(rename = "source")]
    _source: Option<()>,
    #[serde(rename = "destination")]
    _destination: Option<()>,
}

impl Task {
    /// Reads and checks a task file.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(file)
            .map_err(|error| ConfigError::of_file(file, format!("cannot read the task file: {error}")))?;
        Task::parse(file, &text)
    }

    /// Reads and checks the text of a task file; `file` is for messages, for the name and for relative paths.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let reader = Reader { file, text };
        let mut document = DeTable::parse(text).map_err(|error| reader.error("", &error))?;
        let table = document.get_mut();
        let (source, destination) = (table.remove("source"), table.remove("destination"));
        let mut hasher = DefaultHasher::new();
        without_places(&format!("{source:?}{destination:?}")).hash(&mut hasher);
        let fixed = hasher.finish();
        let common = Common::deserialize(toml::de::Deserializer::from(document));
        let common = common.map_err(|error| reader.common_error(&error))?;
        let task = Task {
            name: reader.name(common.name)?,
            source: reader.source(source)?,
            destination: reader.destination(destination)?,
            state_dir: PathBuf::new(),
            start: common.start,
            objects: common.objects,
            schema: SchemaSection { overrides: common.schema.overrides.map(|file| reader.beside(&file)) },
            snapshot: common.snapshot,
            mapping: common.mapping,
            rules: TableRules::of(text),
            apply: common.apply,
            cutover: Cutover {
                reverse: common.cutover.reverse.map(|file| reader.beside(&file)),
                ..common.cutover
            },
            verify: common.verify,
            log: common.log,
            fixed,
        };
        reader.check_ranges(&task)?;
        let state_dir = common.state_dir.map(|directory| reader.beside(&directory));
        Ok(Task { state_dir: state_dir.unwrap_or_else(|| default_state_dir(&task.name)), ..task })
    }

    /// The sections that a running task cannot take over from `new`: they need a restart.
    #[must_use]
    pub fn needs_restart_for(&self, new: &Task) -> Vec<&'static str> {
        let apply_differs = self.apply != new.apply;
        [
            ("name", self.name != new.name),
            ("state_dir", self.state_dir != new.state_dir),
            ("[source] or [destination]", self.fixed != new.fixed),
            ("[objects]", self.objects != new.objects),
            ("[snapshot]", self.snapshot.needs_restart_for(&new.snapshot)),
            ("[[mapping]]", self.mapping != new.mapping),
            ("[schema]", self.schema != new.schema),
            ("[apply]", apply_differs),
            ("log.format", self.log.format != new.log.format),
        ]
        .into_iter()
        .filter_map(|(section, differs)| differs.then_some(section))
        .collect()
    }
}

struct Reader<'a> {
    file: &'a Path,
    text: &'a str,
}

type Section<'i> = Option<Spanned<DeValue<'i>>>;

impl Reader<'_> {
    fn error(&self, section: &str, error: &toml::de::Error) -> ConfigError {
        ConfigError::from_toml(self.file, self.text, section, error)
    }

    /// An error of the common part: the section is the table that the place lies in.
    fn common_error(&self, error: &toml::de::Error) -> ConfigError {
        let before = error.span().and_then(|span| self.text.get(..span.start)).unwrap_or_default();
        let header = before.lines().rev().find_map(|line| line.trim().strip_prefix('[')?.split(']').next());
        let header =
            header.map(|header| header.trim_start_matches('[').split('.').next().unwrap_or_default());
        let section = ["objects", "mapping", "schema", "snapshot", "apply", "cutover", "verify", "log"]
            .into_iter()
            .find(|name| Some(*name) == header);
        self.error(section.unwrap_or_default(), error)
    }

    fn name(&self, name: Option<String>) -> Result<String, ConfigError> {
        let stem =
            || self.file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let name = name.unwrap_or_else(stem);
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(allowed) {
            let message = format!("{name:?} is no task name");
            return Err(ConfigError::at_key(self.file, self.text, "name", message)
                .hint("set `name` to 1 to 64 letters, digits, `-`, `_` and `.`"));
        }
        Ok(name)
    }

    fn source(&self, section: Section<'_>) -> Result<SourceConfig, ConfigError> {
        let (kind, section) = self.tagged("source", &SOURCES, section)?;
        let (config, valid) = if kind == "mysql" {
            let mut config: MysqlSource = self.section("source", section)?;
            self.find_secret(&mut config.password_file);
            let valid = config.validate();
            (SourceConfig::Mysql(config), valid)
        } else if kind == "postgresql" {
            let mut config: PostgresSource = self.section("source", section)?;
            self.find_secret(&mut config.password_file);
            let valid = config.validate();
            (SourceConfig::Postgres(config), valid)
        } else {
            let mut config: MysqlFilesSource = self.section("source", section)?;
            config.directory = self.beside(&config.directory);
            let valid = config.validate();
            (SourceConfig::MysqlFiles(config), valid)
        };
        valid.map(|()| config).map_err(|error| self.invalid("source", &error))
    }

    fn destination(&self, section: Section<'_>) -> Result<DestinationConfig, ConfigError> {
        let (kind, section) = self.tagged("destination", &DESTINATIONS, section)?;
        let (config, valid) = if kind == "mysql" {
            let mut config: MysqlDestination = self.section("destination", section)?;
            self.find_secret(&mut config.password_file);
            let valid = config.validate();
            (DestinationConfig::Mysql(config), valid)
        } else if kind == "postgresql" {
            let mut config: PostgresDestination = self.section("destination", section)?;
            self.find_secret(&mut config.password_file);
            let valid = config.validate();
            (DestinationConfig::Postgres(config), valid)
        } else {
            let mut config: SqliteDestination = self.section("destination", section)?;
            config.path = self.beside(&config.path);
            let valid = config.validate();
            (DestinationConfig::Sqlite(config), valid)
        };
        valid.map(|()| config).map_err(|error| self.invalid("destination", &error))
    }

    /// Takes `type` out of a section.
    fn tagged<'i>(
        &self,
        name: &str,
        known: &[&'static str],
        section: Section<'i>,
    ) -> Result<(&'static str, Spanned<DeValue<'i>>), ConfigError> {
        let types = format!("type = \"{}\"", known.join("\" or \""));
        let mut section = section.ok_or_else(|| {
            ConfigError::of_file(self.file, format!("the section [{name}] is missing"))
                .hint(format!("add [{name}] with {types}"))
        })?;
        let at = |message: &str| ConfigError::at_key(self.file, self.text, name, message);
        let DeValue::Table(table) = section.get_mut() else {
            return Err(
                at(&format!("{name} is no section")).hint(format!("write [{name}] and its keys below it"))
            );
        };
        let Some(tag) = table.remove("type") else {
            return Err(at(&format!("`type` is missing in [{name}]")).hint(format!("add {types}")));
        };
        let given = tag.get_ref().as_str().unwrap_or_default();
        let kind = known.iter().copied().find(|known| *known == given).ok_or_else(|| {
            let message = format!("unknown type `{given}` in [{name}]");
            ConfigError::at(self.file, self.text, tag.span(), message).hint(error::suggest(given, known))
        })?;
        Ok((kind, section))
    }

    fn section<T: DeserializeOwned>(
        &self,
        name: &str,
        section: Spanned<DeValue<'_>>,
    ) -> Result<T, ConfigError> {
        T::deserialize(toml::de::ValueDeserializer::from(section)).map_err(|error| self.error(name, &error))
    }

    /// An error of a section's own check: its message starts with the key (`source.hosts names no server`).
    fn invalid(&self, section: &str, error: &crate::error::Error) -> ConfigError {
        let text = error.to_string();
        let (message, hint) = match text.split_once("\n  what to do: ") {
            Some((message, hint)) => (message, Some(hint)),
            None => (text.as_str(), None),
        };
        let first = message.split(' ').next().unwrap_or_default();
        let key = if first.starts_with(section) { first } else { section };
        let error = ConfigError::at_key(self.file, self.text, key, message);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    fn check_ranges(&self, task: &Task) -> Result<(), ConfigError> {
        const MILLISECOND: Duration = Duration::from_millis(1);
        const HOUR: Duration = Duration::from_secs(3600);
        let (apply, cutover) = (&task.apply, &task.cutover);
        for (key, value, least, most) in [
            ("apply.checkpoint_interval", apply.checkpoint_interval, 100 * MILLISECOND, HOUR),
            ("apply.connection_lost_limit", apply.connection_lost_limit, MILLISECOND, 24 * HOUR),
            ("apply.error_limit", apply.error_limit, MILLISECOND, 24 * HOUR),
            ("apply.stop_timeout", apply.stop_timeout, 1000 * MILLISECOND, HOUR / 6),
            ("cutover.poll_interval", cutover.poll_interval, 10 * MILLISECOND, HOUR),
            ("cutover.timeout", cutover.timeout, 1000 * MILLISECOND, 24 * HOUR),
            ("cutover.in_sync_for", cutover.in_sync_for, Duration::ZERO, 24 * HOUR),
            ("cutover.downtime", cutover.downtime, 1000 * MILLISECOND, 24 * HOUR),
            ("verify.patience", task.verify.patience, Duration::ZERO, HOUR),
        ] {
            if value < least || value > most {
                return Err(ConfigError::at_key(self.file, self.text, key, format!("{key} is {value:?}"))
                    .hint(format!("give a duration from {least:?} to {most:?}")));
            }
        }
        if let Some((key, mistake, hint)) = cutover.mistake() {
            return Err(ConfigError::at_key(self.file, self.text, key, mistake).hint(hint));
        }
        if !(2..=1_000_000).contains(&task.verify.sample) {
            let message = format!("verify.sample is {}", task.verify.sample);
            return Err(ConfigError::at_key(self.file, self.text, "verify.sample", message)
                .hint("give a number from 2 to 1000000"));
        }
        for (key, value, least, most) in [
            ("apply.batch_size", apply.batch_size, ByteSize(4096), ByteSize::mib(64)),
            ("apply.memory", apply.memory, ByteSize::mib(1), ByteSize::mib(4096)),
            ("apply.group_size", apply.group_size, ByteSize(64 * 1024), ByteSize::mib(1024)),
            ("verify.memory", task.verify.memory, ByteSize::mib(1), ByteSize::mib(4096)),
        ] {
            if value < least || value > most {
                return Err(ConfigError::at_key(self.file, self.text, key, format!("{key} is {value}"))
                    .hint(format!("give a size from {least} to {most}")));
            }
        }
        let snapshot = &task.snapshot;
        let per_second = |limit: Option<u64>| limit.unwrap_or(1);
        for (key, value, most) in [
            ("verify.parallel", u64::from(task.verify.parallel), 64),
            ("verify.rows_per_second", per_second(task.verify.rows_per_second), 1_000_000_000),
            ("verify.listed", u64::from(task.verify.listed), 1_000_000),
            ("snapshot.readers", u64::from(snapshot.readers), 64),
            ("snapshot.loaders", per_second(snapshot.loaders.map(u64::from)), 64),
            (
                "snapshot.queries_per_second",
                per_second(snapshot.queries_per_second.map(u64::from)),
                1_000_000,
            ),
            ("snapshot.rows_per_second", per_second(snapshot.rows_per_second), 1_000_000_000),
            ("snapshot.bytes_per_second", per_second(snapshot.bytes_per_second.map(|size| size.0)), 1 << 40),
        ] {
            if value < 1 || value > most {
                return Err(ConfigError::at_key(self.file, self.text, key, format!("{key} is {value}"))
                    .hint(format!("give a number from 1 to {most}, or leave it out")));
            }
        }
        if let Err(error) = task.log.level.parse::<tracing_subscriber::filter::Targets>() {
            return Err(ConfigError::at_key(
                self.file,
                self.text,
                "log.level",
                format!("log.level: {error}"),
            )
            .hint("one of error, warn, info, debug, trace"));
        }
        Ok(())
    }

    fn beside(&self, path: &Path) -> PathBuf {
        match self.file.parent() {
            Some(directory) if path.is_relative() => directory.join(path),
            _ => path.to_owned(),
        }
    }

    /// Finds a relative password file among systemd's credentials, else beside the task file.
    fn find_secret(&self, password_file: &mut Option<PathBuf>) {
        if let Some(file) = password_file.as_mut().filter(|file| file.is_relative()) {
            let credential =
                env::var_os("CREDENTIALS_DIRECTORY").map(|directory| Path::new(&directory).join(&*file));
            *file = match credential.filter(|credential| credential.exists()) {
                Some(credential) => credential,
                None => self.beside(file),
            };
        }
    }
}

/// systemd's `$STATE_DIRECTORY` (the first of a list), else the usual place.
fn default_state_dir(name: &str) -> PathBuf {
    let given = env::var("STATE_DIRECTORY").ok().and_then(|list| list.split(':').next().map(PathBuf::from));
    given.filter(|directory| directory.is_absolute()).unwrap_or_else(|| Path::new(STATE_ROOT).join(name))
}

/// Removes the places of values from the debug form of a section, so that moving a line is not a change.
fn without_places(debug: &str) -> String {
    let mut parts = debug.split("span: ");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.'));
    }
    kept
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
