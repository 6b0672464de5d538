//! Links between a task and its servers that fail: those of a network namespace, or a proxy's where none is permitted.

use std::{net::Ipv4Addr, path::Path};

use anyhow::Result;
use slackwater_testkit::{
    PostgresServer, PostgresVersion, Task,
    network::{Link, Namespace},
};

use super::{PROGRAM, proxy::Proxy};

/// Where nobody listens: the port of a service that is not used any more (tcpmux).
const NOBODY: u16 = 1;

/// The network of a task with two servers.
pub(crate) enum Network {
    /// The task is on a machine of its own, as far as the kernel's network goes.
    Namespace(Namespace, [Link; 2]),
    /// The task goes by a port for each server. No packet is lost: the proxy takes and keeps what is sent.
    Proxies(Vec<(Proxy, u16)>),
}

/// One of the task's two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Destination,
}

impl Network {
    /// A network, and two servers in it: the source and the destination. Says so where namespaces are not permitted.
    pub(crate) fn with_servers(
        source: PostgresVersion,
        destination: PostgresVersion,
    ) -> Result<(Self, PostgresServer, PostgresServer)> {
        let made = Namespace::new().and_then(|mut namespace| {
            let links = [namespace.link()?, namespace.link()?];
            Ok((namespace, links))
        });
        match made {
            Ok((namespace, links)) => {
                let [at_source, at_destination] = links.map(|link| link.here);
                let source = PostgresServer::builder(source).reachable_at(at_source).start()?;
                let destination =
                    PostgresServer::builder(destination).reachable_at(at_destination).start()?;
                println!("the task runs in a network namespace");
                Ok((Network::Namespace(namespace, links), source, destination))
            }
            Err(error) => {
                println!("NETWORK NAMESPACES ARE NOT PERMITTED HERE, A PROXY TAKES THEIR PLACE: {error:#}");
                let servers =
                    [PostgresServer::builder(source).start()?, PostgresServer::builder(destination).start()?];
                let proxies = servers
                    .iter()
                    .map(|server| Ok((Proxy::to(server.port())?, server.port())))
                    .collect::<Result<_>>()?;
                let [source, destination] = servers;
                Ok((Network::Proxies(proxies), source, destination))
            }
        }
    }

    /// A task in this network.
    pub(crate) fn task(&self, directory: &Path, toml: &str) -> Result<Task> {
        let task = Task::new(PROGRAM, directory, toml)?;
        Ok(match self {
            Network::Namespace(namespace, _) => task.inside(namespace),
            Network::Proxies(_) => task,
        })
    }

    /// The address by which the task gets to a server.
    pub(crate) fn address(&self, side: Side, server: &PostgresServer) -> String {
        match self {
            Network::Namespace(_, links) => format!("{}:{}", links[side as usize].here, server.port()),
            Network::Proxies(proxies) => {
                format!("{}:{}", Ipv4Addr::LOCALHOST, proxies[side as usize].0.port())
            }
        }
    }

    /// Nothing passes any more, and nobody is told.
    pub(crate) fn freeze(&self, side: Side) -> Result<()> {
        match self {
            Network::Namespace(namespace, links) => namespace.freeze(links[side as usize]),
            Network::Proxies(proxies) => {
                proxies[side as usize].0.stall(true);
                Ok(())
            }
        }
    }

    /// The end of a [freeze](Self::freeze).
    pub(crate) fn thaw(&self, side: Side) -> Result<()> {
        match self {
            Network::Namespace(namespace, links) => namespace.thaw(links[side as usize]),
            Network::Proxies(proxies) => {
                proxies[side as usize].0.stall(false);
                Ok(())
            }
        }
    }

    /// There is no way to the server any more.
    pub(crate) fn cut(&self, side: Side) -> Result<()> {
        match self {
            Network::Namespace(namespace, links) => namespace.cut(links[side as usize]),
            Network::Proxies(proxies) => {
                proxies[side as usize].0.lead_to(NOBODY);
                Ok(())
            }
        }
    }

    /// The end of a [cut](Self::cut).
    pub(crate) fn mend(&self, side: Side) -> Result<()> {
        match self {
            Network::Namespace(namespace, links) => namespace.mend(links[side as usize]),
            Network::Proxies(proxies) => {
                let (proxy, port) = &proxies[side as usize];
                proxy.lead_to(*port);
                Ok(())
            }
        }
    }
}
