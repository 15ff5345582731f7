//! What only shows when the files of a stack are read together.
use super::rule::Fixed;
use super::{Check, File, Finding, Severity};
use crate::foreign::compose::{Compose, Role, Service};
use crate::foreign::{Kind, kind};
use crate::odoo::conf_file::{Entry, read};

const SUBJECT: &str = "stack";

const REDIS: Fixed = Fixed {
    id: "stack-redis-missing",
    severity: Severity::Error,
    subject: SUBJECT,
    title: "what odoo.conf says of Redis has a service",
    saw: "",
    why: "no session can be kept there; Odoo itself does not even try, it has no such option",
    fix: "remove the options, or add a redis service and a session module of the series",
};

const LOGFILE: Fixed = Fixed {
    id: "stack-logfile-lost",
    severity: Severity::Warning,
    subject: SUBJECT,
    title: "the log file lies in a volume",
    saw: "",
    why: "the log is lost with every new container, which is when it is wanted",
    fix: "remove `logfile`: `docker compose logs` then has it, with limits",
};

pub(super) fn checks() -> impl Iterator<Item = Check> {
    [REDIS.check(), LOGFILE.check()].into_iter()
}

pub(super) fn judge(files: &[File<'_>]) -> Vec<Finding> {
    let of = |wanted| {
        files
            .iter()
            .filter(move |file| kind(file.path, file.text) == Some(wanted))
    };
    let composes: Vec<Compose> = of(Kind::Compose)
        .filter_map(|file| Compose::read(file.text).ok())
        .collect();
    if composes.is_empty() {
        return Vec::new();
    }
    let confs = of(Kind::OdooConf).map(|file| (file.path, read(file.text).entries));
    confs
        .flat_map(|(path, entries)| {
            [
                redis(path, &entries, &composes),
                logfile(path, &entries, &composes),
            ]
        })
        .flatten()
        .collect()
}

fn redis(path: &str, entries: &[Entry], composes: &[Compose]) -> Option<Finding> {
    let asks = |entry: &&Entry| {
        entry.key == "session_store" && entry.value == "redis" || entry.key.contains("redis_host")
    };
    let entry = entries.iter().find(asks)?;
    let there = composes
        .iter()
        .any(|compose| compose.of(Role::Redis).next().is_some());
    let saw = format!("`{} = {}`, and no service is Redis", entry.key, entry.value);
    (!there).then(|| REDIS.saying(&format!("{path}:{}", entry.line), &saw))
}

fn logfile(path: &str, entries: &[Entry], composes: &[Compose]) -> Option<Finding> {
    let entry = entries
        .iter()
        .find(|entry| entry.key == "logfile" && entry.value.starts_with('/'))?;
    let mounts = composes
        .iter()
        .flat_map(|compose| compose.of(Role::Odoo))
        .flat_map(Service::mounts);
    let kept = mounts.into_iter().any(|mount| {
        entry
            .value
            .starts_with(&format!("{}/", mount.target.trim_end_matches('/')))
    });
    let saw = format!("`{}` lies in no volume of Odoo's service", entry.value);
    (!kept).then(|| LOGFILE.saying(&format!("{path}:{}", entry.line), &saw))
}
