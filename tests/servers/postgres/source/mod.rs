//! The source `postgres` against real servers: every version and form of the protocol, positions, and what happens when server,
//! slot or log go away.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod ddl;
mod faults;
mod follower;
mod workload;

use std::time::{Duration, Instant};

use slackwater_testkit::{PostgresServer, PostgresVersion};

use self::follower::{Follower, runtime, source};

/// What a server of that version can be asked for.
fn forms(version: PostgresVersion) -> Vec<String> {
    let mut forms = Vec::new();
    for protocol in 1..=version.protocol() {
        for format in ["text", "binary"] {
            if format == "binary" && version < PostgresVersion::V14 {
                continue;
            }
            for two_phase in [false, true] {
                if two_phase && protocol < 3 {
                    continue;
                }
                forms.push(format!("protocol = {protocol}\nformat = '{format}'\ntwo_phase = {two_phase}"));
            }
        }
    }
    forms
}

#[test]
fn every_version_and_form_of_the_protocol_gives_the_same_events() {
    let runtime = runtime();
    for version in [PostgresVersion::V10, PostgresVersion::V14, PostgresVersion::V15, PostgresVersion::V18] {
        let server = PostgresServer::builder(version).set("logical_decoding_work_mem", "64kB");
        let server = if version < PostgresVersion::V14 { PostgresServer::builder(version) } else { server };
        let server = server.start().unwrap();
        server.exec(workload::SCHEMA).unwrap();
        let forms = forms(version);
        let mut followers: Vec<Follower> = forms
            .iter()
            .enumerate()
            .map(|(number, form)| {
                let source = source(&server, &format!("form_{number}"), form);
                Follower::new(&runtime, &source).unwrap()
            })
            .collect();
        workload::run(&server);
        let mut first: Option<Vec<String>> = None;
        for (follower, form) in followers.iter_mut().zip(&forms) {
            let since = Instant::now();
            follower.catch_up().unwrap();
            let rows = follower.lines.iter().filter(|line| line.contains('+')).count();
            eprintln!(
                "{version}: {}: {} lines, {rows} inserts, {} parts, {:?}",
                form.replace('\n', " "),
                follower.lines.len(),
                follower.parts,
                since.elapsed()
            );
            match &first {
                None => {
                    workload::verify(&follower.lines, version);
                    first = Some(follower.lines.clone());
                }
                Some(first) => {
                    let differs = first.iter().zip(&follower.lines).position(|(a, b)| a != b);
                    let of = |lines: &[String]| differs.map(|at| lines[at].clone());
                    assert_eq!(
                        (first.len(), of(first)),
                        (follower.lines.len(), of(&follower.lines)),
                        "{version}: {form}"
                    );
                }
            }
        }
        // Idle: the end of the log is there within a moment, again and again.
        let last = followers.last_mut().unwrap();
        let since = Instant::now();
        for _ in 0..5 {
            last.catch_up().unwrap();
        }
        assert!(since.elapsed() < Duration::from_millis(500), "{:?}", since.elapsed());
    }
}
