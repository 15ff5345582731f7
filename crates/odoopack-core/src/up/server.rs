//! A database server that somebody else runs: reasons not to begin, and what it does not let us do.
use std::collections::BTreeMap;

use super::Known;
use crate::facts::{DatabaseFact, PathKind, Seen, ServerFact};
use crate::plan::Refusal;
use crate::spec::{GivenServer, OwnServer, Roles};

/// What Odoo searches with, and for what.
const EXTENSIONS: [(&str, &str); 2] = [
    ("pg_trgm", "searching in long lists scans them whole"),
    ("unaccent", "searching for `cafe` does not find `café`"),
];

/// Reasons not to begin, before anything is touched.
pub(super) fn refusals(known: &Known<'_>) -> Vec<Refusal> {
    if !known.spec.postgres.is_given() {
        return Vec::new();
    }
    let mut all = Vec::new();
    if let Some(own) = known.facts.on_disk().next() {
        all.push(Refusal::new(
            format!(
                "{}/data/{own} holds the databases of this pack, and the file now names another server, where Odoo would start with an empty one",
                known.spec.pack.root
            ),
            "remove `url` from [postgres]; to move, `odoopack backup create`, then restore the snapshot in a new root that has `url`",
        ));
    }
    let Some(server) = &known.target.server else {
        return all;
    };
    all.extend(unreachable(known, server));
    all.extend(authority(known, server));
    match &known.facts.server {
        Seen::Present(fact) => all.extend(unfit(known, server, fact)),
        Seen::Unknown(why) => all.push(Refusal::new(
            format!(
                "could not look at the server {server} as role {}: {why}",
                server.role
            ),
            "correct `url` in [postgres] or its secret; with the same URL `psql` says what it thinks of it",
        )),
        Seen::Absent | Seen::NotYet => {}
    }
    all.extend(databases(known));
    all
}

/// In a container loopback is the container itself, where no server listens, and the stack's network has no IPv6.
fn unreachable(known: &Known<'_>, server: &GivenServer) -> Option<Refusal> {
    known.target.stack.as_ref()?;
    if crate::spec::is_ipv6(&server.host) && !crate::spec::is_loopback(&server.host) {
        return Some(Refusal::new(
            format!(
                "[postgres] url names {server} by IPv6, and containers reach others by IPv4 only: Odoo would not reach the server"
            ),
            "write its IPv4 address, or a name that has one",
        ));
    }
    crate::spec::is_loopback(&server.host).then(|| {
        Refusal::new(
            format!("[postgres] url names {server}, which in a container is the container itself: Odoo would not reach a server"),
            "write the address at which containers reach it; one on this machine has to listen on another address than loopback, such as \
             that of Docker's bridge (`ip addr show docker0`; docs/guides/managed-postgresql.md says what else it takes)",
        )
    })
}

/// Odoo reads the certificate as a user of its own.
fn authority(known: &Known<'_>, server: &GivenServer) -> Option<Refusal> {
    let path = server.authority.as_ref()?;
    if let Some(closed) = known
        .facts
        .closed_authority
        .as_ref()
        .filter(|_| known.facts.host.root)
    {
        return Some(Refusal::new(
            format!(
                "other users may not enter {closed}, where {path} is, which `sslrootcert` of the server names"
            ),
            "put the authority's certificate where everybody may read it, such as /etc/ssl/certs",
        ));
    }
    let what = match known.facts.paths.get(path)? {
        Seen::Absent => format!("there is no {path}, which `sslrootcert` of the server names"),
        Seen::Present(fact) if !matches!(fact.kind, PathKind::File(_) | PathKind::Link(_)) => {
            format!("{path}, which `sslrootcert` of the server names, is no file")
        }
        Seen::Present(fact)
            if known.facts.host.root && matches!(fact.kind, PathKind::File(_)) && fact.mode & 0o004 == 0 =>
        {
            format!("Odoo's user may not read {path}, which `sslrootcert` of the server names")
        }
        Seen::Present(_) | Seen::Unknown(_) | Seen::NotYet => return None,
    };
    Some(Refusal::new(
        what,
        format!("put the authority's certificate there, `chmod 0644 {path}`"),
    ))
}

fn unfit(known: &Known<'_>, server: &GivenServer, fact: &ServerFact) -> Vec<Refusal> {
    let (role, series) = (&server.role, known.spec.odoo.series);
    let mut all = Vec::new();
    let oldest = series.oldest_postgresql();
    if fact.major < oldest {
        all.push(Refusal::new(
            format!(
                "Odoo {series} needs PostgreSQL {oldest} or newer, {server} is {}",
                fact.major
            ),
            "have the provider upgrade it, or take another server",
        ));
    }
    if fact.superuser {
        all.push(Refusal::new(
            format!("role {role} is a superuser of {server}: a hole in Odoo would be the whole server"),
            "make a role for it, `CREATE ROLE odoo LOGIN CREATEDB PASSWORD '...'`, and name that in `url`",
        ));
    }
    if server.roles == Roles::PerEnvironment && !fact.create_role {
        all.push(Refusal::new(
            format!("role {role} may make no roles on {server} (it has no CREATEROLE), and [postgres] roles asks for one per environment"),
            format!("have its administrator run `ALTER ROLE {role} CREATEROLE`, or write `roles = \"given\"` for a pack with one environment"),
        ));
    }
    if let Some((need, have)) = known.target.short_of_connections {
        all.push(Refusal::new(
            format!("the environment may open {need} connections, and {server} has {have} for role {role} ({})", fact.limits()),
            "`odoopack sizing` shows the sums; lower `workers`, `cron_workers` or `db_maxconn` in [environments], or take a bigger server",
        ));
    }
    all
}

