//! The Odoo that a drill starts on a copy: it runs no jobs and sends no mail, and nothing leads out of where it is.
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::{sql, unlike};
use crate::support::{Pack, machine, wait_for};

/// Which of the addresses can be reached from here, one a line.
const REACHED: &str = r"
import socket, sys
for address in sys.argv[1:]:
    host, port = address.rsplit(':', 1)
    try:
        socket.create_connection((host, int(port)), 3).close()
        print(address)
    except OSError:
        pass
";

/// The status of the page at which people sign in, which comes once Odoo has loaded its modules.
const LOGIN: &str = r"
import http.client
odoo = http.client.HTTPConnection('127.0.0.1', 8069, timeout=120)
odoo.request('GET', '/web/login')
print(odoo.getresponse().status)
";

/// What an Odoo would do at once, and what it would leave behind: jobs that are due, and a mail that waits.
const WAITING: &str = "SELECT (SELECT count(*) FROM ir_cron WHERE active AND nextcall < now() AT TIME ZONE 'UTC') || ' jobs, mail ' || \
                       (SELECT string_agg(state, ' ') FROM mail_mail)";

/// Drills the newest snapshot whole, with a copy that would act were it let; returns what the drill told.
pub(crate) fn drilled_in_silence(pack: &Pack) -> Value {
    let mail = TcpListener::bind("0.0.0.0:0").unwrap();
    mail.set_nonblocking(true).unwrap();
    let addresses = addresses(&mail);
    let args = ["backup", "drill", "--json"];
    let (child, copy) = unlike::loaded(pack, &args);
    let waits = would_act(pack, &copy, addresses.last().unwrap());
    machine::go_on(child.id());
    let odoo = wait_for("Odoo starts on the copy", || odoo_on(pack, &copy));
    // Who looks at it would end it as soon as everything was seen.
    let looks = machine::processes()
        .into_iter()
        .find(|process| process.pid == odoo.parent);
    let looks = looks.unwrap();
    assert!(looks.line.contains(" boot-test "), "{}", looks.line);
    machine::hold(looks.pid);
    let found = Found::of(pack, &copy, odoo.pid, &addresses);
    machine::go_on(looks.pid);
    let told = pack.end(child, &args).exits(0).json();
    found.is_silent(&waits);
    // Without this nobody would know that it hears anything.
    assert!(mail.accept().is_err(), "the copy has spoken to a mail server");
    assert_eq!(reached(None, &addresses), addresses);
    assert!(mail.accept().is_ok());
    told
}

/// Where the listener is reached on this machine, the address that others see last.
fn addresses(listener: &TcpListener) -> Vec<String> {
    let port = listener.local_addr().unwrap().port();
    let outside = || -> std::io::Result<IpAddr> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        // Nothing is sent: it asks which address of this machine would be used.
        socket.connect("192.0.2.1:9")?;
        Ok(socket.local_addr()?.ip())
    };
    let outside = outside().ok().map(|ip| ip.to_string());
    let all = ["127.0.0.1".to_owned()].into_iter().chain(outside);
    all.map(|ip| format!("{ip}:{port}")).collect()
}

/// Makes every job of the copy due and lets its mail go by the server at `address`; says what waits then.
fn would_act(pack: &Pack, copy: &str, address: &str) -> String {
    let (host, port) = address.split_once(':').unwrap();
    sql(
        pack,
        copy,
        &format!(
            "UPDATE ir_cron SET active = true, nextcall = now() AT TIME ZONE 'UTC' - interval '1 hour'; \
             UPDATE ir_mail_server SET active = true, smtp_host = '{host}', smtp_port = {port}, smtp_encryption = 'none', \
                 smtp_user = NULL, smtp_pass = NULL; \
             UPDATE mail_mail SET state = 'outgoing'"
        ),
    );
    let waits = sql(pack, copy, WAITING);
    assert!(
        !waits.starts_with("0 ") && waits.ends_with("mail outgoing"),
        "{waits}"
    );
    waits
}

/// The copy's Odoo.
fn odoo_on(pack: &Pack, copy: &str) -> Option<machine::Process> {
    let serves = format!(" -d {copy} ");
    let all = machine::processes_of(&pack.root).into_iter();
    let mut all = all.filter(|process| process.line.contains(&serves) && process.line.contains(" server "));
    all.find(|process| !process.line.starts_with("setpriv "))
}

/// Which of the addresses a process can reach, or this test itself.
fn reached(process: Option<u32>, addresses: &[String]) -> Vec<String> {
    let args = ["-c", REACHED].into_iter();
    let args: Vec<&str> = args.chain(addresses.iter().map(String::as_str)).collect();
    python(process, &args).lines().map(str::to_owned).collect()
}

/// Runs it in the network of a process.
fn python(process: Option<u32>, args: &[&str]) -> String {
    let Some(pid) = process else {
        return machine::must("python3", args);
    };
    let pid = pid.to_string();
    let within = ["--target", &pid, "--net", "--", "python3"];
    machine::must("nsenter", &[&within[..], args].concat())
}

/// What was seen of a drill's Odoo while it served.
struct Found {
    own_network: bool,
    routes: Vec<String>,
    reached: Vec<String>,
    served: String,
    waits: String,
}

impl Found {
    fn of(pack: &Pack, copy: &str, odoo: u32, addresses: &[String]) -> Self {
        let network = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net")).unwrap();
        let read =
            |name: &str| std::fs::read_to_string(format!("/proc/{odoo}/net/{name}")).unwrap_or_default();
        let elsewhere = |line: &&str| line.split_whitespace().last() != Some("lo");
        let mut routes: Vec<String> = read("route").lines().skip(1).map(str::to_owned).collect();
        let of_6 = read("ipv6_route");
        routes.extend(of_6.lines().filter(elsewhere).map(str::to_owned));
        let own_network = network(&odoo.to_string()) != network("self");
        let reached = reached(Some(odoo), addresses);
        let served = wait_for("Odoo serves the copy", || {
            let args = [
                "--target",
                &odoo.to_string(),
                "--net",
                "--",
                "python3",
                "-c",
                LOGIN,
            ];
            let output = Command::new("nsenter").args(args).output().unwrap();
            let status = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            output.status.success().then_some(status)
        });
        // Whoever runs the jobs of this database looks at once, not only after a minute.
        sql(pack, "postgres", &format!("NOTIFY cron_trigger, '{copy}'"));
        std::thread::sleep(Duration::from_secs(3));
        Self {
            own_network,
            routes,
            reached,
            served,
            waits: sql(pack, copy, WAITING),
        }
    }

    fn is_silent(&self, waits: &str) {
        assert_eq!(self.served, "200");
        assert!(self.own_network, "it is in the network of this machine");
        assert_eq!(self.routes, [""; 0], "ways out of its network");
        assert_eq!(self.reached, [""; 0], "it reaches this machine");
        assert_eq!(self.waits, waits, "the copy has run jobs or sent mail");
    }
}
