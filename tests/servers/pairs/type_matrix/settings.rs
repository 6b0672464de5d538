//! The forms that a server's log can have.

use anyhow::Result;
use slackwater_testkit::{Flavor, mysql::Conn, run_statements};

use super::tables::Scope;

/// One form of the log: row image, metadata, and what else changes how rows are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// `binlog_row_image`.
    pub(crate) image: &'static str,
    /// `binlog_row_metadata`; empty where the server has none.
    pub(crate) metadata: &'static str,
    /// What makes the log smaller.
    pub(crate) extra: Extra,
}

/// What a server may do to make its log smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extra {
    None,
    /// MySQL's compressed transactions, MariaDB's compressed events.
    Compressed,
    /// MySQL's changes of JSON documents.
    PartialJson,
}

impl Settings {
    /// The name that tables get from it.
    pub(crate) fn name(self) -> String {
        let extra = match self.extra {
            Extra::None => "",
            Extra::Compressed => "_compressed",
            Extra::PartialJson => "_partial",
        };
        format!("{}_{}{extra}", self.image, if self.metadata.is_empty() { "none" } else { self.metadata })
            .to_lowercase()
    }

    /// Whether tables of that scope are tried under it. Documents alone are written otherwise with [`Extra::PartialJson`].
    pub(crate) fn includes(self, scope: Scope) -> bool {
        let full = self.image == "FULL";
        match scope {
            Scope::Everywhere => true,
            Scope::Metadata => full && self.extra == Extra::None,
        }
    }

    /// Sets them for the following statements of the connection. Metadata and MariaDB's compression are global.
    pub(crate) fn set(self, connection: &mut Conn, flavor: Flavor) -> Result<()> {
        let mut sql = format!("SET SESSION binlog_row_image = {};", self.image);
        if !self.metadata.is_empty() {
            sql += &format!("SET GLOBAL binlog_row_metadata = {};", self.metadata);
        }
        let compressed = if self.extra == Extra::Compressed { "ON" } else { "OFF" };
        if flavor == Flavor::Mysql97 {
            let partial = if self.extra == Extra::PartialJson { "PARTIAL_JSON" } else { "" };
            sql += &format!(
                "SET SESSION binlog_transaction_compression = {compressed}; SET SESSION binlog_row_value_options = '{partial}';"
            );
        } else if flavor.is_mariadb() {
            sql += &format!(
                "SET GLOBAL log_bin_compress_min_len = 10; SET GLOBAL log_bin_compress = {compressed};"
            );
        }
        run_statements(connection, &sql)
    }
}

/// All forms that a server's log can have.
pub(crate) fn of(flavor: Flavor) -> Vec<Settings> {
    let images: &[&str] = match flavor {
        Flavor::Mariadb118 => &["FULL", "NOBLOB", "MINIMAL", "FULL_NODUP"],
        _ => &["FULL", "NOBLOB", "MINIMAL"],
    };
    let metadata: &[&str] = match flavor {
        Flavor::Mysql97 => &["FULL", "MINIMAL"],
        Flavor::Mysql57 | Flavor::Mysql56 => &[""],
        Flavor::Mariadb1011 | Flavor::Mariadb118 => &["FULL", "MINIMAL", "NO_LOG"],
    };
    let with = |extra| {
        images
            .iter()
            .flat_map(move |image| metadata.iter().map(move |metadata| Settings { image, metadata, extra }))
    };
    let mut all: Vec<_> = with(Extra::None).collect();
    if flavor == Flavor::Mysql97 {
        all.extend(with(Extra::PartialJson));
    }
    if flavor == Flavor::Mysql97 || flavor.is_mariadb() {
        all.extend(
            with(Extra::Compressed)
                .filter(|settings| settings.metadata == "FULL" && settings.image != "NOBLOB"),
        );
    }
    all
}
