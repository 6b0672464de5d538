//! The precheck of a server: each item is asked for, even when one before it fails.
//!
//! * `settings`: what follows from the server's variables. `privileges`: what the account may do. `objects`: the tables. `copying`: what a
//!   task needs that begins with a copy of them, and `programs` for what belongs to them.
//! * Here: getting there at all, and what the log and the topology are like.

mod copying;
mod objects;
pub(super) mod privileges;
mod programs;
mod settings;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::{
    net::{TcpStream, UnixStream},
    time::timeout,
};

use self::settings::{Settings, option_file};
use super::{
    Mysql,
    auth::UnsupportedMethod,
    connection::{Address, Connection, Version},
    dump::ReplicaIdentity,
    questions,
    response::ServerError,
};
use crate::{
    config::{Start, source::TlsMode},
    error::{Error, Result},
    sources::{Finding, Level, Plan},
};

/// A clock that is further off makes the lag in seconds wrong.
const CLOCK_SKEW: u64 = 2;
/// ER_SECURE_TRANSPORT_REQUIRED.
const NEEDS_TLS: u16 = 3159;
/// ER_SPECIFIC_ACCESS_DENIED_ERROR.
const NOT_ALLOWED: u16 = 1227;

impl Mysql {
    /// The items of all servers of the task.
    pub(super) async fn findings(&self, plan: &Plan<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let addresses = self.hosts.addresses();
        for address in addresses {
            let mut of_host = self.findings_at(address, plan).await;
            if addresses.len() > 1 {
                for finding in &mut of_host {
                    finding.found = format!("{address}: {}", finding.found);
                }
            }
            findings.append(&mut of_host);
        }
        findings
    }

    async fn findings_at(&self, address: &Address, plan: &Plan<'_>) -> Vec<Finding> {
        let mut findings = vec![reachable(address, self.hosts.config().connect_timeout).await];
        if findings.iter().any(|finding| finding.level == Level::Error) {
            return findings;
        }
        let mut connection = match self.hosts.connect_to(address).await {
            Ok(connection) => connection,
            Err(error) => {
                findings.push(self.refused(&error, plan));
                return findings;
            }
        };
        findings.extend(self.logged_in(&connection, address));
        findings.push(version(connection.version()));
        let rows = match connection.query("SHOW GLOBAL VARIABLES").await {
            Ok(rows) => rows,
            Err(error) => {
                findings.push(Finding::unanswered("mysql.variables", &error));
                return findings;
            }
        };
        let settings = Settings::new(&rows, connection.version().clone());
        findings.extend(settings.findings(self.hosts.addresses().len() > 1));
        findings.extend(account(&mut connection, plan, &settings).await);
        let several = [
            ("mysql.start_position", start_position(&mut connection, plan).await),
            ("mysql.binlog_filter", log_filter(&mut connection, plan).await),
            ("mysql.server_id", server_id(&mut connection, &self.identity, &settings).await),
            ("mysql.log_replica_updates", replica_updates(&mut connection, &settings).await),
            ("mysql.xa", distributed(&mut connection).await),
            ("mysql.clock", clock(&mut connection).await),
        ];
        for (code, finding) in several {
            findings.push(finding.unwrap_or_else(|error| Finding::unanswered(code, &error)));
        }
        findings.extend(objects::findings(&mut connection, plan, &settings).await);
        findings
    }

    /// Why a login failed: the account, or what comes before it.
    fn refused(&self, error: &Error, plan: &Plan<'_>) -> Finding {
        let config = self.hosts.config();
        let refusal = error.cause_as::<ServerError>().map(|refusal| refusal.code);
        if refusal == Some(NEEDS_TLS) {
            return Finding::error(
                "mysql.tls",
                format!("{} (tls.mode is {})", error.parts().0, config.tls.mode),
                "in the task file: source.tls = { mode = \"required\" }",
            );
        }
        if error.is_transient() {
            return Finding::unanswered("mysql.account", error);
        }
        if refusal.is_some() || error.cause_as::<UnsupportedMethod>().is_some() {
            let repair = privileges::new_account(&config.user, plan.selection);
            return Finding::error("mysql.account", error.parts().0, repair);
        }
        Finding::unanswered("mysql.tls", error)
    }

    fn logged_in(&self, connection: &Connection, address: &Address) -> [Finding; 2] {
        let config = self.hosts.config();
        let mode = config.tls.mode;
        let tls = match (connection.is_encrypted(), address) {
            (true, _) => {
                Finding::ok("mysql.tls", format!("the connection is encrypted (tls.mode is {mode})"))
            }
            (false, Address::Unix(_)) => Finding::ok("mysql.tls", "the connection is a local socket"),
            (false, _) if mode == TlsMode::Disabled => Finding::ok(
                "mysql.tls",
                "the connection is not encrypted, as configured (tls.mode is disabled)",
            ),
            (false, Address::Tcp(..)) => Finding::warning(
                "mysql.tls",
                "the server offers no TLS and tls.mode is preferred: what is read can be seen on the way",
                option_file(&[
                    "ssl_cert = /etc/mysql/server-cert.pem",
                    "ssl_key = /etc/mysql/server-key.pem",
                ]),
            ),
        };
        [tls, Finding::ok("mysql.account", format!("the server accepts the account {}", config.user))]
    }
}

