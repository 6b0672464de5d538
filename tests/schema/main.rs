//! The schema phase between real servers: what is created is compared with what is there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../river/mod.rs"]
mod river;
mod scripts;

use anyhow::Result;
use river::{Destination, PROGRAM, source_section};
use slackwater_testkit::{Flavor, Server, Task};

#[test]
fn probe() -> Result<()> {
    let flavors = [
        (Flavor::Mysql97, Flavor::Mysql97, false),
        (Flavor::Mysql97, Flavor::Mariadb1011, true),
        (Flavor::Mariadb118, Flavor::Mysql97, true),
        (Flavor::Mysql57, Flavor::Mysql97, true),
        (Flavor::Mariadb118, Flavor::Mariadb118, true),
    ];
    let which: usize = std::env::var("PROBE").unwrap().parse()?;
    let (s, d, portable) = flavors[which];
    let source = Server::builder(s).start()?;
    source.exec(&scripts::script(s, portable))?;
    let destination = Destination::server(d)?;
    let directory = tempfile::tempdir()?;
    let task =
        Task::new(PROGRAM, directory.path(), &(source_section(&[&source], "now") + &destination.section()))?;
    let out = task.command(&["schema"]).output()?;
    println!("{}\n{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    let out = task.command(&["schema", "--apply", "--stage", "at-cutover"]).output()?;
    println!("=====\n{}\n{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    Ok(())
}
