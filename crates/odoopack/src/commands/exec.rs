//! `exec`: any program as an environment sees the world.
use crate::context::Context;
use crate::failure::Result;
use crate::session;

/// Run Odoo's own program with an environment's configuration, user and variables
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  odoopack exec production -- cloc\n  odoopack exec production -- neutralize --stdout"
)]
pub(crate) struct Args {
    /// Name of the environment, such as `production`
    environment: String,
    /// Odoo's subcommand and its arguments
    #[arg(last = true, required = true, value_name = "ARGUMENT")]
    rest: Vec<String>,
}

/// Replaces this process by the program.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let (name, environment) = super::environment(&pack, &args.environment)?;
    Err(session::odoo(
        &pack,
        name,
        environment,
        &args.rest[0],
        &args.rest[1..],
    ))
}
