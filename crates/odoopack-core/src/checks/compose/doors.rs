//! Rules about what is open: ports, roles, passwords, sockets.
use super::super::Severity::{Error, Info, Warning};
use super::super::rule::{Rule, Spot};
use super::View;
use crate::foreign::compose::{Port, Role, Service};

pub(super) const RULES: &[Rule<View>] = &[
    Rule {
        id: "compose-published-port",
        severity: Error,
        title: "neither PostgreSQL nor Odoo is published beyond loopback",
        why: "Docker forwards published ports before ufw sees them: they are open to the world whatever `ufw status` \
              says, past TLS and every limit of nginx",
        fix: "remove the entry, or write `127.0.0.1:` in front",
        look: published_port,
    },
    Rule {
        id: "compose-gevent-missing",
        severity: Warning,
        title: "where 8069 is published, 8072 is too",
        why: "with workers the bus answers on 8072 only: a web server outside this stack cannot reach it",
        fix: "`127.0.0.1:8072:8072` beside it",
        look: gevent_missing,
    },
    Rule {
        id: "compose-editions-by-port",
        severity: Warning,
        title: "several Odoos have a host name each",
        why: "cookies ignore ports: whoever signs in to one is signed out of the others on the same name",
        fix: "one host name per Odoo in the web server; the ports stay for direct access on this machine",
        look: editions_by_port,
    },
    Rule {
        id: "compose-superuser",
        severity: Error,
        title: "Odoo's role is no superuser",
        why: "the image makes `POSTGRES_USER` the superuser of the cluster: whoever gets SQL through Odoo runs \
              programs on the database's host, and on PostgreSQL 16 and newer it cannot be demoted",
        fix: "leave `POSTGRES_USER` to the administrator and `CREATE ROLE odoo LOGIN NOSUPERUSER` for Odoo",
        look: superuser,
    },
    Rule {
        id: "compose-password-in-arguments",
        severity: Warning,
        title: "the password is on no process list",
        why: "it appends `--db_password` with the value of `PASSWORD` or odoo.conf: every user of the host reads it \
              in `ps`",
        fix: "`entrypoint: [\"odoo\"]`, with the password in an odoo.conf that only Odoo can read",
        look: password_in_arguments,
    },
    Rule {
        id: "compose-plain-password",
        severity: Error,
        title: "no password stands in the file",
        why: "it is in the repository for good, and in every copy of it",
        fix: "`${NAME:?}` from a file outside of git, or a secret",
        look: plain_password,
    },
    Rule {
        id: "compose-docker-socket",
        severity: Error,
        title: "no service holds Docker's socket",
        why: "whoever is in that service is root on the host",
        fix: "remove the mount",
        look: docker_socket,
    },
    Rule {
        id: "compose-root",
        severity: Warning,
        title: "Odoo does not run as root",
        why: "files become root's, and a way out of Odoo is a way to root in the container",
        fix: "remove `user: root`",
        look: root,
    },
    Rule {
        id: "compose-letsencrypt-mount",
        severity: Warning,
        title: "certificates are renewed for the nginx in the stack",
        why: "`certbot --nginx` on the host cannot drive an nginx in a container: renewed certificates are not \
              loaded, and the first one cannot be made",
        fix: "renew by webroot and reload the container's nginx in a deploy hook",
        look: letsencrypt,
    },
    Rule {
        id: "compose-version-key",
        severity: Info,
        title: "no `version` key",
        why: "Compose v2 ignores it and warns",
        fix: "remove the line",
        look: |view| {
            view.has_version
                .map(|line| Spot::at(line, "`version` is set"))
                .into_iter()
                .collect()
        },
    },
];

impl View {
    pub(super) fn of(&self, role: Role) -> impl Iterator<Item = &Service> {
        self.services.iter().filter(move |service| service.role == role)
    }

    /// Odoo and PostgreSQL.
    pub(super) fn ours(&self) -> impl Iterator<Item = &Service> {
        self.services
            .iter()
            .filter(|service| matches!(service.role, Role::Odoo | Role::Postgres))
    }
}

fn is_loopback(port: &Port) -> bool {
    let host = port.host.as_deref().unwrap_or_default().trim_matches(['[', ']']);
    host.starts_with("127.") || host == "::1" || host == "localhost"
}

fn published_port(view: &View) -> Vec<Spot> {
    let mut spots = Vec::new();
    for service in view.ours() {
        let open = service.ports().into_iter().filter(|port| !is_loopback(port));
        spots.extend(open.map(|port| {
            Spot::at(
                port.line,
                format!("`{}` publishes {} on every address", service.name, port.shown),
            )
            .fix(format!(
                "remove the entry, or write `127.0.0.1:{0}:{0}`",
                port.target
            ))
        }));
        if service.text("network_mode") == Some("host") {
            let saw = format!(
                "`{}` uses the host's network: it listens there on every address",
                service.name
            );
            spots.push(Spot::at(service.line_of("network_mode"), saw).fix("remove `network_mode: host`"));
        }
    }
    spots
}

