//! The host's firewall, and what Docker publishes in spite of it.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too; it starts programs"
)]

use std::process::Command;

use crate::support::stack::must;
use crate::support::{Pack, command, machine, wait_for};
use crate::{neighbour, split};

/// Switches Debian's ufw on, for the network of this test; its configuration is a copy that only this process sees.
fn switch_ufw_on() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let place = copy.path().to_str().unwrap();
    machine::must("cp", &["-a", "/etc/ufw/.", place]);
    machine::must("mount", &["--bind", place, "/etc/ufw"]);
    machine::must("ufw", &split("default deny incoming"));
    machine::must("ufw", &split("--force enable"));
    let status = machine::must("ufw", &split("status verbose"));
    assert!(
        status.contains("Status: active") && status.contains("deny (incoming)"),
        "{status}"
    );
    copy
}

/// Asked from a network of its own, which has none of the host's addresses.
pub(crate) fn is_passed_and_doctor_says_so(pack: &Pack) {
    pack.now("a published port is open to others in spite of the firewall");
    must(&split(
        "run --detach --rm --name stranger --publish 5999:5999 --entrypoint python3 acme/odoo:19.0 -m http.server 5999",
    ));
    // A number that Docker chooses is as open.
    must(&split(
        "run --detach --rm --name other --publish 5432 --entrypoint python3 acme/odoo:19.0 -m http.server 5432",
    ));
    let chosen = must(&["port", "other", "5432/tcp"]);
    let chosen = chosen
        .lines()
        .next()
        .unwrap()
        .rsplit(':')
        .next()
        .unwrap()
        .to_owned();
    let _own = Child::start("python3 -m http.server 5998");
    let outside = Outside::start();
    for port in ["5998", "5999"] {
        wait_for("both ports answer without a firewall", || {
            outside.reaches(port).then_some(())
        });
    }
    let _ufw = switch_ufw_on();
    let reached = (outside.reaches("5998"), outside.reaches("5999"));
    assert_eq!(reached, (false, true), "what the firewall lets in");
    let answer = pack.run(&["doctor", "--json"]).exits(0).first_json();
    let findings = answer["findings"].as_array().unwrap().iter();
    let told: Vec<_> = findings
        .filter(|one| one["id"] == "host-docker-published")
        .map(|one| format!("{}: {}", one["place"], one["saw"]))
        .collect();
    assert_eq!(
        told.into_iter().collect::<std::collections::BTreeSet<_>>(),
        [("other", chosen.as_str()), ("stranger", "5999")]
            .map(|(name, port)| format!("\"{name}\": \"port {port} is published on every address\""))
            .into()
    );
    neighbour::comes_onto_loopback_and_doctor_says_so(pack, &outside);
    machine::must("ufw", &["disable"]);
    machine::must("umount", &["/etc/ufw"]);
    must(&["rm", "--force", "stranger", "other"]);
}

/// A network that is joined to the host's by one cable.
pub(crate) struct Outside(Child);

impl Outside {
    fn start() -> Self {
        let outside = Self(Child::start("unshare --net sleep 600"));
        let pid = outside.0.0.id().to_string();
        wait_for("the network outside is another one", || {
            let name = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
            (name(&pid) != name("self")).then_some(())
        });
        machine::must(
            "ip",
            &split(&format!(
                "link add outside type veth peer name inside netns {pid}"
            )),
        );
        machine::must("ip", &split("addr add 10.99.0.1/24 dev outside"));
        machine::must("ip", &split("link set outside up"));
        for line in ["ip addr add 10.99.0.2/24 dev inside", "ip link set inside up"] {
            assert!(outside.run(line), "{line}");
        }
        outside
    }

    pub(crate) fn run(&self, line: &str) -> bool {
        let line = format!("--target {} --net {line}", self.0.0.id());
        command("nsenter", &split(&line)).status().unwrap().success()
    }

    fn reaches(&self, port: &str) -> bool {
        self.run(&format!(
            "curl --silent --output /dev/null --max-time 3 http://10.99.0.1:{port}/"
        ))
    }
}

/// Ends with the value.
struct Child(std::process::Child);

impl Child {
    fn start(line: &str) -> Self {
        let mut command = Command::new("setpriv");
        Self(
            command
                .args(["--pdeathsig", "KILL"])
                .args(split(line))
                .spawn()
                .unwrap(),
        )
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
