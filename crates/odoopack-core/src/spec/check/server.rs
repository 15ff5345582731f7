//! Checks of a database server that somebody else runs.
use crate::spec::load::Report;
use crate::spec::{Clusters, Roles, ServerUrl, Spec, Value};

/// What only a cluster of the pack's own heeds.
const OWN: [&str; 3] = ["postgres.version", "postgres.port", "postgres.directory"];

/// What belongs to one server only, with why.
const OF_ONE: [(&str, &str); 8] = [
    ("postgres.port", "several servers cannot listen on one port"),
    (
        "postgres.options.port",
        "it is the name of the socket of each server, which is where we look for it",
    ),
    (
        "postgres.options.listen_addresses",
        "several servers cannot listen on one port",
    ),
    (
        "postgres.options.unix_socket_directories",
        "each server has a directory of its own",
    ),
    (
        "postgres.options.external_pid_file",
        "several servers would write one file",
    ),
    (
        "postgres.options.archive_command",
        "logs of several servers have the same names, and one would take the place of another",
    ),
    (
        "postgres.options.shared_buffers",
        "each server would take all of it; `odoopack sizing` shows what each gets",
    ),
    (
        "postgres.directory",
        "the cluster that is taken over holds the databases of all editions",
    ),
];

/// What no role's name may begin with (PostgreSQL 18, `CREATE ROLE`).
const OF_POSTGRESQL: &str = "pg_";

pub(super) fn check(spec: &Spec, report: &mut Report<'_>) {
    roles(spec, report);
    if !report.given("postgres.url") {
        if report.given("postgres.password") {
            let hint = "write `url = \"postgres://ROLE@HOST\"`, or remove `password`";
            report.refuse("postgres.password", "a password for no server", hint);
        }
        if spec.postgres.roles == Roles::PerEnvironment {
            let what = "without `url` each environment has a role of its own anyway";
            report.refuse("postgres.roles", what, "remove `roles`");
        }
        of_one(spec, report);
        return;
    }
    without_effect(spec, report);
    if spec.postgres.cluster == Clusters::PerEdition {
        let what = "the server that `url` names is one, whoever runs it";
        report.refuse("postgres.cluster", what, "remove `cluster`, or `url`");
    }
    if spec.environments.len() > 1 && spec.postgres.roles == Roles::Given {
        let what = format!(
            "{} environments would share the one role that `url` names, which may read and drop the databases of all of them",
            spec.environments.len()
        );
        let hint = "write `roles = \"per-environment\"` in [postgres] where that role has CREATEROLE, else give each environment a pack with a role and a `url` of its own";
        report.refuse("postgres.url", what, hint);
    }
    for name in spec.in_database() {
        let what = "takes a role and a database of its own, which are made on the pack's own server only";
        let hint = "write `sessions = \"redis\"`, or remove the key";
        report.refuse(&format!("environments.{name}.sessions"), what, hint);
    }
    let without_password = match &spec.postgres.url {
        Some(Value::Plain(text)) => text.parse::<ServerUrl>().is_ok(),
        Some(Value::Secret(_)) | None => false,
    };
    if without_password && !report.given("postgres.password") {
        let hint = "`odoopack secret set DATABASE_PASSWORD < FILE`, and write `password = \"secret:DATABASE_PASSWORD\"`";
        report.refuse("postgres.url", "no password for its role", hint);
    }
}

/// The role of an environment is called by the pack and by it; a given role has its name already.
fn roles(spec: &Spec, report: &mut Report<'_>) {
    let made = !report.given("postgres.url") || spec.postgres.roles == Roles::PerEnvironment;
    let first = format!("{}_", spec.pack.name.underscored());
    if made && first.starts_with(OF_POSTGRESQL) {
        let what = format!(
            "the roles of its environments would begin with `{OF_POSTGRESQL}`, which PostgreSQL keeps for its own"
        );
        report.refuse("pack.name", what, "choose a name that does not begin so");
    }
}

/// Each edition has a server of its own, reached through its socket.
fn of_one(spec: &Spec, report: &mut Report<'_>) {
    if spec.postgres.cluster == Clusters::Shared {
        return;
    }
    let written: Vec<_> = OF_ONE.into_iter().filter(|(key, _)| report.given(key)).collect();
    for (key, what) in written {
        report.refuse(key, what, "remove it, or `cluster = \"per-edition\"`");
    }
}

fn without_effect(spec: &Spec, report: &mut Report<'_>) {
    let options = spec.postgres.options.keys();
    let options = options.map(|name| format!("postgres.options.{name}"));
    let own = OWN.into_iter().map(str::to_owned).chain(options);
    let written: Vec<String> = own.filter(|key| report.given(key)).collect();
    for key in written {
        let what = "has no effect on the server that `postgres.url` names";
        report.refuse(&key, what, "remove it, or `url`");
    }
    // A spec that is printed with everything it holds names each image.
    if report.given("images.postgres") {
        let what = "has no effect: the stack runs no PostgreSQL beside the server that `postgres.url` names";
        report.warn("images.postgres", what, "remove it, or `url`");
    }
}
