//! Held requests wait, and are either served or told when to come back.

use std::time::Instant;

use hyper::Method;
use odoopack_core::gate::Slot;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use crate::client::{Client, raw, read, request};
use crate::gate::{Gate, PATIENCE};
use crate::odoo::{Odoo, dead_port};

#[tokio::test]
async fn held_requests_are_all_served_after_the_release() {
    let blue = Odoo::start("blue").await;
    let gate = Gate::for_slots(blue.port, blue.port);
    gate.hold(30, None);
    let mut waiting = JoinSet::new();
    for number in 0..100 {
        let mut client = Client::connect(&gate.socket()).await;
        waiting.spawn(async move { (number, client.post("/", &number.to_string()).await.unwrap()) });
    }
    gate.until("a hundred held", |found| found.held == 100).await;
    assert_eq!(blue.requests(), 0);
    gate.release();
    while let Some(done) = waiting.join_next().await {
        let (number, answer) = done.unwrap();
        assert_eq!(answer, (200, format!("blue {number}")));
    }
    let found = gate.production();
    assert_eq!((found.held, found.hold, found.counters.refused), (0, None, 0));
}

#[tokio::test]
async fn a_hold_that_lasts_too_long_answers_503_with_its_page() {
    let blue = Odoo::start("blue").await;
    let gate = Gate::for_slots(blue.port, blue.port);
    gate.hold(1, Some("<p>back at noon</p>"));
    let mut client = Client::connect(&gate.socket()).await;
    let start = Instant::now();
    let response = client.send(request(Method::POST, "/", "body")).await.unwrap();
    assert!(start.elapsed().as_millis() >= 1_000);
    assert_eq!(response.headers()["retry-after"], "10");
    assert_eq!(
        read(response).await.unwrap(),
        (503, "<p>back at noon</p>".to_owned())
    );
    gate.release();
    assert_eq!(client.get("/").await.0, 200);
    assert_eq!(blue.requests(), 1);
}

#[tokio::test]
async fn more_than_a_thousand_are_turned_away_at_once() {
    let blue = Odoo::start("blue").await;
    let gate = Gate::for_slots(blue.port, blue.port);
    gate.hold(60, None);
    let mut held = JoinSet::new();
    for _ in 0..1024 {
        let mut client = Client::connect(&gate.socket()).await;
        held.spawn(async move { client.get("/").await.0 });
    }
    gate.until("1024 held", |found| found.held == 1024).await;
    assert_eq!(Client::connect(&gate.socket()).await.get("/").await.0, 503);
    eprintln!("peak memory with 1024 held: {} KiB", gate.peak_memory());
    gate.release();
    while let Some(status) = held.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
}

#[tokio::test]
async fn an_upload_held_at_its_start_arrives_whole() {
    let blue = Odoo::start("blue").await;
    let gate = Gate::for_slots(blue.port, blue.port);
    gate.hold(30, None);
    let mut client = Client::connect(&gate.socket()).await;
    let body = "x".repeat(8 * 1024 * 1024);
    let upload = tokio::spawn(async move { client.post("/swallow", &body).await.unwrap() });
    gate.until("one held", |found| found.held == 1).await;
    gate.release();
    assert_eq!(upload.await.unwrap(), (200, (8 * 1024 * 1024).to_string()));
}

#[tokio::test]
async fn a_refused_upload_still_reads_its_answer() {
    let blue = Odoo::start("blue").await;
    let gate = Gate::for_slots(blue.port, blue.port);
    gate.hold(0, None);
    let mut stream = UnixStream::connect(gate.socket()).await.unwrap();
    let body = "x".repeat(8 * 1024 * 1024);
    let upload = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    for _ in 0..2 {
        assert!(
            raw(&mut stream, &upload, "</html>")
                .await
                .starts_with("HTTP/1.1 503 ")
        );
    }
    assert_eq!(blue.requests(), 0);
}

#[tokio::test]
async fn websockets_are_refused_while_held() {
    let blue = Odoo::start("blue").await;
    let gate = Gate::for_slots(blue.port, blue.port);
    gate.hold(30, None);
    let mut stream = UnixStream::connect(gate.socket()).await.unwrap();
    let asked = "GET /websocket HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let answer = raw(&mut stream, asked, "</html>").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("retry-after: 10"), "{answer}");
}

#[tokio::test]
async fn a_dead_slot_under_a_hold_costs_nothing() {
    let port = dead_port().await;
    let gate = Gate::for_slots(port, port);
    gate.hold(30, None);
    let mut client = Client::connect(&gate.socket()).await;
    let waiting = tokio::spawn(async move { client.post("/", "kept").await.unwrap() });
    gate.until("one held", |found| found.held == 1).await;
    let _blue = Odoo::start_at("blue", port).await;
    gate.release();
    assert_eq!(waiting.await.unwrap(), (200, "blue kept".to_owned()));
}

#[tokio::test]
async fn a_hold_survives_a_killed_gate() {
    let blue = Odoo::start("blue").await;
    let gate = Gate::for_slots(blue.port, blue.port);
    gate.hold(30, Some("soon"));
    let gate = gate.kill().start();
    assert_eq!(gate.production().hold.map(|hold| hold.seconds), Some(30));
    gate.release();
    let gate = gate.kill().start();
    let found = gate.production();
    assert_eq!((found.hold, found.slot), (None, Slot::Blue));
}

#[tokio::test]
async fn a_stopping_gate_turns_held_requests_away_at_once() {
    let blue = Odoo::start("blue").await;
    let mut gate = Gate::for_slots(blue.port, blue.port);
    gate.hold(600, None);
    let mut client = Client::connect(&gate.socket()).await;
    let waiting = tokio::spawn(async move { client.get("/").await });
    gate.until("one held", |found| found.held == 1).await;
    gate.signal(rustix::process::Signal::TERM);
    let (status, _) = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
    assert_eq!(status, 503);
    assert!(gate.wait().success());
}
