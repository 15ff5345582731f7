//! Checks of one environment: files and their owners, certificate, database, versions, drift.
use super::Severity::{Error, Warning};
use super::rule::{Rule, Spot, apply, checks as listed};
use super::{Check, Finding};
use crate::facts::{Certificate, Seen};
use crate::odoo::Series;

/// What was seen of one environment.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// Whether it is the real one.
    pub production: bool,
    /// Host name that it answers to.
    pub domain: String,
    /// Seconds since 1970.
    pub now: i64,
    /// Its series, Python and PostgreSQL.
    pub versions: Versions,
    /// Paths whose owner and mode matter: secrets, configuration with passwords, filestore.
    pub guarded: Vec<Guarded>,
    /// Its certificate.
    pub certificate: Seen<Certificate>,
    /// Its role.
    pub role: Seen<Role>,
    /// Whether login `admin` with password `admin` works.
    pub default_password: Seen<bool>,
    /// Whether the database manager answers from outside.
    pub manager_open: Seen<bool>,
    /// Modules installed with demo data.
    pub demo_modules: Seen<Vec<String>>,
    /// Links below the release that lead nowhere.
    pub dangling: Seen<Vec<String>>,
    /// Rendered files that are not as they were rendered.
    pub drifted: Vec<String>,
}

/// What runs together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Odoo.
    pub series: Series,
    /// Python of the virtual environment; `None` when there is none yet.
    pub python: Option<(u16, u16)>,
    /// Major of the PostgreSQL server; `None` when it is not known.
    pub postgres: Option<u16>,
}

/// A path whose owner and mode matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarded {
    /// The path.
    pub path: String,
    /// What was found.
    pub seen: Seen<Access>,
    /// What should be; a stricter mode is as good.
    pub wanted: Access,
}

/// Owner and mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Owner.
    pub user: String,
    /// Group.
    pub group: String,
    /// Permission bits.
    pub mode: u32,
}

/// A role of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "attributes of a role are independent"
)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// `rolsuper`
    pub superuser: bool,
    /// `rolcreaterole`
    pub create_role: bool,
    /// `rolcreatedb`
    pub create_database: bool,
    /// `rolreplication`
    pub replication: bool,
}

/// Judges one environment.
pub fn judge(environment: &Environment) -> Vec<Finding> {
    apply(environment, &environment.name, RULES.iter())
}

pub(super) fn checks() -> impl Iterator<Item = Check> {
    listed("environment", RULES.iter())
}

/// A renewal that fails is noticed while there is time to act.
const ENOUGH_DAYS: i64 = 14;

const RULES: &[Rule<Environment>] = &[
    Rule {
        id: "environment-versions",
        severity: Error,
        title: "Odoo, Python and PostgreSQL fit together",
        why: "Odoo refuses to start, or fails where it uses what the other does not have",
        fix: "set `python` of `[odoo]` or move the cluster to a newer major",
        look: versions,
    },
    Rule {
        id: "environment-file-access",
        severity: Error,
        title: "secrets and data belong to whom they should",
        why: "others on this host can read passwords, or Odoo cannot read its own files",
        fix: "`odoopack up` sets owner and mode",
        look: access,
    },
    Rule {
        id: "environment-certificate",
        severity: Error,
        title: "the certificate is for this name and will not run out soon",
        why: "browsers refuse the page, mail and payment callbacks fail",
        fix: "`odoopack up` renews its own; a brought one has to be replaced",
        look: certificate,
    },
    Rule {
        id: "environment-superuser",
        severity: Error,
        title: "the role may do nothing but its own work",
        why: "whoever gets SQL through Odoo gets the cluster, and as a superuser programs on the host",
        fix: "`ALTER ROLE ... NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION`",
        look: superuser,
    },
    Rule {
        id: "environment-default-password",
        severity: Error,
        title: "`admin` has another password than `admin`",
        why: "it is the first thing that anybody tries",
        fix: "change it under Preferences, then set a second factor",
        look: default_password,
    },
    Rule {
        id: "environment-manager-open",
        severity: Error,
        title: "the database manager is refused",
        why: "whoever guesses the master password copies or drops the database",
        fix: "`odoopack render --check`, then `odoopack up`; a proxy of your own has to refuse `/web/database`",
        look: manager,
    },
    Rule {
        id: "environment-demo-data",
        severity: Error,
        title: "production has no demo data",
        why: "demo users have known passwords, and demo records stand between the real ones for ever",
        fix: "it cannot be taken out: begin with a new database without demo data",
        look: demo,
    },
    Rule {
        id: "environment-dangling-links",
        severity: Error,
        title: "every asset of the release is there",
        why: "a missing font or script makes a bundle fail: the login page is a 500 while `/web/health` is 200",
        fix: "`odoopack up` unpacks the release again; a missing package is named in its output",
        look: dangling,
    },
    Rule {
        id: "environment-drift",
        severity: Warning,
        title: "rendered files are as they were rendered",
        why: "the next change of the file would meet a hand edit, and until then nobody knows what runs",
        fix: "`odoopack render --check` shows the difference; move it into odoopack.toml",
        look: |seen| {
            seen.drifted
                .iter()
                .map(|file| Spot::on(file.clone(), "edited by hand"))
                .collect()
        },
    },
];

fn unknown<T>(seen: &Seen<T>, object: &str, what: &str) -> Vec<Spot> {
    match seen {
        Seen::Unknown(reason) => {
            vec![Spot::on(object, format!("{what} could not be looked at: {reason}")).severity(Warning)]
        }
        Seen::Present(_) | Seen::Absent | Seen::NotYet => Vec::new(),
    }
}

