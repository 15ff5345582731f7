//! One connection to Odoo, for one request.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

use super::flight::Ticket;

/// One attempt to connect; a refusal comes at once, silence means a full backlog or a stopped process.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Read buffer and head size of one connection, both ways; Odoo's heads are far below it.
pub(crate) const BUFFER: usize = 64 * 1024;

/// The connection of one request; dropping it breaks the connection, which cancels the request.
#[derive(Debug)]
pub(crate) struct Link(Option<JoinHandle<()>>);

/// The body of an answer, with what must live as long as it does.
#[derive(Debug)]
pub(crate) struct Relayed {
    body: Incoming,
    _link: Link,
    _ticket: Ticket,
}

/// Connects to a slot.
///
/// # Errors
/// `TimedOut` after five seconds of silence; whatever the kernel said otherwise.
pub(crate) async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect((host, port))).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends a request; returns with the head of the answer.
///
/// # Errors
/// The connection broke before the head was complete.
pub(crate) async fn send(
    stream: TcpStream,
    request: Request<Incoming>,
) -> hyper::Result<(Response<Incoming>, Link)> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(BUFFER)
        .handshake(TokioIo::new(stream))
        .await?;
    // Its error reaches whoever waits for the head or reads the body.
    let task = spawn_local(async move { drop(connection.with_upgrades().await) });
    let link = Link(Some(task));
    let response = sender.send_request(request).await?;
    Ok((response, link))
}

impl Link {
    /// Lets the connection live on by itself: it becomes a tunnel.
    pub(crate) fn release(mut self) {
        self.0.take();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

impl Relayed {
    pub(crate) fn new(body: Incoming, link: Link, ticket: Ticket) -> Self {
        Self {
            body,
            _link: link,
            _ticket: ticket,
        }
    }
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
