//! Closing PostgreSQL databases to writers.

use std::{sync::Arc, thread, time::Duration};

use anyhow::Result;
use slackwater::{
    config::{
        Start,
        postgres::{PostgresDestination, PostgresSource},
    },
    destinations::{Destination as _, postgres::Postgres as PostgresTarget},
    error::Kind,
    sources::{Source as _, fencing::FenceState, postgres::Postgres},
};
use slackwater_testkit::{PostgresServer, PostgresVersion, postgres::Client, run_postgres};

use super::wait;

const VERSIONS: [PostgresVersion; 3] = [PostgresVersion::V18, PostgresVersion::V14, PostgresVersion::V10];

/// A server with the database `shop` of the role `owner`, who may fence it, and the application's role `app`.
fn prepared(version: PostgresVersion) -> PostgresServer {
    let server = PostgresServer::builder(version).set("max_prepared_transactions", "5").start().unwrap();
    for statement in [
        "CREATE ROLE app LOGIN",
        "CREATE ROLE owner LOGIN REPLICATION",
        "CREATE DATABASE shop OWNER owner",
        "GRANT pg_signal_backend, pg_read_all_stats TO owner",
    ] {
        server.exec(statement).unwrap();
    }
    server
        .exec_in("shop", "CREATE TABLE public.t (id serial PRIMARY KEY, v int); GRANT ALL ON t, t_id_seq TO app; ALTER TABLE t OWNER TO owner")
        .unwrap();
    server
}

fn follower(server: &PostgresServer, user: &str) -> Postgres {
    let section = format!(
        "hosts = ['127.0.0.1:{}']\ndatabase = 'shop'\nuser = '{user}'\ntls = {{ mode = 'disabled' }}",
        server.port()
    );
    Postgres::new("fence", toml::from_str::<PostgresSource>(&section).unwrap(), Arc::new(|_| true)).unwrap()
}

fn client(server: &PostgresServer, user: &str) -> Client {
    server.config("shop").user(user).connect(slackwater_testkit::postgres::NoTls).unwrap()
}

/// The SQLSTATE that a statement is refused with; `57P01` also for a connection that was ended before.
fn refused(client: &mut Client, sql: &str) -> Option<String> {
    let error = client.batch_execute(sql).err()?;
    Some(error.code().map_or("57P01", |code| code.code()).to_owned())
}

/// What the database and its roles have as settings.
fn settings(server: &PostgresServer) -> Vec<Vec<Option<String>>> {
    server.query("SELECT setdatabase, setrole, setconfig FROM pg_db_role_setting ORDER BY 1, 2").unwrap()
}

fn rows(server: &PostgresServer) -> String {
    server.query_string_in("shop", "SELECT count(*) FROM t").unwrap().unwrap()
}

const READ_ONLY: Option<&str> = Some("25006");
const INSERT: &str = "INSERT INTO t (v) VALUES (1)";

#[test]
fn what_is_open_is_ended_and_comes_back_unable_to_write() -> Result<()> {
    for version in VERSIONS {
        let server = prepared(version);
        let source = follower(&server, "postgres");
        let start = wait(source.start_position(&Start::Now))?;
        let fence = source.fencing().unwrap();
        let (mut open, mut idle) = (client(&server, "app"), client(&server, "app"));
        run_postgres(&mut open, &format!("BEGIN; {INSERT}"))?;
        let plan = wait(fence.look())?;
        assert_eq!(plan.former, FenceState::default(), "{version}");
        assert!(plan.writers.is_empty(), "{version}: {:?}", plan.writers);
        wait(fence.raise(&plan.former))?;
        assert_eq!(refused(&mut open, "COMMIT").as_deref(), Some("57P01"), "{version}");
        assert_eq!(refused(&mut idle, INSERT).as_deref(), Some("57P01"), "{version}");
        let mut back = client(&server, "app");
        for statement in
            [INSERT, "CREATE TEMP TABLE x AS SELECT 1; DROP TABLE t", "SELECT nextval('t_id_seq')"]
        {
            assert_eq!(refused(&mut back, statement).as_deref(), READ_ONLY, "{version}: {statement}");
        }
        assert_eq!(
            refused(&mut client(&server, "postgres"), INSERT).as_deref(),
            READ_ONLY,
            "{version}: superusers as well"
        );
        assert_eq!(rows(&server), "0", "{version}");
        // One that goes past it on purpose is seen.
        run_postgres(&mut back, &format!("BEGIN READ WRITE; {INSERT}"))?;
        let writers = wait(fence.writers())?;
        assert_eq!(
            writers.iter().map(|writer| writer.user.as_str()).collect::<Vec<_>>(),
            ["app"],
            "{version}"
        );
        run_postgres(&mut back, "ROLLBACK")?;
        // Our own sessions go on: a slot's start, messages in the log, the end of the log, a publication for a new table.
        wait(source.end_of_log())?;
        server.exec_in("shop", "BEGIN READ WRITE; CREATE TABLE late (id int PRIMARY KEY); COMMIT")?;
        wait(source.remember_definitions(&start, &slackwater::positions::SchemaHistory::in_memory()))?;
        let second = follower_named(&server, "second");
        wait(second.start_position(&Start::Snapshot))?;
        assert!(wait(second.release())?.len() >= 2, "{version}: created and removed behind the fence");
        wait(fence.lower(&plan.former))?;
        assert!(settings(&server).is_empty(), "{version}");
        thread::sleep(Duration::from_millis(100));
        assert_eq!(refused(&mut back, INSERT).as_deref(), Some("57P01"), "{version}: it would only read on");
        assert_eq!(refused(&mut client(&server, "app"), INSERT), None, "{version}");
        let mut kept = client(&server, "app");
        wait(fence.lower(&plan.former))?;
        assert_eq!(refused(&mut kept, INSERT), None, "{version}: lowering again ends nobody");
        wait(source.release())?;
    }
    Ok(())
}

