//! `slackwater check` against real servers: every item fails, says so, and passes when what it prints has been done; the
//! accounts are made by what is printed as well, and a river runs with them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::{collections::BTreeMap, fs, path::Path, time::Instant};

use crate::river::{PATIENCE, PROGRAM};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use slackwater_testkit::{
    Flavor, Server, Task,
    compare::{destination_rows, expect_equal, source_rows},
    query_rows,
    workload::Workload,
};
use tempfile::TempDir;

const PASSWORD: &str = "s3cret";

/// A task file of which single lines can be changed.
struct Plan {
    directory: TempDir,
    start: String,
    source: String,
    destination: String,
    include: String,
    option_file: Vec<String>,
    task: Option<Task>,
}

#[derive(Clone, Debug, PartialEq)]
struct Item {
    level: String,
    found: String,
    repair: Option<String>,
}

type Report = BTreeMap<String, Item>;

impl Plan {
    fn from_server(server: &Server) -> Self {
        let source = format!(
            "type = \"mysql\"\nhosts = [\"127.0.0.1:{}\"]\nuser = \"tail\"\npassword = \"{PASSWORD}\"\n",
            server.port()
        );
        let directory = tempfile::tempdir().unwrap();
        let destination = format!("type = \"sqlite\"\npath = {:?}\n", directory.path().join("copy.db"));
        Plan {
            directory,
            start: "\"now\"".into(),
            source,
            destination,
            include: "\"shop.*\"".into(),
            option_file: Vec::new(),
            task: None,
        }
    }

    fn into_server(mut self, server: &Server) -> Self {
        self.destination = format!(
            "type = \"mysql\"\nhost = \"127.0.0.1:{}\"\nuser = \"apply\"\npassword = \"{PASSWORD}\"\n",
            server.port()
        );
        self
    }

    fn task(&mut self) -> Result<&mut Task> {
        let toml = format!(
            "start = {}\n[source]\n{}[destination]\n{}[objects]\ninclude = [{}]\n",
            self.start, self.source, self.destination, self.include
        );
        let path: &Path = self.directory.path();
        let task = match self.task.take() {
            Some(task) => {
                task.rewrite(&toml)?;
                task
            }
            None => Task::new(PROGRAM, path.join("task"), &toml)?,
        };
        Ok(self.task.insert(task))
    }

