//! A network that can fail: a namespace of its own, with a link to this machine for each server that a task speaks with.
//!
//! The kernel does what it does between two machines: segments get lost and are sent again, nobody is told, or there is no way any
//! more. It takes the capability CAP_NET_ADMIN and the tools `ip` and `tc` (package iproute2).

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, bail, ensure};

/// Namespaces of this process so far.
static NAMESPACES: AtomicU8 = AtomicU8::new(0);
/// What the names of all of them begin with; the process id follows.
const PREFIX: &str = "slackwater-";

/// A network namespace. Dropping it removes it with its links.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    number: u8,
    links: Vec<String>,
}

/// A link between the namespace and this machine. Its state is the [`Namespace`]'s to change.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    number: u8,
    /// The address of this machine on it, which servers have to listen at.
    pub here: Ipv4Addr,
    there: Ipv4Addr,
}

impl Namespace {
    /// A new namespace without links, and with a loopback interface.
    ///
    /// # Errors
    ///
    /// When this process may not make one, or the tools are missing.
    pub fn new() -> anyhow::Result<Self> {
        sweep();
        let number = NAMESPACES.fetch_add(1, Ordering::Relaxed);
        let namespace =
            Self { name: format!("{PREFIX}{}-{number}", process::id()), number, links: Vec::new() };
        ip(&["netns", "add", &namespace.name])?;
        namespace.inside("ip", &["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Adds a link to this machine.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn link(&mut self) -> anyhow::Result<Link> {
        let number = u8::try_from(self.links.len()).context("too many links")?;
        // 198.18.0.0/15 is for tests of networks (RFC 2544): four addresses for each link.
        let of_process = process::id() % 256;
        let third = u8::try_from(of_process)?;
        let fourth = (self.number % 8) * 32 + number * 4;
        let address = |last| Ipv4Addr::new(198, 18, third, fourth + last);
        let link = Link { number, here: address(1), there: address(2) };
        // Names of interfaces have 15 bytes at most.
        let near = format!("sw{}n{}l{number}", process::id(), self.number);
        ip(&["link", "add", &near, "type", "veth", "peer", "name", &inner(number), "netns", &self.name])?;
        self.links.push(near.clone());
        ip(&["address", "add", &format!("{}/30", link.here), "dev", &near])?;
        ip(&["link", "set", &near, "up"])?;
        self.mend(link)?;
        Ok(link)
    }

    /// Drops every packet, in both directions, and tells nobody.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn freeze(&self, link: Link) -> anyhow::Result<()> {
        // A queue that no packet fits into.
        let drop_all = ["root", "tbf", "rate", "8bit", "burst", "1", "limit", "1"];
        let of = |device| ["qdisc", "add", "dev", device].into_iter().chain(drop_all).collect::<Vec<_>>();
        run("tc", &of(self.near(link)?))?;
        self.inside("tc", &of(&inner(link.number)))
    }

    /// Lets packets pass again.
    ///
    /// # Errors
    ///
    /// When they passed.
    pub fn thaw(&self, link: Link) -> anyhow::Result<()> {
        run("tc", &["qdisc", "delete", "dev", self.near(link)?, "root"])?;
        self.inside("tc", &["qdisc", "delete", "dev", &inner(link.number), "root"])
    }

    /// Takes the link away: in the namespace there is no way to the server any more.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn cut(&self, link: Link) -> anyhow::Result<()> {
        self.inside("ip", &["link", "set", &inner(link.number), "down"])?;
        self.inside("ip", &["address", "flush", "dev", &inner(link.number)])
    }

    /// Brings a link that was [cut](Self::cut) back.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn mend(&self, link: Link) -> anyhow::Result<()> {
        let device = inner(link.number);
        self.inside("ip", &["address", "add", &format!("{}/30", link.there), "dev", &device])?;
        self.inside("ip", &["link", "set", &device, "up"])
    }

    /// What runs a program inside: the words before its own.
    #[must_use]
    pub fn prefix(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.name].map(str::to_owned).to_vec()
    }

    fn near(&self, link: Link) -> anyhow::Result<&str> {
        self.links.get(usize::from(link.number)).map(String::as_str).context("a link of another namespace")
    }

    fn inside(&self, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
        let mut all = vec!["netns", "exec", &self.name, program];
        all.extend(arguments);
        ip(&all)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Nobody to tell.
        for link in &self.links {
            let _ = ip(&["link", "delete", link]);
        }
        let _ = ip(&["netns", "delete", &self.name]);
    }
}

/// The name of a link's end in the namespace.
fn inner(number: u8) -> String {
    format!("link{number}")
}

/// Removes what processes have left behind that were killed.
fn sweep() {
    let Ok(names) = fs::read_dir("/var/run/netns") else { return };
    for name in names.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let _ = ip(&["netns", "delete", &name]);
        }
    }
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    run("ip", arguments)
}

fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(tool(program))
        .args(arguments)
        .output()
        .with_context(|| format!("cannot run {program} (package iproute2)"))?;
    if !output.status.success() {
        bail!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    ensure!(output.stderr.is_empty(), "{program}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// Where a program of the administrator is, whatever PATH says.
fn tool(program: &str) -> PathBuf {
    let places = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(|place| Path::new(place).join(program));
    places.into_iter().find(|path| path.exists()).unwrap_or_else(|| program.into())
}
