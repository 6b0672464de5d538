//! Task files.

use slackwater_testkit::Server;

/// A task that ends when the end of the log is applied.
pub(crate) const UNTIL_ZERO: &str = "[cutover]\nafter = \"stop\"\npoll_interval = \"50ms\"\n";

/// A task between two servers.
pub(crate) fn task(source: &Server, destination: &Server, start: &str) -> String {
    format!(
        "start = \"{start}\"\n\
         [source]\ntype = \"mysql\"\nhosts = [\"127.0.0.1:{}\"]\nuser = \"root\"\npassword = \"\"\n\
         [destination]\ntype = \"mysql\"\nhost = \"127.0.0.1:{}\"\nuser = \"root\"\npassword = \"\"\n\
         [objects]\ninclude = [\"sbtest.*\"]\n",
        source.port(),
        destination.port()
    )
}
