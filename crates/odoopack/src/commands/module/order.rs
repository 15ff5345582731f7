//! `module order`: the modules of a new database in the order in which Odoo loads them.
use odoopack_core::modules::load_order;
use serde_json::json;

use super::{Chosen, Seen, of};
use crate::context::{Context, Pack};
use crate::failure::Result;

/// List the modules of a new database in the order in which Odoo loads them
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  odoopack module order --edition core")]
pub(crate) struct Args {
    #[command(flatten)]
    chosen: Chosen,
}

pub(super) fn run(cx: &Context, pack: &Pack, seen: Seen, args: &Args) -> Result<()> {
    let plan = of(pack, seen, &args.chosen)?;
    let order = load_order(&plan.tree, plan.installation.names());
    cx.ui.json(&json!(order));
    for (place, module) in order.iter().enumerate() {
        cx.ui.result(&format!("{:>4}  {}", place + 1, module.name));
    }
    Ok(())
}
