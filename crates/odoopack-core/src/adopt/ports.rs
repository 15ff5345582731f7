//! Ports that a stack publishes: which the pack keeps, and which not.
use std::ops::RangeInclusive;

use super::{Project, Stack};
use crate::foreign::compose::{Port, Service};

/// A published port or range, as far as its entry says which port of the host leads where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Published {
    /// The entry as written, with its variables filled in.
    pub(super) shown: String,
    /// Ports of the container, and the host's port for the first of them.
    ports: Option<(RangeInclusive<u16>, u16)>,
}

impl Published {
    fn read(project: &Project, port: &Port) -> Self {
        let shown = project.variables.fill(&port.shown);
        let inside = range(&project.variables.fill(&port.target));
        let host = shown.rsplit(':').nth(1).and_then(range);
        let length = |range: &RangeInclusive<u16>| range.end() - range.start();
        let pair = inside.zip(host);
        // Of a longer range Docker takes whatever is free.
        let pair = pair.filter(|(inside, host)| length(inside) == length(host));
        Self {
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

/// Reads `8069` and `8069-8072`.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to): (u16, u16) = (from.parse().ok()?, to.parse().ok()?);
    (from <= to).then_some(from..=to)
}
