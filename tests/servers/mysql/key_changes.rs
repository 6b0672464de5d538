//! Changes of keys that meet keys which the copy has made, against real servers: the keys are those that the statement makes on the
//! server by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use crate::changes::*;
use crate::mysql::mysql_values::lines;
use slackwater::{
    config::destination::MysqlDestination,
    destinations::{Destination, mysql::Mysql},
};
use slackwater_decoders::mysql::{
    catalog::{Catalog, Settings},
    ddl::{Context, parse},
};
use slackwater_testkit::{Flavor, Server};

const TABLE: &str = "(id INT PRIMARY KEY, a INT NOT NULL, b VARCHAR(40), c TEXT, \
                     KEY old_a (b(7)), KEY old_b (c(9)), UNIQUE KEY old_u (b(30)))";

/// Statements of which one part cannot be done, because the key `there` is at the destination already.
const STATEMENTS: [&str; 5] = [
    "ADD COLUMN n INT UNIQUE, ADD KEY there (a), ADD KEY (b(10)), ADD UNIQUE KEY u (a, c(12)), ADD KEY b_5 (b(5), a) COMMENT 'five'",
    "RENAME COLUMN b TO bb, RENAME KEY old_a TO new_a, DROP KEY old_b, ADD FULLTEXT KEY words (c), ADD KEY there (a)",
    "ADD INDEX there USING BTREE (a), ADD CONSTRAINT whole UNIQUE (a, b), ADD (o INT, KEY (c(3)))",
    "ADD COLUMN p INT, ADD KEY there (a), ADD KEY down (a DESC, b(4) DESC)",
    "DROP COLUMN a, ADD KEY there (id), DROP KEY old_u, ADD UNIQUE old_u (b(8))",
];
const OF_MYSQL_97: [&str; 2] = [
    "ADD COLUMN q INT, ADD KEY there (a), ADD KEY lower_b ((LOWER(b)), a), ADD UNIQUE ((a * 2))",
    "ADD COLUMN q INT, ADD KEY there (a), ADD KEY unseen (b(6)) INVISIBLE, ADD KEY r (a) /*!80000 INVISIBLE */",
];
const OF_MARIADB_1011: [&str; 1] = ["ADD COLUMN q INT, ADD KEY there (a), ADD KEY unseen (b(6)) IGNORED"];

/// Everything that the server says of the keys of a table.
fn keys(server: &Server, table: &str) -> Vec<String> {
    let extra = match server.flavor() {
        Flavor::Mysql97 => ", expression, is_visible",
        Flavor::Mariadb1011 => ", ignored",
        _ => "",
    };
    lines(
        server,
        &format!(
            "SELECT index_name, seq_in_index, COALESCE(column_name, '-'), non_unique, COALESCE(sub_part, 0), collation, \
             index_type, index_comment{extra} FROM information_schema.statistics \
             WHERE table_schema = 'shop' AND table_name = '{table}' ORDER BY 1, 2"
        ),
    )
}

#[tokio::test]
async fn keys_come_as_the_statement_says() {
    for (flavor, own) in [
        (Flavor::Mysql97, &OF_MYSQL_97[..]),
        (Flavor::Mysql57, &[]),
        (Flavor::Mariadb1011, &OF_MARIADB_1011[..]),
    ] {
        let server = Server::builder(flavor).start().unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config: MysqlDestination =
            toml::from_str(&format!("host = '127.0.0.1:{}'\nuser = 'root'", server.port())).unwrap();
        let mut destination = Mysql::new("orders", config);
        destination.open().await.unwrap();
        server.exec("CREATE DATABASE IF NOT EXISTS shop").unwrap();
        // 5.7 renames no columns by this word.
        let known = |change: &&&str| flavor != Flavor::Mysql57 || !change.contains("RENAME COLUMN");
        for (number, change) in STATEMENTS.iter().filter(known).chain(own).enumerate() {
            let (copied, alone) = (format!("copied_{number}"), format!("alone_{number}"));
            for table in [&copied, &alone] {
                server.exec(&format!("CREATE TABLE shop.{table} {TABLE}")).unwrap();
            }
            server.exec(&format!("ALTER TABLE shop.{alone} {change}")).unwrap();
            // What the copy has made is the key as the source has it in the end.
            let there = if change.contains("(id)") { "id" } else { "a" };
            server.exec(&format!("CREATE INDEX there ON shop.{copied} ({there})")).unwrap();

            let settings = Settings { mariadb: flavor.is_mariadb(), ..Settings::default() };
            let mut catalog = Catalog::new(settings);
            let context = Context { mariadb: flavor.is_mariadb(), ..Context::mysql() };
            let mut changes = Vec::new();
            let alter = format!("ALTER TABLE {copied} {change}");
            for sql in [&format!("CREATE TABLE {copied} {TABLE}"), &alter] {
                changes = catalog.apply(&parse(sql, &context).unwrap(), "shop", None).unwrap();
            }
            let offset = 100 * (number as u64 + 1);
            destination
                .apply(&statement(&alter, offset, changes), Some(&checkpoint(number as u64 + 1)))
                .await
                .unwrap_or_else(|error| panic!("{flavor:?} {change}: {error}"));
            assert_eq!(keys(&server, &copied), keys(&server, &alone), "{flavor:?} {change}");
        }
    }
}
