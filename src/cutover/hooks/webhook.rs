//! Posting the description to an address.

use std::time::Duration;

use reqwest::{Client, Url, header::CONTENT_TYPE};

use super::Verdict;
use crate::tls;

/// Posts the description. 2xx: switched. Any other answer, and an address that cannot be connected: not switched. A connection that
/// is lost behind the request: not known.
pub(super) async fn post(address: &str, description: &str, limit: Duration) -> Verdict {
    let url = match Url::parse(address) {
        Ok(url) => url,
        Err(error) => return Verdict::NotSwitched(format!("not an address: {error}")),
    };
    let client = match client(limit) {
        Ok(client) => client,
        Err(why) => return Verdict::NotSwitched(why),
    };
    let request = client.post(url).header(CONTENT_TYPE, "application/json").body(description.to_owned());
    match request.send().await {
        Ok(answer) if answer.status().is_success() => Verdict::Switched,
        Ok(answer) => Verdict::NotSwitched(format!("the answer was {}", answer.status())),
        Err(error) => {
            let error = error.without_url();
            let told = told(&error);
            let is_sent = !(error.is_connect() || error.is_builder());
            if is_sent { Verdict::Unknown(told) } else { Verdict::NotSwitched(told) }
        }
    }
}

/// A client that follows no redirection: the answer counts that the operator's address gives.
fn client(limit: Duration) -> Result<Client, String> {
    tls::install_provider();
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(limit)
        .build()
        .map_err(|error| format!("cannot make a client: {error}"))
}

/// An error with those below it.
fn told(error: &reqwest::Error) -> String {
    let mut told = error.to_string();
    let mut below = std::error::Error::source(error);
    while let Some(error) = below {
        told.push_str(&format!(": {error}"));
        below = error.source();
    }
    told
}

/// The address without user, password and query.
pub(super) fn without_secrets(address: &str) -> String {
    let Ok(mut url) = Url::parse(address) else { return "(not an address)".to_owned() };
    // Only addresses without a host refuse.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}
