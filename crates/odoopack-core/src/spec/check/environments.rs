//! Checks of the environments, one by one and against each other.
use std::collections::BTreeMap;

use crate::name::Name;
use crate::spec::load::Report;
use crate::spec::{Environment, Kind, Series, Sessions, Spec, Value, suggest};
use crate::target::PRIVATE_PORTS;

/// Everything about `[environments]`.
pub(super) fn check(spec: &Spec, report: &mut Report<'_>) {
    let any = report.given("environments") || !report.below("environments").is_empty();
    if !any
        && !report
            .mistakes
            .iter()
            .any(|m| m.path.starts_with("environments."))
    {
        let hint = "write `[environments.production]` with a `domain`";
        report.refuse("environments", "there is no environment", hint);
    }
    twins(spec, report, "domain", |e| &e.domain);
    twins(spec, report, "database", |e| &e.database);
    ports(spec, report);
    for (name, environment) in &spec.environments {
        reserved(name, report);
        user_of_redis(name, environment, report);
        long(spec, name, report);
        edition(spec, name, environment, report);
        copy(spec, name, environment, report);
        one(name, environment, report);
        tls(name, report);
        variables(spec, name, environment, report);
    }
}

/// Names of services of the pack itself: users, sockets and logs would be the same.
const RESERVED: [&str; 5] = ["gate", "nginx", "postgres", "redis", "schedule"];

fn reserved(name: &Name, report: &mut Report<'_>) {
    if RESERVED.contains(&name.as_str()) {
        let what = format!("`{name}` is the name of a service of every pack");
        report.refuse(&format!("environments.{name}"), what, "choose another name");
    }
}

/// Redis has a user of this name, with which it reads its own file and which nobody can be.
fn user_of_redis(name: &Name, environment: &Environment, report: &mut Report<'_>) {
    if name.as_str() == "default" && environment.sessions == Sessions::Redis {
        let what = "Redis has a user `default` of its own, and each environment is a user there";
        let hint = "choose another name for the environment, or `sessions = \"database\"`";
        report.refuse(&at(name, "sessions"), what, hint);
    }
}

/// Each environment has a user of the host, whose name holds the pack's and its own.
fn long(spec: &Spec, name: &Name, report: &mut Report<'_>) {
    let user = crate::layout::user_name(&spec.pack.name, name.as_str());
    if user.len() > crate::layout::LONGEST_USER {
        let what = format!(
            "its user `{user}` would have {} characters, and the name of a user has at most {}",
            user.len(),
            crate::layout::LONGEST_USER
        );
        let over = user.len() - crate::layout::LONGEST_USER;
        let hint = format!("make this name, or `name` of [pack], {over} characters shorter");
        report.refuse(&format!("environments.{name}"), what, hint);
    }
}

fn at(name: &Name, key: &str) -> String {
    format!("environments.{name}.{key}")
}

/// No two environments share what must be their own.
fn twins(spec: &Spec, report: &mut Report<'_>, key: &str, value: impl Fn(&Environment) -> &String) {
    let mut owners: BTreeMap<&String, Vec<&Name>> = BTreeMap::new();
    for (name, environment) in &spec.environments {
        if report.sound(&at(name, key)) && !value(environment).is_empty() {
            owners.entry(value(environment)).or_default().push(name);
        }
    }
    for (shared, mut names) in owners {
        names.sort_by_key(|n| report.position(&at(n, key)));
        for name in names.iter().skip(1) {
            let what = format!("`{shared}` is also the {key} of `environments.{}`", names[0]);
            report.refuse(
                &at(name, key),
                what,
                format!("give every environment its own {key}"),
            );
        }
    }
}

/// Direct ports are their own, and leave ours alone.
fn ports(spec: &Spec, report: &mut Report<'_>) {
    let mut taken = BTreeMap::from([
        (
            spec.web.http_port,
            "nginx listens there (`web.http_port`)".to_owned(),
        ),
        (
            spec.web.https_port,
            "nginx listens there (`web.https_port`)".to_owned(),
        ),
    ]);
    taken.extend(
        spec.postgres
            .port
            .map(|port| (port, "PostgreSQL listens there (`postgres.port`)".to_owned())),
    );
    for (name, environment) in &spec.environments {
        let path = at(name, "http_port");
        let Some(port) = environment.http_port else {
            continue;
        };
        if let Some(who) = taken.get(&port) {
            report.refuse(
                &path,
                format!("port {port} is taken: {who}"),
                "choose another port",
            );
        } else if PRIVATE_PORTS.contains(&port) {
            super::private_port(&path, port, report);
        }
        taken.insert(port, format!("it is the `http_port` of `environments.{name}`"));
    }
}

/// A copy has another environment to be one of, and is nothing that anybody's books are in.
fn copy(spec: &Spec, name: &Name, environment: &Environment, report: &mut Report<'_>) {
    let (of, when) = (at(name, "copy_of"), at(name, "refresh"));
    if environment.kind == Kind::Production && report.sound(&at(name, "kind")) {
        for path in [&of, &when] {
            if report.given(path) {
                let what = "a production environment is nobody's copy: its data would be replaced";
                report.refuse(path, what, "remove the line, or choose another `kind`");
            }
        }
        return;
    }
    match &environment.copy_of {
        Some(own) if own == name => {
            report.refuse(&of, "it cannot be a copy of itself", "name another environment");
        }
        Some(other) if !spec.environments.contains_key(other) => {
            let what = format!("there is no environment `{other}`");
            report.refuse(
                &of,
                what,
                format!("add `[environments.{other}]`, or name another one"),
            );
        }
        None if environment.refresh.is_some() && spec.copied_from(name).is_none() => {
            let what = "it is not said of which environment it is a copy";
            report.refuse(&when, what, "write `copy_of = \"production\"` beside it");
        }
        Some(_) | None => {}
    }
}

