//! The steps of the phase, as a task takes them.

use std::sync::Arc;

use anyhow::Result;
use slackwater::{
    config::{Objects, Overrides},
    destinations::{self, Destination as _, schema::Stage},
    mapping::{Mapping, Selection},
    pipeline::schema::SchemaPhase,
    sources::mysql::Mysql,
};
use slackwater_decoders::schema::TableName;
use slackwater_testkit::{Flavor, Server};

const SCRIPT: &str = "CREATE DATABASE shop; \
    CREATE TABLE shop.parents (id INT PRIMARY KEY, u INT, UNIQUE KEY u (u)); \
    CREATE TABLE shop.t (id INT PRIMARY KEY, a INT, b INT, parent INT, KEY a (a), KEY b (b), UNIQUE KEY ab (a, b), \
      CONSTRAINT up FOREIGN KEY (parent) REFERENCES shop.parents (u))";

/// What the log has yet to bring is left to it: a key that came later, one that went, one of a column with a new name.
#[tokio::test(flavor = "multi_thread")]
async fn each_step_creates_what_is_missing_and_leaves_the_rest_to_the_log() -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (from, to) = (
        Server::builder(Flavor::Mysql97).start()?,
        Server::builder(Flavor::Mariadb1011).server_id(77).start()?,
    );
    from.exec(SCRIPT)?;
    let toml = format!("hosts = ['127.0.0.1:{}']\nuser = 'root'", from.port());
    let source = Mysql::new("test", toml::from_str(&toml)?, Arc::new(|_| true))?;
    let toml = format!("host = '127.0.0.1:{}'\nuser = 'root'", to.port());
    let mut destination = destinations::mysql::Mysql::new("test", toml::from_str(&toml)?);
    destination.open().await?;
    let state = tempfile::tempdir()?;
    let phase = || {
        let mapping = Arc::new(Mapping::identity(Selection::new(&Objects::default())));
        SchemaPhase::new(mapping, Overrides::default(), state.path())
    };
    let tables = ["t", "parents", "gone"].map(|table| TableName::new("shop", table));
    let report = phase()?.create_tables(&source, &mut destination, &tables).await?;
    assert_eq!((report.executed, report.failures.len(), report.uncopyable.len()), (3, 0, 0), "{report:#?}");
    let keys = "SELECT GROUP_CONCAT(DISTINCT INDEX_NAME ORDER BY INDEX_NAME) FROM information_schema.STATISTICS \
                WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = 't'";
    assert_eq!(to.query_string(keys)?.as_deref(), Some("PRIMARY"));
    let again = phase()?.create_tables(&source, &mut destination, &tables).await?;
    assert_eq!((again.executed, again.kept), (0, 2), "{again:#?}");

    from.exec("ALTER TABLE shop.t ADD KEY late (b, id); ALTER TABLE shop.t RENAME COLUMN b TO c; ALTER TABLE shop.t DROP KEY a")?;
    // A process that was killed in between knows from its state.
    let report = phase()?.complete(&source, &mut destination, Stage::AfterLoad).await?;
    assert!(report.failures.is_empty(), "{report:#?}");
    assert_eq!(to.query_string(keys)?.as_deref(), Some("PRIMARY,up"));

    to.exec("ALTER TABLE shop.t RENAME COLUMN b TO c")?;
    let report = phase()?.complete(&source, &mut destination, Stage::AtConsistency).await?;
    assert!(report.failures.is_empty(), "{report:#?}");
    assert_eq!(to.query_string(keys)?.as_deref(), Some("ab,b,PRIMARY,up"));
    phase()?.complete(&source, &mut destination, Stage::AtCutover).await?;
    assert_eq!(to.query_string(keys)?.as_deref(), Some("ab,b,late,PRIMARY,up"));
    let foreign = "SELECT CONSTRAINT_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = 'shop'";
    assert_eq!(to.query_string(foreign)?.as_deref(), Some("up"));
    Ok(())
}
