//! Checks of where Odoo's code comes from.
use crate::spec::load::Report;
use crate::spec::{Series, Source, Spec};

const SOURCES: [&str; 4] = ["git", "debian", "deb", "path"];

/// Exactly one source, complete, and one that has the series.
pub(super) fn check(spec: &Spec, report: &mut Report<'_>) {
    let given: Vec<_> = SOURCES.into_iter().filter(|s| report.given(&at(s))).collect();
    one(&given, report);
    companions(report);
    debian(spec, report);
    package(spec, report);
}

fn at(key: &str) -> String {
    format!("odoo.source.{key}")
}

fn one(given: &[&str], report: &mut Report<'_>) {
    if let [first, second, ..] = given {
        let what = format!("`{first}` and `{second}` exclude each other");
        report.refuse("odoo.source", what, format!("keep one of {}", given.join(", ")));
    } else if given.is_empty() && report.document.tables.contains_key("odoo.source") {
        let hint = "write one of `git`, `debian`, `deb`, `path`, or leave `source` out";
        report.refuse("odoo.source", "names no source", hint);
    }
}

/// `commit` belongs to `git`, `sha256` to `deb`.
fn companions(report: &mut Report<'_>) {
    for (companion, main) in [("commit", "git"), ("sha256", "deb")] {
        if report.given(&at(companion)) && !report.given(&at(main)) {
            let what = format!("`{companion}` without `{main}`");
            report.refuse(
                &at(companion),
                what,
                format!("add `{main} = ...`, or remove `{companion}`"),
            );
        }
    }
}

/// Debian's own package exists for one series only, in `sid` (tried on 19.0).
fn debian(spec: &Spec, report: &mut Report<'_>) {
    let debian = matches!(spec.odoo.source, Source::Debian { .. });
    if debian && spec.odoo.series != Series::V19 && report.sound("odoo.series") {
        let what = format!(
            "Debian has no Odoo {}, only 19.0 (in its suite `sid`)",
            spec.odoo.series
        );
        let hint = "write `series = \"19.0\"`, or take another source such as `{ git = ... }`";
        report.refuse("odoo.source.debian", what, hint);
    }
}

fn package(spec: &Spec, report: &mut Report<'_>) {
    if let Source::Deb {
        location,
        sha256: None,
    } = &spec.odoo.source
        && location.contains("://")
        && report.sound("odoo.source.sha256")
    {
        let hint = "add `sha256 = \"...\"` (print it with `sha256sum FILE`)";
        report.refuse(
            "odoo.source.deb",
            "a package from the network needs its SHA-256",
            hint,
        );
    }
}
