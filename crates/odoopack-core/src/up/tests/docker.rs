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

#[test]
fn what_somebody_added_to_a_stack_is_left_alone_and_said() {
    let mut machine = up(true);
    machine.facts.containers.beside = ["mailpit".to_owned()].into();
    let plan = machine.plan();
    assert_eq!(plan.steps, []);
    assert!(
        plan.notes.iter().any(|note| note.contains("`mailpit`")),
        "{:?}",
        plan.notes
    );
}

#[test]
fn a_name_of_odoo_or_of_a_server_of_an_edition_is_a_packs_alone() {
    let (target, _) = up(true).look();
    let odoo = target
        .services
        .iter()
        .filter(|service| service.name.contains('.'));
    assert!(odoo.clone().count() > 3);
    for service in odoo.map(|service| service.name.as_str()).chain(["postgres.blue"]) {
        assert!(crate::target::is_name_of_a_pack(service), "{service}");
    }
    for service in [
        "mailpit",
        "redis",
        "postgres",
        "my.pgadmin",
        "production.blue",
        "a.b.c",
    ] {
        assert!(!crate::target::is_name_of_a_pack(service), "{service}");
    }
}

#[test]
fn an_old_compose_a_podman_and_selinux_are_refused_with_what_helps() {
    let machine = Machine::with_packages(FILE, true);
    let said = |compose: &str, security: &[&str], podman| {
        let mut machine = machine.clone();
        machine.facts.containers.docker = Seen::Present(Docker {
            server: "28.0.0".to_owned(),
            compose: Some(compose.to_owned()),
            security: security.iter().map(|&name| name.to_owned()).collect(),
        });
        machine.facts.containers.podman = podman;
        let refusals = machine.plan().refusals.into_iter();
        refusals
            .map(|one| format!("{} {}", one.what, one.hint))
            .collect::<Vec<_>>()
    };
    for good in ["2.3.3", "v2.26.1", "2.40.3+ds1-0ubuntu1", "5.0.0", "2.26", "dev"] {
        assert_eq!(said(good, &["seccomp"], false), [""; 0], "{good}");
    }
    for old in ["2.3.2", "v2.0.1", "1.29.2"] {
        let said = said(old, &[], false);
        assert!(
            said.len() == 1 && said[0].contains("2.3.3 or newer") && said[0].contains("docker-compose-v2"),
            "{said:?}"
        );
    }
    let by_label = said("2.26.1", &["seccomp", "selinux"], false);
    assert!(
        by_label.len() == 1 && by_label[0].contains("`\"selinux-enabled\": false`"),
        "{by_label:?}"
    );
    let podman = said("2.26.1", &[], true);
    assert!(
        podman.len() == 1 && podman[0].contains("`apt-get remove podman-docker`"),
        "{podman:?}"
    );
}

#[test]
fn more_environments_than_addresses_are_refused() {
    let more = |count: usize| {
        let mut machine = Machine::with_packages(FILE, true);
        machine.facts.host.memory = crate::units::Bytes::gib(1024);
        let staging = machine.spec.environments[&super::machine::name("staging")].clone();
        for number in 2..count {
            let name = super::machine::name(&format!("e{number}"));
            machine.spec.environments.insert(name, staging.clone());
        }
        machine.plan().refusals
    };
    let refused = |count| {
        let all = more(count).into_iter();
        all.filter(|one| one.what.contains("addresses for 59 environments"))
            .count()
    };
    assert_eq!((refused(59), refused(60)), (0, 1));
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
