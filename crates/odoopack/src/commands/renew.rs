//! `renew`: issue again the certificates of the pack's own authority that end soon, and let nginx read them.
use odoopack_core::up::renewals;

use super::up;
use crate::context::Context;
use crate::failure::Result;
use crate::observe;

/// Renew certificates of the pack's own authority that end within 30 days
#[derive(Debug, clap::Args)]
#[command(
    after_help = "nginx also reads a certificate of `tls` again that was replaced. Changes nothing else, whatever the file says by now. The schedule runs this every day.\n\nExamples:\n  odoopack renew --dry-run\n  odoopack renew"
)]
pub(crate) struct Args {
    /// Show what would be renewed and stop
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let view = observe::look(&pack)?;
    let plan = renewals(&view.target, &view.facts);
    up::show(&cx.ui, &plan);
    if !args.dry_run && !plan.is_empty() {
        up::apply_only(cx, &pack, &view, &plan)?;
    }
    cx.ui
        .json(&serde_json::json!({ "steps": plan.steps, "done": !args.dry_run }));
    if plan.is_empty() {
        cx.ui.result("nothing to do");
    }
    Ok(())
}
