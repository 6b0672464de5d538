//! Definitions of PostgreSQL at MySQL and MariaDB.

use anyhow::Result;
use slackwater::destinations::schema::ColumnTypes;
use slackwater_testkit::{Flavor, PostgresServer, PostgresVersion, Server};

use crate::postgres::schema::planning::{create_at_mysql, identity, schema_of_postgres, wanted};

const SCRIPT: &str = "CREATE SCHEMA shop; CREATE TYPE shop.mood AS ENUM ('sad', 'Sad'); \
    CREATE TABLE shop.customers (id bigserial PRIMARY KEY, name text NOT NULL DEFAULT 'it''s', code char(3), v varchar(20) DEFAULT 'x', \
      flag boolean NOT NULL DEFAULT true, amount numeric(12,2) DEFAULT 1.50, any_number numeric, hundreds numeric(5,0), mood shop.mood DEFAULT 'sad', \
      made timestamptz(3), at timestamp(0) DEFAULT now(), day date, t time(2), long interval, ip inet, tags text[] DEFAULT '{}', doc jsonb, uid uuid, \
      data bytea, bits bit(5) DEFAULT B'10101', r real, d double precision, n int CHECK (n > 0)); \
    COMMENT ON TABLE shop.customers IS 'it''s people'; COMMENT ON COLUMN shop.customers.name IS 'a\\name'; \
    CREATE UNIQUE INDEX by_name ON shop.customers (name); CREATE INDEX by_v ON shop.customers (v DESC, code); \
    CREATE INDEX part ON shop.customers (n) WHERE n > 5; CREATE INDEX docs ON shop.customers USING gin (doc); \
    CREATE TABLE shop.words (word text, lang text, note text, PRIMARY KEY (word, lang)); CREATE INDEX notes ON shop.words (note); \
    CREATE TABLE shop.uses (word text, lang text, FOREIGN KEY (word, lang) REFERENCES shop.words ON DELETE CASCADE); \
    CREATE VIEW shop.v AS SELECT 1 AS one";

fn column(server: &Server, name: &str) -> Result<String> {
    let (table, column) = name.split_once('.').unwrap();
    let question = format!(
        "SELECT CONCAT(COLUMN_TYPE, IF(IS_NULLABLE = 'YES', '', ' not null'), IFNULL(CONCAT(' default ', COLUMN_DEFAULT), ''), \
         IF(EXTRA LIKE '%auto_increment%', ' numbered', '')) FROM information_schema.COLUMNS \
         WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = '{table}' AND COLUMN_NAME = '{column}'"
    );
    Ok(server.query_string(&question)?.unwrap_or_default())
}

#[test]
fn definitions_of_postgresql_are_created_at_mysql() -> Result<()> {
    let source = PostgresServer::builder(PostgresVersion::V18).start()?;
    source.exec(SCRIPT)?;
    let schema = schema_of_postgres(&source)?;
    let (mapping, types) = (identity(), ColumnTypes::default());
    for flavor in [Flavor::Mysql97, Flavor::Mariadb118, Flavor::Mysql57] {
        let server = Server::builder(flavor).start()?;
        let plan = create_at_mysql(&server, &wanted(&schema, &mapping, &types))?;
        for (name, declared) in [
            ("customers.id", "bigint not null numbered"),
            ("customers.flag", "tinyint(1) not null default 1"),
            ("customers.amount", "decimal(12,2) default 1.50"),
            ("customers.any_number", "decimal(65,30)"),
            ("customers.made", "datetime(3)"),
            ("customers.day", "date"),
            ("customers.t", "time(2)"),
            ("customers.name", "varchar(768) not null"),
            ("customers.tags", "longtext"),
            ("customers.ip", "varchar(43)"),
            ("customers.data", "longblob"),
            ("words.word", "varchar(384) not null"),
            ("words.note", "longtext"),
            ("uses.word", "varchar(384)"),
        ] {
            let found = column(&server, name)?.replace("bigint(20)", "bigint").replace('\'', "");
            assert!(found.starts_with(declared), "{name} on {flavor:?}: {found}");
        }
        let keys = "SELECT GROUP_CONCAT(CONCAT(INDEX_NAME, ' ', COLUMN_NAME, IFNULL(SUB_PART, '')) ORDER BY 1) \
             FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME IN ('customers', 'words')";
        let keys = server.query_string(keys)?.unwrap();
        for key in ["by_name name", "by_v v", "notes note191", "PRIMARY id"] {
            assert!(keys.contains(key), "{keys}");
        }
        let cascade = "SELECT DELETE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = 'shop'";
        assert_eq!(server.query_string(cascade)?.as_deref(), Some("CASCADE"));
        // Text that differs in case alone is different, as at the source.
        server.exec("INSERT INTO shop.words VALUES ('a', 'b', NULL), ('A', 'b', NULL)")?;
        server.exec("INSERT INTO shop.customers (name, mood) VALUES ('x', 'sad'), ('X', 'Sad')")?;
        let said = |text: &str| plan.notes.iter().any(|note| note.text.contains(text));
        for text in ["part is left out", "docs is left out", "CHECK", "create it by hand"] {
            assert!(said(text), "{text}: {:#?}", plan.notes);
        }
        let lost: Vec<_> = plan.losses.iter().map(|loss| loss.column.as_str()).collect();
        for column in ["any_number", "made", "day", "long", "ip", "tags", "doc", "r", "d", "word", "name"] {
            assert!(lost.contains(&column), "{column}: {lost:?}");
        }
    }
    Ok(())
}