fn follower_named(server: &PostgresServer, task: &str) -> Postgres {
    let section = format!(
        "hosts = ['127.0.0.1:{}']\ndatabase = 'shop'\nuser = 'postgres'\ntls = {{ mode = 'disabled' }}",
        server.port()
    );
    Postgres::new(task, toml::from_str::<PostgresSource>(&section).unwrap(), Arc::new(|_| true)).unwrap()
}

#[test]
fn the_former_state_comes_back() -> Result<()> {
    let server = prepared(PostgresVersion::V18);
    let source = follower(&server, "owner");
    let fence = source.fencing().unwrap();
    for state in [
        "RESET default_transaction_read_only",
        "SET default_transaction_read_only = off",
        "SET default_transaction_read_only = on",
    ] {
        server.exec("ALTER DATABASE shop SET work_mem = '5MB'")?;
        server.exec(&format!("ALTER DATABASE shop {state}"))?;
        let before = settings(&server);
        let former = wait(fence.look())?.former;
        wait(fence.raise(&former))?;
        wait(fence.raise(&former))?;
        let stored: FenceState = serde_json::from_str(&serde_json::to_string(&former)?)?;
        let other = follower(&server, "owner");
        wait(other.fencing().unwrap().lower(&stored))?;
        assert_eq!(settings(&server), before, "{state}");
        // Cut off behind the setting, before anybody was ended.
        server.exec("ALTER DATABASE shop SET default_transaction_read_only = on")?;
        wait(other.fencing().unwrap().lower(&stored))?;
        assert_eq!(settings(&server), before, "{state}");
    }
    Ok(())
}

#[test]
fn who_goes_past_the_fence_is_listed() -> Result<()> {
    for version in VERSIONS {
        let server = prepared(version);
        server.exec("CREATE ROLE batch LOGIN; ALTER ROLE batch IN DATABASE shop SET default_transaction_read_only = off; \
                     ALTER ROLE app SET default_transaction_read_only = on")?;
        let mut app = client(&server, "app");
        run_postgres(&mut app, &format!("BEGIN READ WRITE; {INSERT}"))?;
        run_postgres(&mut app, "PREPARE TRANSACTION 'half'")?;
        let superuser = client(&server, "postgres");
        let source = follower(&server, "owner");
        let fence = source.fencing().unwrap();
        let plan = wait(fence.look())?;
        let listed: Vec<(&str, &str)> = plan
            .writers
            .iter()
            .map(|writer| (writer.id.split(' ').next().unwrap(), writer.user.as_str()))
            .collect();
        assert_eq!(
            listed,
            [("role", "batch"), ("process", "postgres"), ("prepared", "app")],
            "{version}: {:?}",
            plan.writers
        );
        assert!(
            plan.writers[0]
                .why
                .contains("ALTER ROLE batch IN DATABASE shop SET default_transaction_read_only = off")
        );
        wait(fence.raise(&plan.former))?;
        assert_eq!(wait(fence.writers())?.len(), 3, "{version}");
        wait(fence.lower(&plan.former))?;
        drop(superuser);
    }
    Ok(())
}

#[test]
fn what_the_account_lacks_is_said_with_the_statements_that_grant_it() -> Result<()> {
    for version in VERSIONS {
        let server = prepared(version);
        server.exec("CREATE ROLE other LOGIN")?;
        let source = follower(&server, "other");
        let error = wait(source.fencing().unwrap().look()).unwrap_err();
        assert_eq!(error.kind(), Kind::Definite);
        server.exec(&error.parts().1.unwrap().lines().collect::<Vec<_>>().join("\n"))?;
        let plan = wait(source.fencing().unwrap().look())?;
        wait(source.fencing().unwrap().raise(&plan.former))?;
        wait(source.fencing().unwrap().lower(&plan.former))?;
    }
    Ok(())
}

/// A task in the other direction writes behind the fence, and its sessions outlive that the fence is lowered.
#[test]
fn a_replay_is_admitted() -> Result<()> {
    let server = prepared(PostgresVersion::V18);
    let source = follower(&server, "owner");
    let fence = source.fencing().unwrap();
    let former = wait(fence.look())?.former;
    wait(fence.raise(&former))?;
    wait(fence.admit_replay(&former))?;
    let section = format!("host = '127.0.0.1:{}'\nuser = 'owner'\ndatabase = 'shop'", server.port());
    let mut target = PostgresTarget::new("back", toml::from_str::<PostgresDestination>(&section)?);
    assert!(wait(target.open())?.is_none(), "the checkpoint's table is created behind the fence");
    assert_eq!(refused(&mut client(&server, "app"), INSERT).as_deref(), READ_ONLY);
    wait(fence.lower(&former))?;
    thread::sleep(Duration::from_millis(100));
    wait(target.rollback())?;
    wait(target.cascading_tables())?;
    Ok(())
}
