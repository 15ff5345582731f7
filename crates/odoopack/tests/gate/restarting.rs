//! Stopping finishes what is in flight; starting again finds what was.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use odoopack_core::gate::Slot;
use rustix::process::Signal;

use crate::client::Client;
use crate::gate::{Gate, Place};
use crate::odoo::Odoo;

#[tokio::test]
async fn a_killed_gate_comes_back_with_its_slot_over_its_stale_sockets() {
    let (blue, green) = (Odoo::start("blue").await, Odoo::start("green").await);
    let gate = Gate::for_slots(blue.port, green.port);
    gate.switch(Slot::Green);
    let place = gate.kill();
    assert!(place.path("control.sock").exists() && place.path("production.sock").exists());
    let gate = place.start();
    assert_eq!(gate.production().slot, Slot::Green);
    assert_eq!(Client::connect(&gate.socket()).await.get("/").await.1, "green ");
}

#[tokio::test]
async fn a_second_gate_refuses_to_start_beside_a_live_one() {
    let blue = Odoo::start("blue").await;
    let gate = Gate::for_slots(blue.port, blue.port);
    let mut second = gate.place.spawn();
    assert!(!second.wait().unwrap().success());
    let mut said = String::new();
    second.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("already listens"), "{said}");
    assert_eq!(Client::connect(&gate.socket()).await.get("/").await.0, 200);
    assert_eq!(gate.status().pid, gate.pid());
}

#[tokio::test]
async fn a_damaged_state_file_stops_the_start() {
    let place = Place::new();
    place.configure(&[("production", 1, 2, None)]);
    place.write("state.json", "{\"format\":1,");
    let mut gate = place.spawn();
    assert!(!gate.wait().unwrap().success());
    let mut said = String::new();
    gate.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("state.json"), "{said}");
    assert!(!place.path("control.sock").exists());
}

#[tokio::test]
async fn sockets_and_state_are_not_for_everybody() {
    let blue = Odoo::start("blue").await;
    let gate = Gate::for_slots(blue.port, blue.port);
    gate.switch(Slot::Green);
    for (name, mode) in [
        ("control.sock", 0o660),
        ("production.sock", 0o660),
        ("state.json", 0o600),
    ] {
        let found = std::fs::metadata(gate.place.path(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(found, mode, "{name}");
    }
}

#[tokio::test]
async fn sigterm_finishes_requests_in_flight_and_cleans_up() {
    let blue = Odoo::start("blue").await;
    let mut gate = Gate::for_slots(blue.port, blue.port);
    let mut slow = Client::connect(&gate.socket()).await;
    let slow = tokio::spawn(async move { slow.get("/slow?3000").await });
    let mut idle = Client::connect(&gate.socket()).await;
    idle.get("/").await;
    gate.until("one in flight", |found| {
        found.in_flight[&Slot::Blue].requests == 1
    })
    .await;
    gate.signal(Signal::TERM);
    assert_eq!(slow.await.unwrap(), (200, "blue".to_owned()));
    assert!(gate.wait().success());
    for name in ["control.sock", "production.sock"] {
        assert!(!gate.place.path(name).exists(), "{name}");
    }
}

#[tokio::test]
async fn a_busy_connection_is_told_to_close_and_not_cut() {
    let blue = Odoo::start("blue").await;
    let mut gate = Gate::for_slots(blue.port, blue.port);
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let mut client = Client::connect(&gate.socket()).await;
        clients.spawn(async move {
            for round in 0.. {
                let request = crate::client::request(hyper::Method::POST, "/", "body");
                let response = client
                    .send(request)
                    .await
                    .unwrap_or_else(|error| panic!("{round}: {error}"));
                let last = response
                    .headers()
                    .get("connection")
                    .is_some_and(|value| value == "close");
                crate::client::read(response).await.unwrap();
                if last {
                    return round;
                }
            }
            0
        });
    }
    gate.until("some traffic", |found| found.counters.requests > 200)
        .await;
    gate.signal(Signal::TERM);
    while let Some(rounds) = clients.join_next().await {
        rounds.unwrap();
    }
    assert!(gate.wait().success());
}
