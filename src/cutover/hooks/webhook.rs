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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// What becomes of a post to a server that answers so; it hangs up without a word when there is no answer.
    async fn posted(answer: Option<&'static str>) -> Verdict {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/hook?token=secret", listener.local_addr().unwrap());
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            if let Some(answer) = answer {
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        };
        tokio::join!(post(&address, "{}", Duration::from_secs(5)), serve).0
    }

    #[tokio::test]
    async fn an_answer_decides_and_a_lost_one_is_not_known() {
        let done = "HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(posted(Some(done)).await, Verdict::Switched);
        let moved = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        assert!(matches!(posted(Some(moved)).await, Verdict::NotSwitched(_)));
        let Verdict::Unknown(why) = posted(None).await else { unreachable!("nobody answered") };
        assert!(!why.contains("secret"), "{why}");
        let nobody = post("http://127.0.0.1:1/", "{}", Duration::from_secs(5)).await;
        assert!(matches!(nobody, Verdict::NotSwitched(_)), "{nobody:?}");
        assert_eq!(without_secrets("https://me:pw@host/hook?token=secret"), "https://host/hook");
    }
}
