//! Definitions of MySQL and MariaDB at PostgreSQL.

use anyhow::Result;
use slackwater::destinations::schema::ColumnTypes;
use slackwater_testkit::{Flavor, PostgresServer, PostgresVersion, Server};

use crate::postgres::schema::planning::{create, facts, identity, schema_of, wanted};

const SCRIPT: &str = "CREATE DATABASE shop; \
    CREATE TABLE shop.customers (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'the ''number''', \
      name VARCHAR(40) NOT NULL DEFAULT 'it''s', mail VARCHAR(100) COLLATE utf8mb4_bin, born DATE NOT NULL DEFAULT '1970-01-01', \
      seen TIMESTAMP(3) NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3), made DATETIME DEFAULT CURRENT_TIMESTAMP, \
      flag BIT(1) NOT NULL DEFAULT b'1', bits BIT(5) DEFAULT b'101', tiny TINYINT(1) DEFAULT 0, ub BIGINT UNSIGNED, \
      ui INT UNSIGNED DEFAULT 7, us SMALLINT UNSIGNED, um MEDIUMINT UNSIGNED, y YEAR, t TIME(2), f FLOAT, d DOUBLE DEFAULT 1.5, \
      n DECIMAL(65,30), c CHAR(3), txt LONGTEXT, b BLOB, vb VARBINARY(8), e ENUM('a','b''c') NOT NULL DEFAULT 'a', s SET('x','y'), \
      j JSON, g POINT, twice INT GENERATED ALWAYS AS (us * 2) VIRTUAL, \
      PRIMARY KEY (id), UNIQUE KEY mail (mail), UNIQUE KEY start (txt(10)), KEY name (name, born DESC), KEY prefix (b(4)), \
      FULLTEXT KEY words (txt), KEY expr ((us + 1))) COMMENT 'people'; \
    CREATE TABLE shop.orders (id INT PRIMARY KEY, customer BIGINT UNSIGNED NOT NULL, CONSTRAINT who FOREIGN KEY (customer) \
      REFERENCES shop.customers (id) ON DELETE CASCADE); \
    CREATE TABLE shop.keyless (a INT, KEY name (a)); \
    CREATE TABLE shop.by_unique (a INT NOT NULL, b INT NOT NULL, UNIQUE KEY k (b, a)); \
    CREATE VIEW shop.v AS SELECT 1";

#[test]
fn definitions_of_mysql_are_created() -> Result<()> {
    let source = Server::builder(Flavor::Mysql97).start()?;
    source.exec(SCRIPT)?;
    let schema = schema_of(&source)?;
    let (mapping, types) = (identity(), ColumnTypes::default());
    for version in [PostgresVersion::V10, PostgresVersion::V15, PostgresVersion::V18] {
        let server = PostgresServer::builder(version).start()?;
        let plan = create(&server, &wanted(&schema, &mapping, &types), "")?;
        let facts = facts(&server, "shop")?;
        for (name, fact) in [
            ("column customers.id", "bigint not null identity d -- the 'number'"),
            ("column customers.name", "character varying(40) not null default 'it''s'::character varying"),
            ("column customers.born", "date not null default '1970-01-01'::date"),
            ("column customers.flag", "boolean not null default true"),
            ("column customers.bits", "bit(5) default B'00101'::\"bit\""),
            ("column customers.tiny", "smallint default 0"),
            ("column customers.ub", "numeric(20,0)"),
            ("column customers.ui", "bigint default 7"),
            ("column customers.us", "integer"),
            ("column customers.um", "integer"),
            ("column customers.y", "smallint"),
            ("column customers.t", "time(2) without time zone"),
            ("column customers.f", "real"),
            ("column customers.n", "numeric(65,30)"),
            ("column customers.c", "character(3)"),
            ("column customers.txt", "text"),
            ("column customers.vb", "bytea"),
            ("column customers.e", "text not null default 'a'::text"),
            ("column customers.s", "text"),
            ("column customers.j", "jsonb"),
            ("column customers.g", "bytea"),
            ("column customers.twice", "integer"),
            ("column orders.customer", "bigint not null"),
            ("constraint shop.customers.customers_pkey", "PRIMARY KEY (id)"),
            ("constraint shop.customers.customers_mail", "UNIQUE (mail)"),
            ("constraint shop.by_unique.by_unique_k", "UNIQUE (b, a)"),
            (
                "constraint shop.orders.who",
                "FOREIGN KEY (customer) REFERENCES shop.customers(id) ON DELETE CASCADE",
            ),
            (
                "constraint shop.customers.customers_e_check",
                "CHECK ((e = ANY (ARRAY['a'::text, 'b''c'::text])))",
            ),
            (
                "index customers_name",
                "CREATE INDEX customers_name ON shop.customers USING btree (name, born DESC)",
            ),
            (
                "index customers_start",
                "CREATE UNIQUE INDEX customers_start ON shop.customers USING btree (\"left\"(txt, 10))",
            ),
            ("index keyless_name", "CREATE INDEX keyless_name ON shop.keyless USING btree (a)"),
            ("relation customers", "r d -- people"),
        ] {
            // PostgreSQL 16 and later print a bit string as any other.
            let found = facts.get(name).map(|fact| fact.replace("default '00101'", "default B'00101'"));
            assert_eq!(found.as_deref(), Some(fact), "{name} on {version:?}: {facts:#?}");
        }
        assert!(facts["column customers.seen"].starts_with("timestamp(3) with time zone default"));
        let said = |text: &str| plan.notes.iter().any(|note| note.to_owned().text.contains(text));
        for text in ["words", "expr", "ON UPDATE", "its expression is not translated", "create it by hand"] {
            assert!(said(text), "{text}: {:#?}", plan.notes);
        }
        let lost: Vec<_> = plan.losses.iter().map(|loss| loss.column.as_str()).collect();
        for column in ["id", "name", "born", "seen", "t", "e", "j", "g", "customer"] {
            assert!(lost.contains(&column), "{column}: {lost:?}");
        }
        assert!(!lost.contains(&"mail") && !lost.contains(&"ui"), "{lost:?}");
    }
    Ok(())
}

#[test]
fn names_types_and_dates_are_as_the_operator_says() -> Result<()> {
    let source = Server::builder(Flavor::Mariadb118).start()?;
    source.exec(
        "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, flag TINYINT(1), day DATE NOT NULL, u UUID, \
         ip INET6, old INT, UNIQUE KEY day (day))",
    )?;
    let schema = schema_of(&source)?;
    let mapping = crate::postgres::schema::planning::mapping(
        "[[mapping]]\nmatch = 'shop.*'\ndatabase = 'store'\ncolumns = { exclude = ['old'], rename = { day = 'Tag' } }",
    );
    let types = ColumnTypes::from_iter([("shop.t.flag".to_owned(), "boolean".to_owned())]);
    let server = PostgresServer::builder(PostgresVersion::V15).start()?;
    create(&server, &wanted(&schema, &mapping, &types), "invalid_dates = 'drop'")?;
    let facts = facts(&server, "store")?;
    for (name, fact) in [
        ("column t.flag", "boolean"),
        ("column t.Tag", "date"),
        ("column t.u", "uuid"),
        ("column t.ip", "inet"),
        ("constraint store.t.t_day", "UNIQUE (\"Tag\")"),
    ] {
        assert_eq!(facts.get(name).map(String::as_str), Some(fact), "{facts:#?}");
    }
    assert!(!facts.contains_key("column t.old"));
    Ok(())
}
