//! `module list`: every module with its version and whose it is.
use odoopack_core::manifest::Manifest;
use odoopack_core::modules::{Module, Origin};
use serde_json::{Value, json};

use super::Seen;
use crate::context::Context;

/// List modules with version, origin and place
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  odoopack module list\n  odoopack module list --all --json")]
pub(crate) struct Args {
    /// Odoo's own modules too
    #[arg(long)]
    all: bool,
}

pub(super) fn run(cx: &Context, seen: &Seen, args: &Args) {
    let listed = |module: &&Module| args.all || module.origin != Origin::Odoo;
    let modules: Vec<&Module> = seen.tree.iter().filter(listed).collect();
    if cx.ui.json {
        let rows: Vec<_> = modules.iter().map(|module| row(seen, module)).collect();
        return cx.ui.json(&json!(rows));
    }
    if modules.is_empty() {
        return cx.ui.result("no modules besides Odoo's own");
    }
    let lines: Vec<String> = modules.iter().map(|module| line(module)).collect();
    // At once: a tree of thousands would be as many writes.
    cx.ui.result(&lines.join("\n"));
    for others in seen.tree.duplicates().filter(|others| listed(&&others[0])) {
        for other in &others[1..] {
            cx.ui.warn(&format!(
                "`{}` is in {} too, which Odoo does not take",
                other.name, other.path
            ));
        }
    }
}

fn line(module: &Module) -> String {
    let version = match &module.manifest {
        Ok(manifest) => manifest.version.as_str(),
        Err(_) => "unreadable",
    };
    format!(
        "{:<40} {version:<14} {:<20} {}",
        module.name,
        module.origin.to_string(),
        module.path
    )
}

fn row(seen: &Seen, module: &Module) -> Value {
    let others: Vec<_> = seen.tree.all(&module.name)[1..]
        .iter()
        .map(|other| &other.path)
        .collect();
    let manifest = module.manifest.as_ref();
    json!({
        "name": module.name,
        "version": manifest.ok().map(|manifest| &manifest.version),
        "title": manifest.ok().and_then(|manifest| manifest.title.as_ref()),
        "license": manifest.ok().map(Manifest::license),
        "installable": seen.tree.installable(&module.name).is_some(),
        "depends": seen.tree.depends(&module.name),
        "origin": module.origin,
        "path": module.path,
        "also_in": others,
        "error": manifest.err().map(ToString::to_string),
    })
}
