//! The `slackwater` command.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The allocator asks for huge pages. Under buffers that are used in part they take twice the memory, and the time to
    // clear it. Where the kernel has none, there is nothing to switch off.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    // Before anything connects: with more than one provider in the program rustls does not choose by itself. The only
    // error is that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    slackwater::cli::main()
}
