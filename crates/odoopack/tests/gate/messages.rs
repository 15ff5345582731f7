//! Requests and answers pass as they are, streamed, and broken slots are said so.

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http1::handshake;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use odoopack_core::gate::Slot;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, UnixStream};

use crate::client::{Client, milliseconds, raw, read_to_end, read_until, request, until};
use crate::gate::Gate;
use crate::odoo::{CHUNK, Odoo, dead_port};

/// What a whole transfer may cost in memory, on top of the program's own pages.
const MEMORY_LIMIT: u64 = 10 * 1024;

async fn one_slot() -> (Odoo, Gate) {
    let blue = Odoo::start("blue").await;
    let gate = Gate::for_slots(blue.port, blue.port);
    (blue, gate)
}

async fn raw_client(gate: &Gate) -> UnixStream {
    UnixStream::connect(gate.socket()).await.unwrap()
}

#[tokio::test]
async fn an_upload_of_64_mib_is_streamed_without_a_length() {
    let (_blue, gate) = one_slot().await;
    let before = gate.peak_memory();
    let chunks = (0..1024).map(|_| Ok::<_, Infallible>(Frame::data(Bytes::from_static(CHUNK))));
    let body = StreamBody::new(futures_util::stream::iter(chunks));
    let stream = UnixStream::connect(gate.socket()).await.unwrap();
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("/swallow?100").body(body).unwrap();
    let answer = sender
        .send_request(request)
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap()
        .to_bytes();
    assert_eq!(answer, (64 * 1024 * 1024).to_string());
    let more = gate.peak_memory() - before;
    eprintln!("memory of an upload: {more} KiB above {before} KiB");
    assert!(more < MEMORY_LIMIT, "{more} KiB");
}

#[tokio::test]
async fn a_download_of_64_mib_is_streamed_to_a_reader_that_pauses() {
    let (_blue, gate) = one_slot().await;
    let before = gate.peak_memory();
    let mut client = Client::connect(&gate.socket()).await;
    let response = client.send(request(Method::GET, "/large", "")).await.unwrap();
    tokio::time::sleep(milliseconds(300)).await;
    let mut body = response.into_body();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.unwrap().data_ref().map_or(0, Bytes::len);
    }
    assert_eq!(length, 64 * 1024 * 1024);
    let more = gate.peak_memory() - before;
    eprintln!("memory of a download: {more} KiB above {before} KiB");
    assert!(more < MEMORY_LIMIT, "{more} KiB");
}

#[tokio::test]
async fn what_nginx_said_arrives_and_what_belongs_to_the_connection_does_not() {
    let (_blue, gate) = one_slot().await;
    let mut stream = raw_client(&gate).await;
    let asked = "GET /head?a=b%20c&d HTTP/1.1\r\nHost: erp.example.com\r\nX-Forwarded-For: 203.0.113.7\r\n\
        X-Forwarded-Proto: https\r\nX-Real-IP: 203.0.113.7\r\nCookie: session_id=1\r\n\
        Connection: keep-alive, X-Hop, X-Forwarded-For\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTE: gzip\r\n\
        Upgrade: h2c\r\nProxy-Connection: keep-alive\r\n\r\n";
    let answer = raw(&mut stream, asked, "connection: close").await;
    let (_, seen) = answer.split_once("\r\n\r\n").unwrap();
    let mut seen: Vec<_> = seen.lines().collect();
    seen[1..].sort_unstable();
    assert_eq!(
        seen,
        [
            "GET /head?a=b%20c&d HTTP/1.1",
            "connection: close",
            "cookie: session_id=1",
            "host: erp.example.com",
            "x-forwarded-for: 203.0.113.7",
            "x-forwarded-proto: https",
            "x-real-ip: 203.0.113.7",
        ]
    );
}