    /// Restarts a server with what its option file has by now.
    fn restart(&self, server: &Server) -> Result<()> {
        server.restart_with(&self.option_file.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The findings of both sides. The exit code has to fit them.
    fn check(&mut self) -> Result<Report> {
        let output = self.task()?.command(&["check", "--json"]).output()?;
        let text = String::from_utf8(output.stdout)?;
        let json: Value = serde_json::from_str(&text)
            .with_context(|| format!("{text}{}", String::from_utf8_lossy(&output.stderr)))?;
        let mut report = Report::new();
        for finding in ["source", "destination"].iter().flat_map(|side| json[side].as_array().unwrap()) {
            let text = |name: &str| finding[name].as_str().map(str::to_owned);
            let item =
                Item { level: text("level").unwrap(), found: text("found").unwrap(), repair: text("repair") };
            assert!(report.insert(text("code").unwrap(), item).is_none(), "twice: {finding}");
        }
        let has_errors = report.values().any(|item| item.level == "error");
        assert_eq!(output.status.code(), Some(if has_errors { 3 } else { 0 }), "{report:#?}");
        Ok(report)
    }

    /// Does what the items print until nothing is left to do. Returns the worst that was seen of each item.
    fn repair_all(&mut self, side: impl Fn(&str) -> bool, server: &Server) -> Result<Report> {
        let mut seen = Report::new();
        for _ in 0..12 {
            let report = self.check()?;
            let bad: Vec<_> =
                report.into_iter().filter(|(code, item)| side(code) && item.level != "ok").collect();
            if bad.is_empty() {
                return Ok(seen);
            }
            for (code, item) in bad {
                eprintln!(
                    "{} {} {code}: {}\n    {}",
                    server.flavor(),
                    item.level,
                    item.found,
                    item.repair.as_deref().unwrap_or("-").replace('\n', "\n    ")
                );
                let repair = item.repair.clone().with_context(|| format!("{code}: {}", item.found))?;
                seen.entry(code.clone()).or_insert(item);
                self.repair(&repair, server).with_context(|| format!("{code}: {repair}"))?;
            }
        }
        panic!("repairs do not help: {:#?}", self.check()?)
    }

    fn repair(&mut self, repair: &str, server: &Server) -> Result<()> {
        if let Some(lines) = repair.strip_prefix("below [mysqld] in the server's option file") {
            self.option_file
                .extend(lines.lines().skip(1).map(|line| format!("--{}", line.replace(" = ", "="))));
            return self.restart(server);
        }
        if let Some((option, _)) =
            repair.strip_prefix("-- also ").and_then(|rest| rest.split_once(" below [mysqld]"))
        {
            self.option_file.push(format!("--{}", option.replace(" = ", "=")));
        }
        if repair.starts_with("in the task file") {
            if let Some((_, start)) = repair.split_once(": start = ") {
                self.start = start.to_owned();
            } else if let Some((_, id)) = repair.split_once(": source.server_id = ") {
                self.source = self
                    .source
                    .lines()
                    .filter(|line| !line.starts_with("server_id"))
                    .fold(String::new(), |text, line| text + line + "\n");
                self.source += &format!("server_id = {id}\n");
            } else {
                anyhow::bail!("not understood");
            }
            return Ok(());
        }
        if repair.starts_with("correct objects.include") {
            self.include = "\"shop.*\"".into();
            return Ok(());
        }
        server.exec(&repair.replace("<password>", PASSWORD))
    }
}

/// What has to be seen, and how bad it is.
fn expect_seen(seen: &Report, expected: &[(&str, &str)]) -> Result<()> {
    for (code, level) in expected {
        let item = seen.get(*code).with_context(|| format!("{code} was not seen: {:?}", seen.keys()))?;
        ensure!(item.level == *level, "{code}: {item:?}");
    }
    Ok(())
}

/// A server on which everything is wrong that can be wrong together.
fn bad_source(flavor: Flavor) -> Result<Server> {
    let mut options = vec!["--binlog-format=STATEMENT", "--binlog-row-image=MINIMAL"];
    match flavor {
        Flavor::Mysql97 => {
            options.extend(["--binlog-row-metadata=MINIMAL", "--binlog-expire-logs-seconds=3600"])
        }
        Flavor::Mysql57 | Flavor::Mysql56 => options.push("--explicit-defaults-for-timestamp=OFF"),
        Flavor::Mariadb1011 | Flavor::Mariadb118 => options.extend([
            "--binlog-row-metadata=MINIMAL",
            "--binlog-expire-logs-seconds=3600",
            "--explicit-defaults-for-timestamp=OFF",
        ]),
    }
    if !flavor.is_mariadb() {
        options.extend(["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"]);
    }
    let server = Server::builder(flavor).args(options).start()?;
    server.exec(
        "CREATE DATABASE shop; CREATE TABLE shop.keyless (a INT, id INT);
         CREATE TABLE shop.parent (id INT PRIMARY KEY) ENGINE=InnoDB;
         CREATE TABLE shop.child (id INT PRIMARY KEY, parent INT,
           CONSTRAINT c FOREIGN KEY (parent) REFERENCES shop.parent (id) ON DELETE CASCADE) ENGINE=InnoDB",
    )?;
    Ok(server)
}

fn a_source_is_repaired(flavor: Flavor) -> Result<()> {
    let server = bad_source(flavor)?;
    let mut plan = Plan::from_server(&server);
    plan.source += "tls = { mode = \"disabled\" }\n";
    plan.start = "{ binlog = { file = \"binlog.000999\", offset = 4 } }".into();
    plan.source += "server_id = 1\n";
    plan.include += ", \"nothing.*\"";
    let seen = plan.repair_all(|_| true, &server)?;
    expect_seen(
        &seen,
        &[
            ("mysql.account", "error"),
            ("mysql.binlog_format", "error"),
            ("mysql.binlog_row_image", "warning"),
            ("mysql.start_position", "error"),
            ("mysql.server_id", "error"),
            ("mysql.objects", "warning"),
            ("mysql.keys", "warning"),
        ],
    )?;
    // MySQL 9.6 and later logs what foreign keys do.
    ensure!(seen.contains_key("mysql.cascades") == (flavor != Flavor::Mysql97));
    if !flavor.is_mysql_5() {
        expect_seen(&seen, &[("mysql.binlog_row_metadata", "warning"), ("mysql.retention", "warning")])?;
    }
    if flavor != Flavor::Mysql97 {
        expect_seen(&seen, &[("mysql.explicit_defaults_for_timestamp", "warning")])?;
    }
    if !flavor.is_mariadb() {
        expect_seen(&seen, &[("mysql.gtid_mode", "warning")])?;
    }

    // The account without what it needs, item by item.
    server.exec("REVOKE ALL PRIVILEGES, GRANT OPTION FROM tail@'%'")?;
    let seen = plan.repair_all(|code| matches!(code, "mysql.privileges" | "mysql.select"), &server)?;
    let select = if flavor.is_mysql_5() { "error" } else { "warning" };
    expect_seen(&seen, &[("mysql.privileges", "error"), ("mysql.select", select)])?;

    // What the option file says.
    if flavor != Flavor::Mysql56 {
        server.restart_with(&["--skip-log-bin"])?;
        let seen = plan.repair_all(|code| code == "mysql.log_bin", &server)?;
        expect_seen(&seen, &[("mysql.log_bin", "error")])?;
    }
    server.restart_with(&["--binlog-ignore-db=shop"])?;
    ensure!(plan.check()?["mysql.binlog_filter"].level == "error");
    server.restart_with(&["--binlog-do-db=blog"])?;
    ensure!(plan.check()?["mysql.binlog_filter"].level == "error");
    server.restart()?;
    ensure!(plan.check()?["mysql.binlog_filter"].level == "ok");
    server.stop()?;
    let report = plan.check()?;
    ensure!(report["mysql.reachable"].level == "error", "{report:?}");
    Ok(())
}

fn a_destination_is_repaired(flavor: Flavor) -> Result<()> {
    let source = Server::builder(Flavor::Mysql97).start()?;
    let mut options = vec!["--binlog-format=STATEMENT", "--max-allowed-packet=16M", "--read-only=ON"];
    if flavor == Flavor::Mysql97 {
        options.push("--sql-require-primary-key=ON");
    }
    let server = Server::builder(flavor).server_id(9).args(options).start()?;
    server.exec(
        "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY) ENGINE=MyISAM;
         CREATE TRIGGER shop.tr BEFORE INSERT ON shop.t FOR EACH ROW SET NEW.id = NEW.id",
    )?;
    let mut plan = Plan::from_server(&source).into_server(&server);
    plan.destination += "tls = { mode = \"disabled\" }\n";
    let of_destination = |code: &str| code.starts_with("destination.") && code != "destination.version";
    let seen = plan.repair_all(of_destination, &server)?;
    expect_seen(
        &seen,
        &[
            ("destination.account", "error"),
            ("destination.binlog_format", "error"),
            ("destination.max_allowed_packet", "warning"),
            ("destination.read_only", "error"),
            ("destination.engine", "warning"),
            ("destination.triggers", "warning"),
        ],
    )?;
    if flavor == Flavor::Mysql97 {
        expect_seen(&seen, &[("destination.require_primary_key", "warning")])?;
    }
    server.exec("REVOKE ALL PRIVILEGES, GRANT OPTION FROM apply@'%'; GRANT SELECT ON shop.t TO apply@'%'")?;
    let seen = plan.repair_all(|code| code == "destination.privileges", &server)?;
    expect_seen(&seen, &[("destination.privileges", "error")])?;
    server.stop()?;
    ensure!(plan.check()?["destination.reachable"].level == "error");
    Ok(())
}

macro_rules! for_flavors {
    ($test:ident: $($name:ident = $flavor:ident),* $(,)?) => {$(
        #[test]
        fn $name() -> Result<()> {
            $test(Flavor::$flavor)
        }
    )*};
}

for_flavors! { a_source_is_repaired:
    source_mysql_97 = Mysql97, source_mysql_57 = Mysql57, source_mysql_56 = Mysql56,
    source_mariadb_118 = Mariadb118, source_mariadb_1011 = Mariadb1011,
}
for_flavors! { a_destination_is_repaired:
    destination_mysql_97 = Mysql97, destination_mysql_57 = Mysql57, destination_mariadb_1011 = Mariadb1011,
}

/// Accounts at both ends with what `check` printed for them, and nothing more.
fn a_river_runs_with_what_check_grants(source: Flavor, destination: Flavor) -> Result<()> {
    let from = Server::builder(source).start()?;
    let to = Server::builder(destination).server_id(9).start()?;
    let mut load = Workload::new(7).in_database("shop");
    let mut connection = from.conn()?;
    load.setup(&mut connection)?;
    let mut plan = Plan::from_server(&from).into_server(&to);
    plan.start = "\"earliest\"".into();
    let report = plan.check()?;
    for (code, server) in [("mysql.account", &from), ("destination.account", &to)] {
        let item = report.get(code).with_context(|| format!("{code}: {report:#?}"))?;
        let repair = item.repair.clone().context(code)?;
        plan.repair(&repair, server)?;
    }
    let report = plan.check()?;
    ensure!(report.values().all(|item| item.level != "error"), "{report:#?}");
    let grants = from.query_string("SELECT GROUP_CONCAT(PRIVILEGE_TYPE) FROM information_schema.USER_PRIVILEGES WHERE GRANTEE LIKE '\\'tail%'")?;
    eprintln!("{source}: {}", grants.unwrap_or_default());
    let task = plan.task()?;
    task.start()?;
    for _ in 0..150 {
        load.step(&mut connection)?;
    }
    task.wait_for(&from.end_of_log()?, PATIENCE)?;
    for table in load.tables(&mut connection)? {
        expect_equal(&table, &source_rows(&from, &table)?, &destination_rows(&from, &to, &table)?)?;
    }
    // The precheck of a task that runs: its own connection is no stranger.
    let report = plan.check()?;
    ensure!(report["mysql.server_id"].level == "ok", "{report:#?}");
    ensure!(report["mysql.start_position"].found.contains("goes on"), "{report:#?}");
    let task = plan.task.as_mut().context("a task")?;
    assert!(task.stop()?.success(), "{}", task.log());
    Ok(())
}

#[test]
fn river_mysql_97_to_mysql_97() -> Result<()> {
    a_river_runs_with_what_check_grants(Flavor::Mysql97, Flavor::Mysql97)
}

#[test]
fn river_mysql_57_to_mysql_97() -> Result<()> {
    a_river_runs_with_what_check_grants(Flavor::Mysql57, Flavor::Mysql97)
}

#[test]
fn river_mariadb_1011_to_mysql_97() -> Result<()> {
    a_river_runs_with_what_check_grants(Flavor::Mariadb1011, Flavor::Mysql97)
}

/// The fact that the item on foreign keys stands on.
#[test]
fn what_foreign_keys_change_is_logged_since_mysql_96() -> Result<()> {
    for flavor in Flavor::ALL {
        let server = Server::builder(flavor).start()?;
        server.exec(
            "CREATE DATABASE shop; CREATE TABLE shop.parent (id INT PRIMARY KEY) ENGINE=InnoDB;
             CREATE TABLE shop.child (id INT PRIMARY KEY, parent INT,
               FOREIGN KEY (parent) REFERENCES shop.parent (id) ON DELETE CASCADE) ENGINE=InnoDB;
             INSERT INTO shop.parent VALUES (1); INSERT INTO shop.child VALUES (1, 1); DELETE FROM shop.parent",
        )?;
        ensure!(server.query_string("SELECT COUNT(*) FROM shop.child")?.as_deref() == Some("0"));
        let events = query_rows(&mut server.conn()?, "SHOW BINLOG EVENTS")?;
        let deletes = events
            .iter()
            .filter(|event| event[2].as_deref().is_some_and(|kind| kind.starts_with(b"Delete_rows")));
        assert_eq!(deletes.count(), if flavor == Flavor::Mysql97 { 2 } else { 1 }, "{flavor}");
    }
    Ok(())
}

#[test]
fn a_replica_has_to_log_what_it_replicates() -> Result<()> {
    for flavor in [Flavor::Mysql97, Flavor::Mysql57, Flavor::Mariadb1011] {
        let primary = Server::builder(flavor).server_id(1).start()?;
        let replica = Server::builder(flavor).server_id(2).start()?;
        primary.exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY)")?;
        replica.replica_of(&primary)?;
        replica.wait_for_replication(&primary, PATIENCE)?;
        // The replica's server id is taken. MariaDB tells only administrators.
        let mut plan = Plan::from_server(&primary);
        plan.source += "server_id = 2\n";
        let account = plan.check()?["mysql.account"].repair.clone().context("account")?;
        plan.repair(&account, &primary)?;
        if flavor.is_mariadb() {
            ensure!(plan.check()?["mysql.server_id"].found.contains("was not looked at"));
            primary.exec("GRANT REPLICATION MASTER ADMIN ON *.* TO tail@'%'")?;
        }
        let seen = plan.repair_all(|code| code == "mysql.server_id", &primary)?;
        expect_seen(&seen, &[("mysql.server_id", if flavor.is_mariadb() { "warning" } else { "error" })])?;

        let off =
            if flavor == Flavor::Mysql97 { "--log-replica-updates=OFF" } else { "--log-slave-updates=OFF" };
        replica.restart_with(&[off])?;
        // The account came with the replication.
        let mut plan = Plan::from_server(&replica);
        let seen = plan.repair_all(|code| code == "mysql.log_replica_updates", &replica)?;
        // MariaDB tells nobody without REPLICA MONITOR, which the task does not need.
        let level = if flavor.is_mariadb() { "warning" } else { "error" };
        expect_seen(&seen, &[("mysql.log_replica_updates", level)])?;
    }
    Ok(())
}

/// Privileges that come by a role count, while the role is active.
#[test]
fn roles_are_weighed() -> Result<()> {
    for flavor in [Flavor::Mysql97, Flavor::Mariadb1011] {
        let server = Server::builder(flavor).start()?;
        let role = if flavor.is_mariadb() { "'reader'" } else { "'reader'@'%'" };
        server.exec(&format!(
            "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY);
             CREATE USER tail@'%' IDENTIFIED BY '{PASSWORD}'; CREATE ROLE {role};
             GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {role}; GRANT SELECT ON shop.* TO {role};
             GRANT {role} TO tail@'%'"
        ))?;
        let mut plan = Plan::from_server(&server);
        ensure!(plan.check()?["mysql.privileges"].level == "error", "{flavor}: the role is not active");
        let to = if flavor.is_mariadb() { "FOR" } else { "TO" };
        server.exec(&format!("SET DEFAULT ROLE {role} {to} tail@'%'"))?;
        let report = plan.check()?;
        for code in ["mysql.privileges", "mysql.select", "mysql.objects", "mysql.start_position"] {
            ensure!(report[code].level == "ok", "{flavor}: {report:#?}");
        }
    }
    Ok(())
}

/// A task that has run is checked where it stands, and not where a new one would start.
#[test]
fn a_stored_position_that_is_purged_is_seen() -> Result<()> {
    for flavor in [Flavor::Mysql97, Flavor::Mysql56, Flavor::Mariadb1011] {
        let server = Server::builder(flavor).start()?;
        server.exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY)")?;
        let mut plan = Plan::from_server(&server);
        let account = plan.check()?["mysql.account"].repair.clone().context("account")?;
        plan.repair(&account, &server)?;
        let task = plan.task()?;
        task.start()?;
        server.exec("INSERT INTO shop.t VALUES (1)")?;
        task.wait_for(&server.end_of_log()?, PATIENCE)?;
        assert!(task.stop()?.success(), "{}", task.log());
        ensure!(plan.check()?["mysql.start_position"].level == "ok");
        server.exec("INSERT INTO shop.t VALUES (2)")?;
        server.flush_logs()?;
        server.exec("INSERT INTO shop.t VALUES (3)")?;
        let left = server.end_of_log()?.file;
        let deadline = Instant::now() + PATIENCE;
        // MariaDB purges no file before its background thread has written that it is not needed for recovery.
        while query_rows(&mut server.conn()?, "SHOW BINARY LOGS")?.len() > 1 {
            ensure!(Instant::now() < deadline, "{flavor} does not purge");
            server.exec(&format!("PURGE BINARY LOGS TO '{left}'"))?;
        }
        let report = plan.check()?;
        let item = &report["mysql.start_position"];
        ensure!(item.level == "error" && item.repair.is_some(), "{flavor}: {item:?}");
    }
    Ok(())
}

