//! `plan`: what `up` would do now.
use odoopack_core::plan::Plan;
use odoopack_core::up::{Consent, plan};

use super::up;
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::lockfile;
use crate::observe;
use crate::store::left;
use crate::ui::Ui;

/// Show what `up` would do, and change nothing
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  odoopack plan\n  odoopack plan --exit-code || echo something to do")]
pub(crate) struct Args {
    /// Exit with 8 when there is anything to do
    #[arg(long)]
    exit_code: bool,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    lockfile::debian_is_locked(&pack)?;
    left::came_in(&pack.layout.state())?;
    let view = observe::look(&pack)?;
    let next = plan(&pack.loaded.spec, &view.target, &view.facts, Consent::default());
    tell(&cx.ui, &next)?;
    if args.exit_code && !next.is_empty() {
        return Err(
            Failure::new(Kind::Drift, format!("{} steps to do", next.steps.len())).hint("`odoopack up`"),
        );
    }
    Ok(())
}

/// Prints a plan as a result: what a `--dry-run` gives as well.
pub(crate) fn tell(ui: &Ui, next: &Plan) -> Result<()> {
    ui.json(&serde_json::json!(next));
    up::refuse(next)?;
    let mut lines: Vec<String> = next
        .groups()
        .iter()
        .map(|(sentence, _)| format!("  - {sentence}"))
        .collect();
    lines.extend(next.then.iter().map(|then| format!("    then: {then}")));
    if !lines.is_empty() {
        lines.extend(next.notes.iter().map(|note| format!("  note: {note}")));
    }
    ui.result(if lines.is_empty() {
        "nothing to do"
    } else {
        "`odoopack up` would"
    });
    for line in &lines {
        ui.result(line);
    }
    Ok(())
}
