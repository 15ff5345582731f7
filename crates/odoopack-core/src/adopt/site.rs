//! nginx's files: by which name people come to Odoo, with which certificate, and what else nginx did.
use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use toml_edit::value;

use super::decide::{Decider, ENVIRONMENT};
use super::limits::{self, Limit};
use super::{Holds, Stack, Volumes};
use crate::foreign::nginx::{self, Directive};

/// A file of nginx: its path on the host, and its text.
pub type SiteFile = (Utf8PathBuf, String);

/// Where the image keeps its files; below it sites are in these directories.
const NGINX: &str = "/etc/nginx";
const DIRECTORIES: [&str; 3] = ["conf.d", "templates", "sites-enabled"];
/// What keeps people out, unless it says `off`.
const GUARDS: [&str; 5] = ["allow", "deny", "auth_basic", "auth_request", "ssl_verify_client"];
/// What leads to another server.
const PASSES: [&str; 4] = ["proxy_pass", "fastcgi_pass", "uwsgi_pass", "grpc_pass"];

/// Whether a file in one of nginx's directories is part of what it serves.
pub fn is_site(directory: &Utf8Path, name: &str) -> bool {
    let enabled = directory.file_name() == Some("sites-enabled");
    !name.starts_with('.') && (enabled || name.ends_with(".conf") || name.ends_with(".template"))
}

impl Stack<'_> {
    /// nginx's files on the host, and directories of them, as far as they are mounted; see [`is_site`].
    pub fn nginx_places(&self, volumes: &Volumes) -> [Vec<Utf8PathBuf>; 2] {
        let Some(nginx) = self.nginx else {
            return Default::default();
        };
        let (mut files, mut directories) = (Vec::new(), Vec::new());
        for mount in nginx.mounts() {
            let target = self.project.variables.fill(&mount.target);
            let target = Utf8Path::new(target.trim_end_matches('/'));
            let name = target.file_name().unwrap_or_default();
            if target == NGINX {
                files.push(target.join("nginx.conf"));
                directories.extend(DIRECTORIES.map(|name| target.join(name)));
            }
            if target == NGINX || !target.starts_with(NGINX) && !target.as_str().contains("/templates") {
                continue;
            }
            if is_site(target.parent().unwrap_or(target), name) {
                files.push(target.to_owned());
            } else if DIRECTORIES.contains(&name) {
                directories.push(target.to_owned());
            }
        }
        let host = |inside: Utf8PathBuf| self.host(&self.project.place(nginx, &inside)?, volumes).ok();
        [files, directories].map(|all| all.into_iter().filter_map(host).collect())
    }

    /// A path of nginx's on the host; one of an nginx that is no service is the host's.
    fn of_nginx(&self, path: &str, volumes: &Volumes) -> Option<Utf8PathBuf> {
        let Some(nginx) = self.nginx else {
            return Some(path.into());
        };
        self.host(&self.project.place(nginx, Utf8Path::new(path))?, volumes)
            .ok()
    }

    /// Files of all certificates on the host, as far as they are mounted.
    pub(super) fn certificates(&self, files: &[SiteFile], volumes: &Volumes) -> Vec<Utf8PathBuf> {
        let site = Site::read(self, files);
        let pairs = site
            .servers
            .iter()
            .filter_map(|server| server.certificate.as_ref());
        let paths = pairs.flat_map(|(certificate, key)| [certificate, key]);
        paths.filter_map(|path| self.of_nginx(path, volumes)).collect()
    }

    /// Whether a server that nginx names is this Odoo.
    fn is_odoo(&self, address: &str) -> bool {
        let (host, port) = address.rsplit_once(':').unwrap_or((address, "80"));
        let others = self.project.compose.services.iter();
        let mut others = others.filter(|one| one.name != self.odoo.name);
        self.answers(self.odoo, host)
            || ["8069", "8072"].contains(&port) && !others.any(|one| self.answers(one, host))
    }
}

/// One `server`.
#[derive(Debug, Default)]
struct Server {
    names: Vec<String>,
    certificate: Option<(String, String)>,
    encrypted: bool,
    odoo: bool,
    limits: Vec<Limit>,
}