#[test]
fn transactions_in_two_phases_are_told_of() -> Result<()> {
    for flavor in Flavor::ALL {
        let server = Server::builder(flavor).start()?;
        server.exec(&format!(
            "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY); CREATE USER tail@'%' IDENTIFIED BY '{PASSWORD}'"
        ))?;
        let mut plan = Plan::from_server(&server);
        server.exec("XA START 'a'; INSERT INTO shop.t VALUES (1); XA END 'a'; XA COMMIT 'a' ONE PHASE")?;
        ensure!(plan.check()?["mysql.xa"].level == "ok", "{flavor}");
        server
            .exec("XA START 'b'; INSERT INTO shop.t VALUES (2); XA END 'b'; XA PREPARE 'b'; XA COMMIT 'b'")?;
        let level = if flavor == Flavor::Mysql56 { "ok" } else { "warning" };
        ensure!(plan.check()?["mysql.xa"].level == level, "{flavor}");
        // 5.6 knows no prepared transaction in its log.
        let events = query_rows(&mut server.conn()?, "SHOW BINLOG EVENTS")?;
        let is_prepare = |event: &Vec<Option<Vec<u8>>>| {
            event[2].as_deref() == Some(b"XA_prepare")
                || event[5].as_deref().is_some_and(|info| info.starts_with(b"XA PREPARE"))
        };
        ensure!(events.iter().any(is_prepare) == (flavor != Flavor::Mysql56), "{flavor}: {events:?}");
    }
    Ok(())
}

