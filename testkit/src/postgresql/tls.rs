//! A certificate for a test server.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context;

/// The names that the server looks for in its data directory.
pub(super) const CERTIFICATE: &str = "server.crt";
const KEY: &str = "server.key";

/// Makes a key and a certificate for `localhost` and 127.0.0.1, signed by itself.
pub(super) fn write_certificate(directory: &Path) -> anyhow::Result<()> {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).context("cannot make a certificate")?;
    fs::write(directory.join(CERTIFICATE), made.cert.pem()).context("cannot write the certificate")?;
    // The server refuses a key that others may read.
    let mut key = OpenOptions::new().write(true).create_new(true).mode(0o600).open(directory.join(KEY))?;
    key.write_all(made.signing_key.serialize_pem().as_bytes()).context("cannot write the key")
}
