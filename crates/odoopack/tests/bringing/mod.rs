//! What the stages of bringing backups in share: SQL, and what is left on the machine.
pub(crate) mod cut_off;
pub(crate) mod extensions;
pub(crate) mod guarded;
pub(crate) mod hardened;
pub(crate) mod hostile;
pub(crate) mod imports;
pub(crate) mod in_production;
pub(crate) mod lost;
pub(crate) mod planned;
pub(crate) mod silent;
pub(crate) mod snapshots;
pub(crate) mod theirs;
pub(crate) mod unlike;

use std::collections::BTreeMap;

use crate::support::{Pack, machine};

/// One statement as the administrator, in any database.
#[track_caller]
pub(crate) fn sql(pack: &Pack, database: &str, text: &str) -> String {
    let socket = pack.path("data/run/postgres");
    let args = [
        "-h",
        socket.as_str(),
        "-U",
        "odoopack",
        "-d",
        database,
        "-v",
        "ON_ERROR_STOP=1",
        "-Atqc",
        text,
    ];
    machine::must("psql", &args).trim().to_owned()
}

pub(crate) fn databases(pack: &Pack) -> String {
    sql(
        pack,
        "postgres",
        "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database",
    )
}

/// Names of databases, filestores and roles; the group of those that load stays after the first import.
pub(crate) fn leftovers(pack: &Pack) -> String {
    let mut names = Vec::new();
    for environment in ["production", "staging"] {
        let place = pack.path(&format!("data/environments/{environment}/filestore"));
        names.extend(
            place
                .read_dir_utf8()
                .unwrap()
                .flatten()
                .map(|entry| entry.file_name().to_owned()),
        );
    }
    names.sort();
    let roles = sql(
        pack,
        "postgres",
        "SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'odoopack-loading'",
    );
    format!("{} | {} | {roles}", databases(pack), names.join(" "))
}

/// The row hashes of every table.
pub(crate) fn tables(pack: &Pack, database: &str) -> BTreeMap<String, String> {
    let each = "SELECT string_agg(format('SELECT %L || '' '' || md5(coalesce(string_agg(x::text, ''|'' ORDER BY x::text), '''')) FROM public.%I x', \
                relname, relname), ' UNION ALL ') FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    let all = sql(pack, database, &sql(pack, database, each));
    all.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .collect()
}

pub(crate) fn differences(pack: &Pack, one: &str, other: &str) -> Vec<String> {
    let (one, other) = (tables(pack, one), tables(pack, other));
    let names = one
        .keys()
        .chain(other.keys())
        .collect::<std::collections::BTreeSet<_>>();
    names
        .into_iter()
        .filter(|name| one.get(*name) != other.get(*name))
        .cloned()
        .collect()
}