#[tokio::test]
async fn an_answer_loses_only_what_belongs_to_its_connection() {
    let (_blue, gate) = one_slot().await;
    let mut client = Client::connect(&gate.socket()).await;
    let response = client.send(request(Method::GET, "/hops", "")).await.unwrap();
    let headers = response.headers();
    for gone in ["connection", "x-hop", "keep-alive"] {
        assert!(!headers.contains_key(gone), "{gone} in {headers:?}");
    }
    assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
}

#[tokio::test]
async fn answers_without_a_body_keep_the_connection() {
    let (_blue, gate) = one_slot().await;
    let mut stream = raw_client(&gate).await;
    for (method, path, status, header) in [
        ("HEAD", "/slow", "200", "content-length: 4"),
        ("GET", "/none", "204", "date:"),
        ("GET", "/unchanged", "304", "etag: \"1\""),
        ("HEAD", "/large", "200", "date:"),
        ("GET", "/slow", "200", "content-length: 4"),
    ] {
        let asked = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = raw(&mut stream, &asked, "\r\n\r\n").await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {answer}"
        );
        assert!(answer.contains(header), "{path}: {answer}");
    }
}

#[tokio::test]
async fn trailers_pass() {
    let (_blue, gate) = one_slot().await;
    let mut stream = raw_client(&gate).await;
    let asked = "GET /trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: te\r\n\r\n";
    let answer = raw(&mut stream, asked, "\r\n0\r\n").await;
    let answer = if answer.ends_with("\r\n\r\n") {
        answer
    } else {
        answer + &read_until(&mut stream, "\r\n\r\n").await
    };
    assert!(answer.contains("trailer: x-checksum"), "{answer}");
    assert!(answer.ends_with("0\r\nx-checksum: 42\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_client_that_expects_100_is_told_to_continue() {
    let (_blue, gate) = one_slot().await;
    let mut stream = raw_client(&gate).await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    let interim = raw(&mut stream, head, "\r\n\r\n").await;
    assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(
        raw(&mut stream, "body", "blue body")
            .await
            .starts_with("HTTP/1.1 200 ")
    );
}

#[tokio::test]
async fn a_refused_client_that_expects_100_is_not_told_to_continue() {
    let gate = Gate::for_slots(dead_port().await, dead_port().await);
    let mut stream = raw_client(&gate).await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    let answer = raw(&mut stream, head, "</html>").await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}

/// So does nginx, which keeps a connection unless the answer says that it ends.
#[tokio::test]
async fn a_client_that_wants_one_answer_is_told_that_it_was_the_last() {
    let (_blue, gate) = one_slot().await;
    for (method, length) in [("GET", ""), ("POST", "Content-Length: 0\r\n")] {
        let mut stream = raw_client(&gate).await;
        let asked = format!("{method} /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{length}\r\n");
        let answer = raw(&mut stream, &asked, "\r\n\r\n").await;
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        read_to_end(&mut stream).await;
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_is_served_and_closed() {
    let (_blue, gate) = one_slot().await;
    let mut stream = raw_client(&gate).await;
    raw(&mut stream, "GET /trailers HTTP/1.0\r\nHost: a\r\n\r\n", "body").await;
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn a_dead_slot_is_a_502_and_the_connection_lives() {
    let gate = Gate::for_slots(dead_port().await, dead_port().await);
    let mut client = Client::connect(&gate.socket()).await;
    for _ in 0..3 {
        let (status, page) = client.post("/", "body").await.unwrap();
        assert_eq!(status, 502);
        assert!(page.contains("did not answer"), "{page}");
    }
    let found = gate.production();
    assert_eq!((found.counters.errors, found.counters.answered_5xx), (3, 3));
}

/// Accepts, reads a request, and breaks off `before` or within its answer.
async fn slot_that_breaks_off(says: &'static str) -> (u16, tokio::task::JoinHandle<usize>) {
    use tokio::io::AsyncWriteExt;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let mut connections = 0;
        while let Ok(Ok((mut stream, _))) =
            tokio::time::timeout(std::time::Duration::from_secs(2), listener.accept()).await
        {
            connections += 1;
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            stream.write_all(says.as_bytes()).await.unwrap();
        }
        connections
    });
    (port, served)
}

#[tokio::test]
async fn a_request_that_was_sent_is_never_sent_again() {
    let (port, served) = slot_that_breaks_off("").await;
    let gate = Gate::for_slots(port, port);
    let mut client = Client::connect(&gate.socket()).await;
    assert_eq!(client.post("/", "pay 100").await.unwrap().0, 502);
    assert_eq!(client.get("/").await.0, 502);
    assert_eq!(served.await.unwrap(), 2);
}

#[tokio::test]
async fn an_answer_cut_short_is_never_passed_on_as_whole() {
    let (port, _served) = slot_that_breaks_off("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await;
    let gate = Gate::for_slots(port, port);
    let mut client = Client::connect(&gate.socket()).await;
    client.post("/", "x").await.unwrap_err();
    let (port, _served) =
        slot_that_breaks_off("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n").await;
    let gate = Gate::for_slots(port, port);
    let mut client = Client::connect(&gate.socket()).await;
    client.post("/", "x").await.unwrap_err();
}

#[tokio::test]
async fn answers_of_http_1_0_without_a_length_end_with_the_connection() {
    let (port, _served) =
        slot_that_breaks_off("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nall of it").await;
    let gate = Gate::for_slots(port, port);
    let mut client = Client::connect(&gate.socket()).await;
    assert_eq!(client.get("/").await, (200, "all of it".to_owned()));
    assert_eq!(client.get("/").await, (200, "all of it".to_owned()));
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_upload_is_passed_on() {
    let (_blue, gate) = one_slot().await;
    let mut stream = raw_client(&gate).await;
    let head = "POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nfirst bytes";
    let answer = raw(&mut stream, head, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_request() {
    let (blue, gate) = one_slot().await;
    let mut stream = raw_client(&gate).await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET /slow?60000 HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    until("the request to arrive", || blue.requests() == 1).await;
    drop(stream);
    gate.until("none in flight", |found| {
        found.in_flight[&Slot::Blue].requests == 0
    })
    .await;
    until("the slot to notice", || {
        blue.seen.abandoned.load(Ordering::Relaxed) == 1
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_in_an_upload_or_download_cancels_it() {
    let (blue, gate) = one_slot().await;
    for (asked, number) in [
        "POST /swallow HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nfirst bytes",
        "GET /large HTTP/1.1\r\nHost: a\r\n\r\n",
    ]
    .into_iter()
    .zip(1..)
    {
        let mut stream = raw_client(&gate).await;
        tokio::io::AsyncWriteExt::write_all(&mut stream, asked.as_bytes())
            .await
            .unwrap();
        until("the request to arrive", || blue.requests() == number).await;
        drop(stream);
        gate.until("none in flight", |found| {
            found.in_flight[&Slot::Blue].requests == 0
        })
        .await;
    }
    assert_eq!(blue.requests(), 2);
}

#[tokio::test]
async fn nonsense_is_refused_without_reaching_odoo() {
    let (blue, gate) = one_slot().await;
    for (asked, status) in [
        ("HELLO\r\n\r\n", "400"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            "400",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
            "400",
        ),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "405"),
    ] {
        let mut stream = raw_client(&gate).await;
        let answer = raw(&mut stream, asked, "\r\n\r\n").await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{asked}: {answer}"
        );
    }
    let mut stream = raw_client(&gate).await;
    let long = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(100 * 1024)
    );
    assert!(
        raw(&mut stream, &long, "\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 431 ")
    );
    assert_eq!(blue.requests(), 0);
}

#[tokio::test]
async fn what_browsers_send_unencoded_passes() {
    let (_blue, gate) = one_slot().await;
    let mut stream = raw_client(&gate).await;
    let target = "/head?domain=[('a','=',`b`)]&c={d|e}^\\~";
    let asked = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = raw(&mut stream, &asked, "host: a").await;
    assert!(answer.contains(&format!("GET {target} HTTP/1.1")), "{answer}");
}
