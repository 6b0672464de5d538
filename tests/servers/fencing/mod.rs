//! What a cutover does to servers: keeping writers out and letting them in again, and carrying counters.

mod counters;
mod mysql;
mod postgres;

use std::sync::LazyLock;

use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Runtime::new().unwrap()
});

/// The outcome of a future, beside clients that block.
fn wait<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}
