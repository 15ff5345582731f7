//! `backup diff`: what lies between two snapshots.
use std::collections::BTreeSet;

use odoopack_core::backup::{Manifest, paths};
use odoopack_repository::{Reader, Snapshot};

use super::size;
use crate::backup::{failure, unreadable};
use crate::commands::stored::{self, Which};
use crate::context::Context;
use crate::failure::{Failure, Result};

/// Show what lies between two snapshots: rows of tables, modules, files
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  odoopack backup diff 1a2b3c4d latest")]
pub(crate) struct Args {
    /// The earlier one
    before: String,
    /// The later one
    after: String,
    #[command(flatten)]
    which: Which,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let failed = |e: odoopack_repository::Error| failure::of(&e);
    let repository = stored::repository(&pack, &args.which)?;
    let listing = unreadable::listing(cx, &repository)?;
    let find = |name: &str| stored::find(&pack, &listing, name, args.which.whose());
    let (before, after) = (find(&args.before)?, find(&args.after)?);
    let reader = repository.reader().map_err(failed)?;
    let (old, new) = (manifest(&reader, &before)?, manifest(&reader, &after)?);
    let files = reader
        .differences(&before, &after, paths::FILESTORE)
        .map_err(failed)?;
    let tables = lines(&old.database.tables, &new.database.tables, |table| {
        table.rows.to_string()
    });
    let modules = lines(&old.modules, &new.modules, String::clone);
    cx.ui.json(&serde_json::json!({
        "tables": pairs(&tables),
        "modules": pairs(&modules),
        "files": { "added": names(&files.added), "removed": names(&files.removed), "changed": names(&files.changed) },
    }));
    for (title, rows) in [("rows", &tables), ("modules", &modules)] {
        for (name, old, new) in rows {
            cx.ui.result(&format!("{title:<8} {name:<48} {old} -> {new}"));
        }
    }
    for (title, entries) in [
        ("added", &files.added),
        ("removed", &files.removed),
        ("changed", &files.changed),
    ] {
        let bytes = entries.iter().map(|entry| entry.size).sum();
        cx.ui
            .result(&format!("files    {} {title} ({})", entries.len(), size(bytes)));
    }
    Ok(())
}

fn manifest(reader: &Reader, snapshot: &Snapshot) -> Result<Manifest> {
    let bytes = reader
        .read(snapshot, paths::MANIFEST)
        .map_err(|e| failure::of(&e))?;
    let failed =
        |e: String| Failure::failed(format!("could not read the manifest of {}", snapshot.id)).because(e);
    Manifest::from_json(&String::from_utf8_lossy(&bytes)).map_err(|e| failed(e.to_string()))
}

/// `(name, before, after)` of everything that differs.
fn lines<T: PartialEq>(
    old: &std::collections::BTreeMap<String, T>,
    new: &std::collections::BTreeMap<String, T>,
    text: impl Fn(&T) -> String,
) -> Vec<(String, String, String)> {
    let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let shown = |value: Option<&T>| value.map_or_else(|| "-".to_owned(), &text);
    all.into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| (name.clone(), shown(old.get(name)), shown(new.get(name))))
        .collect()
}

fn pairs(rows: &[(String, String, String)]) -> serde_json::Value {
    let one = |(name, old, new): &(String, String, String)| (name.clone(), serde_json::json!([old, new]));
    serde_json::Value::Object(rows.iter().map(one).collect())
}

fn names(entries: &[odoopack_repository::Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.path.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_shown() {
        let of = |pairs: &[(&str, u8)]| pairs.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect();
        let found = lines(
            &of(&[("a", 1), ("b", 2)]),
            &of(&[("b", 3), ("c", 4)]),
            u8::to_string,
        );
        let found: Vec<_> = found.iter().map(|(n, o, w)| format!("{n} {o} {w}")).collect();
        assert_eq!(found, ["a 1 -", "b 2 3", "c - 4"]);
    }
}
