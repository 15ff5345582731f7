//! The control socket: what it does, what it refuses, what it changes while requests pass.

use odoopack_core::gate::{Request, Response, Slot, parse_answer};
use rustix::process::Signal;
use serde_json::json;

use crate::client::{Client, until};
use crate::gate::{Gate, Place};
use crate::odoo::Odoo;

#[tokio::test]
async fn bad_input_is_answered_with_an_error_and_a_hint() {
    let blue = Odoo::start("blue").await;
    let gate = Gate::for_slots(blue.port, blue.port);
    for (line, message) in [
        ("", "cannot be read"),
        ("status", "cannot be read"),
        (r#"{"protocol":7,"command":"status"}"#, "protocol 7"),
        (
            r#"{"protocol":1,"command":"switch","environment":"nope","slot":"blue"}"#,
            "no environment `nope`",
        ),
        (
            r#"{"protocol":1,"command":"switch","environment":"production","slot":"red"}"#,
            "unknown variant",
        ),
        (
            r#"{"protocol":1,"command":"drain","environment":"production"}"#,
            "missing field",
        ),
    ] {
        let refusal = parse_answer(&gate.say(line)).unwrap().unwrap_err();
        assert!(refusal.error.contains(message), "{line}: {refusal:?}");
        assert!(!refusal.hint.is_empty());
    }
    let long = format!(r#"{{"protocol":1,"page":"{}"}}"#, "x".repeat(300 * 1024));
    assert!(
        parse_answer(&gate.say(&long))
            .unwrap()
            .unwrap_err()
            .error
            .contains("longer than")
    );
    assert_eq!(Client::connect(&gate.socket()).await.get("/").await.0, 200);
}

#[tokio::test]
async fn a_check_says_whether_the_gate_answers() {
    let blue = Odoo::start("blue").await;
    let gate = Gate::for_slots(blue.port, blue.port);
    assert!(gate.place.check(), "it runs");
    gate.signal(Signal::STOP);
    assert!(!gate.place.check(), "it stands still");
    gate.signal(Signal::CONT);
    assert!(gate.place.check(), "it goes on");
    let place = gate.kill();
    assert!(!place.check(), "its socket is there and nobody behind it");
}

#[tokio::test]
async fn status_says_who_and_what() {
    let blue = Odoo::start("blue").await;
    let gate = Gate::for_slots(blue.port, blue.port);
    let mut client = Client::connect(&gate.socket()).await;
    for path in ["/", "/none", "/unchanged", "/early"] {
        client.get(path).await;
    }
    let status = gate.status();
    assert_eq!(
        (status.pid, status.version.as_str()),
        (gate.pid(), env!("CARGO_PKG_VERSION"))
    );
    status.started.parse::<jiff::Timestamp>().unwrap();
    let found = &status.environments["production"];
    let counters = found.counters;
    assert_eq!((counters.requests, counters.errors), (4, 0));
    assert_eq!(
        (
            counters.answered_2xx,
            counters.answered_3xx,
            counters.answered_4xx
        ),
        (2, 1, 1)
    );
    assert_eq!(found.latency.samples, 4);
    assert!(
        found.latency.p50 > 0 && found.latency.p50 <= found.latency.p99,
        "{:?}",
        found.latency
    );
    assert!(
        gate.say(&Request::Status {}.to_line())
            .contains(r#""protocol":1"#)
    );
}

#[tokio::test]
async fn a_reload_adds_and_removes_and_touches_nothing_else() {
    let blue = Odoo::start("blue").await;
    let place = Place::new();
    place.configure(&[
        ("production", blue.port, blue.port, None),
        ("old", blue.port, blue.port, None),
    ]);
    let gate = place.start();
    let mut kept = Client::connect(&gate.socket()).await;
    assert_eq!(kept.get("/").await.0, 200);
    let mut leaving = Client::connect(&gate.place.path("old.sock")).await;
    let finishing = tokio::spawn(async move { leaving.get("/slow?300").await });
    until("two requests", || blue.requests() == 2).await;
    gate.place.configure(&[
        ("production", blue.port, blue.port, None),
        ("staging", blue.port, blue.port, None),
    ]);
    let (added, removed) = (vec!["staging".to_owned()], vec!["old".to_owned()]);
    assert_eq!(
        gate.ask(&Request::Reload {}),
        Response::Reloaded {
            added,
            removed,
            changed: vec![]
        }
    );
    assert_eq!(finishing.await.unwrap(), (200, "blue".to_owned()));
    assert_eq!(kept.get("/").await.0, 200);
    assert_eq!(
        Client::connect(&gate.place.path("staging.sock"))
            .await
            .get("/")
            .await
            .0,
        200
    );
    until("the old socket to go", || !gate.place.path("old.sock").exists()).await;
}

#[tokio::test]
async fn a_reload_follows_a_slot_to_its_new_port() {
    let (old, new) = (Odoo::start("old").await, Odoo::start("new").await);
    let gate = Gate::for_slots(old.port, old.port);
    let mut client = Client::connect(&gate.socket()).await;
    assert_eq!(client.get("/").await.1, "old ");
    gate.place.configure(&[("production", new.port, old.port, None)]);
    gate.signal(rustix::process::Signal::HUP);
    let deadline = std::time::Instant::now() + crate::gate::PATIENCE;
    while client.get("/").await.1 != "new " {
        assert!(std::time::Instant::now() < deadline);
    }
}

#[tokio::test]
async fn a_wrong_configuration_is_refused_and_nothing_changes() {
    let blue = Odoo::start("blue").await;
    let gate = Gate::for_slots(blue.port, blue.port);
    let mut client = Client::connect(&gate.socket()).await;
    let socket = gate.socket();
    let config = |control: &str, slots: serde_json::Value, more: &str| {
        json!({"format": 1, "control": gate.place.path(control), "state": gate.place.path("state.json"),
            "environments": {
                "production": {"socket": socket, "slots": slots},
                "another": {"socket": gate.place.path(more), "slots": {"blue": {"web": 1}}}}})
    };
    let blue_only = json!({"blue": {"web": 1}});
    for (config, message) in [
        (json!({}), "missing field"),
        (
            config("other.sock", blue_only.clone(), "a.sock"),
            "`control` cannot change",
        ),
        (
            config("control.sock", json!({"green": {"web": 1}}), "a.sock"),
            "served by slot blue",
        ),
        (
            config("control.sock", blue_only, "missing/a.sock"),
            "cannot listen",
        ),
    ] {
        gate.place.write_config(&config);
        let refusal = gate.try_ask(&Request::Reload {}).unwrap_err();
        assert!(refusal.error.contains(message), "{refusal:?}");
        assert_eq!(client.get("/").await.1, "blue ");
        assert_eq!(gate.status().environments.len(), 1);
    }
}

#[tokio::test]
async fn a_switch_that_cannot_be_remembered_does_not_happen() {
    let (blue, green) = (Odoo::start("blue").await, Odoo::start("green").await);
    let gate = Gate::for_slots(blue.port, green.port);
    std::fs::create_dir(gate.place.path("state.json.new")).unwrap();
    let switch = Request::Switch {
        environment: "production".to_owned(),
        slot: Slot::Green,
    };
    let refusal = gate.try_ask(&switch).unwrap_err();
    assert!(refusal.error.contains("nothing was changed"), "{refusal:?}");
    assert_eq!(Client::connect(&gate.socket()).await.get("/").await.1, "blue ");
}
