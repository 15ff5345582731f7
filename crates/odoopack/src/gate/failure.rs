//! Answers of the gate itself, where Odoo could not give one.

use std::fmt;
use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, EXPECT, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use odoopack_core::gate::Slot;
use tokio::task::spawn_local;
use tokio::time::{Duration, timeout};

use super::hold::Turned;

/// What a client that was turned away is asked to wait.
const RETRY_AFTER_SECONDS: u16 = 10;

/// How much of a refused upload is read to its end, so that the client sees the answer and not a broken pipe.
const LEFTOVER_BYTES: usize = 64 * 1024 * 1024;

/// How long a refused upload is read.
const LEFTOVER_TIME: Duration = Duration::from_secs(10);

/// Why a request got no answer from Odoo.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A hold did not end in time, keeps enough requests already, or met a websocket.
    Held(Turned),
    /// The listener is going away; another one will answer.
    Leaving,
    /// Nothing listens, or it did not accept in time.
    Unreachable { slot: Slot, source: io::Error },
    /// The connection broke after the request was sent; it is not sent again.
    Broken { slot: Slot, source: hyper::Error },
    /// `CONNECT` asks for a tunnel to elsewhere.
    NotProxied,
}

impl Failure {
    /// The whole answer.
    pub(crate) fn answer(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(self.page()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status() == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        response
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Held(_) | Self::Leaving => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreachable { source, .. } if source.kind() == io::ErrorKind::TimedOut => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Self::Unreachable { .. } | Self::Broken { .. } => StatusCode::BAD_GATEWAY,
            Self::NotProxied => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    fn page(&self) -> String {
        match self {
            Self::Held(Turned { page: Some(page) }) => page.clone(),
            Self::Held(Turned { page: None }) | Self::Leaving => html(
                "Update in progress",
                "This service is being updated. Please try again in a moment.",
            ),
            Self::Unreachable { .. } | Self::Broken { .. } => html(
                "Service unavailable",
                "The application did not answer. Please try again in a moment.",
            ),
            Self::NotProxied => html("Method not allowed", "This method is not available here."),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(_) => formatter.write_str("turned away by the hold"),
            Self::Leaving => formatter.write_str("turned away, the gate is stopping"),
            Self::Unreachable { slot, source } => {
                write!(formatter, "slot {slot} cannot be reached: {source}")
            }
            Self::Broken { slot, source } => write!(formatter, "slot {slot} broke off: {source}"),
            Self::NotProxied => formatter.write_str("CONNECT refused"),
        }
    }
}

/// Reads on what a refused client still sends, within limits; closing at once could lose the answer.
///
/// Not when the client waits for `100 Continue`: reading would send it.
pub(crate) fn read_leftover(request: Request<Incoming>) {
    if !request.headers().contains_key(EXPECT) {
        spawn_local(timeout(LEFTOVER_TIME, discard(request.into_body())));
    }
}

async fn discard(mut body: Incoming) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > LEFTOVER_BYTES {
            return;
        }
    }
}

fn html(title: &str, sentence: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\n<h1>{title}</h1>\n<p>{sentence}</p>\n</html>\n"
    )
}
