//! Which servers there are, and how each differs on the command line.

use std::fmt;

/// A server product and version line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flavor {
    /// MySQL 9.7: the newest, with tagged GTIDs, compressed transactions and partial JSON.
    Mysql97,
    /// MySQL 5.7.
    Mysql57,
    /// MySQL 5.6: the oldest that is tested; no JSON, no generated columns.
    Mysql56,
    /// MariaDB 10.11.
    Mariadb1011,
    /// MariaDB 11.8.
    Mariadb118,
}

impl Flavor {
    /// Every flavor, MySQL first, newest first.
    pub const ALL: [Flavor; 5] =
        [Flavor::Mysql97, Flavor::Mysql57, Flavor::Mysql56, Flavor::Mariadb118, Flavor::Mariadb1011];

    /// The name that `install-servers` knows it by, such as `mysql-9.7`.
    pub fn name(self) -> &'static str {
        match self {
            Flavor::Mysql97 => "mysql-9.7",
            Flavor::Mysql57 => "mysql-5.7",
            Flavor::Mysql56 => "mysql-5.6",
            Flavor::Mariadb1011 => "mariadb-10.11",
            Flavor::Mariadb118 => "mariadb-11.8",
        }
    }

    /// Whether this is MariaDB, with its own events, GTIDs and replication statements.
    pub fn is_mariadb(self) -> bool {
        matches!(self, Flavor::Mariadb1011 | Flavor::Mariadb118)
    }

    /// Whether this is MySQL before 8.0: `MASTER` and `SLAVE` in statements, no data dictionary.
    pub fn is_mysql_5(self) -> bool {
        matches!(self, Flavor::Mysql57 | Flavor::Mysql56)
    }

    /// The server program in the installation.
    pub(crate) fn server_program(self) -> &'static str {
        if self.is_mariadb() { "mariadbd" } else { "mysqld" }
    }

    /// The flavor whose client tools read this one's logs: the archives of 5.6 and 5.7 have none.
    pub(crate) fn tools(self) -> Flavor {
        if self.is_mysql_5() { Flavor::Mysql97 } else { self }
    }

    /// What every test server of this flavor is started with; the builder's arguments come after and win.
    pub(crate) fn default_arguments(self) -> Vec<&'static str> {
        let mut arguments = vec![
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--character-set-server=utf8mb4",
            "--secure-file-priv=",
            "--local-infile=ON",
            "--max-allowed-packet=64M",
            // The log a replication client reads.
            "--log-bin=binlog",
            "--relay-log=relay",
            "--binlog-format=ROW",
            "--binlog-row-image=FULL",
            // Nothing waits for the disk: a killed server loses nothing by that, since the operating
            // system has its writes. A machine without power would.
            "--sync-binlog=0",
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-flush-method=nosync",
            // Several servers share a small machine.
            "--performance-schema=OFF",
            "--innodb-buffer-pool-size=64M",
            "--innodb-log-buffer-size=8M",
            "--innodb-use-native-aio=OFF",
        ];
        match self {
            Flavor::Mysql97 => arguments.extend([
                "--mysqlx=OFF",
                "--innodb-redo-log-capacity=64M",
                // More make every COUNT(*) of a small table start threads: 10 ms instead of 1.
                "--innodb-parallel-read-threads=1",
            ]),
            Flavor::Mysql57 => arguments.extend(["--log-slave-updates", "--innodb-log-file-size=8M"]),
            // 5.6 refuses a row with more than a tenth of the redo log in BLOBs.
            Flavor::Mysql56 => arguments.extend(["--log-slave-updates", "--innodb-log-file-size=32M"]),
            Flavor::Mariadb1011 | Flavor::Mariadb118 => {
                arguments.extend(["--log-slave-updates", "--gtid-strict-mode=ON"]);
            }
        }
        if !self.is_mariadb() {
            arguments.extend(["--gtid-mode=ON", "--enforce-gtid-consistency=ON"]);
        }
        if self.is_mysql_5() {
            arguments.push("--explicit-defaults-for-timestamp");
        }
        arguments
    }
}

impl fmt::Display for Flavor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