fn gevent_missing(view: &View) -> Vec<Spot> {
    let lonely = |service: &&Service| {
        let ports = service.ports();
        ports.iter().any(|port| port.target == "8069") && !ports.iter().any(|port| port.target == "8072")
    };
    let spot = |service: &Service| {
        Spot::at(
            service.line_of("ports"),
            format!("`{}` publishes 8069 without 8072", service.name),
        )
    };
    view.of(Role::Odoo).filter(lonely).map(spot).collect()
}

fn editions_by_port(view: &View) -> Vec<Spot> {
    // On loopback a web server in front may give each a name.
    let open = |port: &Port| port.target == "8069" && !is_loopback(port);
    let published = |service: &&Service| service.ports().iter().any(open);
    let all: Vec<&Service> = view.of(Role::Odoo).filter(published).collect();
    if all.len() < 2 {
        return Vec::new();
    }
    super::together(&all, "told apart by their ports only")
}

fn superuser(view: &View) -> Vec<Spot> {
    let mut spots = Vec::new();
    for postgres in view.of(Role::Postgres) {
        let environment = postgres.environment();
        let user = environment.iter().find(|(name, ..)| name == "POSTGRES_USER");
        let (owner, line) = user.map_or(("postgres", postgres.line), |(_, value, at)| {
            (value.as_str(), *at)
        });
        let shared = view.of(Role::Odoo).any(|odoo| {
            let names = ["USER", "DB_USER", "PGUSER", "DB_ENV_POSTGRES_USER"];
            let given = names.iter().find_map(|name| odoo.variable(name));
            given.as_deref().unwrap_or("odoo") == owner
        });
        if shared {
            spots.push(Spot::at(
                line,
                format!("Odoo connects as `{owner}`, the image's superuser"),
            ));
        }
    }
    spots
}

/// # Source
/// odoo/docker `entrypoint.sh` (17.0 to 19.0): `check_config` takes the value of `PASSWORD`, else of odoo.conf, and
/// appends `--db_password VALUE` to every command that begins with `odoo`, `--` or an option.
fn password_in_arguments(view: &View) -> Vec<Spot> {
    let official = |service: &&Service| {
        service
            .text("image")
            .is_some_and(|image| image.starts_with("odoo:"))
    };
    let own = |service: &&Service| service.node.get("entrypoint").is_some() || !is_odoos(service);
    let spot = |service: &Service| {
        let environment = service.environment();
        let variable = environment.iter().find(|(name, ..)| name.starts_with("PASSWORD"));
        let line = variable.map_or(service.line, |(.., line)| *line);
        Spot::at(
            line,
            format!("`{}` starts by the image's entrypoint", service.name),
        )
    };
    view.of(Role::Odoo)
        .filter(official)
        .filter(|service| !own(service))
        .map(spot)
        .collect()
}

/// Whether the command is one that the entrypoint appends to.
fn is_odoos(service: &Service) -> bool {
    let Some(command) = service.node.get("command") else {
        return true;
    };
    let first = command.members().first().unwrap_or(command);
    let word = first
        .text()
        .and_then(|text| text.split_whitespace().next())
        .unwrap_or("odoo");
    word == "odoo" || word.starts_with('-')
}

fn plain_password(view: &View) -> Vec<Spot> {
    let secret = |name: &str| {
        let name = name.to_ascii_uppercase();
        let word = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY"]
            .iter()
            .any(|word| name.contains(word));
        word && !name.ends_with("_FILE")
    };
    let plain = |value: &str| !value.is_empty() && !value.contains('$') && !value.starts_with("/run/secrets");
    let mut spots = Vec::new();
    for service in &view.services {
        let found = service
            .environment()
            .into_iter()
            .filter(|(name, value, _)| secret(name) && plain(value));
        let saw = |name: &str| format!("the value of `{name}` of `{}` stands in the file", service.name);
        spots.extend(found.map(|(name, _, line)| Spot::at(line, saw(&name))));
    }
    spots
}

fn docker_socket(view: &View) -> Vec<Spot> {
    let held = |service: &Service| {
        let mount = service
            .mounts()
            .into_iter()
            .find(|mount| mount.source.ends_with("docker.sock"))?;
        Some(Spot::at(
            mount.line,
            format!("`{}` mounts {}", service.name, mount.source),
        ))
    };
    view.services.iter().filter_map(held).collect()
}

fn root(view: &View) -> Vec<Spot> {
    let root = |service: &&Service| {
        service
            .text("user")
            .is_some_and(|user| matches!(user.split(':').next(), Some("root" | "0")))
    };
    let spot = |service: &Service| {
        Spot::at(
            service.line_of("user"),
            format!("`{}` runs as root", service.name),
        )
    };
    view.of(Role::Odoo).filter(root).map(spot).collect()
}

fn letsencrypt(view: &View) -> Vec<Spot> {
    let certbot = view.services.iter().any(|service| {
        service
            .text("image")
            .is_some_and(|image| image.contains("certbot"))
    });
    let mounted = |service: &Service| {
        let mount = service
            .mounts()
            .into_iter()
            .find(|mount| mount.source.starts_with("/etc/letsencrypt"))?;
        Some(Spot::at(
            mount.line,
            format!("`{}` reads the host's {}", service.name, mount.source),
        ))
    };
    if certbot {
        Vec::new()
    } else {
        view.of(Role::Nginx).filter_map(mounted).collect()
    }
}