/// What all files say.
#[derive(Debug, Default)]
struct Site {
    /// Those that lead to Odoo first.
    servers: Vec<Server>,
    /// Those outside of every server.
    limits: Vec<Limit>,
    left: Vec<(String, String)>,
}

struct Reader<'a> {
    stack: &'a Stack<'a>,
    upstreams: BTreeMap<String, Vec<String>>,
    variables: BTreeMap<String, String>,
    site: Site,
}

impl Site {
    fn read(stack: &Stack<'_>, files: &[SiteFile]) -> Self {
        let mut reader = Reader {
            stack,
            upstreams: BTreeMap::new(),
            variables: BTreeMap::new(),
            site: Self::default(),
        };
        let mut all = Vec::new();
        for (path, text) in files {
            match nginx::read(text) {
                Ok(directives) => all.push((path, directives)),
                Err(mistake) => reader.site.left.push((
                    format!("nginx's configuration in {path}"),
                    format!("line {}: {}", mistake.line, mistake.what),
                )),
            }
        }
        for (_, directives) in &all {
            reader.names(directives);
        }
        for (path, directives) in &all {
            reader.visit(path, "", directives);
            let limits = limits::read(path, directives, &|location| reader.serves_odoo(location));
            reader.site.limits.extend(limits);
        }
        let mut site = reader.site;
        site.servers.sort_by_key(|server| !server.odoo);
        site
    }

    fn names(&self) -> Vec<&String> {
        let mut all: Vec<&String> = Vec::new();
        for name in self.servers.iter().flat_map(|server| &server.names) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        all
    }

    /// The server's that has the name, else Odoo's; any other one may be another host's.
    fn certificate(&self, domain: &str) -> Option<(String, String)> {
        let unknown = !self.servers.iter().any(|server| server.odoo);
        let ours = |server: &&Server| server.odoo || unknown;
        let named = self
            .servers
            .iter()
            .filter(|server| server.names.iter().any(|name| name == domain));
        let mut all = named.chain(self.servers.iter().filter(ours));
        all.find_map(|server| server.certificate.clone())
    }
}

impl Reader<'_> {
    /// Names that other directives use.
    fn names(&mut self, all: &[Directive]) {
        for directive in all {
            if directive.name == "upstream" {
                let servers = directive.all("server").map(|server| server.arg(0).to_owned());
                self.upstreams
                    .insert(directive.arg(0).to_owned(), servers.collect());
            } else if directive.name == "set" {
                let name = directive.arg(0).trim_start_matches('$').to_owned();
                self.variables.insert(name, directive.arg(1).to_owned());
            }
            self.names(directive.inner());
        }
    }

    fn visit(&mut self, path: &Utf8Path, location: &str, all: &[Directive]) {
        for directive in all {
            let name = directive.name.as_str();
            let place = format!("{path}:{}", directive.line);
            if name == "server" && directive.block.is_some() {
                let limits = limits::read(path, directive.inner(), &|location| self.serves_odoo(location));
                self.site.servers.push(Server {
                    limits,
                    ..server(directive)
                });
            } else if GUARDS.contains(&name) && directive.arg(0) != "off" {
                self.site.left.push((
                    format!("`{name} {}` of nginx ({place})", directive.args.join(" ")),
                    "the pack's nginx keeps nobody out: a firewall or a VPN in front of this host can, and each account's password does".to_owned(),
                ));
            } else if PASSES.contains(&name) {
                self.pass(&place, location, directive.arg(0));
            }
            let inner = if name == "location" {
                directive.args.join(" ")
            } else {
                location.to_owned()
            };
            self.visit(path, &inner, directive.inner());
        }
    }

    /// Whether a location leads to Odoo, or says nothing of where it leads.
    fn serves_odoo(&self, location: &Directive) -> bool {
        let mut passes = location
            .inner()
            .iter()
            .filter(|inner| PASSES.contains(&inner.name.as_str()));
        passes.all(|pass| self.is_odoo(&self.servers(pass.arg(0))))
    }

    fn is_odoo(&self, servers: &[String]) -> bool {
        servers.iter().any(|server| self.stack.is_odoo(server))
    }

    /// What a name leads to.
    fn servers(&self, target: &str) -> Vec<String> {
        let mut whole = target.to_owned();
        // The longer one of two names that begin alike comes first.
        for (name, text) in self.variables.iter().rev() {
            whole = whole
                .replace(&format!("${name}"), text)
                .replace(&format!("${{{name}}}"), text);
        }
        let bare = whole.split_once("://").map_or(whole.as_str(), |(_, rest)| rest);
        let address = bare.split('/').next().unwrap_or_default().to_owned();
        let known = self.upstreams.get(&address).cloned();
        known.unwrap_or_else(|| vec![address])
    }

    fn pass(&mut self, place: &str, location: &str, target: &str) {
        let servers = self.servers(target);
        if self.is_odoo(&servers) {
            if let Some(server) = self.site.servers.last_mut() {
                server.odoo = true;
            }
            return;
        }
        self.site.left.push((
            format!("location {location} of nginx ({place}), which leads to {}", servers.join(", ")),
            "the pack's nginx leads to Odoo alone: serve it under a host name of its own, by another web server".to_owned(),
        ));
    }
}

