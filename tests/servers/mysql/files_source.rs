//! The source `mysql-files` on the binlogs of real servers: followed while they are written, and archived.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{fs, io::Write, path::Path, sync::Arc, time::Duration};

use slackwater::{
    config::{Start, source::MysqlFilesSource},
    error::Error,
    pipeline::queue::{MemoryQuota, Message, queue},
    positions::SchemaHistory,
    sources::{Source, mysql_files::MysqlFiles},
};
use slackwater_decoders::position::{LogPosition, Position};
use slackwater_testkit::{Flavor, Server};
use tokio::time::timeout;

fn source(directory: &Path, follow: bool) -> MysqlFiles {
    let text =
        format!("directory = '{}'\nfollow = {follow}\npoll = '20ms'\nbase = 'binlog'", directory.display());
    let config: MysqlFilesSource = toml::from_str(&text).unwrap();
    MysqlFiles::new(config, Arc::new(|table| &*table.database == "shop")).unwrap()
}

/// Reads from a position until `rows` rows or the end.
async fn read(source: MysqlFiles, from: Position, rows: u64) -> (u64, Option<Position>, Result<(), Error>) {
    let (out, mut messages) = queue(MemoryQuota::new(64 << 20));
    let task = tokio::spawn(async move {
        let history = SchemaHistory::in_memory();
        source.tail(from, &history, &out).await
    });
    let (mut seen, mut resume) = (0, None);
    while seen < rows {
        match timeout(Duration::from_secs(60), messages.recv()).await.expect("in time") {
            Some(Message::Batch(batch, _)) => {
                seen += batch.summary().row_changes;
                resume = batch.summary().resume.clone().or(resume);
            }
            Some(Message::Rewind) => {}
            None => break,
        }
    }
    drop(messages);
    (seen, resume, task.await.unwrap())
}

fn prepared(flavor: Flavor) -> Server {
    let server = Server::builder(flavor).start().unwrap();
    server.exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, v TEXT)").unwrap();
    for i in 0..3 {
        server
            .exec(&format!("INSERT INTO shop.t VALUES ({}, REPEAT('x', 3000)), ({}, 'y')", i * 2, i * 2 + 1))
            .unwrap();
        server.flush_logs().unwrap();
    }
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_followed_while_the_server_writes_it() {
    for flavor in Flavor::ALL {
        let server = prepared(flavor);
        let start = source(server.binlog_dir(), true).start_position(&Start::Earliest).await.unwrap();
        let followed = tokio::spawn(read(source(server.binlog_dir(), true), start, 8));
        server.exec("INSERT INTO shop.t VALUES (100, 'z')").unwrap();
        // A crash: the file ends without a ROTATE, the next one is started.
        server.kill_hard().unwrap();
        server.restart().unwrap();
        server.exec("INSERT INTO shop.t VALUES (101, 'z')").unwrap();
        let (rows, _, result) = followed.await.unwrap();
        result.unwrap();
        assert_eq!(rows, 8, "{flavor}");
        let files = source(server.binlog_dir(), true);
        let end = server.end_of_log().unwrap();
        assert_eq!(
            files.end_of_log().await.unwrap(),
            Position::binlog(end.file, end.offset, None),
            "{flavor}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_compressed_files_is_read_to_its_end_and_from_every_place() {
    for flavor in [Flavor::Mysql97, Flavor::Mariadb1011] {
        let server = prepared(flavor);
        server.stop().unwrap();
        let archive = tempfile::tempdir().unwrap();
        let mut names: Vec<_> = fs::read_dir(server.binlog_dir())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("binlog.0") && !name.contains("idx") && !name.contains("state"))
            .collect();
        names.sort();
        for (i, name) in names.iter().enumerate() {
            let content = fs::read(server.binlog_dir().join(name)).unwrap();
            match i % 3 {
                0 => fs::write(
                    archive.path().join(format!("{name}.zst")),
                    zstd::encode_all(&*content, 3).unwrap(),
                )
                .unwrap(),
                1 => {
                    let file = fs::File::create(archive.path().join(format!("{name}.gz"))).unwrap();
                    let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
                    gzip.write_all(&content).unwrap();
                    gzip.finish().unwrap();
                }
                _ => fs::write(archive.path().join(name), &content).unwrap(),
            }
        }
        let files = || source(archive.path(), false);
        let start = files().start_position(&Start::Earliest).await.unwrap();
        let (rows, end, result) = read(files(), start, u64::MAX).await;
        result.unwrap();
        assert_eq!(rows, 6, "{flavor}");
        let fence = files().end_of_log().await.unwrap();
        assert!(files().reached(end.as_ref().unwrap(), &fence), "{flavor}: {end:?} {fence}");
        assert_eq!(files().bytes_behind(&fence, &fence).await, Some(0));

        // From the start of the second file, and from behind its format description, whatever its compression.
        for offset in [4, first_event_behind_header(&server, &names[1])] {
            let start = Start::Binlog { file: names[1].clone(), offset };
            let from = files().start_position(&start).await.unwrap();
            let (_, end, result) = read(files(), from, u64::MAX).await;
            // The CREATE is in the first file: without full metadata the rows cannot be read, and that is said.
            let error = result.expect_err("no definition");
            assert!(
                !error.is_transient() && error.to_string().contains("shop.t"),
                "{flavor}: {error} {end:?}"
            );
        }
        // A missing file, and a file that is cut.
        let (gap, cut) = (&names[1], &names[2]);
        fs::rename(archive.path().join(format!("{gap}.gz")), archive.path().join("aside")).unwrap();
        let start = files().start_position(&Start::Earliest).await.unwrap();
        let (_, _, result) = read(files(), start.clone(), u64::MAX).await;
        assert!(result.unwrap_err().to_string().contains("missing"), "{flavor}");
        fs::rename(archive.path().join("aside"), archive.path().join(format!("{gap}.gz"))).unwrap();
        let path = archive.path().join(cut);
        let length = fs::metadata(&path).unwrap().len();
        fs::File::options().write(true).open(&path).unwrap().set_len(length - 7).unwrap();
        let (_, _, result) = read(files(), start, u64::MAX).await;
        let error = result.unwrap_err();
        assert!(!error.is_transient() && error.to_string().contains("truncated"), "{flavor}: {error}");
    }
}

/// Behind the format description: its length stands at byte 9 of its header.
fn first_event_behind_header(server: &Server, name: &str) -> u64 {
    let content = fs::read(server.binlog_dir().join(name)).unwrap();
    4 + u64::from(u32::from_le_bytes(content[13..17].try_into().unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_file_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("binlog.000001"), b"\xfdbin\0\0\0\0").unwrap();
    let from =
        Position { log: LogPosition::Binlog { file: "binlog.000001".into(), offset: 4 }, executed: None };
    let (_, _, result) = read(source(directory.path(), false), from, u64::MAX).await;
    let error = result.unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("encrypted"), "{error}");
}
