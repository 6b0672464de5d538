//! A network that can be cut: a TCP proxy between a task and its server.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU16, Ordering},
    },
    thread,
    time::Duration,
};

/// How often a connection looks whether the network has changed.
const POLL: Duration = Duration::from_millis(10);

/// A port on this machine that leads to another one. Its threads end with the test.
pub(crate) struct Proxy {
    port: u16,
    network: Arc<Network>,
}

#[derive(Default)]
struct Network {
    target: AtomicU16,
    /// Nothing passes, and nobody is told.
    is_stalled: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// A new port that leads to `target`.
    pub(crate) fn to(target: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let network = Arc::new(Network { target: target.into(), ..Network::default() });
        let shared = Arc::clone(&network);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                // A target that is away closes the connection.
                let _ = shared.connect(near);
            }
        });
        Ok(Proxy { port, network })
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Lets new connections lead elsewhere, and drops those that are there.
    pub(crate) fn lead_to(&self, target: u16) {
        self.network.target.store(target, Ordering::Relaxed);
        self.drop_connections();
    }

    /// Drops all connections.
    pub(crate) fn drop_connections(&self) {
        let mut connections = self.network.connections.lock().unwrap_or_else(PoisonError::into_inner);
        for connection in connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Lets nothing pass, in either direction, or everything again.
    pub(crate) fn stall(&self, is_stalled: bool) {
        self.network.is_stalled.store(is_stalled, Ordering::Relaxed);
    }
}

impl Network {
    fn connect(self: &Arc<Self>, near: TcpStream) -> io::Result<()> {
        let far = TcpStream::connect((Ipv4Addr::LOCALHOST, self.target.load(Ordering::Relaxed)))?;
        for (from, to) in [(near.try_clone()?, far.try_clone()?), (far.try_clone()?, near.try_clone()?)] {
            from.set_read_timeout(Some(POLL))?;
            let network = Arc::clone(self);
            thread::spawn(move || network.pass(from, to));
        }
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).extend([near, far]);
        Ok(())
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            if self.is_stalled.load(Ordering::Relaxed) {
                thread::sleep(POLL);
                continue;
            }
            match from.read(&mut bytes) {
                Ok(length @ 1..) if to.write_all(bytes.get(..length).unwrap_or_default()).is_ok() => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                _ => break,
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}
