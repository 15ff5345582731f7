//! `module tree`: what an edition asks for, and what each of these depends on.
use std::collections::HashSet;

use odoopack_core::modules::{Module, Reason, Tree};
use serde_json::{Value, json};

use super::{Chosen, Plan, Seen, of};
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
    if cx.ui.json {
        cx.ui.json(&document(&plan));
        return Ok(());
    }
    let mut text = String::new();
    let mut shown = HashSet::new();
    for name in &plan.wish.modules {
        branch(&mut text, tree, name, &mut shown);
    }
    let itself = |(name, reason): (&String, &Reason)| match reason {
        Reason::Auto(of) if !shown.contains(name.as_str()) => {
            Some(format!("  {} with {}", line(tree, name), of.join(", ")))
        }
        Reason::Auto(_) | Reason::Asked | Reason::NeededBy(_) => None,
    };
    let auto: Vec<String> = plan.installation.modules.iter().filter_map(itself).collect();
    if !auto.is_empty() {
        text += &format!("installed by itself\n{}\n", auto.join("\n"));
    }
    // At once: a tree of thousands would be as many writes.
    cx.ui.result(text.trim_end_matches('\n'));
    // The process ends here: to give thousands of manifests back one by one would only take time.
    std::mem::forget(plan);
    Ok(())
}

fn document(plan: &Plan) -> Value {
    let tree = &plan.tree;
    let row = |(name, reason): (&String, &Reason)| {
        let origin = tree.get(name).map(|module| &module.origin);
        let row = json!({ "depends": tree.depends(name), "origin": origin, "reason": reason });
        (name.clone(), row)
    };
    let rows: serde_json::Map<_, _> = plan.installation.modules.iter().map(row).collect();
    json!({ "edition": plan.edition, "modules": rows })
}

/// A module and, the first time it is seen, what it depends on below it.
fn branch<'a>(text: &mut String, tree: &'a Tree, name: &'a str, shown: &mut HashSet<&'a str>) {
    let mut todo = vec![(0, name)];
    while let Some((depth, name)) = todo.pop() {
        let depends = tree.depends(name);
        let again = !shown.insert(name) && !depends.is_empty();
        let more = if again { " ..." } else { "" };
        text.extend(std::iter::repeat_n("  ", depth));
        text.extend([line(tree, name).as_str(), more, "\n"]);
        if !again {
            todo.extend(depends.into_iter().rev().map(|need| (depth + 1, need)));
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
