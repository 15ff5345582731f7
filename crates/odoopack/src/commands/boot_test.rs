//! `boot-test`: what a drill starts in a network namespace of its own.
use camino::Utf8PathBuf;

use crate::apply::restore::boot::{Inside, beside, inside};
use crate::commands::environment;
use crate::context::Context;
use crate::failure::Result;

/// Start Odoo on a drilled copy and look at it; started by `backup drill`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Environment
    environment: String,
    /// Database of the copy
    #[arg(long)]
    database: String,
    /// Who signs in
    #[arg(long)]
    login: String,
    /// Configuration of the copy; without it Odoo runs already, in the network that this is in
    #[arg(long)]
    conf: Option<Utf8PathBuf>,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let Some(conf) = &args.conf else {
        return beside(&args.database, &args.login);
    };
    let pack = cx.load()?;
    let (name, _) = environment(&pack, &args.environment)?;
    let told = Inside {
        environment: name.clone(),
        database: args.database.clone(),
        login: args.login.clone(),
        conf: conf.clone(),
    };
    inside(&pack, &told)
}