async fn reachable(address: &Address, limit: Duration) -> Finding {
    let code = "mysql.reachable";
    let connected = match address {
        Address::Tcp(host, port) => {
            timeout(limit, TcpStream::connect((host.as_str(), *port))).await.map(|result| result.map(drop))
        }
        Address::Unix(path) => timeout(limit, UnixStream::connect(path)).await.map(|result| result.map(drop)),
    };
    let why = match connected {
        Ok(Ok(())) => return Finding::ok(code, format!("{address} answers")),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {limit:?}"),
    };
    Finding::error(
        code,
        format!("cannot connect to {address}: {why}"),
        "start the server, open the way to it (bind_address, skip_networking, firewalls), or correct source.hosts",
    )
}

/// The decoder reads the logs of MySQL 5.1 to 9.x and MariaDB 10 to 12; the oldest and newest that are tested are named.
fn version(version: &Version) -> Finding {
    let code = "mysql.version";
    let (major, minor, _) = version.numbers;
    let (oldest, newest) = if version.mariadb { ((10, 0), (12, u16::MAX)) } else { ((5, 6), (9, u16::MAX)) };
    if (major, minor) < oldest {
        let found = format!("{version} is older than MySQL 5.6 and MariaDB 10.0");
        return Finding::error(
            code,
            found,
            "read from a newer replica, or the binlog files themselves (type = \"mysql-files\", MySQL 5.1 and later)",
        );
    }
    if (major, minor) > newest {
        let found = format!("{version} is newer than what this release was tested with");
        return Finding::warning(
            code,
            found,
            "look for a newer release; an unknown event stops the task and loses nothing",
        );
    }
    Finding::ok(code, format!("{version} is supported"))
}

async fn account(connection: &mut Connection, plan: &Plan<'_>, settings: &Settings) -> Vec<Finding> {
    let asked = async {
        let account = privileges::account(connection).await?;
        Ok((account, privileges::grants(connection).await?))
    };
    match asked.await {
        Ok((account, grants)) => vec![
            privileges::replication(&grants, connection.version(), &account),
            privileges::select(&grants, plan.selection, settings, &account),
        ],
        Err(error) => {
            let error: Error = error;
            vec![Finding::unanswered("mysql.privileges", &error)]
        }
    }
}

async fn start_position(connection: &mut Connection, plan: &Plan<'_>) -> Result<Finding> {
    let code = "mysql.start_position";
    let (position, whose) = match (plan.stored, plan.start) {
        (Some(stored), _) => (Ok(stored.clone()), "the task goes on at"),
        (None, Start::Now | Start::Snapshot) => {
            (questions::now(connection).await, "a new task starts at the end,")
        }
        (None, Start::Earliest) => {
            (questions::earliest(connection).await, "a new task starts at the oldest place,")
        }
        (None, Start::Binlog { file, offset }) => {
            (questions::position_at(connection, file, *offset).await, "a new task starts at")
        }
        (None, Start::Gtid(gtids)) => {
            (questions::position_behind(connection, gtids).await, "a new task starts behind")
        }
    };
    let served = match position {
        Ok(position) => questions::can_serve(connection, &position).await.map(|()| position),
        Err(error) => Err(error),
    };
    match served {
        Ok(position) => Ok(Finding::ok(code, format!("{whose} {position}; the log is there"))),
        Err(error) if error.is_transient() => Err(error),
        Err(error) if plan.stored.is_some() => Ok(Finding::unanswered(code, &error)),
        Err(error) => {
            let oldest = questions::log_files(connection).await?.into_iter().next();
            let place = |file: questions::LogFile| {
                format!(
                    "start = {{ binlog = {{ file = {:?}, offset = {} }} }}",
                    file.name,
                    questions::FIRST_EVENT
                )
            };
            let start = oldest.map_or_else(|| "start = \"now\"".to_owned(), place);
            Ok(Finding::error(
                code,
                error.parts().0,
                format!("in the task file, for the oldest place there is: {start}"),
            ))
        }
    }
}

/// Databases that the server leaves out of its log.
async fn log_filter(connection: &mut Connection, plan: &Plan<'_>) -> Result<Finding> {
    let code = "mysql.binlog_filter";
    let (only, never) = questions::log_filter(connection).await?;
    let carried = |database: &&String| plan.selection.includes_database(database);
    let left_out: Vec<String> = never.iter().filter(carried).cloned().collect();
    if !only.is_empty() {
        return Ok(Finding::error(
            code,
            format!("the server logs the databases {} alone (binlog_do_db)", only.join(", ")),
            "take binlog_do_db out of the server's option file, then restart the server",
        ));
    }
    if !left_out.is_empty() {
        return Ok(Finding::error(
            code,
            format!("the server does not log the databases {} (binlog_ignore_db)", left_out.join(", ")),
            "take binlog_ignore_db out of the server's option file, then restart the server",
        ));
    }
    Ok(Finding::ok(code, "the server logs every database that is carried"))
}

