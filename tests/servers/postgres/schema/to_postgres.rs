//! Definitions of PostgreSQL at PostgreSQL: the catalogs say the same.

use anyhow::Result;
use slackwater::destinations::schema::ColumnTypes;
use slackwater_testkit::{PostgresServer, PostgresVersion};

use crate::postgres::schema::planning::{create, facts, identity, schema_of_postgres, wanted};

const SCRIPT: &str = r#"
CREATE SCHEMA app; CREATE SCHEMA "Other one";
CREATE TYPE app.mood AS ENUM ('sad', 'it''s ok', 'happy');
CREATE DOMAIN app.positive AS integer CHECK (VALUE > 0);
CREATE TYPE app.address AS (street text, zip character varying(10));
CREATE TYPE app.span AS RANGE (subtype = float8);
CREATE SEQUENCE app.numbers START 100 INCREMENT 5;
CREATE FUNCTION app.half(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS $$ SELECT n / 2 $$;
CREATE TABLE app.customers (
  id bigint GENERATED ALWAYS AS IDENTITY (START WITH 10) PRIMARY KEY,
  serial serial, small smallint DEFAULT '-1'::integer, name character varying(40) NOT NULL DEFAULT 'it''s', code character(3),
  mood app.mood DEFAULT 'sad', age app.positive, lives app.address, lived app.address[], at app.span,
  amount numeric(12,2) CHECK (amount >= 0), any_number numeric, tags text[] DEFAULT '{}'::text[], doc jsonb, made timestamptz(3) DEFAULT now(),
  day date, long interval, ip inet, flags bit(5), uid uuid, data bytea, own integer DEFAULT nextval('app.numbers'),
  "Odd ""name" text COLLATE "C",
  CONSTRAINT sane CHECK (small < 100 AND name <> ''), UNIQUE (name, code) DEFERRABLE INITIALLY DEFERRED
) WITH (fillfactor = 70);
COMMENT ON TABLE app.customers IS 'it''s people'; COMMENT ON COLUMN app.customers.name IS 'a\name';
CREATE INDEX by_half ON app.customers (app.half(age), lower(name) DESC NULLS LAST) WHERE age > 5;
CREATE UNIQUE INDEX one_mail ON app.customers (lower("Odd ""name"));
CREATE INDEX docs ON app.customers USING gin (doc jsonb_path_ops);
CREATE TABLE "Other one".orders (a int NOT NULL, b int NOT NULL, customer bigint REFERENCES app.customers ON DELETE SET NULL ON UPDATE CASCADE
  DEFERRABLE, during tsrange, EXCLUDE USING gist (during WITH &&));
CREATE UNIQUE INDEX by_both ON "Other one".orders (b, a);
ALTER TABLE "Other one".orders REPLICA IDENTITY FULL;
CREATE TABLE app.events (id integer, day date NOT NULL, what text) PARTITION BY RANGE (day);
CREATE TABLE app.events_2024 PARTITION OF app.events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (id);
CREATE TABLE app.events_2024_1 PARTITION OF app.events_2024 FOR VALUES IN (1, 2);
CREATE TABLE app.events_2025 PARTITION OF app.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE app.base (id integer, x text); CREATE TABLE app.child (y integer) INHERITS (app.base);
CREATE VIEW app.rich AS SELECT c.id, o.a FROM app.customers c JOIN "Other one".orders o ON o.customer = c.id WHERE c.amount > 10;
CREATE VIEW app.a_view_of_it AS SELECT id FROM app.rich;
CREATE MATERIALIZED VIEW app.totals AS SELECT count(*) AS n FROM app.a_view_of_it;
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := NEW.name; RETURN NEW; END $$;
CREATE FUNCTION app.of(c app.customers) RETURNS text LANGUAGE sql AS $$ SELECT c.name $$;
CREATE TRIGGER touch BEFORE UPDATE ON app.customers FOR EACH ROW EXECUTE PROCEDURE app.touch();
"#;

const SINCE_15: &str = r#"
CREATE TABLE app.newer (id integer, b integer, PRIMARY KEY (id) INCLUDE (b), twice integer GENERATED ALWAYS AS (b * 2) STORED,
  u integer, UNIQUE NULLS NOT DISTINCT (u), t text COMPRESSION pglz);
ALTER TABLE app.newer ALTER COLUMN t SET STORAGE EXTERNAL;
CREATE PROCEDURE app.go(n integer) LANGUAGE sql BEGIN ATOMIC DELETE FROM app.newer WHERE id = n; END;
"#;

fn carries(from: PostgresVersion, script: &str, to: PostgresVersion) -> Result<()> {
    let source = PostgresServer::builder(from).start()?;
    source.exec(script)?;
    let destination = PostgresServer::builder(to).start()?;
    let schema = schema_of_postgres(&source)?;
    let (mapping, types) = (identity(), ColumnTypes::default());
    create(&destination, &wanted(&schema, &mapping, &types), "")?;
    for name in ["app", "\"Other one\""] {
        let unquoted = name.trim_matches('"');
        let (mut there, mut here) = (facts(&source, unquoted)?, facts(&destination, unquoted)?);
        // Names of conditions, and how a server of another version prints an expression, are the server's.
        if from != to {
            let is_plain = |fact: &String| !fact.contains("SELECT") && !fact.contains("EXECUTE");
            there.retain(|_, fact| is_plain(fact));
            here.retain(|_, fact| is_plain(fact));
        }
        for (object, fact) in &there {
            assert_eq!(here.get(object), Some(fact), "{object} from {from:?} to {to:?}");
        }
        // Ranges have got multiranges with PostgreSQL 14.
        let is_more = |object: &&String| !there.contains_key(*object) && !object.contains("_multirange");
        let more: Vec<_> = here.keys().filter(is_more).collect();
        assert!(more.is_empty(), "{more:?} from {from:?} to {to:?}");
    }
    Ok(())
}

#[test]
fn postgresql_15_to_15_is_the_same() -> Result<()> {
    carries(PostgresVersion::V15, &format!("{SCRIPT}{SINCE_15}"), PostgresVersion::V15)
}

#[test]
fn postgresql_10_to_18_is_the_same() -> Result<()> {
    carries(PostgresVersion::V10, SCRIPT, PostgresVersion::V18)
}

#[test]
fn postgresql_18_to_18_is_the_same() -> Result<()> {
    carries(PostgresVersion::V18, &format!("{SCRIPT}{SINCE_15}"), PostgresVersion::V18)
}

/// Schemas, tables and columns with other names: whatever names them follows.
#[test]
fn other_names_go_into_every_definition() -> Result<()> {
    let source = PostgresServer::builder(PostgresVersion::V15).start()?;
    source.exec(
        "CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('a'); \
         CREATE TABLE app.t (id serial PRIMARY KEY, m app.mood DEFAULT 'a', n int CHECK (n > 0), up int REFERENCES app.t); \
         CREATE INDEX by_n ON app.t (abs(n)); CREATE VIEW app.v AS SELECT n FROM app.t",
    )?;
    let schema = schema_of_postgres(&source)?;
    let mapping = crate::postgres::schema::planning::mapping(
        "[[mapping]]\nmatch = 'app.t'\ntable = 'things'\n[[mapping]]\nmatch = 'app.*'\ndatabase = 'store'",
    );
    let types = ColumnTypes::default();
    let server = PostgresServer::builder(PostgresVersion::V15).start()?;
    create(&server, &wanted(&schema, &mapping, &types), "")?;
    let facts = facts(&server, "store")?;
    let text = format!("{facts:#?}");
    assert!(!text.contains("app."), "{text}");
    for (name, fact) in [
        ("column things.id", "integer not null default nextval('store.t_id_seq'::regclass)"),
        ("column things.m", "store.mood default 'a'::store.mood"),
        ("constraint store.things.t_up_fkey", "FOREIGN KEY (up) REFERENCES store.things(id)"),
        ("index by_n", "CREATE INDEX by_n ON store.things USING btree (abs(n))"),
    ] {
        assert_eq!(facts.get(name).map(String::as_str), Some(fact), "{text}");
    }
    Ok(())
}
