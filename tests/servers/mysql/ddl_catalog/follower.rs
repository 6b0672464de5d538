//! A server and a catalog that follows its binlog.

use std::collections::BTreeSet;

use slackwater_decoders::{
    event::SchemaChange,
    mysql::{
        catalog::{Catalog, Settings},
        ddl::{self, Context, Statement},
    },
};
use slackwater_testkit::{Flavor, Server, TextRow, mysql::Conn, query_rows, run_statements};

use crate::mysql::ddl_catalog::observed;

pub(crate) const DATABASE: &str = "ddl";

pub(crate) struct Follower {
    _server: Server,
    /// The session whose SQL mode and default database the statements set.
    conn: Conn,
    /// A session with the defaults.
    observer: Conn,
    pub(crate) catalog: Catalog,
    context: Context,
    collation: String,
    file: String,
    position: u64,
    /// What differed, in words.
    pub(crate) differences: Vec<String>,
    /// Tables that differed: each is reported once.
    differing: BTreeSet<String>,
}

fn text(value: &Option<Vec<u8>>) -> String {
    String::from_utf8(value.clone().expect("a value")).expect("UTF-8")
}

impl Follower {
    /// A server with an empty database, followed from here on.
    pub(crate) fn start(flavor: Flavor) -> Self {
        let server = Server::builder(flavor).start().expect("server");
        let mut conn = server.conn().expect("connection");
        run_statements(
            &mut conn,
            &format!("CREATE DATABASE {DATABASE} CHARACTER SET latin1; USE {DATABASE}"),
        )
        .expect("database");
        let row = query_rows(&mut conn, "SELECT VERSION(), @@collation_server").expect("version").remove(0);
        let settings = Settings {
            mariadb: flavor.is_mariadb(),
            version: version(&text(&row[0])),
            ..Settings::default()
        };
        let context = Context {
            mariadb: flavor.is_mariadb(),
            version: settings.version,
            explicit_defaults_for_timestamp: true,
            sql_mode: 0,
        };
        let observer = server.conn().expect("connection");
        let end = server.end_of_log().expect("end of log");
        let mut follower = Follower {
            _server: server,
            conn,
            observer,
            catalog: Catalog::new(settings),
            context,
            collation: text(&row[1]),
            file: end.file.clone(),
            position: end.offset,
            differences: Vec::new(),
            differing: BTreeSet::new(),
        };
        follower.catalog.set_database(
            DATABASE,
            slackwater_decoders::mysql::catalog::Collation::named("latin1_swedish_ci").expect("collation"),
        );
        follower
    }

    /// Runs one statement; `false` when the server refuses it.
    pub(crate) fn run(&mut self, statement: &str) -> bool {
        run_statements(&mut self.conn, statement).is_ok()
    }

    /// The rows of a query.
    pub(crate) fn rows(&mut self, query: &str) -> Vec<TextRow> {
        query_rows(&mut self.observer, query).unwrap_or_else(|error| panic!("{query}: {error:#}"))
    }

    /// Runs statements one by one and compares after each.
    pub(crate) fn run_script(&mut self, script: &[&str]) {
        for statement in script {
            if let Err(error) = run_statements(&mut self.conn, statement) {
                self.differences.push(format!("{error:#}"));
            }
            self.follow(statement);
        }
    }

    /// Applies what was logged since, and compares. Returns the changes.
    pub(crate) fn follow(&mut self, ran: &str) -> Vec<SchemaChange> {
        self.read_mode();
        let query = format!("SHOW BINLOG EVENTS IN '{}' FROM {}", self.file, self.position);
        let mut changes = Vec::new();
        for event in self.rows(&query) {
            self.position = text(&event[4]).parse().expect("position");
            if text(&event[2]) == "Query" {
                changes.extend(self.apply(&text(&event[5])));
            }
        }
        let expected = observed::tables(self);
        let actual = observed::catalog_tables(&self.catalog);
        for name in expected.keys().chain(actual.keys()) {
            let (expected, actual) = (expected.get(name), actual.get(name));
            let actual = actual.map(|actual| actual.as_cautious_as(expected));
            let actual = actual.as_ref();
            if expected != actual && self.differing.insert(name.clone()) {
                self.differences
                    .push(format!("{name} after {ran}\n  server:  {expected:?}\n  catalog: {actual:?}"));
            }
        }
        changes
    }

    fn apply(&mut self, info: &str) -> Vec<SchemaChange> {
        let (database, statement) = match info.strip_prefix("use `").and_then(|rest| rest.split_once("`; ")) {
            Some((database, statement)) => (database, statement),
            // The server does not show the database of ALTER DATABASE.
            None => (DATABASE, info),
        };
        let parsed = match ddl::parse(statement, &self.context) {
            Ok(parsed) => parsed,
            Err(error) => {
                self.differences.push(format!("{statement}: {error}"));
                return Vec::new();
            }
        };
        assert!(!matches!(parsed, Statement::Data(_)), "{statement}");
        let collation = self.collation.clone();
        let applied = self.catalog.apply(&parsed, database, Some(&collation));
        applied.unwrap_or_else(|error| {
            self.differences.push(format!("{statement}: {error}"));
            Vec::new()
        })
    }

    fn read_mode(&mut self) {
        let modes = text(&query_rows(&mut self.conn, "SELECT @@sql_mode").expect("mode")[0][0]);
        let bits = [("REAL_AS_FLOAT", 0), ("ANSI_QUOTES", 2), ("ORACLE", 9), ("NO_BACKSLASH_ESCAPES", 20)];
        let on = |name: &str| modes.split(',').any(|mode| mode == name);
        self.context.sql_mode = bits.iter().filter(|(name, _)| on(name)).map(|(_, bit)| 1 << bit).sum();
    }
}

/// `10.11.6-MariaDB` is 101106.
fn version(text: &str) -> u32 {
    let numbers = text.split(['.', '-']).map_while(|part| part.parse::<u32>().ok()).take(3);
    numbers.fold(0, |version, part| version * 100 + part)
}