async fn server_id(
    connection: &mut Connection,
    identity: &ReplicaIdentity,
    settings: &Settings,
) -> Result<Finding> {
    let code = "mysql.server_id";
    let ours = identity.server_id;
    let repair = "in the task file, another number that no server and no task has: source.server_id = 4242";
    if settings.get("server_id").and_then(|id| id.parse().ok()) == Some(ours) {
        return Ok(Finding::error(code, format!("the server itself has the server id {ours}"), repair));
    }
    if settings.get("server_id") == Some("0") {
        return Ok(Finding::error(
            code,
            "the server has the server id 0, with which it sends its log to nobody",
            "-- also server_id = 1 below [mysqld] in the option file\nSET GLOBAL server_id = 1;",
        ));
    }
    let statement =
        if connection.version().is_mysql(8, 0, 22) { "SHOW REPLICAS" } else { "SHOW SLAVE HOSTS" };
    let replicas = match connection.try_query(statement).await? {
        Ok(replicas) => replicas,
        Err(error) if error.code == NOT_ALLOWED => {
            return Ok(Finding::ok(
                code,
                format!(
                    "{ours}; whether a replica has it was not looked at: the account would need more for that than for \
                     the task, which says so when another client takes its place"
                ),
            ));
        }
        Err(error) => return Err(error.into()),
    };
    let taken = replicas.iter().find(|row| row.at(0).and_then(|id| id.parse().ok()) == Some(ours));
    let uuid = taken.and_then(|row| row.text("Replica_UUID").or_else(|| row.text("Slave_UUID")));
    Ok(match taken {
        None => Finding::ok(code, format!("no replica has the server id {ours}")),
        Some(_) if uuid == Some(&identity.uuid) => {
            Finding::ok(code, format!("{ours}: the task runs, and is connected to the server"))
        }
        // MariaDB does not tell who it is.
        Some(_) if connection.version().mariadb => Finding::warning(
            code,
            format!("a replica with the server id {ours} is connected: this task, if it runs, else another"),
            repair,
        ),
        Some(_) => Finding::error(code, format!("a replica with the server id {ours} is connected"), repair),
    })
}

async fn replica_updates(connection: &mut Connection, settings: &Settings) -> Result<Finding> {
    let code = "mysql.log_replica_updates";
    if settings.is_on("log_replica_updates") || settings.is_on("log_slave_updates") {
        return Ok(Finding::ok(code, "the server logs what it replicates"));
    }
    let statement = match connection.version() {
        version if version.is_mysql(8, 0, 22) => "SHOW REPLICA STATUS",
        version if version.mariadb => "SHOW ALL SLAVES STATUS",
        _ => "SHOW SLAVE STATUS",
    };
    let option =
        if connection.version().is_mysql(8, 0, 26) { "log_replica_updates" } else { "log_slave_updates" };
    let repair = option_file(&[&format!("{option} = ON")]);
    match connection.try_query(statement).await? {
        Ok(rows) if rows.first().is_none() => Ok(Finding::ok(code, "the server is no replica")),
        Ok(_) => {
            Ok(Finding::error(code, "the server is a replica and does not log what it replicates", repair))
        }
        Err(error) if error.code == NOT_ALLOWED => Ok(Finding::warning(
            code,
            format!("{option} is OFF: if the server is a replica, what it replicates is not in its log"),
            repair,
        )),
        Err(error) => Err(error.into()),
    }
}

/// Transactions in two phases, which the log has before it is decided whether they count.
async fn distributed(connection: &mut Connection) -> Result<Finding> {
    let code = "mysql.xa";
    let version = connection.version();
    // Earlier versions log such a transaction when it is committed, like any other.
    let since = if version.mariadb { (10, 5, 2) } else { (5, 7, 7) };
    if version.numbers < since {
        return Ok(Finding::ok(code, "XA transactions are logged when they are committed"));
    }
    let rows = connection.query("SHOW GLOBAL STATUS LIKE 'Com_xa_prepare'").await?;
    let prepared: u64 = rows.first().and_then(|row| row.at(1)?.parse().ok()).unwrap_or_default();
    if prepared == 0 {
        return Ok(Finding::ok(code, "no XA transaction was prepared since the server started"));
    }
    Ok(Finding::warning(
        code,
        format!(
            "{prepared} XA transactions were prepared since the server started: the task stops at the first that it comes to"
        ),
        "start behind them, and let the application commit in one phase: XA COMMIT … ONE PHASE",
    ))
}

async fn clock(connection: &mut Connection) -> Result<Finding> {
    let code = "mysql.clock";
    let theirs = connection.query_text("SELECT UNIX_TIMESTAMP()").await?;
    let theirs: u64 = theirs.and_then(|text| text.parse().ok()).unwrap_or_default();
    let ours = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let skew = ours.abs_diff(theirs);
    if skew <= CLOCK_SKEW {
        return Ok(Finding::ok(code, "the clocks agree"));
    }
    let found =
        format!("the server's clock and ours differ by {skew} s: the lag in seconds is wrong by as much");
    Ok(Finding::warning(code, found, "let both machines follow one clock (NTP)"))
}
