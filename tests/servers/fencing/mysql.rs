//! Closing MySQL and MariaDB servers to writers.

use std::sync::Arc;

use super::wait;
use anyhow::Result;
use slackwater::{
    config::{Objects, destination::MysqlDestination, source::MysqlSource},
    destinations::{Destination as _, mysql::Mysql as MysqlTarget},
    error::{Error, Kind},
    mapping::Selection,
    sources::{Finding, Level, Source as _, mysql::Mysql},
};
use slackwater_testkit::{
    Flavor, Server,
    mysql::{Conn, OptsBuilder, prelude::Queryable as _},
    run_statements,
};

const FLAVORS: [Flavor; 5] =
    [Flavor::Mysql97, Flavor::Mysql57, Flavor::Mysql56, Flavor::Mariadb118, Flavor::Mariadb1011];

/// What the account of the task has, at least.
fn grants(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::Mysql97 => "SYSTEM_VARIABLES_ADMIN, XA_RECOVER_ADMIN",
        Flavor::Mysql57 | Flavor::Mysql56 => "SUPER, PROCESS",
        Flavor::Mariadb118 | Flavor::Mariadb1011 => "READ ONLY ADMIN, PROCESS, SLAVE MONITOR",
    }
}

/// Whether the server can be closed to accounts with every privilege.
fn holds_back_all(flavor: Flavor) -> bool {
    matches!(flavor, Flavor::Mysql97 | Flavor::Mysql57)
}

/// A server with a table, the task's account `fence` and the application's account `app`.
fn prepared(flavor: Flavor, grants: &str) -> Server {
    let server = Server::builder(flavor).start().unwrap();
    server
        .exec(&format!(
            "CREATE DATABASE shop; CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT) ENGINE=InnoDB; \
             CREATE USER app@'%'; GRANT ALL ON shop.* TO app@'%'; CREATE USER fence@'%'; GRANT SELECT ON mysql.* TO fence@'%'; \
             GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO fence@'%'; GRANT {grants} ON *.* TO fence@'%'"
        ))
        .unwrap();
    server
}

fn follower(server: &Server) -> Mysql {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config: MysqlSource =
        toml::from_str(&format!("hosts = ['127.0.0.1:{}']\nuser = 'fence'", server.port())).unwrap();
    Mysql::new("fence", config, Arc::new(|table| &*table.database == "shop")).unwrap()
}

fn app(server: &Server) -> Conn {
    let options = OptsBuilder::new().ip_or_hostname(Some("127.0.0.1")).tcp_port(server.port());
    Conn::new(options.user(Some("app")).prefer_socket(false)).unwrap()
}

/// The number of the error that a statement is refused with.
fn refused(conn: &mut Conn, sql: &str) -> Option<u16> {
    match conn.query_drop(sql) {
        Err(slackwater_testkit::mysql::Error::MySqlError(error)) => Some(error.code),
        other => other.map(|()| None).unwrap(),
    }
}

fn rows(server: &Server) -> String {
    server.query_string("SELECT COUNT(*) FROM shop.t").unwrap().unwrap()
}

fn settings(server: &Server) -> Vec<String> {
    let rows = server.query("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'super_read_only')");
    rows.unwrap().into_iter().map(|row| String::from_utf8(row[1].clone().unwrap()).unwrap()).collect()
}

#[test]
fn what_is_open_cannot_be_committed_behind_the_fence() -> Result<()> {
    for flavor in FLAVORS {
        let server = prepared(flavor, grants(flavor));
        let source = follower(&server);
        let fence = source.fencing().unwrap();
        let (mut open, mut idle) = (app(&server), app(&server));
        run_statements(&mut open, "BEGIN; INSERT INTO shop.t (v) VALUES (1)")?;
        let plan = wait(fence.look())?;
        assert_eq!(settings(&server)[0], "OFF", "{flavor}: looking changes nothing");
        wait(fence.raise(&plan.former))?;
        wait(fence.raise(&plan.former))?;
        let end = wait(source.end_of_log())?;
        assert_eq!(refused(&mut open, "COMMIT"), Some(1290), "{flavor}");
        for statement in
            ["INSERT INTO shop.t (v) VALUES (2)", "CREATE TABLE shop.u (id INT)", "TRUNCATE shop.t"]
        {
            assert_eq!(refused(&mut idle, statement), Some(1290), "{flavor}: {statement}");
        }
        assert_eq!(wait(source.end_of_log())?, end, "{flavor}: nothing is logged behind the fence");
        assert_eq!(rows(&server), "0", "{flavor}");
        assert!(settings(&server).iter().all(|value| value == "ON"), "{flavor}");
        let mut root = server.conn()?;
        let of_root = refused(&mut root, "INSERT INTO shop.t (v) VALUES (3)");
        let writers = wait(fence.writers())?;
        // A session that was closed a moment ago may be listed as well.
        let mut named: Vec<&str> = writers.iter().map(|writer| writer.user.as_str()).collect();
        named.retain(|user| *user != "fence");
        named.dedup();
        if holds_back_all(flavor) {
            assert_eq!((of_root, named.as_slice()), (Some(1290), [].as_slice()), "{flavor}");
        } else {
            assert_eq!(
                (of_root, named.as_slice()),
                (None, ["root"].as_slice()),
                "{flavor}: the privileged are listed"
            );
        }
        wait(fence.lower(&plan.former))?;
        wait(fence.lower(&plan.former))?;
        assert_eq!(refused(&mut open, "INSERT INTO shop.t (v) VALUES (4)"), None, "{flavor}");
        assert!(settings(&server).iter().all(|value| value == "OFF"), "{flavor}");
    }
    Ok(())
}

