//! Websockets pass in both directions and end when their slot ends.

use odoopack_core::gate::Slot;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use crate::client::{Client, raw, read_to_end};
use crate::gate::{Gate, Place};
use crate::odoo::{Odoo, dead_port};

const ASKED: &str = "GET /websocket?version=1 HTTP/1.1\r\nHost: a\r\nOrigin: https://a\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Key: abc\r\nSec-WebSocket-Version: 13\r\n\r\n";

async fn open(gate: &Gate) -> UnixStream {
    let mut stream = UnixStream::connect(gate.socket()).await.unwrap();
    let answer = raw(&mut stream, ASKED, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    for header in [
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-accept: abc",
    ] {
        assert!(answer.contains(header), "{answer}");
    }
    stream
}

#[tokio::test]
async fn a_websocket_echoes_through_the_gate() {
    let blue = Odoo::start("blue").await;
    let gate = Gate::for_slots(blue.port, blue.port);
    let mut stream = open(&gate).await;
    for word in ["hello", "world"] {
        assert_eq!(raw(&mut stream, word, word).await, word);
    }
    let level = gate.production().in_flight[&Slot::Blue];
    assert_eq!((level.requests, level.websockets), (0, 1));
    stream.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, "");
    gate.until("none left", |found| found.in_flight[&Slot::Blue].websockets == 0)
        .await;
    assert_eq!(gate.production().counters.websockets, 1);
}

#[tokio::test]
async fn the_websocket_port_is_used_where_there_is_one() {
    let gevent = Odoo::start("gevent").await;
    let web = Odoo::start("web").await;
    let place = Place::new();
    place.configure(&[("production", web.port, web.port, Some(gevent.port))]);
    let gate = place.start();
    let mut stream = open(&gate).await;
    assert_eq!(raw(&mut stream, "hello", "hello").await, "hello");
    let mut client = Client::connect(&gate.socket()).await;
    assert_eq!(client.get("/websocket/health").await.1, "gevent ");
    assert_eq!(client.get("/web").await.1, "web ");
    assert_eq!((gevent.requests(), web.requests()), (2, 1));
}

#[tokio::test]
async fn a_drain_leaves_websockets_alone_unless_it_is_told_to_close_them() {
    let (blue, green) = (Odoo::start("blue").await, Odoo::start("green").await);
    let gate = Gate::for_slots(blue.port, green.port);
    let mut first = open(&gate).await;
    let mut second = open(&gate).await;
    gate.switch(Slot::Green);
    assert_eq!(gate.drain(Slot::Blue, 5, false).await, (0, 2));
    let mut third = open(&gate).await;
    assert_eq!(gate.drain(Slot::Blue, 5, true).await, (0, 0));
    for stream in [&mut first, &mut second] {
        assert_eq!(read_to_end(stream).await, "");
    }
    assert_eq!(raw(&mut third, "still here", "still here").await, "still here");
}

#[tokio::test]
async fn a_slot_that_dies_ends_its_websockets() {
    let blue = Odoo::start("blue").await;
    let gate = Gate::for_slots(blue.port, blue.port);
    let mut stream = open(&gate).await;
    gate.switch(Slot::Green);
    drop(blue);
    stream.write_all(b"x").await.ok();
    drop(stream);
    gate.until("none left", |found| found.in_flight[&Slot::Blue].websockets == 0)
        .await;
}

#[tokio::test]
async fn a_refused_handshake_is_an_ordinary_answer() {
    let gate = Gate::for_slots(dead_port().await, dead_port().await);
    let mut stream = UnixStream::connect(gate.socket()).await.unwrap();
    let answer = raw(&mut stream, ASKED, "</html>").await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    let blue = Odoo::start("blue").await;
    let gate = Gate::for_slots(blue.port, blue.port);
    let mut stream = UnixStream::connect(gate.socket()).await.unwrap();
    let asked = "GET /websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    assert!(
        raw(&mut stream, asked, "\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 400 ")
    );
}