fn found(seen: &Seen<bool>, object: &str, saw: &str) -> Vec<Spot> {
    if seen.present() == Some(&true) {
        vec![Spot::on(object, saw)]
    } else {
        unknown(seen, object, "it")
    }
}

fn versions(seen: &Environment) -> Vec<Spot> {
    let Versions {
        series,
        python,
        postgres,
    } = seen.versions;
    let (oldest, newest) = series.python();
    let mut spots = Vec::new();
    if let Some(python) = python.filter(|python| !(oldest..=newest).contains(python)) {
        let text = |(major, minor): (u16, u16)| format!("{major}.{minor}");
        let saw = format!(
            "Odoo {series} runs on Python {}, supported are {} to {}",
            text(python),
            text(oldest),
            text(newest)
        );
        spots.push(
            Spot::on(&seen.name, saw).fix(format!("`python = \"python{}\"` in `[odoo]`", text(newest))),
        );
    }
    if let Some(major) = postgres.filter(|major| *major < series.oldest_postgresql()) {
        let oldest = series.oldest_postgresql();
        let saw = format!("Odoo {series} runs on PostgreSQL {major}, it needs {oldest} or newer");
        spots.push(Spot::on(&seen.name, saw).fix("dump, and restore into a cluster of a newer major"));
    }
    spots
}

fn access(seen: &Environment) -> Vec<Spot> {
    let mut spots = Vec::new();
    for Guarded { path, seen, wanted } in &seen.guarded {
        match seen {
            Seen::Present(is)
                if is.mode & !wanted.mode != 0 || is.user != wanted.user || is.group != wanted.group =>
            {
                let text = |access: &Access| format!("{}:{} {:04o}", access.user, access.group, access.mode);
                spots.push(Spot::on(
                    path,
                    format!("{} instead of {}", text(is), text(wanted)),
                ));
            }
            Seen::Absent => spots.push(Spot::on(path, "it is not there")),
            Seen::Present(_) | Seen::Unknown(_) | Seen::NotYet => {
                spots.extend(unknown(seen, path, "its owner"));
            }
        }
    }
    spots
}

fn certificate(seen: &Environment) -> Vec<Spot> {
    let Some(certificate) = seen.certificate.present() else {
        return unknown(&seen.certificate, &seen.domain, "the certificate");
    };
    let mut spots = Vec::new();
    if !certificate.names.iter().any(|name| covers(name, &seen.domain)) {
        spots.push(Spot::on(
            &seen.domain,
            format!("the certificate is for {}", certificate.names.join(", ")),
        ));
    }
    let days = (certificate.not_after - seen.now).div_euclid(86_400);
    match days {
        ..0 => spots.push(Spot::on(&seen.domain, "the certificate has run out")),
        0..ENOUGH_DAYS => {
            let severity = if days < 3 { Error } else { Warning };
            spots.push(
                Spot::on(&seen.domain, format!("the certificate runs out in {days} days")).severity(severity),
            );
        }
        _ => {}
    }
    spots
}

/// A wildcard stands for one label.
fn covers(name: &str, domain: &str) -> bool {
    let wild = name.strip_prefix("*.").is_some_and(|rest| {
        domain
            .split_once('.')
            .is_some_and(|(_, parent)| parent.eq_ignore_ascii_case(rest))
    });
    wild || name.eq_ignore_ascii_case(domain)
}

fn superuser(seen: &Environment) -> Vec<Spot> {
    let Some(role) = seen.role.present() else {
        return unknown(&seen.role, &seen.name, "its role");
    };
    let attributes = [
        (role.superuser, "SUPERUSER"),
        (role.create_role, "CREATEROLE"),
        (role.create_database, "CREATEDB"),
        (role.replication, "REPLICATION"),
    ];
    let has: Vec<&str> = attributes
        .into_iter()
        .filter(|(has, _)| *has)
        .map(|(_, name)| name)
        .collect();
    if has.is_empty() {
        return Vec::new();
    }
    let fix = has.join(" NO");
    let spot = Spot::on(
        format!("role {}", role.name),
        format!("it has {}", has.join(", ")),
    );
    vec![spot.fix(format!("`ALTER ROLE \"{}\" NO{fix}`", role.name))]
}

fn default_password(seen: &Environment) -> Vec<Spot> {
    found(
        &seen.default_password,
        &seen.name,
        "`admin` signs in with `admin`",
    )
}

fn manager(seen: &Environment) -> Vec<Spot> {
    found(&seen.manager_open, &seen.name, "`/web/database/manager` answers")
}

fn demo(seen: &Environment) -> Vec<Spot> {
    if !seen.production {
        return Vec::new();
    }
    let Some(modules) = seen.demo_modules.present().filter(|modules| !modules.is_empty()) else {
        return unknown(&seen.demo_modules, &seen.name, "demo data");
    };
    vec![Spot::on(
        &seen.name,
        format!("installed with demo data: {}", some(modules)),
    )]
}

fn dangling(seen: &Environment) -> Vec<Spot> {
    let Some(links) = seen.dangling.present().filter(|links| !links.is_empty()) else {
        return unknown(&seen.dangling, &seen.name, "the links of the release");
    };
    vec![Spot::on(
        &seen.name,
        format!("{} links lead nowhere: {}", links.len(), some(links)),
    )]
}

/// The first few of a list.
fn some(names: &[String]) -> String {
    let shown = names
        .iter()
        .take(3)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > 3 {
        format!("{shown} and {} more", names.len() - 3)
    } else {
        shown
    }
}

#[cfg(test)]
mod tests;