#[test]
fn the_former_state_comes_back() -> Result<()> {
    for flavor in [Flavor::Mysql97, Flavor::Mysql57, Flavor::Mariadb118] {
        let server = prepared(flavor, grants(flavor));
        let source = follower(&server);
        let fence = source.fencing().unwrap();
        let states: &[&str] = match holds_back_all(flavor) {
            true => &["read_only = OFF", "read_only = ON", "super_read_only = ON"],
            false => &["read_only = OFF", "read_only = ON"],
        };
        for state in states {
            server.exec(&format!("SET GLOBAL read_only = OFF; SET GLOBAL {state}"))?;
            let before = settings(&server);
            let former = wait(fence.look())?.former;
            wait(fence.raise(&former))?;
            // Another process comes up and knows what was stored alone.
            let other = follower(&server);
            let stored = serde_json::from_str(&serde_json::to_string(&former)?)?;
            wait(other.fencing().unwrap().lower(&stored))?;
            assert_eq!(settings(&server), before, "{flavor} {state}");
            // Stored, and killed before it was raised; lowered twice.
            wait(other.fencing().unwrap().lower(&stored))?;
            assert_eq!(settings(&server), before, "{flavor} {state}");
            wait(fence.raise(&former))?;
            wait(fence.admit_replay(&former))?;
            wait(fence.lower(&former))?;
            assert_eq!(settings(&server), before, "{flavor} {state}: with a task in the other direction");
        }
    }
    Ok(())
}

#[test]
fn who_is_in_the_way_of_the_fence_is_named() -> Result<()> {
    for flavor in [Flavor::Mysql97, Flavor::Mariadb118] {
        let server = Server::builder(flavor).arg("--performance-schema=ON").start()?;
        server.exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT); CREATE USER fence@'%'; GRANT ALL ON *.* TO fence@'%'")?;
        let source = follower(&server);
        let fence = source.fencing().unwrap();
        let former = wait(fence.look())?.former;
        let mut blocking = server.conn()?;
        blocking.query_drop("LOCK TABLES shop.t WRITE")?;
        let error: Error = wait(fence.raise(&former)).unwrap_err();
        assert_eq!(error.kind(), Kind::Transient, "{flavor}");
        let said = error.to_string();
        if flavor == Flavor::Mysql97 {
            assert!(
                said.contains(&format!(
                    "connection {} (root@127.0.0.1, has locked tables)",
                    blocking.connection_id()
                )),
                "{said}"
            );
        } else {
            assert!(said.contains("LOCK TABLES"), "{said}");
        }
        assert_eq!(settings(&server)[0], "OFF", "{flavor}: it was not raised");
        blocking.query_drop("UNLOCK TABLES")?;
        wait(fence.raise(&former))?;
        wait(fence.lower(&former))?;
    }
    Ok(())
}

/// Measured: MySQL commits a prepared transaction behind `super_read_only`; MariaDB refuses it.
#[test]
fn prepared_transactions_are_listed() -> Result<()> {
    for flavor in [Flavor::Mysql97, Flavor::Mysql57, Flavor::Mariadb118] {
        let server = prepared(flavor, grants(flavor));
        let source = follower(&server);
        let fence = source.fencing().unwrap();
        let (mut early, mut late) = (app(&server), app(&server));
        run_statements(
            &mut early,
            "XA START 'early'; INSERT INTO shop.t (v) VALUES (1); XA END 'early'; XA PREPARE 'early'",
        )?;
        run_statements(&mut late, "XA START 'late'; INSERT INTO shop.t (v) VALUES (2)")?;
        let plan = wait(fence.look())?;
        assert_eq!(plan.writers.len(), 1, "{flavor}: {:?}", plan.writers);
        assert_eq!(plan.writers[0].id, "prepared transaction early");
        wait(fence.raise(&plan.former))?;
        run_statements(&mut late, "XA END 'late'; XA PREPARE 'late'")?;
        let mut ids: Vec<String> = wait(fence.writers())?.into_iter().map(|writer| writer.id).collect();
        ids.retain(|id| id.starts_with("prepared"));
        ids.sort();
        assert_eq!(ids, ["prepared transaction early", "prepared transaction late"], "{flavor}");
        let of_commit = refused(&mut early, "XA COMMIT 'early'");
        assert_eq!(of_commit, flavor.is_mariadb().then_some(1290), "{flavor}");
        wait(fence.lower(&plan.former))?;
    }
    Ok(())
}

