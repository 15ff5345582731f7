//! Checks of where snapshots go.
use crate::spec::keys;
use crate::spec::load::Report;
use crate::spec::{Elsewhere, Spec};

/// What only means something for a bucket.
const OF_BUCKETS: [&str; 5] = [
    "credentials",
    "object_lock",
    "prune_credentials",
    "region",
    "style",
];

/// One second place, complete, and not the first one.
pub(super) fn check(spec: &Spec, report: &mut Report<'_>) {
    let (bucket, directory) = (report.given(&at("s3")), report.given(&at("directory")));
    if bucket && directory {
        let hint = "keep one of `s3`, `directory`";
        report.refuse("backup.offsite", "`s3` and `directory` exclude each other", hint);
    }
    let given = |key: &&keys::Key| key.path.starts_with("backup.offsite.") && report.given(key.path);
    let begun = keys::all().any(|key| given(&key));
    if begun && !bucket && !directory {
        let hint =
            "write `s3 = \"https://SERVICE/BUCKET\"` or `directory = \"/mnt/backups\"`, or remove the table";
        report.refuse("backup.offsite", "names no place", hint);
    }
    if bucket && !report.given(&at("credentials")) {
        let hint = "write `credentials = \"secret:NAME\"`, and the value `id:secret` with `odoopack secret set NAME`";
        report.refuse("backup.offsite.s3", "a bucket without credentials", hint);
    }
    for key in OF_BUCKETS {
        if directory && !bucket && report.given(&at(key)) {
            report.refuse(&at(key), "a directory needs none", format!("remove `{key}`"));
        }
    }
    if let Some(Elsewhere::Directory(path)) = spec.backup.offsite.as_ref().map(|offsite| &offsite.place)
        && (path.starts_with(&spec.pack.root) || spec.pack.root.starts_with(path))
    {
        let hint = "name a directory on another machine's disk";
        report.refuse(
            &at("directory"),
            "the pack's own directory is not elsewhere",
            hint,
        );
    }
}

fn at(key: &str) -> String {
    format!("backup.offsite.{key}")
}