#[test]
fn tls_is_as_configured_or_said() -> Result<()> {
    let server = Server::builder(Flavor::Mysql57).arg("--skip-ssl").start()?;
    server.exec(&format!("CREATE USER tail@'%' IDENTIFIED BY '{PASSWORD}'"))?;
    let mut plan = Plan::from_server(&server);
    ensure!(plan.check()?["mysql.tls"].level == "warning");
    plan = plan.into_server(&server);
    plan.source += "tls = { mode = \"required\" }\n";
    plan.destination += "tls = { mode = \"required\" }\n";
    let report = plan.check()?;
    ensure!(report["mysql.tls"].level == "error" && report["mysql.reachable"].level == "ok", "{report:#?}");
    ensure!(report["destination.tls"].level == "error", "{report:#?}");
    plan.source = plan.source.replace("required", "disabled");
    let report = plan.check()?;
    ensure!(report["mysql.tls"].level == "ok" && report["mysql.account"].level == "ok", "{report:#?}");

    let strict = Server::builder(Flavor::Mysql97).start()?;
    strict.exec(&format!(
        "CREATE USER tail@'%' IDENTIFIED BY '{PASSWORD}'; SET GLOBAL require_secure_transport = ON"
    ))?;
    let mut plan = Plan::from_server(&strict);
    plan.source += "tls = { mode = \"disabled\" }\n";
    let report = plan.check()?;
    ensure!(report["mysql.tls"].level == "error" && report["mysql.tls"].repair.is_some(), "{report:#?}");
    Ok(())
}

