//! `engine`: from one engine to the other in the same root. What the old one made is put aside, never removed; the data come as snapshots.
mod alone;
mod aside;
mod back;
mod enter;
mod leave;

use crate::context::Context;
use crate::failure::Result;

/// Take a pack from one engine to the other, in the same root and both ways
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "`leave` with the old engine in the file, then write the new one, then `enter`. What the old engine made is kept as it was below `<root>/aside`, and `back` puts it in its place again. Sessions do not come along: people log in again.\n\nExamples:\n  odoopack engine leave --dry-run\n  odoopack engine leave --yes\n  odoopack engine enter --yes\n  odoopack engine back --yes"
)]
pub(crate) enum Args {
    /// Stop the pack, make a snapshot of each environment, and put aside what the engine of the file made
    Leave(Run),
    /// Build the pack with the engine of the file, and bring what was left into it; jobs and outgoing mail of production are held
    Enter(Run),
    /// Put back what was left, as it was; what the other engine made is put aside instead
    Back(Run),
}

/// How.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Run {
    /// Show what would be done and stop
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    match args {
        Args::Leave(run) => leave::run(cx, *run),
        Args::Enter(run) => enter::run(cx, *run),
        Args::Back(run) => back::run(cx, *run),
    }
}

/// Shows what will be done and asks; false when it shall only be shown.
fn agreed(cx: &Context, run: Run, steps: &[String], question: &str) -> Result<bool> {
    use crate::failure::Failure;
    if run.dry_run {
        cx.ui.json(&serde_json::json!({ "plan": steps }));
        steps.iter().for_each(|step| cx.ui.result(&format!("  - {step}")));
        return Ok(false);
    }
    steps.iter().for_each(|step| cx.ui.say(&format!("  - {step}")));
    let yes = cx
        .ui
        .confirm(question)
        .map_err(|e| Failure::failed("could not ask").because(e))?;
    if yes {
        return Ok(true);
    }
    Err(Failure::refused("nothing was changed").hint("`--yes` answers the question"))
}
