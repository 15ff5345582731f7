//! A neighbour on the same network, who sends to the host what is meant for loopback.
use crate::firewall::Outside;
use crate::split;
use crate::support::stack::must;
use crate::support::{Pack, machine, wait_for};

/// What `doctor` says that helps.
const CLOSED: &str = "PREROUTING -d 127.0.0.0/8 ! -i lo -j DROP";

/// By a route of his own, and past a firewall that lets nobody in; from Docker 28 on he is kept out, and nothing is said.
pub(crate) fn comes_onto_loopback_and_doctor_says_so(pack: &Pack, outside: &Outside) {
    pack.now("a port on loopback is open to a neighbour where Docker is old");
    must(&split(
        "run --detach --rm --name inner --publish 127.0.0.1:5997:5997 --entrypoint python3 acme/odoo:19.0 -m http.server 5997",
    ));
    let ask = "curl --silent --output /dev/null --max-time 3 http://127.0.0.1:5997/";
    wait_for("the port answers on this machine", || {
        let answer = crate::support::command("curl", &split(ask)[1..]).status();
        answer.is_ok_and(|status| status.success()).then_some(())
    });
    for line in [
        "ip route add 127.0.0.1/32 via 10.99.0.1 dev inside",
        "sysctl --quiet --write net.ipv4.conf.inside.route_localnet=1",
    ] {
        assert!(outside.run(line), "{line}");
    }
    let reached = outside.run(ask);
    let answer = pack.run(&["doctor", "--json"]).exits(0).first_json();
    let mut findings = answer["findings"].as_array().into_iter().flatten();
    let said = findings.any(|one| one["id"] == "host-docker-loopback" && one["place"] == "inner");
    assert_eq!(said, reached, "whether a neighbour comes in: {answer}");
    machine::must("iptables", &split(&format!("-t raw -I {CLOSED}")));
    assert!(!outside.run(ask), "what doctor says helps");
    machine::must("iptables", &split(&format!("-t raw -D {CLOSED}")));
    must(&["rm", "--force", "inner"]);
}
