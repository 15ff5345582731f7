//! `restore`: what is left of restores: those that were cut off, and what they replaced.
use crate::commands::{bringing, environment};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::store::lock;

/// Put right a restore that was cut off, or remove what a restore has replaced
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A restore that was killed is finished when the new state is in place, and taken back else.\n\nExamples:\n  odoopack restore --resume\n  odoopack restore --forget-replaced production"
)]
#[group(required = true, multiple = false)]
pub(crate) struct Args {
    /// Finish, or take back, restores that were cut off
    #[arg(long)]
    resume: bool,
    /// Remove the databases and attachments that restores of this environment have replaced
    #[arg(long, value_name = "ENVIRONMENT")]
    forget_replaced: Option<String>,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    match &args.forget_replaced {
        Some(name) => forget(cx, name),
        None => resume(cx),
    }
}

fn resume(cx: &Context) -> Result<()> {
    let pack = cx.load_native("restore")?;
    let done = bringing::resume(cx, &pack)?;
    cx.ui.json(&serde_json::json!({ "resumed": done }));
    if done.is_empty() {
        cx.ui.result("no restore was cut off");
    }
    done.iter().for_each(|sentence| cx.ui.result(sentence));
    Ok(())
}

fn forget(cx: &Context, name: &str) -> Result<()> {
    let pack = cx.load_native("restore")?;
    let (name, environment) = environment(&pack, name)?;
    let view = bringing::look(&pack)?;
    let apply = super::up::applier(cx, &pack, &view);
    let replaced = crate::apply::restore::replaced::find(&apply, name, &environment.database)?;
    if replaced.is_empty() {
        cx.ui.json(&serde_json::json!({ "removed": [] }));
        cx.ui.result(&format!("nothing of {name} was replaced"));
        return Ok(());
    }
    replaced
        .names()
        .iter()
        .for_each(|what| cx.ui.say(&format!("  - remove {what}")));
    let yes = cx
        .ui
        .confirm("remove this for good?")
        .map_err(|e| Failure::failed("could not ask").because(e))?;
    if !yes {
        return Err(Failure::refused("nothing was removed").hint("`--yes` answers the question"));
    }
    let _environment = lock::take_environment(&pack.layout.state(), name, "restore --forget-replaced")?;
    replaced.remove(&apply)?;
    cx.ui.json(&serde_json::json!({ "removed": replaced.names() }));
    cx.ui.result(&format!("removed {}", replaced.names().join(", ")));
    Ok(())
}
