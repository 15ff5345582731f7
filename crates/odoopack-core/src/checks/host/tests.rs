//! Each fault of a machine, and the finding that it gives.
use super::*;

fn good() -> Host {
    Host {
        clock: Seen::Present(Clock { synchronized: true }),
        disks: vec![Disk {
            place: "/srv".to_owned(),
            free: Seen::Present(Bytes::gib(9)),
            needs: Bytes::gib(3),
        }],
        sums: Vec::new(),
        unlocked: Vec::new(),
        memory: Memory {
            there: Bytes::gib(8),
            planned: Bytes::gib(7),
        },
        supervisor: Supervisor::Systemd,
        postgres_listens: Seen::Present(vec!["127.0.0.1".to_owned(), "::1".to_owned()]),
        published: Seen::Absent,
        on_loopback: Seen::Absent,
        shared: Vec::new(),
        without: Vec::new(),
        services: vec![("nginx".to_owned(), Seen::Present(true))],
    }
}

#[test]
fn a_good_machine_yields_nothing_and_each_fault_its_finding() {
    assert_eq!(judge(&good()), []);
    let check = |spoil: fn(&mut Host), wanted: &[&str]| {
        let mut host = good();
        spoil(&mut host);
        let told: Vec<String> = judge(&host)
            .iter()
            .map(|f| format!("{} {:?}", f.id, f.severity))
            .collect();
        assert_eq!(told, wanted);
    };
    check(
        |h| {
            h.clock = Seen::Present(Clock { synchronized: false });
        },
        &["host-clock-unsynchronized Warning"],
    );
    check(
        |h| h.clock = Seen::Unknown("no ntp".to_owned()),
        &["host-clock-unsynchronized Warning"],
    );
    check(
        |h| h.unlocked = vec!["project".to_owned()],
        &["host-unlocked Error"],
    );
    check(|h| h.disks[0].needs = Bytes::gib(10), &["host-disk-full Error"]);
    check(|h| h.disks[0].needs = Bytes::gib(5), &["host-disk-full Warning"]);
    check(
        |h| h.disks[0].free = Seen::Unknown("EACCES".to_owned()),
        &["host-disk-full Warning"],
    );
    check(|h| h.memory.planned = Bytes::gib(9), &["host-memory Error"]);
    check(|h| h.sums = vec!["too many".to_owned()], &["host-sizing Error"]);
    check(
        |h| h.supervisor = Supervisor::Runit { boot: Seen::Absent },
        &["host-runit-boot Warning", "host-runit-memory Info"],
    );
    check(
        |h| {
            h.supervisor = Supervisor::Runit {
                boot: Seen::Present("cron".to_owned()),
            }
        },
        &["host-runit-memory Info"],
    );
    check(
        |h| h.postgres_listens = Seen::Present(vec!["0.0.0.0".to_owned()]),
        &["host-postgresql-listens Error"],
    );
    check(
        |h| h.published = Seen::Unknown("no permission".to_owned()),
        &["host-docker-published Info"],
    );
}

#[test]
fn a_published_port_is_named_with_its_container() {
    let mut host = good();
    let one = |address: &str, port| Published {
        container: "old-db-1".to_owned(),
        address: address.to_owned(),
        port,
    };
    host.published = Seen::Present(vec![one("0.0.0.0", 5432), one("10.0.0.1", 8069)]);
    let told: Vec<String> = judge(&host)
        .into_iter()
        .map(|finding| format!("{}: {}", finding.place, finding.saw))
        .collect();
    assert_eq!(
        told,
        [
            "old-db-1: port 5432 is published on every address",
            "old-db-1: port 8069 is published on 10.0.0.1"
        ]
    );
}

#[test]
fn a_docker_that_lets_neighbours_onto_loopback_is_told() {
    let told = |docker: &str, ports: Vec<Published>| -> Vec<String> {
        let mut host = good();
        host.on_loopback = Seen::Present(OnLoopback {
            docker: docker.to_owned(),
            ports,
        });
        let all = judge(&host).into_iter();
        all.map(|finding| format!("{} {}: {}", finding.id, finding.place, finding.saw))
            .collect()
    };
    let odoo = || Published {
        container: "shop-dev-1".to_owned(),
        address: "127.0.0.1".to_owned(),
        port: 8069,
    };
    for old in ["20.10.24+dfsg1", "26.1.5+dfsg1", "27.5.1"] {
        let saw = format!("port 8069 is published on 127.0.0.1 by Docker {old}");
        assert_eq!(
            told(old, vec![odoo()]),
            [format!("host-docker-loopback shop-dev-1: {saw}")]
        );
        assert_eq!(told(old, Vec::new()), [""; 0]);
    }
    for good in ["28.0.0", "29.1.2", "library-import"] {
        assert_eq!(told(good, vec![odoo()]), [""; 0], "{good}");
    }
}

#[test]
fn an_address_that_all_visitors_share_is_told() {
    let mut host = good();
    host.shared = vec!["[::]".to_owned()];
    let [finding] = &judge(&host)[..] else {
        panic!("one finding")
    };
    assert_eq!((finding.id, finding.severity), ("host-docker-ipv6", Warning));
    assert_eq!(
        (finding.place.as_str(), finding.saw.as_str()),
        (
            "nginx",
            "it is published on [::], where all its visitors have one address"
        )
    );
}

#[test]
fn a_service_that_does_not_run_is_an_error() {
    for (seen, severity) in [
        (Seen::Present(false), Error),
        (Seen::Absent, Error),
        (Seen::Unknown("EACCES".to_owned()), Warning),
    ] {
        let mut host = good();
        host.services[0].1 = seen;
        let [down] = &judge(&host)[..] else {
            panic!("one finding")
        };
        assert_eq!((down.id, down.severity), ("host-service-down", severity));
    }
}
