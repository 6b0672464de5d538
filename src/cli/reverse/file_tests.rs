#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

const FORWARD: &str = r#"
name = "shop"
state_dir = "shop.state"
start = "snapshot"

[source]
type = "mysql"
hosts = ["db1:3306", "db1b:3306"]
user = "mover"
password_file = "source.password"
tls = { mode = "verify-ca", ca = "/etc/ca.pem" }
server_id = 77

[destination]
type = "postgresql"
host = "db2:5432"
database = "store"
user = "mover"
password = "in the open"
checkpoint_schema = "moving"

[objects]
include = ["shop.*"]

[[mapping]]
match = "shop.orders"
table = "purchases"
columns = { rename = { ref = "reference" } }

[apply]
memory = "64 MiB"

[cutover]
downtime = "30s"
command = ["/usr/local/bin/turn", "to-db2"]
"#;

fn forward(text: &str, other_directory: bool) -> Result<String> {
    let file = Path::new("/etc/slackwater/shop.toml");
    let task = Task::parse(file, text).unwrap();
    reversed(&Forward { task: &task, file, text, other_directory })
}

#[test]
fn the_way_back_is_a_task_with_its_ends_swapped() {
    let text = forward(FORWARD, false).unwrap();
    assert!(!text.contains("in the open\""), "{text}");
    let task = Task::parse(Path::new("/etc/slackwater/shop-reverse.toml"), &text).unwrap();
    assert_eq!(
        (task.name.as_str(), task.state_dir.as_path()),
        ("shop-reverse", Path::new("/etc/slackwater/shop-reverse.state"))
    );
    let (SourceConfig::Postgres(source), DestinationConfig::Mysql(destination)) =
        (&task.source, &task.destination)
    else {
        panic!("{task:?}")
    };
    assert_eq!(
        (source.hosts.as_slice(), source.database.as_str()),
        (["db2:5432".to_owned()].as_slice(), "store")
    );
    assert_eq!(source.password_env.as_deref(), Some("SOURCE_PASSWORD"));
    assert_eq!((destination.host.as_str(), destination.user.as_str()), ("db1:3306", "mover"));
    assert_eq!(destination.password_file.as_deref(), Some(Path::new("/etc/slackwater/source.password")));
    assert_eq!(destination.tls.ca.as_deref(), Some(Path::new("/etc/ca.pem")));
    assert_eq!(task.cutover.reverse.as_deref(), Some(Path::new("/etc/slackwater/shop.toml")));
    assert_eq!(task.cutover.downtime.as_secs(), 30);
    assert!(
        task.cutover.command.is_empty() && text.contains("# command = [\"/usr/local/bin/turn\", \"to-db2\"]")
    );
    assert_eq!(task.objects.exclude.iter().map(ToString::to_string).collect::<Vec<_>>(), ["moving.*"]);
}

#[test]
fn a_file_elsewhere_names_the_same_places() {
    let text = forward(FORWARD, true).unwrap();
    let task = Task::parse(Path::new("/srv/back.toml"), &text).unwrap();
    let DestinationConfig::Mysql(destination) = &task.destination else { panic!("{task:?}") };
    assert_eq!(destination.password_file.as_deref(), Some(Path::new("/etc/slackwater/source.password")));
    assert_eq!(task.state_dir, Path::new("/etc/slackwater/shop-reverse.state"));
    assert_eq!(task.cutover.reverse.as_deref(), Some(Path::new("/etc/slackwater/shop.toml")));
}

#[test]
fn the_way_back_of_the_way_back_is_the_way_forward() {
    let text = forward(FORWARD, false).unwrap();
    let file = Path::new("/etc/slackwater/shop-reverse.toml");
    let task = Task::parse(file, &text).unwrap();
    let again = reversed(&Forward { task: &task, file, text: &text, other_directory: false }).unwrap();
    let again = Task::parse(Path::new("/etc/slackwater/again.toml"), &again).unwrap();
    let forward = Task::parse(Path::new("/etc/slackwater/shop.toml"), FORWARD).unwrap();
    assert_eq!(
        again.objects.include,
        [forward.objects.include.clone(), vec![crate::config::Pattern::of_table("shop", "orders")]].concat()
    );
    let rule = again.mapping.first().unwrap();
    assert_eq!((rule.tables.to_string().as_str(), again.mapping.len()), ("shop.orders", 1));
    assert_eq!(rule.columns, forward.mapping.first().unwrap().columns);
}

#[test]
fn an_end_that_has_no_log_or_takes_no_writes_has_no_way_back() {
    let sqlite = FORWARD.split("[destination]").next().unwrap().to_owned()
        + "[destination]\ntype = \"sqlite\"\npath = \"a.db\"";
    let error = forward(&sqlite, false).unwrap_err().to_string();
    assert!(error.contains("SQLite"), "{error}");
    let filtered = FORWARD.replace("table = \"purchases\"", "filter = \"ref > 1\"");
    let error = forward(&filtered, false).unwrap_err().to_string();
    assert!(error.contains("filter") && error.contains("what to do"), "{error}");
}
