//! Captures the binlog of a small shop from MySQL 9.7: `capture_shop DIRECTORY` writes
//! `binlog.00000N.zst` and `expected.tsv` there. The same rows every time; see the fixture's README.

mod literals;
mod shop;

use std::fs::{self, File};
use std::path::PathBuf;

use anyhow::Context;
use shop::Shop;
use slackwater_testkit::{Flavor, Server};

const SERVER_UUID: &str = "97a1e5b0-0000-4000-8000-5b0b97000001";
const ZSTD_LEVEL: i32 = 19;

fn main() -> anyhow::Result<()> {
    let directory: PathBuf = std::env::args().nth(1).context("usage: capture_shop DIRECTORY")?.into();
    let server = Server::builder(Flavor::Mysql97)
        .server_id(97)
        .server_uuid(SERVER_UUID)
        .args(["--binlog-row-metadata=FULL", "--default-time-zone=+00:00"])
        .start()?;
    let mut shop = Shop::open(server.conn()?);

    shop.fill()?;
    server.flush_logs()?;

    shop.orders(1..=20_000, 1)?;
    shop.run("ALTER TABLE shop.orders ADD COLUMN tracking VARCHAR(24) AFTER status")?;
    shop.orders(20_001..=24_000, 1)?;
    shop.import_prices(800)?;
    server.flush_logs()?;

    shop.run("SET binlog_transaction_compression = ON, binlog_transaction_compression_level_zstd = 19")?;
    shop.orders(24_001..=40_000, 50)?;
    shop.import_prices(400)?;
    shop.run("ALTER TABLE shop.customers RENAME COLUMN joined TO registered")?;
    shop.archive_movements()?;
    shop.run("SET binlog_transaction_compression = OFF")?;
    server.flush_logs()?;

    shop.run("RENAME TABLE shop.price_import TO shop.price_updates")?;
    shop.run("ALTER TABLE shop.orders MODIFY COLUMN note TEXT, DROP COLUMN tracking")?;
    shop.orders(40_001..=46_000, 4)?;
    shop.tidy_up()?;
    server.flush_logs()?;

    let expected = shop.expected()?;
    let files = server.binlog_files()?;
    server.stop()?;
    // The last file is the one that the last flush opened: it has no change in it.
    for file in files.split_last().context("no binlog")?.1 {
        let name = file.file_name().context("no file name")?.to_string_lossy();
        let target = directory.join(format!("{name}.zst"));
        zstd::stream::copy_encode(File::open(file)?, File::create(&target)?, ZSTD_LEVEL)?;
        println!(
            "{} from {} bytes: {} bytes",
            target.display(),
            file.metadata()?.len(),
            target.metadata()?.len()
        );
    }
    fs::write(directory.join("expected.tsv"), expected)?;
    Ok(())
}