fn server(directive: &Directive) -> Server {
    let real =
        |name: &&String| name.contains('.') && !name.contains('$') && !name.starts_with(['*', '~', '.']);
    let names = directive.all("server_name").flat_map(|names| &names.args);
    let one = |name| directive.all(name).next().map(|found| found.arg(0).to_owned());
    let mut listen = directive.all("listen").flat_map(|listen| &listen.args);
    Server {
        names: names.filter(real).cloned().collect(),
        certificate: one("ssl_certificate").zip(one("ssl_certificate_key")),
        encrypted: listen.any(|word| word == "ssl" || word.ends_with("443")),
        odoo: false,
        limits: Vec::new(),
    }
}

impl Decider<'_> {
    /// By which name people come, with which certificate, and what is left of nginx.
    pub(super) fn site(&mut self) {
        let site = Site::read(self.stack, self.seen.nginx);
        for (what, why) in &site.left {
            self.leave(what.clone(), why.clone());
        }
        if site.servers.is_empty() && self.stack.nginx.is_some() {
            self.leave(
                "nginx's configuration, with its certificate",
                "no site was read: it is in the image, or mounted where none is looked for; `--nginx FILE` names it",
            );
        }
        let of_odoo = site.servers.iter().filter(|server| server.odoo);
        let inner: Vec<&Limit> = of_odoo.flat_map(|server| &server.limits).collect();
        self.limits(&inner, &site.limits.iter().collect::<Vec<_>>());
        let names = site.names();
        let Some(domain) = self
            .wants
            .domain
            .clone()
            .or_else(|| names.first().map(|name| (*name).clone()))
        else {
            self.refuse(
                "no file says by which host name people come",
                "say it: `odoopack adopt --domain erp.example.com`",
            );
            return;
        };
        self.set(&["environments", ENVIRONMENT], "domain", value(domain.as_str()));
        for name in names.into_iter().filter(|name| **name != domain) {
            self.leave(format!("host name {name}"), "an environment has one host name");
        }
        self.keep("host name", domain.clone());
        match site.certificate(&domain) {
            Some((certificate, key)) => self.certificate(&certificate, &key),
            None if site.servers.iter().any(|server| server.encrypted) => self.leave(
                "certificate of nginx",
                "no server that leads to Odoo names one in the files that were read; the pack's own authority issues one until `tls` names another",
            ),
            None => {}
        }
    }

    /// Paths of nginx's container, as the host calls them.
    fn certificate(&mut self, certificate: &str, key: &str) {
        let host = |path: &str| {
            let path = self.stack.of_nginx(path, self.seen.volumes)?;
            (self.seen.directories.get(&path) == Some(&Holds::File)).then_some(path)
        };
        match (host(certificate), host(key)) {
            (Some(certificate), Some(key)) => {
                let mut tls = toml_edit::InlineTable::new();
                tls.insert("certificate", certificate.as_str().into());
                tls.insert("key", key.as_str().into());
                self.set(&["environments", ENVIRONMENT], "tls", value(tls));
                self.keep("certificate", certificate);
            }
            _ => self.leave(
                format!("certificate {certificate}"),
                "it is not there on this host; the pack's own authority issues one until `tls` names another",
            ),
        }
    }
}
