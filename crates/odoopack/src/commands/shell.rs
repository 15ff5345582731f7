//! `shell`: Odoo's own shell on the database of an environment.
use crate::context::Context;
use crate::failure::Result;
use crate::session;

/// Open Odoo's Python shell on the database of an environment
#[derive(Debug, clap::Args)]
#[command(
    after_help = "`env` is there; changes are kept by `env.cr.commit()` only.\n\nExamples:\n  odoopack shell production\n  odoopack shell production < script.py"
)]
pub(crate) struct Args {
    /// Name of the environment, such as `production`
    environment: String,
}

/// Replaces this process by the shell.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let (name, environment) = super::environment(&pack, &args.environment)?;
    Err(session::odoo(
        &pack,
        name,
        environment,
        "shell",
        &["--no-http".to_owned()],
    ))
}
