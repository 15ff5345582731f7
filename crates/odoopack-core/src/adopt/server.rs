//! Which service has Odoo's database: the host that Odoo is told decides, and nothing is taken for it that is not.
use super::Stack;
use super::stack::listed;
use crate::foreign::compose::{Role, Service};
use crate::foreign::yaml::Node;
use crate::odoo::conf_file::{self, Entry};
use crate::plan::Refusal;

/// Variables that say a host, to the official image's entrypoint, to those of others and to libpq.
const HOSTS: [&str; 4] = ["HOST", "DB_HOST", "PGHOST", "DB_PORT_5432_TCP_ADDR"];
/// What the official image's entrypoint takes where nothing else is said.
const UNSAID: &str = "db";

/// A host, and where it is said.
struct Said {
    host: String,
    place: String,
}

impl<'a> Stack<'a> {
    /// The same stack, once odoo.conf is read: what Odoo's command says wins over it, and either may name another host of the database.
    ///
    /// # Errors
    /// When the database is in none of the services, or in which of them is not certain.
    pub fn told(mut self, odoo_conf: Option<&str>) -> Result<Self, Refusal> {
        let read = odoo_conf.map(conf_file::read).unwrap_or_default();
        let of_command = self.command().entries;
        let of_conf = self.server(&read.entries);
        let over = |entry: &Entry| {
            entry.section == "options" && of_command.iter().any(|other| other.key == entry.key)
        };
        self.entries = read.entries.into_iter().filter(|entry| !over(entry)).collect();
        self.entries.extend(of_command);
        self.conf_read = odoo_conf.is_some();
        self.postgres = of_conf?;
        Ok(self)
    }

    /// The value of an option, when there is one that Odoo takes for one.
    pub(super) fn said(&self, key: &str) -> Option<&str> {
        said(&self.entries, key)
    }

    /// An option of Odoo's own section.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        option(&self.entries, key)
    }

    /// The service that has the database.
    ///
    /// # Source
    /// odoo/docker, `entrypoint.sh`: `db_host` of odoo.conf before `HOST`, and either behind the words of the command, where
    /// the last one counts; without that entrypoint the command counts. So nobody is believed who says something else.
    fn server(&self, conf: &[Entry]) -> Result<&'a Service, Refusal> {
        let all = self.project.services(Role::Postgres);
        let command = self.command();
        let command = command.get("db_host").map(|host| Said {
            host: host.to_owned(),
            place: format!("the command of service {}", self.odoo.name),
        });
        let unsaid = || {
            let there = all.iter().any(|one| self.answers(one, UNSAID));
            (there && command.is_some()).then(|| Said {
                host: UNSAID.to_owned(),
                place: "the official image's entrypoint, where HOST is not set".to_owned(),
            })
        };
        let other = of_conf(conf).or_else(|| self.of_variables()).or_else(unsaid);
        let of = |said: &Said| all.iter().copied().find(|one| self.answers(one, &said.host));
        if let (Some(one), Some(other)) = (&command, &other)
            && of(one).map(|service| &service.name) != of(other).map(|service| &service.name)
        {
            return Err(Refusal::new(
                format!(
                    "where Odoo's database is, is said twice: `{}` by {}, `{}` by {}",
                    one.host, one.place, other.host, other.place
                ),
                "which of the two counts is up to the entrypoint of Odoo's image: write the same host in both places",
            ));
        }
        match (command.or(other), all.as_slice()) {
            (Some(said), _) => of(&said).ok_or_else(|| elsewhere(&said, &all)),
            (None, [one]) => Ok(one),
            (None, several) => {
                let found = several.iter().copied().find(|one| self.answers(one, UNSAID));
                found.ok_or_else(|| {
                    Refusal::new(
                        format!(
                            "several services are PostgreSQL ({}), and nothing says which one Odoo uses",
                            names(several)
                        ),
                        "name it in HOST of Odoo's environment",
                    )
                })
            }
        }
    }

    fn of_variables(&self) -> Option<Said> {
        let said = |name: &str| {
            let host = self.project.variable(self.odoo, name);
            let host = host.filter(|host| !host.is_empty())?;
            let place = format!("variable {name} of service {}", self.odoo.name);
            Some(Said { host, place })
        };
        HOSTS.into_iter().find_map(said)
    }

    /// Whether Docker's DNS leads from Odoo to the service by this name.
    pub(super) fn answers(&self, service: &Service, host: &str) -> bool {
        let named = ["container_name", "hostname"].map(|key| self.project.text(service, key));
        let networks = service.node.get("networks").map_or(&[][..], Node::entries);
        let aliases = networks.iter().filter_map(|(_, network)| network.get("aliases"));
        let aliases = aliases.flat_map(Node::members).filter_map(Node::text);
        let links = self.odoo.node.get("links").map_or(&[][..], Node::members);
        let links = links.iter().filter_map(|link| link.text()?.split_once(':'));
        let links = links.filter(|(name, _)| *name == service.name);
        let more = aliases.chain(links.map(|(_, alias)| alias));
        let more = more.map(|text| self.project.variables.fill(text));
        named
            .into_iter()
            .flatten()
            .chain(more)
            .chain([service.name.clone()])
            .any(|name| name.eq_ignore_ascii_case(host))
    }
}

fn option<'a>(entries: &'a [Entry], key: &str) -> Option<&'a Entry> {
    let mut all = entries.iter();
    all.find(|entry| entry.section == "options" && entry.key == key)
}

fn said<'a>(entries: &'a [Entry], key: &str) -> Option<&'a str> {
    let entry = option(entries, key)?;
    Some(entry.value.as_str()).filter(|text| !["", "False", "None"].contains(text))
}

fn of_conf(entries: &[Entry]) -> Option<Said> {
    let host = said(entries, "db_host")?.to_owned();
    let place = "`db_host` of odoo.conf".to_owned();
    Some(Said { host, place })
}

fn elsewhere(said: &Said, all: &[&Service]) -> Refusal {
    let first = all.first().map_or(UNSAID, |one| one.name.as_str());
    Refusal::new(
        format!(
            "Odoo's database is on `{}`, as {} says, and that is no PostgreSQL service of the file ({}): what lies in those is not what Odoo works with",
            said.host,
            said.place,
            names(all)
        ),
        format!(
            "a database on another server is taken with `[postgres] url`, see docs/guides/managed-postgresql.md: `odoopack init` makes such a pack; where `{}` leads to one of these services after all, write the service's name in its place (`{first}`; in a copy of odoo.conf: `--odoo-conf FILE`)",
            said.host
        ),
    )
}

fn names(all: &[&Service]) -> String {
    let all: Vec<String> = all.iter().map(|one| one.name.clone()).collect();
    listed(&all)
}
