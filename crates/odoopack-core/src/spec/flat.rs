//! A spec as a flat list of keys and values, the base of printing and showing it.
use std::collections::BTreeMap;
use std::fmt::Display;

use super::written::{literal, quoted};
use super::{
    Addons, Backup, Edition, Elsewhere, Environment, Mail, Odoo, Offsite, Postgres, Source, Spec, Tls, Web,
};
use crate::backup::retention::Keep;
use crate::name::Name;
use crate::units::Bytes;

const OFFSITE_KEEP: [&str; 7] = [
    "backup.offsite.keep.last",
    "backup.offsite.keep.hourly",
    "backup.offsite.keep.daily",
    "backup.offsite.keep.weekly",
    "backup.offsite.keep.monthly",
    "backup.offsite.keep.yearly",
    "backup.offsite.keep.within",
];
const KEEP: [&str; 7] = [
    "backup.keep.last",
    "backup.keep.hourly",
    "backup.keep.daily",
    "backup.keep.weekly",
    "backup.keep.monthly",
    "backup.keep.yearly",
    "backup.keep.within",
];
/// One key of a spec.
#[derive(Debug)]
pub(super) struct Line {
    /// The key in the table of keys.
    pub(super) pattern: &'static str,
    /// The names that stand for its `*`.
    pub(super) names: Vec<String>,
    /// The value as TOML; `None`: absent.
    pub(super) value: Option<String>,
}

impl Line {
    /// The key as the file writes it.
    pub(super) fn path(&self) -> String {
        filled(self.pattern, &self.names)
    }
}

/// `pattern` with its stars replaced by `names`.
pub(super) fn filled(pattern: &str, names: &[String]) -> String {
    let mut names = names.iter();
    let part = |p: &str| {
        if p == "*" {
            names.next().map_or_else(String::new, |n| quoted(n))
        } else {
            p.to_owned()
        }
    };
    pattern.split('.').map(part).collect::<Vec<_>>().join(".")
}

/// Every key of `spec`, in the order in which files are written.
pub(super) fn flat(spec: &Spec) -> Vec<Line> {
    let mut lines = Lines::default();
    lines.add("pack.name", text(&spec.pack.name));
    lines.add("pack.root", text(&spec.pack.root));
    lines.add("pack.engine", text(spec.pack.engine));
    lines.add("pack.timezone", text(&spec.pack.timezone));
    lines.odoo(&spec.odoo);
    lines.addons(&spec.addons);
    lines.mail(&spec.mail);
    lines.postgres(&spec.postgres);
    lines.add("images.postgres", text(&spec.images.postgres));
    lines.add("images.nginx", text(&spec.images.nginx));
    lines.add("images.redis", text(&spec.images.redis));
    lines.web(&spec.web);
    lines.add("capacity.cores", spec.capacity.cores.and_then(plain));
    lines.add("capacity.memory", spec.capacity.memory.and_then(bytes));
    lines.add(
        "capacity.reserve_environments",
        plain(spec.capacity.reserve_environments),
    );
    lines.backup(&spec.backup);
    for (name, edition) in &spec.editions {
        lines.edition(name, edition);
    }
    for (name, environment) in &spec.environments {
        lines.environment(name, environment);
        lines.variables(name, environment);
    }
    lines.list
}

/// The keys of a source alone.
pub(super) fn of_source(source: &Source) -> Vec<Line> {
    let mut lines = Lines::default();
    lines.source(source);
    lines.list
}

#[derive(Debug, Default)]
struct Lines {
    list: Vec<Line>,
    names: Vec<String>,
}

impl Lines {
    fn add(&mut self, pattern: &'static str, value: Option<String>) {
        self.list.push(Line {
            pattern,
            names: self.names.clone(),
            value,
        });
    }

    fn map(&mut self, pattern: &'static str, map: &BTreeMap<String, String>) {
        for (name, value) in map {
            self.list.push(Line {
                pattern,
                names: vec![name.clone()],
                value: text(value),
            });
        }
    }

    fn odoo(&mut self, odoo: &Odoo) {
        self.add("odoo.series", text(odoo.series));
        self.source(&odoo.source);
        self.add("odoo.debian_mirror", odoo.debian_mirror.as_ref().and_then(text));
        self.add("odoo.python", odoo.python.as_ref().and_then(text));
        self.map("odoo.options.*", &odoo.options);
    }

