//! The task's end of the socket.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::{net::UnixListener, task::JoinHandle};
use tracing::warn;

use super::{Begin, Refused, Taken, place::Place};
use crate::{
    cutover::{Order, Orders},
    error::{Error, Result},
    pipeline::status::{Status, StatusBoard},
};

/// A socket that is served until this is dropped.
pub(in crate::service) struct Control {
    place: Place,
    serving: JoinHandle<()>,
}

impl Drop for Control {
    fn drop(&mut self) {
        self.serving.abort();
        // The next process makes its own.
        let _ = fs::remove_file(self.place.path());
    }
}

#[derive(Clone)]
struct Desk {
    status: StatusBoard,
    orders: Orders,
}

/// Serves the socket of a task. The caller holds the task's store: whatever socket is there is nobody's any more.
///
/// # Errors
/// Definite when it cannot be made.
pub(in crate::service) fn listen(state_dir: &Path, status: StatusBoard, orders: Orders) -> Result<Control> {
    let failed = |error: io::Error| {
        Error::definite("cannot make the control socket").on(state_dir.display()).caused_by(error)
    };
    let place = Place::of(state_dir).map_err(failed)?;
    match fs::remove_file(place.path()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(place.path()).map_err(failed)?;
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o600)).map_err(failed)?;
    let router = Router::new()
        .route("/status", get(tell))
        .route("/cutover", post(begin))
        .route("/cutover/cancel", post(cancel))
        .with_state(Desk { status, orders });
    let serving = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            warn!(%error, "the control socket is not served any more");
        }
    });
    Ok(Control { place, serving })
}

async fn tell(State(desk): State<Desk>) -> Json<Status> {
    Json(desk.status.snapshot_in_full())
}

async fn begin(State(desk): State<Desk>, Json(Begin { dry_run }): Json<Begin>) -> Response {
    answer(StatusCode::ACCEPTED, desk.orders.give(Order::Begin { dry_run }).await)
}

async fn cancel(State(desk): State<Desk>) -> Response {
    answer(StatusCode::OK, desk.orders.give(Order::Cancel).await)
}

fn answer(taken: StatusCode, given: Result<u64, String>) -> Response {
    match given {
        Ok(attempt) => (taken, Json(Taken { attempt })).into_response(),
        Err(error) => (StatusCode::CONFLICT, Json(Refused { error })).into_response(),
    }
}
