//! Loopback ports for servers.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Below the range from which the kernel takes the ports of outgoing connections: one of those must
/// not take the place of a server that is down between two halves of a test.
const RANGE: std::ops::Range<u16> = 12_000..32_000;

/// A port that nothing listens on and that this process has not been given before.
///
/// Another process may still take it before the server does: a first start then tries another one.
///
/// # Errors
///
/// When a thousand tries found none.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    static STATE: Mutex<Option<(ChaCha8Rng, BTreeSet<u16>)>> = Mutex::new(None);
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    let (rng, given) =
        state.get_or_insert_with(|| (ChaCha8Rng::seed_from_u64(u64::from(process::id())), BTreeSet::new()));
    (0..1000)
        .map(|_| rng.random_range(RANGE))
        .find(|&port| !given.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        .inspect(|&port| {
            given.insert(port);
        })
        .with_context(|| format!("no free port in {RANGE:?}"))
}

/// Whether a server could listen there now.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
