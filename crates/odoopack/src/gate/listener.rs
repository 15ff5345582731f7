//! Connections from nginx: accepted, served, and let go without breaking a request.

use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::environment::{Environment, Phase};
use super::upstream::BUFFER;
use super::{proxy, socket};

/// From the end of one request to the complete head of the next; longer than nginx keeps idle connections
/// (`keepalive_timeout` of an upstream, 60 s by default), because who closes first breaks what the other sends.
const HEAD_TIMEOUT: Duration = Duration::from_mins(5);

/// Pause after a failed `accept`: without file descriptors it would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a leaving listener waits for quiet connections to speak, before it closes them.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long requests in flight may take to finish when the listener leaves.
const FINISH: Duration = Duration::from_secs(30);

/// Accepts connections of one environment until it leaves.
pub(crate) fn open(environment: &Rc<Environment>, listener: UnixListener) {
    spawn_local(accept_all(Rc::clone(environment), listener));
}

/// Stops accepting, finishes what is in flight, closes what is left; tells whether everything finished.
pub(crate) async fn leave(environment: &Environment) -> bool {
    environment.advance(Phase::Leaving);
    if timeout(LAST_WORDS, environment.deserted()).await.is_ok() {
        return true;
    }
    environment.advance(Phase::Closing);
    timeout(FINISH.saturating_sub(LAST_WORDS), environment.deserted())
        .await
        .is_ok()
}

async fn accept_all(environment: Rc<Environment>, listener: UnixListener) {
    let mut phase = environment.phase();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => serve(&environment, stream),
                Err(error) => {
                    environment.log.say(&format!("gate: {}: cannot accept: {error}", environment.name));
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            _ = phase.wait_for(|phase| *phase != Phase::Open) => break,
        }
    }
    socket::remove(&environment.socket);
    // Those who connected before the socket was gone have perhaps sent their request already.
    while let Some(Ok((stream, _))) = listener.accept().now_or_never() {
        serve(&environment, stream);
    }
}

fn serve(environment: &Rc<Environment>, stream: UnixStream) {
    spawn_local(connection(Rc::clone(environment), stream));
}

/// Serves one connection; what goes wrong on it concerns only its client, who sees it.
async fn connection(environment: Rc<Environment>, stream: UnixStream) {
    let mut phase = environment.phase();
    let service =
        service_fn(move |request| proxy::answer(Rc::clone(&environment), request).map(Ok::<_, Infallible>));
    let connection = protocol()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = phase.wait_for(|phase| *phase == Phase::Closing) => connection.as_mut().graceful_shutdown(),
    }
    connection.await.ok();
}

/// HTTP/1.1; at most hyper's 100 headers, in at most [`BUFFER`] bytes.
fn protocol() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(BUFFER)
        .max_header_size(BUFFER);
    builder
}
