//! Where a server or the Percona Toolkit is installed, installing it first if need be.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, bail};

use crate::Flavor;

/// The name of the toolkit's installation.
const TOOLKIT: &str = "percona-toolkit";

/// An installed server: its start scripts and its initialized data directory. Or the toolkit: its start scripts.
#[derive(Debug, Clone)]
pub(crate) struct Installation {
    directory: PathBuf,
}

impl Installation {
    /// Finds the flavor's installation; runs `install-servers` the first time this process asks.
    ///
    /// # Errors
    ///
    /// When the installer fails: its last lines have been printed by then.
    pub(crate) fn of(flavor: Flavor) -> anyhow::Result<Self> {
        Self::named(flavor.name())
    }

    /// Finds the toolkit's installation, in the same way.
    ///
    /// # Errors
    ///
    /// When the installer fails.
    pub(crate) fn of_toolkit() -> anyhow::Result<Self> {
        Self::named(TOOLKIT)
    }

    /// Finds what `install-servers` knows by this name, in the same way.
    ///
    /// # Errors
    ///
    /// When the installer fails.
    pub(crate) fn named(name: &'static str) -> anyhow::Result<Self> {
        static CHECKED: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
        let servers = servers_directory()?;
        // Held while installing: the threads of one test binary wait for the same installation.
        let mut checked = CHECKED.lock().unwrap_or_else(PoisonError::into_inner);
        if !checked.contains(name) {
            install(name, &servers)?;
            checked.insert(name);
        }
        Ok(Self { directory: servers.join(name) })
    }

    /// The start script of a program, which runs it through the installation's own loader.
    pub(crate) fn program(&self, name: &str) -> anyhow::Result<PathBuf> {
        let program = self.directory.join("bin").join(name);
        if !program.is_file() {
            bail!("{} is not installed: no {}", name, program.display());
        }
        Ok(program)
    }

    /// The initialized data directory that new servers start from.
    pub(crate) fn template(&self) -> PathBuf {
        self.directory.join("template")
    }
}

/// The directory of what `install-servers` knows by this name, which it installs if need be: for tools that no type here stands for.
///
/// # Errors
///
/// When the installer fails.
pub fn installed(name: &'static str) -> anyhow::Result<PathBuf> {
    Ok(Installation::named(name)?.directory)
}

/// The same rule as in `install-servers`.
fn servers_directory() -> anyhow::Result<PathBuf> {
    if let Some(directory) = non_empty("SLACKWATER_SERVERS") {
        return Ok(directory);
    }
    let cache = match non_empty("XDG_CACHE_HOME") {
        Some(cache) => cache,
        None => non_empty("HOME").context("neither SLACKWATER_SERVERS nor HOME is set")?.join(".cache"),
    };
    Ok(cache.join("slackwater/servers"))
}

fn non_empty(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn install(name: &str, servers: &Path) -> anyhow::Result<()> {
    let installer = Path::new(env!("CARGO_MANIFEST_DIR")).join("install-servers");
    let status = Command::new(&installer)
        .arg(name)
        .env("SLACKWATER_SERVERS", servers)
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {}", installer.display()))?;
    if !status.success() {
        bail!("{} {} failed: {status}", installer.display(), name);
    }
    Ok(())
}
