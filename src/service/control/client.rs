//! The operator's end of the socket.

use std::{path::Path, time::Duration};

use reqwest::{Method, StatusCode};
use serde::{Serialize, de::DeserializeOwned};

use super::{Begin, Refused, Taken, place::Place};
use crate::{
    error::{Error, Result},
    pipeline::status::Status,
    tls,
};

/// Longer than the daemon takes for any answer: it only takes orders.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running task, as others see it.
pub struct Client {
    http: reqwest::Client,
    _place: Place,
}

/// Why a question was not answered.
#[derive(Debug)]
pub enum Unanswered {
    /// Nobody is at the other end of the socket: the task does not run.
    NotRunning,
    /// The task refuses: why.
    Refused(String),
    /// Something else.
    Failed(Error),
}

impl Client {
    /// For the task with that state directory. Nothing is connected.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub fn new(state_dir: &Path) -> Result<Self> {
        tls::install_provider();
        let place = Place::of(state_dir).map_err(|error| {
            Error::definite("cannot open the state directory").on(state_dir.display()).caused_by(error)
        })?;
        let http = reqwest::Client::builder()
            .unix_socket(place.path())
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .map_err(|error| Error::definite("cannot make a client").caused_by(error))?;
        Ok(Client { http, _place: place })
    }

    /// What the task tells of itself.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn status(&self) -> Result<Status, Unanswered> {
        self.ask(Method::GET, "status", None::<&()>).await
    }

    /// Orders a cutover; the number of the attempt. It goes on whatever becomes of the client.
    ///
    /// # Errors
    /// When the task does not run, or refuses.
    pub async fn begin(&self, dry_run: bool) -> Result<u64, Unanswered> {
        let taken: Taken = self.ask(Method::POST, "cutover", Some(&Begin { dry_run })).await?;
        Ok(taken.attempt)
    }

    /// Takes an attempt back; its number.
    ///
    /// # Errors
    /// When the task does not run, or refuses.
    pub async fn cancel(&self) -> Result<u64, Unanswered> {
        let taken: Taken = self.ask(Method::POST, "cutover/cancel", None::<&()>).await?;
        Ok(taken.attempt)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Unanswered> {
        let failed = |error: reqwest::Error| {
            if error.is_connect() {
                return Unanswered::NotRunning;
            }
            Unanswered::Failed(
                Error::disconnected("the task did not answer").on("control.sock").caused_by(error),
            )
        };
        let mut request = self.http.request(method, format!("http://localhost/{path}"));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(failed)?;
        if answer.status() == StatusCode::CONFLICT {
            let Refused { error } = answer.json().await.map_err(failed)?;
            return Err(Unanswered::Refused(error));
        }
        answer.error_for_status().map_err(failed)?.json().await.map_err(failed)
    }
}
