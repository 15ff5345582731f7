//! Nothing breaks when slots change under load.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use odoopack_core::gate::{Response, Slot};
use tokio::task::JoinSet;

use crate::client::{Client, milliseconds};
use crate::gate::Gate;
use crate::odoo::Odoo;

const CLIENTS: usize = 16;
const SWITCHES: usize = 40;

/// What the posting clients saw.
#[derive(Default)]
struct Tally {
    stop: AtomicBool,
    good: AtomicUsize,
    broken: AtomicUsize,
}

/// Posts over one keep-alive connection until told to stop; every answer must be its own.
async fn post_on(socket: PathBuf, number: usize, tally: Arc<Tally>) {
    let mut client = Client::connect(&socket).await;
    for round in 0.. {
        if tally.stop.load(Ordering::Relaxed) {
            return;
        }
        let body = format!("client {number} round {round}");
        // Up to 40 ms, so that a slot killed before it is drained always breaks something.
        let path = format!("/web/dataset/call_kw?{}", (number * 7 + round * 13) % 40);
        let answer = client.post(&path, &body).await;
        match answer {
            Ok((200, text)) if text.ends_with(&body) => tally.good.fetch_add(1, Ordering::Relaxed),
            _ => {
                client = Client::connect(&socket).await;
                tally.broken.fetch_add(1, Ordering::Relaxed)
            }
        };
    }
}

fn other(slot: Slot) -> Slot {
    match slot {
        Slot::Blue => Slot::Green,
        Slot::Green => Slot::Blue,
    }
}

#[tokio::test]
async fn forty_switches_break_no_request_though_the_old_slot_is_killed_each_time() {
    let mut servers = [Some(Odoo::start("blue").await), Some(Odoo::start("green").await)];
    let ports = servers.each_ref().map(|server| server.as_ref().unwrap().port);
    let gate = Gate::for_slots(ports[0], ports[1]);
    let tally = Arc::new(Tally::default());
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(post_on(gate.socket(), number, Arc::clone(&tally)));
    }
    let mut witness = Client::connect(&gate.socket()).await;
    let mut active = Slot::Blue;
    for _ in 0..SWITCHES {
        let target = other(active);
        assert_eq!(
            gate.switch(target),
            Response::Switched {
                environment: "production".to_owned(),
                slot: target,
                previous: active
            }
        );
        let (_, text) = witness.get("/").await;
        assert!(
            text.starts_with(&target.to_string()),
            "after the switch to {target}: {text}"
        );
        assert_eq!(gate.drain(active, 10, false).await, (0, 0));
        servers[active as usize] = None;
        tokio::time::sleep(milliseconds(20)).await;
        let name = if active == Slot::Blue { "blue" } else { "green" };
        servers[active as usize] = Some(Odoo::start_at(name, ports[active as usize]).await);
        active = target;
    }
    tally.stop.store(true, Ordering::Relaxed);
    while clients.join_next().await.is_some() {}
    let (good, broken) = (
        tally.good.load(Ordering::Relaxed),
        tally.broken.load(Ordering::Relaxed),
    );
    eprintln!("{good} good, {broken} broken");
    assert_eq!(broken, 0);
    assert!(good > 500, "{good}");
    let counters = gate.production().counters;
    assert_eq!((counters.errors, counters.answered_5xx), (0, 0));
}

#[tokio::test]
async fn requests_in_flight_finish_on_the_old_slot_and_a_drain_waits_for_them() {
    let (blue, green) = (Odoo::start("blue").await, Odoo::start("green").await);
    let gate = Gate::for_slots(blue.port, green.port);
    let mut slow = Client::connect(&gate.socket()).await;
    let slow = tokio::spawn(async move { slow.get("/slow?1500").await });
    gate.until("one in flight", |found| {
        found.in_flight[&Slot::Blue].requests == 1
    })
    .await;
    gate.switch(Slot::Green);
    assert_eq!(Client::connect(&gate.socket()).await.get("/").await.1, "green ");
    assert_eq!(gate.drain(Slot::Blue, 0, false).await, (1, 0));
    assert_eq!(gate.drain(Slot::Blue, 10, false).await, (0, 0));
    assert_eq!(slow.await.unwrap(), (200, "blue".to_owned()));
}

#[tokio::test]
async fn every_request_has_a_connection_of_its_own() {
    let blue = Odoo::start("blue").await;
    let gate = Gate::for_slots(blue.port, blue.port);
    let mut client = Client::connect(&gate.socket()).await;
    for _ in 0..5 {
        assert_eq!(client.get("/").await, (200, "blue ".to_owned()));
    }
    assert_eq!(blue.seen.connections.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn a_request_finds_the_new_slot_when_the_old_one_refuses_it() {
    let green = Odoo::start("green").await;
    let gate = Gate::for_slots(crate::odoo::dead_port().await, green.port);
    gate.hold(30, None);
    let mut client = Client::connect(&gate.socket()).await;
    let waiting = tokio::spawn(async move { client.post("/", "kept").await.unwrap() });
    gate.until("one held", |found| found.held == 1).await;
    gate.switch(Slot::Green);
    gate.release();
    assert_eq!(waiting.await.unwrap(), (200, "green kept".to_owned()));
}
