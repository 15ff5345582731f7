//! Ports that a stack publishes: which the pack keeps, and which not.
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use toml_edit::{Array, value};

use super::decide::{Decider, ENVIRONMENT};
use super::{Project, Stack};
use crate::foreign::compose::{Port, Service};

/// A published port or range, as far as its entry says which port of the host leads where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Published {
    /// The entry as written, with its variables filled in.
    pub(super) shown: String,
    /// Ports of the container, and the host's port for the first of them.
    ports: Option<(RangeInclusive<u16>, u16)>,
    /// Address of the host, when one is given.
    address: Option<String>,
}

impl Published {
    fn read(project: &Project, port: &Port) -> Self {
        let shown = project.variables.fill(&port.shown);
        let inside = range(&project.variables.fill(&port.target));
        let host = shown.rsplit(':').nth(1).and_then(range);
        // A short entry has it before its ports, whatever its variables were.
        let address = shown.rsplitn(3, ':').nth(2).map(str::to_owned);
        let apart = || Some(project.variables.fill(port.host.as_deref()?));
        let address = address.or_else(apart).filter(|text| !text.is_empty());
        let length = |range: &RangeInclusive<u16>| range.end() - range.start();
        let pair = inside.zip(host);
        // Of a longer range Docker takes whatever is free.
        let pair = pair.filter(|(inside, host)| length(inside) == length(host));
        Self {
            address,
            shown,
            ports: pair.map(|(inside, host)| (inside, *host.start())),
        }
    }

    /// The port of the host that leads to one of the container.
    fn host(&self, inside: u16) -> Option<u16> {
        let (ports, first) = self.ports.as_ref()?;
        let offset = inside.checked_sub(*ports.start())?;
        ports.contains(&inside).then(|| first.checked_add(offset))?
    }

    /// Whether it is nothing but these ports of the container, each by itself.
    fn is_one_of(&self, inside: &[u16]) -> bool {
        let one = |(ports, _): &(RangeInclusive<u16>, u16)| {
            ports.start() == ports.end() && inside.contains(ports.start())
        };
        self.ports.as_ref().is_some_and(one)
    }

    /// Why not all of it is kept.
    fn why(&self) -> &'static str {
        if self.ports.is_some() {
            "nothing is published but nginx's ports, and 8069 of Odoo and 5432 of PostgreSQL on loopback: what people need of the rest comes through nginx"
        } else {
            "it does not say which port of the host leads to which of the container: `http_port` and `https_port` in [web], `http_port` in [environments.production] and `port` in [postgres] say them"
        }
    }
}

impl Stack<'_> {
    fn all_published(&self, service: &Service) -> Vec<Published> {
        let ports = service.ports().into_iter();
        ports.map(|port| Published::read(self.project, &port)).collect()
    }

    /// The port of the host that leads to a port of a service.
    pub(super) fn published(&self, service: &Service, inside: u16) -> Option<u16> {
        self.all_published(service)
            .iter()
            .find_map(|one| one.host(inside))
    }

    /// Every way to a port of a service: the address, where one is given, and the port of the host.
    fn ways(&self, service: &Service, inside: u16) -> Vec<(Option<String>, u16)> {
        let all = self.all_published(service).into_iter();
        let way = |one: Published| Some((one.address.clone(), one.host(inside)?));
        all.filter_map(way).collect()
    }

    /// What is published and does not stay: the service with the entry, and why.
    pub(super) fn not_published(&self) -> Vec<(String, &'static str)> {
        let parts: [(Option<&Service>, &[u16]); 3] = [
            (self.nginx, &[80, 443]),
            (Some(self.odoo), &[8069]),
            (Some(self.postgres), &[5432]),
        ];
        let mut all = Vec::new();
        for (service, kept) in parts {
            let Some(service) = service else { continue };
            let published = self.all_published(service).into_iter();
            let rest = published.filter(|one| !one.is_one_of(kept));
            all.extend(rest.map(|one| {
                (
                    format!("port {} of service {}", one.shown, service.name),
                    one.why(),
                )
            }));
        }
        all
    }
}

