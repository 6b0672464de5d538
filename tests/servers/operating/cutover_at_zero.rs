//! A real server, the real command: kill -9 in the middle, resume, and the cutover, by itself once in sync and by an operator.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use slackwater_testkit::{Flavor, Server};

fn run(directory: &std::path::Path) -> Child {
    let log = fs::File::options().create(true).append(true).open(directory.join("log")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_slackwater"))
        .args(["run", "--quiet", "shop.toml"])
        .current_dir(directory)
        .stdin(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

#[test]
fn a_keyless_table_survives_kill_9_and_is_cut_over_once() {
    let server = Server::builder(Flavor::Mysql97).start().unwrap();
    server.exec("CREATE DATABASE shop; CREATE TABLE shop.t (n INT, v VARCHAR(20))").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let task = format!(
        "name = 'shop'\nstate_dir = 'state'\nstart = 'earliest'\n[source]\ntype = 'mysql'\n\
         hosts = ['127.0.0.1:{}']\nuser = 'root'\n[destination]\ntype = 'sqlite'\npath = 'shop.db'\n\
         [objects]\ninclude = ['shop.*']\n[cutover]\npoll_interval = '100ms'\n",
        server.port()
    );
    let file = directory.path().join("shop.toml");
    fs::write(&file, &task).unwrap();
    for round in 0..5 {
        let mut child = run(directory.path());
        for n in 0..40 {
            let n = round * 40 + n;
            server.exec(&format!("INSERT INTO shop.t VALUES ({n}, 'a'), ({n}, 'b')")).unwrap();
        }
        sleep(Duration::from_millis(150 + 70 * round));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let command = "when = 'in-sync'\nin_sync_for = '0s'\nfence = 'none'\ncommand = ['/bin/sh', '-c', 'echo $SLACKWATER_GTID >> cut']\nafter = 'stop'\n";
    fs::write(&file, format!("{task}{command}")).unwrap();
    let log = || fs::read_to_string(directory.path().join("log")).unwrap();
    assert!(run(directory.path()).wait().unwrap().success(), "{}", log());
    assert!(run(directory.path()).wait().unwrap().success(), "{}", log());

    let executed = server.query_string("SELECT @@gtid_executed").unwrap().unwrap();
    assert_eq!(fs::read_to_string(directory.path().join("cut")).unwrap().trim(), executed.replace('\n', ""));
    let destination = rusqlite::Connection::open(directory.path().join("shop.db")).unwrap();
    let (rows, distinct): (u32, u32) = destination
        .query_row("SELECT count(*), count(DISTINCT n || v) FROM t", (), |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!((rows, distinct), (400, 400));
}

fn cut_over(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_slackwater"))
        .args(["cutover", "shop.toml"])
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap()
}

#[test]
fn an_operator_rehearses_is_refused_by_the_hook_and_cuts_over() {
    let server = Server::builder(Flavor::Mysql97).start().unwrap();
    server
        .exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY); INSERT INTO shop.t VALUES (1)")
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let task = format!(
        "name = 'shop'\nstate_dir = 'state'\nstart = 'earliest'\n[source]\ntype = 'mysql'\n\
         hosts = ['127.0.0.1:{}']\nuser = 'root'\n[destination]\ntype = 'sqlite'\npath = 'shop.db'\n\
         [objects]\ninclude = ['shop.*']\n[cutover]\npoll_interval = '100ms'\n\
         command = ['/bin/sh', '-c', 'cat > told; test -e ready']\n",
        server.port()
    );
    fs::write(directory.path().join("shop.toml"), task).unwrap();
    let outcome = |arguments: &[&str]| {
        let output = cut_over(directory.path(), arguments);
        let told = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&told).into_owned())
    };
    let (code, told) = outcome(&[]);
    assert_eq!(code, Some(4), "nobody runs: {told}");

    let mut child = run(directory.path());
    let limit = Instant::now() + Duration::from_secs(30);
    loop {
        let status = fs::read_to_string(directory.path().join("state/status.json")).unwrap_or_default();
        if status.contains("\"phase\":\"tailing\"") || status.contains("\"phase\": \"tailing\"") {
            break;
        }
        assert!(Instant::now() < limit, "{status}");
        sleep(Duration::from_millis(100));
    }
    let read_only = || server.query_string("SELECT @@super_read_only").unwrap().unwrap();

    let (code, told) = outcome(&["--dry-run"]);
    assert_eq!((code, read_only()), (Some(0), "0".to_owned()), "{told}");
    assert!(told.contains("draining") && !directory.path().join("told").exists(), "{told}");

    let (code, told) = outcome(&[]);
    assert_eq!((code, read_only()), (Some(5), "0".to_owned()), "{told}");
    assert!(told.contains("exit code 1"), "{told}");
    server.exec("INSERT INTO shop.t VALUES (2)").unwrap();

    fs::write(directory.path().join("ready"), "").unwrap();
    let (code, told) = outcome(&[]);
    assert_eq!((code, read_only()), (Some(0), "1".to_owned()), "{told}");
    assert!(child.wait().unwrap().success());
    let described = fs::read_to_string(directory.path().join("told")).unwrap();
    assert!(described.contains("\"attempt\":3"), "{described}");
    let destination = rusqlite::Connection::open(directory.path().join("shop.db")).unwrap();
    let rows: u32 = destination.query_row("SELECT count(*) FROM t", (), |row| row.get(0)).unwrap();
    assert_eq!(rows, 2);
}
