//! The logs of real servers that are mutated, cut into small ones.

use std::{fs::File, io::Read, path::PathBuf};

use slackwater_decoders::mysql::framing::MAGIC;

use crate::log::Log;

/// Logs, and whether their events have checksums.
const FILES: [(&str, bool); 8] = [
    ("kinds/mysql-9.7.binlog", true),
    ("kinds/mysql-5.6.binlog", true),
    ("kinds/mariadb-11.8.binlog", true),
    ("mysql/mysql-bin.compressed", true),
    ("mysql/mysql-bin.aurora-padding", true),
    ("mysql/mysql-bin.checksum-none", false),
    ("mysql/mysql-bin.sakila.gz", false),
    ("mysql-9.7-shop/binlog.000003.zst", true),
];

/// Transactions that are taken of one file, in equal distances.
const OF_ONE_FILE: usize = 80;
/// Larger ones are left out: they would take the time of many small ones.
const LARGEST: usize = 8 * 1024;

pub(crate) fn load() -> Vec<Log> {
    let mut logs = Vec::new();
    for (name, has_checksum) in FILES {
        let bytes = read(name);
        let whole = Log::parse(&bytes[MAGIC.len()..], has_checksum);
        let mut small = whole.transactions();
        small.retain(|log| log.bytes().len() <= LARGEST);
        let step = small.len().div_ceil(OF_ONE_FILE).max(1);
        logs.extend(small.into_iter().step_by(step));
    }
    assert!(logs.len() > 200, "only {} logs", logs.len());
    logs
}

fn read(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name);
    let mut file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => flate2::read::MultiGzDecoder::new(file).read_to_end(&mut bytes).unwrap(),
        Some("zst") => zstd::Decoder::new(file).unwrap().read_to_end(&mut bytes).unwrap(),
        _ => file.read_to_end(&mut bytes).unwrap(),
    };
    bytes
}
