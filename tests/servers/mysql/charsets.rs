//! Character sets and collations against the servers themselves: every code of every character set.

use std::collections::BTreeMap;

use anyhow::Context;
use slackwater_decoders::arena::ArenaPool;
use slackwater_decoders::mysql::charset::{Charset, collation_charset};
use slackwater_testkit::{Flavor, Server};

/// A table of the numbers from 0 to 65535, for servers without recursive queries too.
const NUMBERS: &str = "CREATE DATABASE codes; CREATE TABLE codes.n (i INT UNSIGNED PRIMARY KEY);
    INSERT INTO codes.n VALUES (0)";

fn start(flavor: Flavor) -> anyhow::Result<Server> {
    let server = Server::builder(flavor).arg("--max-allowed-packet=64M").start()?;
    server.exec(NUMBERS)?;
    for bit in 0..16 {
        server.exec(&format!("INSERT INTO codes.n SELECT i + {} FROM codes.n", 1 << bit))?;
    }
    Ok(server)
}

/// What the server makes of codes: the number `i` as hexadecimal digits, behind a prefix. `None`: refused.
fn converted(
    server: &Server,
    charset: &str,
    code: &str,
    which: &str,
) -> anyhow::Result<BTreeMap<Vec<u8>, Option<String>>> {
    let query = format!(
        "SELECT UNHEX({code}), CONVERT(CONVERT(UNHEX({code}) USING {charset}) USING utf8mb4) FROM codes.n WHERE {which}"
    );
    let rows = server.query(&query)?;
    let pair = |row: Vec<Option<Vec<u8>>>| {
        let [code, text] = <[_; 2]>::try_from(row).ok().context("two columns")?;
        // Broken UTF-8 (MariaDB converts lone surrogates) is a refusal as well.
        Ok((code.context("a code")?, text.and_then(|text| String::from_utf8(text).ok())))
    };
    rows.into_iter().map(pair).collect()
}

/// The codes of one character set that are converted otherwise than on the server.
fn differences(server: &Server, charset: Charset) -> anyhow::Result<Vec<String>> {
    let name = charset.name();
    let mut queries = vec![("LPAD(HEX(i), 2, '0')", "i < 256")];
    match charset.max_bytes_per_char() {
        1 => {}
        _ if name.starts_with("u") && name != "ujis" => queries = vec![("LPAD(HEX(i), 4, '0')", "TRUE")],
        _ => queries.push(("HEX(i)", "i >= 0x8000")),
    }
    match name {
        "ujis" | "eucjpms" => queries.push(("CONCAT('8F', HEX(i))", "i >= 0x8000")),
        "utf32" => {
            queries = vec![("LPAD(HEX(i), 8, '0')", "TRUE"), ("LPAD(HEX(i * 20 + 7), 8, '0')", "TRUE")]
        }
        _ => {}
    }
    let refuses = matches!(server.flavor(), Flavor::Mysql97 | Flavor::Mysql57);
    let pool = ArenaPool::new();
    let arena = pool.arena();
    let mut differences = Vec::new();
    for (code, which) in queries {
        let codes = converted(server, name, code, which)?;
        for (code, theirs) in &codes {
            let ours = charset.decode(code, &arena).ok();
            let is_same = match (ours, theirs) {
                // MySQL 8.0 and later refuse ascii above 0x7F; all show 0x8EA0 of ujis and eucjpms as `??`.
                (Some("?"), theirs) => theirs.as_deref().is_none_or(|text| text.starts_with('?')),
                // MySQL 5.6 cuts, MariaDB replaces what is ill-formed; MySQL takes lone bytes of eucjpms for something.
                (None, Some(_)) => !refuses || (name == "eucjpms" && code.len() == 1),
                (ours, theirs) => ours == theirs.as_deref(),
            };
            if !is_same {
                differences.push(format!("{name} {code:02x?}: {ours:?}, server {theirs:?}"));
            }
        }
    }
    Ok(differences)
}

#[test]
fn every_code_is_converted_as_by_the_server() -> anyhow::Result<()> {
    for flavor in Flavor::ALL {
        let server = start(flavor)?;
        for row in server.query("SELECT CHARACTER_SET_NAME, MAXLEN FROM information_schema.CHARACTER_SETS")? {
            let name = String::from_utf8(row.into_iter().next().flatten().context("a name")?)?;
            let charset =
                Charset::by_name(&name).with_context(|| format!("{flavor}: no character set {name}"))?;
            if charset.is_binary() || name.starts_with("utf8") {
                continue;
            }
            let differences = differences(&server, charset)?;
            assert!(
                differences.is_empty(),
                "{flavor}: {} codes: {:?}",
                differences.len(),
                differences.first()
            );
        }
    }
    Ok(())
}

#[test]
fn collations_belong_to_the_character_sets_of_the_server() -> anyhow::Result<()> {
    for flavor in Flavor::ALL {
        let server = Server::builder(flavor).start()?;
        let query = if flavor.is_mariadb() {
            "SELECT ID, FULL_COLLATION_NAME, CHARACTER_SET_NAME
             FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY WHERE ID > 0"
        } else {
            "SELECT ID, COLLATION_NAME, CHARACTER_SET_NAME FROM information_schema.COLLATIONS"
        };
        let rows = server.query(query)?;
        assert!(rows.len() > 200, "{flavor}: {} collations", rows.len());
        for row in rows {
            let texts = row.into_iter().map(|cell| String::from_utf8(cell.unwrap_or_default()));
            let [id, name, charset] = <[String; 3]>::try_from(texts.collect::<Result<Vec<_>, _>>()?)
                .ok()
                .context("three columns")?;
            let charset = Charset::by_name(&charset);
            assert!(charset.is_some(), "{flavor}: {name}");
            assert_eq!(Charset::by_collation(id.parse()?), charset, "{flavor}: {id} {name}");
            assert_eq!(collation_charset(&name), charset, "{flavor}: {name}");
        }
    }
    Ok(())
}
