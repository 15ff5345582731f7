//! A tiny server with Odoo's habits: one request per connection, websockets, a name to tell slots apart.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{CONNECTION, ETAG, HeaderValue, TRAILER, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A server that stops when it is dropped, connections included.
pub(crate) struct Odoo {
    pub(crate) port: u16,
    pub(crate) seen: Arc<Seen>,
    _tasks: JoinSet<()>,
}

/// What arrived.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) connections: AtomicUsize,
    pub(crate) requests: AtomicUsize,
    /// Slow requests that were given up before they were answered.
    pub(crate) abandoned: AtomicUsize,
}

type Reply = Response<Either<Full<Bytes>, Streamed>>;
type Streamed = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

impl Odoo {
    pub(crate) async fn start(name: &'static str) -> Self {
        Self::start_at(name, 0).await
    }

    pub(crate) async fn start_at(name: &'static str, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Seen::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(name, listener, Arc::clone(&seen)));
        Self {
            port,
            seen,
            _tasks: tasks,
        }
    }

    pub(crate) fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::Relaxed)
    }
}

/// A port where nobody listens.
pub(crate) async fn dead_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

async fn accept(name: &'static str, listener: TcpListener, seen: Arc<Seen>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        seen.connections.fetch_add(1, Ordering::Relaxed);
        connections.spawn(serve(name, stream, Arc::clone(&seen)));
    }
}

async fn serve(name: &'static str, stream: TcpStream, seen: Arc<Seen>) {
    let service = service_fn(move |request| {
        seen.requests.fetch_add(1, Ordering::Relaxed);
        answer(name, request, Arc::clone(&seen))
    });
    let mut protocol = http1::Builder::new();
    let connection = protocol
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    connection.with_upgrades().await.ok();
}

/// Counts a future that is dropped before it is done.
struct Unfinished(Arc<Seen>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.0.abandoned.fetch_add(1, Ordering::Relaxed);
    }
}

async fn be_slow(seen: &Arc<Seen>, milliseconds: u64) {
    let unfinished = Unfinished(Arc::clone(seen));
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    std::mem::forget(unfinished);
}

async fn answer(
    name: &'static str,
    request: Request<Incoming>,
    seen: Arc<Seen>,
) -> Result<Reply, Infallible> {
    let path = request.uri().path().to_owned();
    let milliseconds = request
        .uri()
        .query()
        .and_then(|query| query.parse().ok())
        .unwrap_or(0);
    Ok(match path.as_str() {
        "/websocket" => upgrade(request),
        "/head" => text(head_of(&request)),
        "/slow" => {
            be_slow(&seen, milliseconds).await;
            text(name.to_owned())
        }
        "/swallow" => swallow(request, Duration::from_micros(milliseconds)).await,
        "/early" => status(StatusCode::PAYLOAD_TOO_LARGE),
        "/none" => status(StatusCode::NO_CONTENT),
        "/unchanged" => unchanged(),
        "/large" => streamed(64 * 1024 * 1024 / CHUNK.len()),
        "/trailers" => trailers(),
        "/hops" => hops(),
        _ => {
            let body = read_text(request).await;
            be_slow(&seen, milliseconds).await;
            text(format!("{name} {body}"))
        }
    })
}

pub(crate) const CHUNK: &[u8] = &[b'x'; 64 * 1024];

fn text(text: String) -> Reply {
    Response::new(Either::Left(Full::from(text)))
}

fn status(status: StatusCode) -> Reply {
    let mut reply = text(String::new());
    *reply.status_mut() = status;
    reply
}

fn unchanged() -> Reply {
    let mut reply = status(StatusCode::NOT_MODIFIED);
    reply
        .headers_mut()
        .insert(ETAG, HeaderValue::from_static("\"1\""));
    reply
}

fn hops() -> Reply {
    let mut reply = text("hops".to_owned());
    reply
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close, x-hop"));
    reply.headers_mut().insert("x-hop", HeaderValue::from_static("1"));
    reply
        .headers_mut()
        .insert("keep-alive", HeaderValue::from_static("timeout=2"));
    reply
        .headers_mut()
        .append("set-cookie", HeaderValue::from_static("a=1"));
    reply
        .headers_mut()
        .append("set-cookie", HeaderValue::from_static("b=2"));
    reply
}

fn streamed(chunks: usize) -> Reply {
    let frames = futures_util::stream::iter((0..chunks).map(|_| Ok(Frame::data(Bytes::from_static(CHUNK)))));
    Response::new(Either::Right(StreamBody::new(frames).boxed_unsync()))
}

fn trailers() -> Reply {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("42"));
    let frames = [
        Ok(Frame::data(Bytes::from_static(b"body"))),
        Ok(Frame::trailers(trailers)),
    ];
    let body = StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
    let mut reply = Response::new(Either::Right(body));
    reply
        .headers_mut()
        .insert(TRAILER, HeaderValue::from_static("x-checksum"));
    reply
}

/// The request line and headers as they arrived.
fn head_of(request: &Request<Incoming>) -> String {
    let mut lines = vec![format!(
        "{} {} {:?}",
        request.method(),
        request.uri(),
        request.version()
    )];
    let headers = request.headers().iter();
    lines.extend(headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())));
    lines.join("\n")
}

async fn read_text(request: Request<Incoming>) -> String {
    match request.into_body().collect().await {
        Ok(body) => String::from_utf8(body.to_bytes().to_vec()).unwrap(),
        Err(error) => format!("broken: {error}"),
    }
}

/// Reads a body slowly and says how long it was.
async fn swallow(request: Request<Incoming>, pause: Duration) -> Reply {
    let mut body = request.into_body();
    let mut length = 0;
    while !body.is_end_stream() {
        let Some(Ok(frame)) = body.frame().await else {
            break;
        };
        length += frame.data_ref().map_or(0, Bytes::len);
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
    text(length.to_string())
}

/// Becomes an echo of whatever comes.
fn upgrade(mut request: Request<Incoming>) -> Reply {
    if !request.headers().contains_key(UPGRADE) {
        return status(StatusCode::BAD_REQUEST);
    }
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut stream = TokioIo::new(upgraded.await.unwrap());
        let mut buffer = [0; 1024];
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            stream.write_all(&buffer[..read]).await.unwrap();
        }
    });
    let mut reply = status(StatusCode::SWITCHING_PROTOCOLS);
    reply
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    reply
        .headers_mut()
        .insert(UPGRADE, HeaderValue::from_static("websocket"));
    reply
        .headers_mut()
        .insert("sec-websocket-accept", HeaderValue::from_static("abc"));
    reply
}
