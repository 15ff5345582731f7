//! Checks of where Odoo's code comes from.
use crate::spec::load::Report;
use crate::spec::{Engine, Series, Source, Spec};

const SOURCES: [&str; 5] = ["git", "debian", "deb", "path", "image"];

/// Exactly one source, complete, and one that has the series.
pub(super) fn check(spec: &Spec, report: &mut Report<'_>) {
    let given: Vec<_> = SOURCES.into_iter().filter(|s| report.given(&at(s))).collect();
    one(&given, report);
    companions(report);
    engine(spec, report);
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
        let hint = "write one of `git`, `debian`, `deb`, `path`, `image`, or leave `source` out";
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

/// Containers are made from images, processes of the host are not.
fn engine(spec: &Spec, report: &mut Report<'_>) {
    if !report.sound("pack.engine") {
        return;
    }
    match (spec.pack.engine, &spec.odoo.source) {
        (Engine::Native, Source::Image { .. }) => report.refuse(
            "odoo.source.image",
            "the engine `native` runs no images",
            "write `engine = \"compose\"` in [pack], or take another source such as `{ git = ... }`",
        ),
        (
            Engine::Compose,
            Source::Git { .. } | Source::Debian { .. } | Source::Deb { .. } | Source::Path { .. },
        ) => {
            let given = SOURCES.into_iter().find(|s| report.given(&at(s)));
            report.refuse(
                &at(given.unwrap_or("git")),
                "the engine `compose` runs images",
                format!(
                    "write `source = {{ image = \"odoo:{}\" }}`, or leave `source` out",
                    spec.odoo.series
                ),
            );
        }
        (Engine::Native, _) | (Engine::Compose, Source::Image { .. }) => {}
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