#[test]
fn files_are_there_in_sequence_and_readable() -> Result<()> {
    let server = Server::builder(Flavor::Mysql57).start()?;
    server.exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY)")?;
    for id in 0..3 {
        server.flush_logs()?;
        server.exec(&format!("INSERT INTO shop.t VALUES ({id})"))?;
    }
    server.stop()?;
    let archive = tempfile::tempdir()?;
    let mut names = Vec::new();
    for entry in fs::read_dir(server.binlog_dir())? {
        let name = entry?.file_name().into_string().unwrap();
        if name.starts_with("binlog.0") {
            fs::copy(server.binlog_dir().join(&name), archive.path().join(&name))?;
            names.push(name);
        }
    }
    names.sort();
    let mut plan = Plan::from_server(&server);
    plan.source = format!("type = \"mysql-files\"\ndirectory = {:?}\n", archive.path());
    plan.start = "\"earliest\"".into();
    let report = plan.check()?;
    ensure!(report.values().all(|item| item.level == "ok"), "{report:#?}");
    ensure!(report["mysql_files.definitions"].found.contains("first 3 changes"), "{report:#?}");

    // Behind the CREATE, and without names in the log.
    plan.start = format!("{{ binlog = {{ file = {:?}, offset = 4 }} }}", names[names.len() - 2]);
    ensure!(plan.check()?["mysql_files.definitions"].level == "error");
    plan.start = "{ binlog = { file = \"binlog.000099\", offset = 4 } }".into();
    ensure!(plan.check()?["mysql_files.start_position"].level == "error");
    plan.start = "\"earliest\"".into();
    let (gap, kept) = (archive.path().join(&names[1]), archive.path().join("kept"));
    fs::rename(&gap, &kept)?;
    ensure!(plan.check()?["mysql_files.sequence"].level == "error");
    fs::write(&gap, b"\xfdbin\0\0\0\0")?;
    let report = plan.check()?;
    ensure!(report["mysql_files.readable"].level == "error", "{report:#?}");
    fs::remove_file(&gap)?;
    fs::rename(&kept, &gap)?;
    ensure!(plan.check()?.values().all(|item| item.level == "ok"));
    plan.source = "type = \"mysql-files\"\ndirectory = \"/nonexistent\"\n".into();
    ensure!(plan.check()?["mysql_files.directory"].level == "error");
    Ok(())
}
