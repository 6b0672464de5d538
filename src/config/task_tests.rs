#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

const GOOD: &str = r#"
start = { binlog = { file = "binlog.000007", offset = 4 } }

[source]
type = "mysql"
hosts = ["db1:3306"]
user = "repl"
password_file = "repl-password"

[destination]
type = "sqlite"
path = "orders.db"

[objects]
include = ["shop.*"]

[apply]
memory = "128MiB"
error_limit = "2m"

[cutover]
command = ["/usr/local/bin/switch", "orders"]
when = "in-sync"
after = "stop"
"#;

fn parse(text: &str) -> Result<Task, ConfigError> {
    Task::parse(Path::new("/etc/slackwater/orders.toml"), text)
}

/// The message for the good file with one part of it changed.
fn error(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from));
    match parse(&GOOD.replacen(from, to, 1)) {
        Ok(_) => panic!("accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_task_file_with_its_defaults() {
    let task = parse(GOOD).unwrap();
    assert_eq!(task.name, "orders");
    assert_eq!(task.state_dir, Path::new("/var/lib/slackwater/orders"));
    assert_eq!(task.start, Start::Binlog { file: "binlog.000007".into(), offset: 4 });
    assert_eq!((task.apply.memory, task.apply.batch_size), (ByteSize::mib(128), ByteSize::mib(1)));
    assert_eq!(task.apply.error_limit, Duration::from_secs(120));
    assert_eq!(task.apply.connection_lost_limit, Duration::from_secs(720 * 60));
    assert_eq!((task.cutover.after, task.cutover.when), (After::Stop, When::InSync));
    let DestinationConfig::Sqlite(sqlite) = task.destination else { panic!("sqlite") };
    assert_eq!(sqlite.path, Path::new("/etc/slackwater/orders.db"));
}

#[test]
fn a_misspelt_key_is_shown_with_its_line_and_the_right_name() {
    assert_eq!(
        error("[apply]\nmemory", "[apply]\nmemroy"),
        "/etc/slackwater/orders.toml:18:1: unknown key `memroy` in [apply]
    |
 18 | memroy = \"128MiB\"
    | ^^^^^^
  did you mean `memory`?"
    );
    assert_eq!(
        error("path = ", "pth = "),
        "/etc/slackwater/orders.toml:12:1: unknown key `pth` in [destination]
    |
 12 | pth = \"orders.db\"
    | ^^^
  did you mean `path`?"
    );
    assert_eq!(
        error("[cutover]", "[cut-over]"),
        "/etc/slackwater/orders.toml:21:2: unknown key `cut-over`
    |
 21 | [cut-over]
    |  ^^^^^^^^
  did you mean `cutover`?"
    );
}

#[test]
fn a_misspelt_key_of_a_server_is_shown_with_its_line() {
    let text = error("user = ", "usr = ");
    assert!(text.starts_with("/etc/slackwater/orders.toml:7:1: unknown key `usr` in [source]"), "{text}");
    assert!(text.ends_with("did you mean `user`?"), "{text}");
    let text = error("password_file = ", "pasword_file = ");
    assert!(
        text.starts_with("/etc/slackwater/orders.toml:8:1: unknown key `pasword_file` in [source]"),
        "{text}"
    );
    assert!(text.ends_with("did you mean `password_file`?"), "{text}");
}

#[test]
fn a_misspelt_value_is_shown_with_its_line_and_the_right_one() {
    assert_eq!(
        error("\"stop\"", "\"stopp\""),
        "/etc/slackwater/orders.toml:24:9: unknown value `stopp` in [cutover]
    |
 24 | after = \"stopp\"
    |         ^^^^^^^
  did you mean `stop`?"
    );
    assert_eq!(
        error("type = \"mysql\"", "type = \"mariadb\""),
        "/etc/slackwater/orders.toml:5:8: unknown type `mariadb` in [source]
   |
 5 | type = \"mariadb\"
   |        ^^^^^^^^^
  known here: mysql, mysql-files, postgresql"
    );
}

#[test]
fn a_wrong_type_a_wrong_range_and_a_wrong_unit() {
    assert_eq!(
        error("\"128MiB\"", "true"),
        "/etc/slackwater/orders.toml:18:10: invalid type: boolean `true`, expected a number of bytes such as \"64MiB\" \
         in [apply]
    |
 18 | memory = true
    |          ^^^^"
    );
    assert_eq!(
        error("\"128MiB\"", "\"8GiB\""),
        "/etc/slackwater/orders.toml:18:1: apply.memory is 8.00 GiB
    |
 18 | memory = \"8GiB\"
    | ^^^^^^
  give a size from 1.0 MiB to 4.00 GiB"
    );
    let text = error("\"2m\"", "\"2 moons\"");
    assert!(text.starts_with("/etc/slackwater/orders.toml:19:15: ") && text.contains("^^^^^^^^^"), "{text}");
}

#[test]
fn what_is_missing_is_said_with_what_to_add() {
    let text = error("[destination]\ntype = \"sqlite\"\npath = \"orders.db\"", "");
    assert_eq!(
        text,
        "/etc/slackwater/orders.toml: the section [destination] is missing
  add [destination] with type = \"sqlite\" or \"mysql\" or \"postgresql\""
    );
    let text = error("type = \"sqlite\"\n", "");
    assert!(text.contains("orders.toml:10:2: `type` is missing in [destination]"), "{text}");
    let text = error("hosts = [\"db1:3306\"]\n", "");
    assert!(text.contains("orders.toml:4:1: missing field `hosts` in [source]"), "{text}");
}

#[test]
fn a_sections_own_check_is_shown_at_the_key() {
    let text = error("[\"db1:3306\"]", "[]");
    assert!(text.starts_with("/etc/slackwater/orders.toml:6:1: source.hosts names no server"), "{text}");
    let text = error("\"shop.*\"", "\"shop\"");
    assert!(text.starts_with("/etc/slackwater/orders.toml:15:12: \"shop\" is no object pattern"), "{text}");
}

#[test]
fn broken_toml_is_shown_at_its_place() {
    let text = error("user = \"repl\"", "user = \"repl");
    assert!(text.starts_with("/etc/slackwater/orders.toml:7:"), "{text}");
}

#[test]
fn a_reload_knows_what_needs_a_restart() {
    let task = parse(GOOD).unwrap();
    let moved = parse(&GOOD.replacen("[source]", "# a comment\n[source]", 1)).unwrap();
    assert!(task.needs_restart_for(&moved).is_empty());
    let changed =
        parse(&GOOD.replace("db1", "db2").replace("128", "64").replace("orders\"]", "x\"]")).unwrap();
    assert_eq!(task.needs_restart_for(&changed), ["[source] or [destination]", "[apply]"]);
}

#[test]
fn rules_are_read_and_their_mistakes_shown_at_their_lines() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config/mapping.toml");
    assert_eq!(Task::load(Path::new(example)).unwrap().mapping.len(), 3);
    let with = |rule: &str| {
        parse(&format!("{GOOD}\n[[mapping]]\nmatch = \"shop.*\"\n{rule}\n")).unwrap_err().to_string()
    };
    let text = with("tabel = \"x\"");
    assert!(text.starts_with("/etc/slackwater/orders.toml:28:1: unknown key `tabel` in [mapping]"), "{text}");
    assert!(text.ends_with("did you mean `table`?"), "{text}");
    let text = with("table = \"${source.tabel}\"");
    assert!(
        text.contains("orders.toml:28:9: unknown variable `source.tabel`: did you mean `source.table`?"),
        "{text}"
    );
    assert!(with("operations = [\"updates\"]").ends_with("did you mean `update`?"));
    assert!(
        with("database = { replace = [\"a\", \"b\"], prefix = \"c\" }").contains("a name is made by one of")
    );
}

#[test]
fn a_copy_has_its_section_and_only_its_limits_change_while_it_runs() {
    let text =
        GOOD.replace("start = { binlog = { file = \"binlog.000007\", offset = 4 } }", "start = \"snapshot\"");
    let task = parse(&text).unwrap();
    assert_eq!(
        (task.start.clone(), task.snapshot.readers, task.snapshot.existing),
        (Start::Snapshot, 2, Existing::Stop)
    );
    let limited =
        parse(&format!("{text}[snapshot]\nrows_per_second = 1000\nbytes_per_second = \"8MiB\"\n")).unwrap();
    assert_eq!(limited.snapshot.bytes_per_second, Some(ByteSize::mib(8)));
    assert!(task.needs_restart_for(&limited).is_empty());
    let more = parse(&format!("{text}[snapshot]\nreaders = 8\nexisting = \"truncate\"\n")).unwrap();
    assert_eq!(task.needs_restart_for(&more), ["[snapshot]"]);
    let none = parse(&format!("{text}[snapshot]\nreaders = 0\n")).unwrap_err().to_string();
    assert!(none.contains("snapshot.readers is 0") && none.contains("from 1 to 64"), "{none}");
}
