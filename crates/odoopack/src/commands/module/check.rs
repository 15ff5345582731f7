//! `module check`: everything that is wrong with the modules of the file; exit 8 when anything is.
use std::collections::BTreeSet;

use odoopack_core::modules::{Finding, Origin, absent_directory, check};
use serde_json::json;

use super::{Seen, editions, wanted};
use crate::context::{Context, Pack};
use crate::failure::{Failure, Kind, Result};
use crate::observe::addons;

/// Check that everything an edition needs is there, once, and fits
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Looks at the modules that editions ask for, at all own modules, and at what these depend on. Exit code 8 when anything is wrong.\n\nExamples:\n  odoopack module check\n  odoopack module check --edition core --json"
)]
pub(crate) struct Args {
    /// Only this edition; without it all that an environment runs, and every own module
    #[arg(long, value_name = "EDITION")]
    edition: Option<String>,
}

pub(super) fn run(cx: &Context, pack: &Pack, seen: &Seen, args: &Args) -> Result<()> {
    let editions = editions(pack, args.edition.as_deref())?;
    let mut names: BTreeSet<&str> = editions.iter().flat_map(|(_, edition)| wanted(edition)).collect();
    if args.edition.is_none() {
        let own = seen
            .tree
            .iter()
            .filter(|module| matches!(module.origin, Origin::Own { .. }));
        names.extend(own.map(|module| module.name.as_str()));
        names.extend(
            seen.tree
                .duplicates()
                .filter_map(|all| Some(all.first()?.name.as_str())),
        );
    }
    let installed = addons::installed(&seen.tree, &pack.layout, seen.release.as_ref())?;
    let absent = addons::absent(&pack.loaded.spec, &pack.layout)?.into_iter();
    let mut found: Vec<_> = absent.map(|(key, path)| absent_directory(key, &path)).collect();
    found.extend(check(&seen.tree, names.iter().copied(), &installed));
    show(cx, seen, &found);
    if found.is_empty() {
        return Ok(());
    }
    let count = found.len();
    let what = if count == 1 {
        "one thing is".to_owned()
    } else {
        format!("{count} things are")
    };
    Err(Failure::new(
        Kind::Drift,
        format!("{what} wrong with the modules"),
    ))
}

fn show(cx: &Context, seen: &Seen, found: &[Finding]) {
    cx.ui.json(&json!(found));
    if seen.tree.get("base").is_none() {
        cx.ui
            .warn("Odoo's code is not there yet: its modules are known by name only");
    }
    if found.is_empty() {
        cx.ui.result("every module is there and fits");
    }
    for finding in found {
        cx.ui.result(&finding.what);
        cx.ui.result(&format!("  {}", finding.hint));
    }
}