/// What can be seen of the databases stands in the way: only a role with CREATEDB makes one.
fn databases(known: &Known<'_>) -> Vec<Refusal> {
    let databases = known.facts.databases(&OwnServer::SHARED);
    let (Some(server), Seen::Present(fact), Seen::Present(seen)) =
        (&known.target.server, &known.facts.server, databases)
    else {
        return Vec::new();
    };
    let judged = |want: &crate::target::DatabaseWant| {
        let there: Option<&DatabaseFact> = seen.databases.get(&want.database);
        let (role, database, owner) = (&server.role, &want.database, &want.role);
        match there {
            None if fact.create_database => None,
            None => Some(Refusal::new(
                format!(
                    "there is no database {database} on {server}, and role {role} may make none (it has no CREATEDB)"
                ),
                format!(
                    "have its administrator run `CREATE DATABASE {database} OWNER {owner}` or `ALTER ROLE {role} CREATEDB`, or write `database` in [environments.{}]",
                    want.environment
                ),
            )),
            Some(there) if there.owner != *owner => Some(Refusal::new(
                format!(
                    "database {database} on {server} belongs to {}, not to {owner}",
                    there.owner
                ),
                given_away(server, want, &there.owner),
            )),
            Some(_) => None,
        }
    };
    let wants = known.target.databases.iter();
    wants
        .filter_map(|want| judged(want).or_else(|| strange(known, server, seen, want)))
        .collect()
}

/// How a database gets to the role that it should belong to. `REASSIGN OWNED` would take every other database of its owner along.
fn given_away(server: &GivenServer, want: &crate::target::DatabaseWant, before: &str) -> String {
    let (environment, role, owner) = (&want.environment, &server.role, &want.role);
    let other = format!("write another `database` in [environments.{environment}]");
    let give = format!("odoopack env give {environment}");
    if before != role {
        return format!(
            "{other}, or `{give} > FILE`, and have its administrator run `psql -f FILE` in {}, as whoever may become {before} and {owner}",
            want.database
        );
    }
    format!(
        "{other}, or have its administrator run `CREATE ROLE {owner}; GRANT {owner} TO {role} WITH ADMIN OPTION`, and then `{give} | odoopack psql {environment} --admin -- -v ON_ERROR_STOP=1`"
    )
}

/// Nothing but its files binds a database of this server to a root: each without the other is of another root or server.
fn strange(
    known: &Known<'_>,
    server: &GivenServer,
    seen: &crate::facts::Databases,
    want: &crate::target::DatabaseWant,
) -> Option<Refusal> {
    let (home, database) = (&want.home, &want.database);
    let filestore = want.filestore();
    let absent = |path: &camino::Utf8Path| known.facts.paths.get(path).is_some_and(Seen::is_absent);
    let there = |path: &camino::Utf8Path| {
        known
            .facts
            .paths
            .get(path)
            .is_some_and(|seen| seen.present().is_some())
    };
    match seen.databases.get(database) {
        Some(fact) if fact.kind.is_some() && absent(&home.join("addons")) && absent(&filestore) => {
            Some(Refusal::new(
                format!(
                    "a pack works with database {database} on {server} already, and Odoo never ran in {home}"
                ),
                format!(
                    "use the root that it belongs to; where that is lost, bring its filestore to {filestore} first"
                ),
            ))
        }
        None if there(&filestore) && !known.facts.unfinished.contains_key(&want.environment) => {
            Some(Refusal::new(
                format!(
                    "{filestore} holds the files of database {database}, and {server} has no such database"
                ),
                format!("correct `url` in [postgres]; to begin anew, move {filestore} away"),
            ))
        }
        Some(_) | None => None,
    }
}

/// What this server does not let us do, one sentence each.
pub(super) fn notes(known: &Known<'_>) -> Vec<String> {
    let (Some(server), Seen::Present(fact)) = (&known.target.server, &known.facts.server) else {
        return Vec::new();
    };
    let role = &server.role;
    let mut all = vec![match server.roles {
        Roles::Given => format!(
            "Odoo works on {server} as role {role}, which owns its database: [postgres] url names one role, and a pack has one environment there"
        ),
        Roles::PerEnvironment => format!(
            "each environment works on {server} as a role of its own, made by role {role}, which may become each of them"
        ),
    }];
    if !fact.create_database {
        all.push(format!(
            "role {role} has no CREATEDB: restores, drills, module operations and tests, which need a second database, are refused"
        ));
    }
    all.extend(missing(&fact.extensions));
    if fact.extensions.get("unaccent").is_some_and(|usable| *usable) {
        all.push(
            "searching without accents works and uses no index: only a superuser may make `unaccent` immutable"
                .to_owned(),
        );
    }
    all
}

/// Extensions that cannot be made there.
fn missing(extensions: &BTreeMap<String, bool>) -> Vec<String> {
    let lacks = EXTENSIONS
        .iter()
        .filter(|(name, _)| extensions.get(*name) != Some(&true));
    lacks
        .map(|(name, so)| {
            let why = match extensions.get(*name) {
                None => "the server does not have it",
                Some(_) => "only a superuser may make it there",
            };
            format!("extension {name}: {why}; without it {so}")
        })
        .collect()
}
