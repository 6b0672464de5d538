//! Prints which characters a collation takes for ASCII text: the tables under `src/mapping/filter/folds`.
//!
//! `cargo run -p slackwater-testkit --example collation_folds -- mysql-9.7 utf8mb4_0900_ai_ci`
//!
//! Each line is an ASCII text, a colon, and the characters whose weights in the collation are the weights of that text, all as code
//! points in hexadecimal; what is ignored has a line with an empty text. Read from the server's `WEIGHT_STRING()` of every character.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, anyhow};
use slackwater_testkit::{Flavor, Server, mysql::prelude::Queryable};

/// Levels of weights, each a list of two (MySQL, and MariaDB's Unicode collations) or one byte each.
type Levels = Vec<Vec<Vec<u8>>>;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let flavor = arguments.next().context("which server")?;
    let collation = arguments.next().context("which collation")?;
    let flavor = Flavor::ALL
        .into_iter()
        .find(|known| known.to_string() == flavor)
        .ok_or_else(|| anyhow!("{flavor} is none of {:?}", Flavor::ALL.map(|flavor| flavor.to_string())))?;
    let server = Server::builder(flavor).start()?;
    let weights = weights(&server, flavor, &collation)?;
    let levels: BTreeMap<char, Levels> =
        weights.iter().map(|(c, weight)| (*c, levels(weight, &collation))).collect();
    let mut letters = HashMap::new();
    for c in (' '..='~').chain('\0'..=' ').chain(['\x7f']) {
        let first = levels.get(&c).and_then(|levels| levels.first());
        if let Some([weight]) = first.map(Vec::as_slice) {
            letters.entry(weight.clone()).or_insert(Vec::new()).push(c);
        }
    }
    let mut folds: BTreeMap<String, String> = BTreeMap::new();
    for (c, own) in &levels {
        if let Some(text) = ascii_of(own, &letters, &levels)
            && text != c.to_string()
        {
            folds.entry(text).or_default().push(*c);
        }
    }
    for (text, characters) in folds {
        let text: Vec<_> = text.chars().map(|c| format!("{:X}", u32::from(c))).collect();
        println!("{}: {}", text.join(" "), ranges(&characters));
    }
    Ok(())
}

/// `61 C0-C3`
fn ranges(characters: &str) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for code in characters.chars().map(u32::from) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == code => *last = code,
            _ => ranges.push((code, code)),
        }
    }
    let shown = |(first, last): &(u32, u32)| {
        if first == last { format!("{first:X}") } else { format!("{first:X}-{last:X}") }
    };
    ranges.iter().map(shown).collect::<Vec<_>>().join(" ")
}

/// The ASCII text with exactly these weights.
fn ascii_of(
    own: &Levels,
    letters: &HashMap<Vec<u8>, Vec<char>>,
    all: &BTreeMap<char, Levels>,
) -> Option<String> {
    let primary = own.first().map(Vec::as_slice).unwrap_or_default();
    if primary.is_empty() {
        return own.iter().all(Vec::is_empty).then(String::new);
    }
    // Characters that differ on a later level only (`a` and `A`) share a primary weight.
    let mut texts = vec![String::new()];
    for weight in primary {
        let choices = letters.get(weight)?;
        texts = texts.iter().flat_map(|text| choices.iter().map(move |c| format!("{text}{c}"))).collect();
        if texts.len() > 4096 {
            return None;
        }
    }
    texts.into_iter().find(|text| {
        let parts: Vec<_> = text.chars().filter_map(|c| all.get(&c)).collect();
        (0..own.len()).all(|level| {
            let joined: Vec<_> = parts.iter().filter_map(|part| part.get(level)).flatten().collect();
            own.get(level).is_some_and(|own| own.iter().eq(joined))
        })
    })
}

fn levels(weight: &[u8], collation: &str) -> Levels {
    let unit = if collation.starts_with("latin1") { 1 } else { 2 };
    let units: Vec<Vec<u8>> = weight.chunks(unit).map(<[u8]>::to_vec).collect();
    if unit == 1 || collation.contains("general") {
        return vec![units];
    }
    units.split(|unit| unit.iter().all(|byte| *byte == 0)).map(<[_]>::to_vec).collect()
}

fn weights(server: &Server, flavor: Flavor, collation: &str) -> Result<Vec<(char, Vec<u8>)>> {
    let charset = collation.split('_').next().context("a collation starts with its character set")?;
    let charset = if collation.starts_with("uca1400") { "utf8mb4" } else { charset };
    let last = if charset == "latin1" { 0xff } else { 0x10_ffff };
    let character = if charset == "latin1" {
        "CHAR(seq USING latin1)".to_owned()
    } else {
        format!("CONVERT(CHAR(seq USING utf32) USING {charset})")
    };
    let mut connection = server.conn()?;
    // MariaDB's sequences are tables of a database.
    connection.query_drop("USE mysql")?;
    let (with, from) = if matches!(flavor, Flavor::Mysql97) {
        connection.query_drop("SET cte_max_recursion_depth = 2000000")?;
        (
            format!(
                "WITH RECURSIVE n (seq) AS (SELECT 0 UNION ALL SELECT seq + 1 FROM n WHERE seq < {last})"
            ),
            "n".to_owned(),
        )
    } else {
        (String::new(), format!("seq_0_to_{last}"))
    };
    let query = format!(
        "{with} SELECT CONVERT({character} USING utf8mb4), HEX(WEIGHT_STRING({character} COLLATE {collation})) FROM {from} \
         WHERE seq NOT BETWEEN 0xD800 AND 0xDFFF"
    );
    let rows: Vec<(Option<Vec<u8>>, Option<String>)> = connection.query(query)?;
    Ok(rows
        .into_iter()
        .filter_map(|(character, weight)| {
            let text = String::from_utf8(character?).ok()?;
            let mut characters = text.chars();
            let (c, None) = (characters.next()?, characters.next()) else { return None };
            let weight = weight?;
            let byte = |place: usize| u8::from_str_radix(weight.get(place..place + 2)?, 16).ok();
            Some((c, (0..weight.len()).step_by(2).filter_map(byte).collect()))
        })
        .collect())
}
