//! A real server, the real command: kill -9 in the middle, resume, zero, and the cutover command once.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
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
