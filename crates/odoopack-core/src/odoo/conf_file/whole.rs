//! Rules about doors, places and what is missing.
use super::judge::{Rule, View};
use super::{Note, Severity};
use crate::odoo::Series;

pub(super) const RULES: &[Rule] = &[
    repositories_in_addons_path,
    database_list_open,
    no_database_name,
    master_password,
    logfile,
    superuser,
    proxy_mode,
    demo_data,
    interface,
    data_dir,
    foreign_sections,
];

/// Names that folders of repositories usually have.
const REPOSITORIES: [&str; 9] = [
    "oca",
    "external",
    "external-src",
    "repos",
    "repositories",
    "submodules",
    "third-party",
    "third_party",
    "vendor",
];

fn repositories_in_addons_path(file: &View<'_>) -> Option<Note> {
    let entry = file.get("addons_path")?;
    let paths = entry.value.split(',').map(str::trim);
    let last = |path: &&str| {
        path.trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_lowercase()
    };
    let found: Vec<_> = paths
        .filter(|path| REPOSITORIES.contains(&last(path).as_str()))
        .collect();
    let first = found.first()?;
    Some(Note {
        id: "repositories-in-addons-path",
        severity: Severity::Warning,
        line: Some(entry.line),
        what: format!("`addons_path` names `{first}`, by its name a folder of repositories"),
        why: "Odoo looks for modules directly in each folder and no deeper".to_owned(),
        fix: "list each repository; odoopack makes one folder of links from `[addons]`".to_owned(),
    })
}

fn database_list_open(file: &View<'_>) -> Option<Note> {
    file.is_on("list_db", true).then(|| Note {
        id: "database-list-open",
        severity: Severity::Error,
        line: file.line("list_db"),
        what: "`list_db` is not `False`".to_owned(),
        why: "anybody who reaches `/web/database/manager` may try the master password, then copy or drop databases"
            .to_owned(),
        fix: "`list_db = False` together with `db_name`, and block `/web/database` in nginx".to_owned(),
    })
}

fn no_database_name(file: &View<'_>) -> Option<Note> {
    let (severity, why) = if file.says("dbfilter") {
        (
            Severity::Info,
            "works only while `dbfilter` leaves exactly one database; cron processes visit them all",
        )
    } else {
        (
            Severity::Error,
            "Odoo cannot tell which database is meant: the login page redirects to itself",
        )
    };
    (!file.is_on("list_db", true) && !file.says("db_name")).then(|| Note {
        id: "no-database-name",
        severity,
        line: file.line("list_db"),
        what: "`list_db = False` without `db_name`".to_owned(),
        why: why.to_owned(),
        fix: "set `db_name`".to_owned(),
    })
}

fn master_password(file: &View<'_>) -> Option<Note> {
    let value = file
        .get("admin_passwd")
        .map_or("admin", |entry| entry.value.as_str());
    let (id, severity, what) = match value {
        "" | "False" | "false" => return None,
        "admin" => (
            "master-password-default",
            Severity::Error,
            "the master password is `admin`, the default",
        ),
        hash if hash.starts_with("$pbkdf2-sha512$") => return None,
        _ => (
            "master-password-plain",
            Severity::Warning,
            "the master password stands in plain text",
        ),
    };
    Some(Note {
        id,
        severity,
        line: file.line("admin_passwd"),
        what: what.to_owned(),
        why: "with it every database of the server can be read, copied and dropped".to_owned(),
        fix: "write a `$pbkdf2-sha512$` hash of a random password".to_owned(),
    })
}

fn logfile(file: &View<'_>) -> Option<Note> {
    file.says("logfile").then(|| Note {
        id: "logfile",
        severity: Severity::Warning,
        line: file.line("logfile"),
        what: "`logfile` is set".to_owned(),
        why: "in a container the file is lost with it and `docker logs` stays empty; Odoo rotates nothing"
            .to_owned(),
        fix: "remove the line, collect standard error".to_owned(),
    })
}

fn superuser(file: &View<'_>) -> Option<Note> {
    let entry = file.get("db_user")?;
    let (severity, why) = match entry.value.as_str() {
        "postgres" => (Severity::Error, "Odoo refuses to start as `postgres`"),
        "root" | "admin" | "superuser" => (
            Severity::Warning,
            "by its name a superuser: access to SQL is then access to the whole machine",
        ),
        _ => return None,
    };
    Some(Note {
        id: "superuser",
        severity,
        line: Some(entry.line),
        what: format!("`db_user` is `{}`", entry.value),
        why: why.to_owned(),
        fix: "one role per environment, no superuser, owner of its database".to_owned(),
    })
}

fn proxy_mode(file: &View<'_>) -> Option<Note> {
    (!file.is_on("proxy_mode", false)).then(|| Note {
        id: "proxy-mode",
        severity: Severity::Warning,
        line: file.line("proxy_mode"),
        what: "`proxy_mode` is not `True`".to_owned(),
        why: "behind a proxy every client has the address of the proxy, and links start with `http://`"
            .to_owned(),
        fix: "`proxy_mode = True` behind nginx, and never without".to_owned(),
    })
}

fn demo_data(file: &View<'_>) -> Option<Note> {
    let open = file.series < Series::V19 && !file.says("without_demo");
    open.then(|| Note {
        id: "demo-data",
        severity: Severity::Info,
        line: file.line("without_demo"),
        what: "`without_demo` is not set".to_owned(),
        why: format!(
            "a new database of Odoo {} is filled with demo data and users with known passwords",
            file.series
        ),
        fix: "`without_demo = all`".to_owned(),
    })
}

fn interface(file: &View<'_>) -> Option<Note> {
    let unset = file
        .get("http_interface")
        .is_none_or(|entry| entry.value.is_empty());
    (unset && file.series == Series::V19).then(|| Note {
        id: "http-interface",
        severity: Severity::Info,
        line: file.line("http_interface"),
        what: "`http_interface` is not set".to_owned(),
        why: "19.0 listens on every address and warns that 20.0 will listen on 127.0.0.1 only".to_owned(),
        fix: "`http_interface = 127.0.0.1` behind nginx of the same host, else `0.0.0.0`".to_owned(),
    })
}

fn data_dir(file: &View<'_>) -> Option<Note> {
    (!file.says("data_dir")).then(|| Note {
        id: "data-dir",
        severity: Severity::Info,
        line: file.line("data_dir"),
        what: "`data_dir` is not set".to_owned(),
        why: "filestore and sessions lie below the home of whoever starts Odoo".to_owned(),
        fix: "set `data_dir` to a place that is backed up".to_owned(),
    })
}

fn foreign_sections(file: &View<'_>) -> Option<Note> {
    let foreign = |section: &str| section != "options" && section != super::reader::DEFAULT;
    let entry = file.entries.iter().find(|entry| foreign(&entry.section))?;
    (file.series == Series::V19).then(|| Note {
        id: "foreign-section",
        severity: Severity::Warning,
        line: Some(entry.line),
        what: format!("section `[{}]`", entry.section),
        why: "19.0 reads `[options]` only; modules that looked there no longer find their settings"
            .to_owned(),
        fix: "see what the module wants on 19.0, often environment variables".to_owned(),
    })
}
