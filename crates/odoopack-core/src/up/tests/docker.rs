//! What a stack needs of Docker, and what it tells Docker to wait for.
use super::containers::{FILE, up};
use super::machine::Machine;
use crate::facts::{Docker, Seen};

#[test]
fn docker_without_compose_or_without_an_answer_is_refused_before_anything_is_touched() {
    let mut machine = Machine::with_packages(FILE, true);
    let said = |machine: &Machine| machine.plan().refusals[0].what.clone();
    machine.facts.containers.docker = Seen::Present(Docker {
        server: "20.10.24".to_owned(),
        compose: None,
        security: Vec::new(),
    });
    assert!(said(&machine).contains("Compose is not installed"));
    machine.facts.containers.docker = Seen::Unknown("Cannot connect".to_owned());
    assert!(said(&machine).contains("Docker does not answer: Cannot connect"));
}

#[test]
fn a_docker_whose_users_are_not_the_hosts_is_refused() {
    let said = |security: &[&str]| {
        let mut machine = Machine::with_packages(FILE, true);
        machine.facts.containers.docker = Seen::Present(Docker {
            server: "20.10.24".to_owned(),
            compose: Some("2.26.1".to_owned()),
            security: security.iter().map(|&name| name.to_owned()).collect(),
        });
        let refusals = machine.plan().refusals.into_iter();
        refusals.map(|one| (one.what, one.hint)).collect::<Vec<_>>()
    };
    assert_eq!(said(&["apparmor", "seccomp", "cgroupns"]), []);
    for (name, what, hint) in [
        ("userns", "`userns-remap`", "`systemctl restart docker`"),
        ("rootless", "without root", "`unset DOCKER_HOST`"),
    ] {
        let said = said(&["seccomp", name, "cgroupns"]);
        let [(told, helps)] = &said[..] else {
            panic!("{name}: {said:?}")
        };
        assert!(told.contains(what) && helps.contains(hint), "{name}: {said:?}");
    }
}

/// A start is no answer yet.
#[test]
fn nginx_waits_until_the_gate_answers() {
    let (target, _) = up(true).look();
    let gate = target.definition("gate").unwrap();
    for words in ["healthcheck:", "- \"/odoopack\"", "- \"--check\""] {
        assert!(gate.contains(words), "no `{words}` in {gate}");
    }
    let nginx = target.definition("nginx").unwrap();
    assert!(
        nginx.contains("\"gate\": {condition: service_healthy}"),
        "{nginx}"
    );
}
