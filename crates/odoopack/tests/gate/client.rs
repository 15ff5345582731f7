//! Clients as nginx is one: keep-alive connections on a unix socket.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::gate::PATIENCE;

/// One keep-alive connection.
pub(crate) struct Client(SendRequest<Full<Bytes>>);

impl Client {
    pub(crate) async fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).await.unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(async move { connection.with_upgrades().await.ok() });
        Self(sender)
    }

    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        self.0.ready().await?;
        self.0.send_request(request).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> (u16, String) {
        let response = self.send(request(Method::GET, path, "")).await.unwrap();
        read(response).await.unwrap()
    }

    pub(crate) async fn post(&mut self, path: &str, body: &str) -> hyper::Result<(u16, String)> {
        let response = self.send(request(Method::POST, path, body)).await?;
        read(response).await
    }
}

pub(crate) fn request(method: Method, path: &str, body: &str) -> Request<Full<Bytes>> {
    let builder = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "erp.example.com");
    builder.body(Full::from(body.to_owned())).unwrap()
}

pub(crate) async fn read(response: Response<Incoming>) -> hyper::Result<(u16, String)> {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// Sends exact bytes and reads until `end` has come.
pub(crate) async fn raw(stream: &mut UnixStream, bytes: &str, end: &str) -> String {
    stream.write_all(bytes.as_bytes()).await.unwrap();
    read_until(stream, end).await
}

pub(crate) async fn read_until(stream: &mut UnixStream, end: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.contains(end) {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await;
        match read
            .unwrap_or_else(|_| panic!("waiting for {end:?} after {text:?}"))
            .unwrap()
        {
            0 => panic!("closed, waiting for {end:?} after {text:?}"),
            read => text.push_str(std::str::from_utf8(&buffer[..read]).unwrap()),
        }
    }
    text
}

/// Reads until the other side closes.
pub(crate) async fn read_to_end(stream: &mut UnixStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    read.expect("the other side should close").ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Waits for a level, not for ever.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waiting for {what}");
        tokio::time::sleep(milliseconds(5)).await;
    }
}

pub(crate) const fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}
