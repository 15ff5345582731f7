//! `module tree`: what an edition asks for, and what each of these depends on.
use std::collections::BTreeSet;

use odoopack_core::modules::{Module, Reason, Tree};
use serde_json::json;

use super::{Chosen, Seen, of};
use crate::context::{Context, Pack};
use crate::failure::Result;

/// Show what an edition asks for, what that depends on, and what installs itself
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  odoopack module tree --country BE")]
pub(crate) struct Args {
    #[command(flatten)]
    chosen: Chosen,
}

pub(super) fn run(cx: &Context, pack: &Pack, seen: Seen, args: &Args) -> Result<()> {
    let plan = of(pack, seen, &args.chosen)?;
    let tree = &plan.tree;
    let rows: serde_json::Map<_, _> = plan
        .installation
        .modules
        .iter()
        .map(|(name, reason)| {
            let origin = tree.get(name).map(|module| &module.origin);
            let row = json!({ "depends": tree.depends(name), "origin": origin, "reason": reason });
            (name.clone(), row)
        })
        .collect();
    cx.ui.json(&json!({ "edition": plan.edition, "modules": rows }));
    let mut shown = BTreeSet::new();
    for name in &plan.wish.modules {
        branch(cx, tree, name, &mut shown);
    }
    let itself = |(name, reason): (&String, &Reason)| match reason {
        Reason::Auto(of) if !shown.contains(name) => Some((name.clone(), of.join(", "))),
        Reason::Auto(_) | Reason::Asked | Reason::NeededBy(_) => None,
    };
    let auto: Vec<(String, String)> = plan.installation.modules.iter().filter_map(itself).collect();
    if !auto.is_empty() {
        cx.ui.result("installed by itself");
    }
    for (name, of) in auto {
        cx.ui.result(&format!("  {} with {of}", line(tree, &name)));
    }
    Ok(())
}

/// A module and, the first time it is seen, what it depends on below it.
fn branch(cx: &Context, tree: &Tree, name: &str, shown: &mut BTreeSet<String>) {
    let mut todo = vec![(0, name.to_owned())];
    while let Some((depth, name)) = todo.pop() {
        let indent = "  ".repeat(depth);
        let depends = tree.depends(&name);
        let again = !shown.insert(name.clone()) && !depends.is_empty();
        let more = if again { " ..." } else { "" };
        cx.ui.result(&format!("{indent}{}{more}", line(tree, &name)));
        if !again {
            todo.extend(depends.into_iter().rev().map(|need| (depth + 1, need.to_owned())));
        }
    }
}

fn line(tree: &Tree, name: &str) -> String {
    let Some(Module { manifest, origin, .. }) = tree.get(name) else {
        return format!("{name} (missing)");
    };
    match manifest {
        Ok(manifest) => format!("{name} {} ({origin})", manifest.version),
        Err(_) => format!("{name} unreadable ({origin})"),
    }
}
