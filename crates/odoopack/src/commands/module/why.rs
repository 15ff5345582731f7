//! `module why`: what brings a module into an edition.
use odoopack_core::modules::{Reason, provider, why};
use serde_json::json;

use super::{Chosen, Plan, Seen};
use crate::context::{Context, Pack};
use crate::failure::{Failure, Result};

/// Say what brings a module into an edition
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  odoopack module why stock --edition core")]
pub(crate) struct Args {
    /// Name of the module
    module: String,
    #[command(flatten)]
    chosen: Chosen,
}

pub(super) fn run(cx: &Context, pack: &Pack, seen: Seen, args: &Args) -> Result<()> {
    let name = &args.module;
    let series = seen.tree.series();
    if seen.tree.get(name).is_none() {
        let provider = provider(name, series);
        let what = format!("there is no module `{name}` here; it {provider}");
        return Err(Failure::failed(what).hint(provider.hint(name)));
    }
    let plan = super::of(pack, seen, &args.chosen)?;
    let way = why(&plan.tree, &plan.installation, name);
    let (Some(module), false) = (plan.tree.get(name), way.is_empty()) else {
        return Err(not_installed(&plan, name));
    };
    let steps: Vec<_> = way
        .iter()
        .map(|(name, reason)| json!({ "module": name, "reason": reason }))
        .collect();
    cx.ui
        .json(&json!({ "module": name, "path": module.path, "origin": module.origin, "way": steps }));
    for (name, reason) in &way {
        cx.ui.result(&sentence(&plan, name, reason));
    }
    cx.ui.result(&format!("`{name}` comes from {}", module.path));
    Ok(())
}

fn sentence(plan: &Plan, name: &str, reason: &Reason) -> String {
    match reason {
        Reason::Asked if plan.wish.modules.iter().any(|wanted| wanted == name) && name != "web" => {
            format!("edition `{}` asks for `{name}`", plan.edition)
        }
        Reason::Asked => format!("every database has `{name}`"),
        Reason::NeededBy(other) => format!("`{other}` depends on `{name}`"),
        Reason::Auto(of) if of.is_empty() => format!("`{name}` installs itself always"),
        Reason::Auto(of) => format!("`{name}` installs itself beside {}", of.join(", ")),
    }
}

fn not_installed(plan: &Plan, name: &str) -> Failure {
    Failure::failed(format!("nothing in edition `{}` brings `{name}`", plan.edition)).hint(format!(
        "write it into `modules` of [editions.{}] to have it in new databases",
        plan.edition
    ))
}