fn edition(spec: &Spec, name: &Name, environment: &Environment, report: &mut Report<'_>) {
    let known: Vec<_> = spec.editions.keys().map(Name::as_str).collect();
    let path = at(name, "edition");
    if !report.given(&path) && known.len() > 1 {
        report.refuse(
            &path,
            "missing: there are several editions",
            format!("use one of: {}", known.join(", ")),
        );
    } else if report.sound(&path) && !spec.editions.contains_key(&environment.edition) {
        let wanted = environment.edition.as_str();
        let hint = match suggest::nearest(wanted, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("add `[editions.{wanted}]`, or use one of: {}", known.join(", ")),
        };
        report.refuse(&path, format!("there is no edition `{wanted}`"), hint);
    }
}

fn one(name: &Name, environment: &Environment, report: &mut Report<'_>) {
    if environment.demo && environment.kind == Kind::Production && report.sound(&at(name, "kind")) {
        let what = "demo data in production: its users have known passwords";
        report.refuse(
            &at(name, "demo"),
            what,
            "remove the line, or choose another `kind`",
        );
    }
    if environment.domain.is_empty() && !report.given(&at(name, "domain")) {
        report.refuse(
            &at(name, "domain"),
            "missing",
            "write `domain = \"erp.example.com\"`",
        );
    }
    if environment.reload && environment.kind != Kind::Development && report.sound(&at(name, "kind")) {
        let what = "code is taken in at once in development only";
        report.refuse(
            &at(name, "reload"),
            what,
            "remove the line, or write `kind = \"development\"`",
        );
    }
    if environment.reload && environment.workers.is_some_and(|workers| workers > 0) {
        let what = "Odoo reloads code with the threaded server only";
        report.refuse(
            &at(name, "workers"),
            what,
            "write `workers = 0`, or remove the line",
        );
    }
    if let (Some(soft), Some(hard)) = (environment.memory_soft, environment.memory_hard)
        && soft > hard
    {
        let what = format!("the soft limit {soft} is above the hard limit {hard}");
        report.refuse(
            &at(name, "memory_soft"),
            what,
            "make it smaller than `memory_hard`",
        );
    }
}

/// Certificate and key come together.
fn tls(name: &Name, report: &mut Report<'_>) {
    for (half, other) in [("certificate", "key"), ("key", "certificate")] {
        if report.given(&at(name, &format!("tls.{half}")))
            && !report.given(&at(name, &format!("tls.{other}")))
        {
            let what = format!("`{half}` without `{other}`");
            report.refuse(
                &at(name, &format!("tls.{half}")),
                what,
                format!("add `{other} = PATH`"),
            );
        }
    }
    let path = at(name, "tls");
    let halves = ["certificate", "key"].map(|h| report.given(&at(name, &format!("tls.{h}"))));
    if report.document.tables.contains_key(&path) && halves == [false, false] {
        let hint = "write `tls = { certificate = PATH, key = PATH }`, or `tls = \"local\"`";
        report.refuse(&path, "names no certificate", hint);
    }
}

fn variables(spec: &Spec, name: &Name, environment: &Environment, report: &mut Report<'_>) {
    for (variable, value) in &environment.env {
        let path = at(name, &format!("env.{variable}"));
        // `queue_job` reads its channels from variables of such names, Odoo none of them.
        let of_odoo = variable.starts_with("ODOO_") && !variable.starts_with("ODOO_QUEUE_JOB_");
        let taken = of_odoo || variable.starts_with("PG");
        if taken && spec.odoo.series == Series::V19 && report.sound("odoo.series") {
            let what = "Odoo 19.0 reads this variable as an option, silently before odoo.conf";
            let hint = "remove it; write the option into `[odoo.options]`";
            report.refuse(&path, what, hint);
        }
        if let Value::Plain(text) = value
            && looks_secret(variable, text)
        {
            let hint =
                format!("write `{variable} = \"secret:{variable}\"` and keep the value in the secret store");
            report.warn(&path, "looks like a secret in plain text", hint);
        }
    }
}

/// Whether a variable's name promises a secret and its value can be one.
pub(in crate::spec) fn looks_secret(name: &str, value: &str) -> bool {
    let words = [
        "PASSWORD",
        "PASSWD",
        "TOKEN",
        "SECRET",
        "API_KEY",
        "APIKEY",
        "PRIVATE_KEY",
        "CREDENTIAL",
    ];
    let elsewhere = ["_FILE", "_PATH"].iter().any(|end| name.ends_with(end));
    let setting = value.bytes().all(|b| b.is_ascii_digit())
        || ["true", "false"].contains(&value.to_ascii_lowercase().as_str());
    words.iter().any(|w| name.contains(w)) && !elsewhere && !setting
}
