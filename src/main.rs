//! The `slackwater` command.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before anything connects: with more than one provider in the program rustls does not choose by itself. The only
    // error is that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    slackwater::cli::main()
}