    fn source(&mut self, source: &Source) {
        match source {
            Source::Git { url, commit } => {
                self.add("odoo.source.git", text(url));
                self.add("odoo.source.commit", commit.as_ref().and_then(text));
            }
            Source::Debian { suite } => self.add("odoo.source.debian", text(suite)),
            Source::Deb { location, sha256 } => {
                self.add("odoo.source.deb", text(location));
                self.add("odoo.source.sha256", sha256.as_ref().and_then(text));
            }
            Source::Path { directory } => self.add("odoo.source.path", text(directory)),
            Source::Image { name } => self.add("odoo.source.image", text(name)),
        }
    }

    fn addons(&mut self, addons: &Addons) {
        self.add("addons.own", list(&addons.own));
        self.add("addons.oca", addons.oca.as_ref().and_then(text));
        self.add("addons.requirements", list(&addons.requirements));
        for (name, repository) in &addons.repositories {
            self.names = vec![name.clone()];
            let merges: Vec<String> = repository.merges.iter().map(ToString::to_string).collect();
            self.add("addons.repositories.*.url", text(&repository.url));
            self.add("addons.repositories.*.branch", text(&repository.branch));
            self.add(
                "addons.repositories.*.commit",
                repository.commit.as_ref().and_then(text),
            );
            self.add("addons.repositories.*.modules", list(&repository.modules));
            self.add("addons.repositories.*.merges", list(&merges));
            self.add(
                "addons.repositories.*.group",
                repository.group.as_ref().and_then(text),
            );
        }
        for (name, group) in &addons.groups {
            self.names = vec![name.clone()];
            self.add("addons.groups.*.order", plain(group.order));
            self.add(
                "addons.groups.*.description",
                group.description.as_ref().and_then(text),
            );
        }
        for (name, host) in &addons.hosts {
            self.names = vec![name.clone()];
            self.add("addons.hosts.*.key", host.key.as_ref().and_then(text));
            self.add("addons.hosts.*.known", list(&host.known));
            self.add("addons.hosts.*.insecure", plain(host.insecure));
        }
        self.names = Vec::new();
    }

    fn mail(&mut self, mail: &Mail) {
        let relay = mail.relay.as_ref();
        self.add("mail.smtp", relay.and_then(|r| text(&r.address)));
        self.add(
            "mail.credentials",
            relay.and_then(|r| r.credentials.as_ref()).and_then(text),
        );
        self.add("mail.catcher", text(&mail.catcher));
        self.add("mail.from", mail.from.as_ref().and_then(text));
    }

    fn postgres(&mut self, postgres: &Postgres) {
        self.add("postgres.cluster", text(postgres.cluster));
        self.add("postgres.version", postgres.version.and_then(plain));
        self.add("postgres.port", postgres.port.and_then(plain));
        self.add("postgres.directory", postgres.directory.as_ref().and_then(text));
        self.add("postgres.url", postgres.url.as_ref().and_then(text));
        self.add("postgres.password", postgres.password.as_ref().and_then(text));
        self.add("postgres.roles", text(postgres.roles));
        self.map("postgres.options.*", &postgres.options);
    }

    fn web(&mut self, web: &Web) {
        self.add("web.listen", list(&web.listen));
        self.add("web.http_port", plain(web.http_port));
        self.add("web.https_port", plain(web.https_port));
        self.add("web.body_limit", bytes(web.body_limit));
        self.add("web.login_rate", plain(web.login_rate));
    }

    fn backup(&mut self, backup: &Backup) {
        self.add("backup.schedule", backup.schedule.as_ref().and_then(text));
        self.add("backup.drill", backup.drill.as_ref().and_then(text));
        self.add("backup.gentle", plain(backup.gentle));
        self.keep(&KEEP, &backup.keep);
        self.add("backup.age.made", text(backup.age.made));
        self.add("backup.age.offsite", text(backup.age.offsite));
        self.add("backup.age.proven", text(backup.age.proven));
        if let Some(offsite) = &backup.offsite {
            self.offsite(offsite);
        }
    }