#[test]
fn what_the_account_lacks_is_said_with_the_statement_that_grants_it() -> Result<()> {
    for flavor in FLAVORS {
        let server = prepared(flavor, "RELOAD");
        let source = follower(&server);
        let error = wait(source.fencing().unwrap().look()).unwrap_err();
        let remedy = error.parts().1.unwrap().to_owned();
        assert_eq!(error.kind(), Kind::Definite);
        server.exec(&remedy)?;
        let other = follower(&server);
        let plan = wait(other.fencing().unwrap().look())?;
        wait(other.fencing().unwrap().raise(&plan.former))?;
        wait(other.fencing().unwrap().lower(&plan.former))?;
    }
    Ok(())
}

/// A task in the other direction writes to the fenced server, and nobody else does.
#[test]
fn a_replay_is_admitted_and_nobody_else() -> Result<()> {
    for flavor in [Flavor::Mysql97, Flavor::Mysql57, Flavor::Mariadb118] {
        let server = prepared(flavor, grants(flavor));
        server.exec(
            "CREATE USER back@'%'; GRANT ALL ON shop.* TO back@'%'; GRANT ALL ON slackwater.* TO back@'%'",
        )?;
        let config: MysqlDestination =
            toml::from_str(&format!("host = '127.0.0.1:{}'\nuser = 'back'", server.port()))?;
        let mut target = MysqlTarget::new("back", config);
        let lacking = only(wait(target.check_fenced()));
        assert_eq!((lacking.code, lacking.level), ("destination.past_read_only", Level::Error), "{flavor}");
        let source = follower(&server);
        let fence = source.fencing().unwrap();
        let former = wait(fence.look())?.former;
        wait(fence.raise(&former))?;
        let of = |findings: Vec<Finding>| {
            findings.into_iter().find(|finding| finding.code == "destination.read_only")
        };
        let selection = Selection::new(&Objects::default());
        assert_eq!(of(wait(target.check(&selection))).unwrap().level, Level::Error, "{flavor}");
        wait(fence.admit_replay(&former))?;
        assert_eq!(of(wait(target.check(&selection))).unwrap().level, Level::Error, "{flavor}");
        assert_eq!(refused(&mut app(&server), "INSERT INTO shop.t (v) VALUES (1)"), Some(1290), "{flavor}");
        let granting = lacking.repair.unwrap();
        wait(fence.lower(&former))?;
        server.exec(&granting)?;
        assert_eq!(only(wait(target.check_fenced())).level, Level::Ok, "{flavor}");
        wait(fence.raise(&former))?;
        wait(fence.admit_replay(&former))?;
        assert_eq!(of(wait(target.check(&selection))).unwrap().level, Level::Ok, "{flavor}");
        assert!(
            wait(target.open())?.is_none(),
            "{flavor}: the checkpoint's table is created behind the fence"
        );
        assert_eq!(refused(&mut app(&server), "INSERT INTO shop.t (v) VALUES (1)"), Some(1290), "{flavor}");
        wait(fence.lower(&former))?;
    }
    Ok(())
}

fn only(findings: Vec<Finding>) -> Finding {
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings.into_iter().next().unwrap()
}

/// Replication goes past every fence: a replica's own is none.
#[test]
fn a_replica_is_not_fenced() -> Result<()> {
    let primary = prepared(Flavor::Mysql97, grants(Flavor::Mysql97));
    let replica = Server::builder(Flavor::Mysql97).server_id(2).start()?;
    replica.exec(&format!(
        "CREATE USER fence@'%'; GRANT ALL ON *.* TO fence@'%'; \
         CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {}, SOURCE_USER = 'root', SOURCE_AUTO_POSITION = 1, \
         GET_SOURCE_PUBLIC_KEY = 1; START REPLICA",
        primary.port()
    ))?;
    let source = follower(&replica);
    let error = wait(source.fencing().unwrap().look()).unwrap_err();
    assert_eq!(error.kind(), Kind::Definite);
    assert!(error.to_string().contains("is a replica of 127.0.0.1"), "{error}");
    Ok(())
}
