//! Task files.

use slackwater_testkit::Server;

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
