//! Finding the slot of a request: through the hold, to a connection.

use std::io;
use std::time::Duration;

use hyper::header::HeaderMap;
use hyper::{Method, Uri};
use odoopack_core::gate::{Address, Slot};
use tokio::net::TcpStream;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use super::environment::{Environment, Phase};
use super::failure::Failure;
use super::flight::{Kind, Ticket};
use super::headers::wants_websocket;
use super::upstream;

/// How long a request goes on trying a slot that does not accept: a burst fills Odoo's backlog, and the
/// kernel then drops connections that would be served seconds later.
const CONNECT_PATIENCE: Duration = Duration::from_secs(30);

/// Odoo's websocket paths (`/websocket`, `/websocket/health`, ...) are served by the gevent process.
const WEBSOCKET_PATH: &str = "/websocket";

/// What a request needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want {
    pub(crate) kind: Kind,
    websocket_port: bool,
    since: Instant,
}

/// A connection to a slot, and what it holds as long as it is used.
#[derive(Debug)]
pub(crate) struct Route<'a> {
    pub(crate) slot: Slot,
    pub(crate) stream: TcpStream,
    pub(crate) ticket: Ticket,
    /// When the request was allowed to pass.
    pub(crate) passed: Instant,
    /// The place of a request that was held; the next one goes when the slot has answered.
    pub(crate) _turn: Option<SemaphorePermit<'a>>,
}

impl Want {
    /// Reads what a request needs from its head.
    pub(crate) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let websocket_port = is_websocket_path(uri.path());
        let upgrade = websocket_port && method == Method::GET && wants_websocket(headers);
        let kind = if upgrade { Kind::Websocket } else { Kind::Request };
        Self {
            kind,
            websocket_port,
            since: Instant::now(),
        }
    }

    fn port(self, address: &Address) -> u16 {
        if self.websocket_port {
            address.websocket_port()
        } else {
            address.web
        }
    }
}

fn is_websocket_path(path: &str) -> bool {
    path.strip_prefix(WEBSOCKET_PATH)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Finds the slot and connects to it.
///
/// Choosing the slot and counting the request happen without a pause in between, so a drain that starts
/// after a switch or a hold sees every request that went before.
pub(crate) async fn find(environment: &Environment, want: Want) -> Result<Route<'_>, Failure> {
    loop {
        let turn = admit(environment, want).await?;
        let (slot, passed) = (environment.active(), Instant::now());
        let ticket = environment.enter(slot, want.kind);
        match connect(environment, slot, want).await {
            Ok(stream) => {
                return Ok(Route {
                    slot,
                    stream,
                    ticket,
                    passed,
                    _turn: turn,
                });
            }
            Err(error) if worth_another_try(environment, slot, want, &error) => {}
            Err(source) => return Err(Failure::Unreachable { slot, source }),
        }
    }
}

async fn admit(environment: &Environment, want: Want) -> Result<Option<SemaphorePermit<'_>>, Failure> {
    if !environment.hold.is_on() {
        return Ok(None);
    }
    if want.kind == Kind::Websocket {
        return Err(Failure::Held(environment.hold.turned()));
    }
    let mut phase = environment.phase();
    tokio::select! {
        passed = environment.hold.pass(want.since) => passed.map_err(Failure::Held),
        _ = phase.wait_for(|phase| *phase != Phase::Open) => Err(Failure::Leaving),
    }
}

async fn connect(environment: &Environment, slot: Slot, want: Want) -> io::Result<TcpStream> {
    let address = environment.address(slot).ok_or(io::ErrorKind::AddrNotAvailable)?;
    upstream::connect(address.host(), want.port(&address)).await
}

/// Nothing has been sent yet, so trying again is safe: under a hold, after a switch, or while the backlog is full.
fn worth_another_try(environment: &Environment, slot: Slot, want: Want, error: &io::Error) -> bool {
    let busy = error.kind() == io::ErrorKind::TimedOut && want.since.elapsed() < CONNECT_PATIENCE;
    busy || environment.hold.is_on() || environment.active() != slot
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn websocket_paths_go_to_the_gevent_port() {
        for (path, expected) in [
            ("/websocket", true),
            ("/websocket/health", true),
            ("/websocketx", false),
            ("/web", false),
            ("/web/websocket", false),
        ] {
            assert_eq!(is_websocket_path(path), expected, "{path}");
        }
    }
}