    fn offsite(&mut self, offsite: &Offsite) {
        match &offsite.place {
            Elsewhere::Bucket {
                address,
                style,
                region,
                credentials,
                prune_credentials,
                object_lock,
            } => {
                self.add("backup.offsite.s3", text(address));
                self.add("backup.offsite.style", text(style));
                self.add("backup.offsite.region", text(region));
                self.add("backup.offsite.credentials", text(credentials));
                let prune = prune_credentials.as_ref().and_then(text);
                self.add("backup.offsite.prune_credentials", prune);
                self.add("backup.offsite.object_lock", plain(object_lock));
            }
            Elsewhere::Directory(path) => self.add("backup.offsite.directory", text(path)),
        }
        self.add("backup.offsite.bandwidth", offsite.bandwidth.and_then(bytes));
        self.keep(&OFFSITE_KEEP, &offsite.keep);
    }

    fn keep(&mut self, patterns: &[&'static str; 7], keep: &Keep) {
        let counts = [
            keep.last,
            keep.hourly,
            keep.daily,
            keep.weekly,
            keep.monthly,
            keep.yearly,
        ];
        for (pattern, count) in patterns.iter().copied().zip(counts) {
            self.add(pattern, plain(count));
        }
        self.add(patterns[6], keep.within.and_then(text));
    }

    fn edition(&mut self, name: &Name, edition: &Edition) {
        self.names = vec![name.to_string()];
        self.add("editions.*.modules", list(&edition.modules));
        self.add("editions.*.server_wide", list(&edition.server_wide));
        self.add("editions.*.only", list(&edition.only));
        self.add("editions.*.jobrunner", plain(edition.jobrunner));
    }

    fn environment(&mut self, name: &Name, environment: &Environment) {
        self.names = vec![name.to_string()];
        self.add("environments.*.kind", text(environment.kind));
        self.add("environments.*.edition", text(&environment.edition));
        self.add(
            "environments.*.copy_of",
            environment.copy_of.as_ref().and_then(text),
        );
        self.add(
            "environments.*.refresh",
            environment.refresh.as_ref().and_then(text),
        );
        self.add("environments.*.domain", text(&environment.domain));
        self.add("environments.*.http_port", environment.http_port.and_then(plain));
        self.add("environments.*.database", text(&environment.database));
        self.add(
            "environments.*.directory",
            environment.directory.as_ref().and_then(text),
        );
        self.add("environments.*.demo", plain(environment.demo));
        self.add("environments.*.reload", plain(environment.reload));
        self.add("environments.*.sessions", text(environment.sessions));
        self.add("environments.*.users", plain(environment.users));
        self.add("environments.*.workers", environment.workers.and_then(plain));
        self.add(
            "environments.*.cron_workers",
            environment.cron_workers.and_then(plain),
        );
        self.add(
            "environments.*.memory_soft",
            environment.memory_soft.and_then(bytes),
        );
        self.add(
            "environments.*.memory_hard",
            environment.memory_hard.and_then(bytes),
        );
        self.add(
            "environments.*.db_maxconn",
            environment.db_maxconn.and_then(plain),
        );
        self.add("environments.*.language", text(&environment.language));
        self.tls(&environment.tls);
    }

    fn tls(&mut self, tls: &Tls) {
        match tls {
            Tls::Local => self.add("environments.*.tls", text("local")),
            Tls::Files { certificate, key } => {
                self.add("environments.*.tls.certificate", text(certificate));
                self.add("environments.*.tls.key", text(key));
            }
        }
    }

    fn variables(&mut self, name: &Name, environment: &Environment) {
        for (variable, value) in &environment.env {
            let names = vec![name.to_string(), variable.clone()];
            self.list.push(Line {
                pattern: "environments.*.env.*",
                names,
                value: text(value),
            });
        }
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "every value of a line is an Option, so that optional ones chain"
)]
pub(super) fn text(value: impl Display) -> Option<String> {
    Some(literal(&value.to_string()))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "every value of a line is an Option, so that optional ones chain"
)]
fn plain(value: impl Display) -> Option<String> {
    Some(value.to_string())
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "every value of a line is an Option, so that optional ones chain"
)]
pub(super) fn list(values: &[String]) -> Option<String> {
    let quoted: Vec<_> = values.iter().map(|v| literal(v)).collect();
    Some(format!("[{}]", quoted.join(", ")))
}

/// The size without rounding: `Display` of [`Bytes`] keeps one decimal only.
fn bytes(value: Bytes) -> Option<String> {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let fits = |shift: u32| value.0 > 0 && value.0.trailing_zeros() >= shift;
    let (unit, shift) = units.into_iter().find(|(_, s)| fits(*s)).unwrap_or(("B", 0));
    text(format!("{}{unit}", value.0 >> shift))
}