impl Decider<'_> {
    /// Which ports stay, and on which addresses nginx answers.
    pub(super) fn ports(&mut self) {
        let stack = self.stack;
        if let Some(nginx) = stack.nginx {
            self.ports_of_nginx(nginx);
        } else {
            self.change(
                "nginx with TLS in front of Odoo",
                "nothing in the file keeps passwords from being read on their way",
            );
        }
        if let Some(port) = stack.published(stack.odoo, 8069) {
            self.set(
                &["environments", ENVIRONMENT],
                "http_port",
                value(i64::from(port)),
            );
            self.change(
                format!("port {port} of Odoo answers on loopback alone"),
                "a port that Docker publishes is open to everybody, whatever ufw says; people come through nginx",
            );
        }
        if let Some(port) = stack.published(stack.postgres, 5432) {
            self.set(&["postgres"], "port", value(i64::from(port)));
            self.change(
                format!("port {port} of PostgreSQL answers on loopback alone"),
                "a port that Docker publishes is open to everybody, whatever ufw says",
            );
        }
        for (port, why) in stack.not_published() {
            self.leave(port, why);
        }
    }

    fn ports_of_nginx(&mut self, nginx: &Service) {
        let mut all: Vec<(u16, BTreeSet<String>)> = Vec::new();
        for (key, inside, usual) in [("http_port", 80, 80), ("https_port", 443, 443)] {
            let ways = self.stack.ways(nginx, inside);
            let Some((_, port)) = ways.first().cloned() else {
                continue;
            };
            if port != usual {
                self.set(&["web"], key, value(i64::from(port)));
            }
            for (_, more) in ways.iter().filter(|(_, more)| *more != port) {
                self.leave(
                    format!("port {more}:{inside} of service {}", nginx.name),
                    format!("nginx has one `{key}`, which is {port}"),
                );
            }
            let kept = ways.into_iter().filter(|(_, one)| *one == port);
            match kept
                .map(|(host, _)| addresses(host))
                .collect::<Result<Vec<_>, _>>()
            {
                Ok(sets) => {
                    let set = narrowed(sets.into_iter().flatten().collect());
                    self.keep("port of nginx", format!("{port} on {}", shown(&set)));
                    all.push((inside, set));
                }
                Err(text) => self.refuse(
                    format!(
                        "port {port} of nginx is published on `{text}`, which is no address of this host"
                    ),
                    "write an IP address before the port in the file that is adopted",
                ),
            }
        }
        self.listen(&all);
    }

    /// No port answers on an address on which it did not before.
    fn listen(&mut self, all: &[(u16, BTreeSet<String>)]) {
        match all {
            [] => self.change(
                "nginx answers on ports 80 and 443 of every IPv4 address of this host",
                "the file publishes no port of nginx; `listen` in [web] names other addresses",
            ),
            [(one, first), (other, second)] if first != second => self.refuse(
                format!(
                    "nginx answers on {} for port {one} and on {} for port {other}, and `listen` in [web] is one for both",
                    shown(first),
                    shown(second)
                ),
                "publish both on the same addresses in the file that is adopted, which may be a copy beside it: `odoopack adopt --compose COPY`",
            ),
            // Also where it is every address: who comes by IPv6 shall find it as before.
            [(_, set), ..] => self.set(&["web"], "listen", value(set.iter().collect::<Array>())),
        }
    }
}

fn everywhere() -> BTreeSet<String> {
    ["0.0.0.0", "[::]"].map(str::to_owned).into()
}

/// Addresses as `listen` in [web] writes them; without one, Docker takes all.
fn addresses(host: Option<String>) -> Result<BTreeSet<String>, String> {
    let Some(text) = host else { return Ok(everywhere()) };
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => Ok([address.to_string()].into()),
        Ok(IpAddr::V6(address)) => Ok([format!("[{address}]")].into()),
        Err(_) => Err(text),
    }
}

/// Without those that another one holds already.
fn narrowed(mut set: BTreeSet<String>) -> BTreeSet<String> {
    for (all, is_six) in [("0.0.0.0", false), ("[::]", true)] {
        if set.contains(all) {
            set.retain(|one| one == all || one.starts_with('[') != is_six);
        }
    }
    set
}

fn shown(set: &BTreeSet<String>) -> String {
    if *set == everywhere() {
        return "every address".to_owned();
    }
    let all: Vec<&str> = set.iter().map(String::as_str).collect();
    all.join(", ")
}

/// Reads `8069` and `8069-8072`.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to): (u16, u16) = (from.parse().ok()?, to.parse().ok()?);
    (from <= to).then_some(from..=to)
}
