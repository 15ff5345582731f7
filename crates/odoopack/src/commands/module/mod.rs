//! `module`: what an environment's modules are, and what is done to them.
mod changed;
mod ground;
mod hash;
mod running;
mod test;
mod work;

use crate::context::Context;
use crate::failure::Result;

/// Look at the modules of an environment, and install, update, test or remove them
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Args {
    Changed(changed::Args),
    Install(work::Install),
    Update(work::Update),
    Uninstall(work::Uninstall),
    Test(test::Args),
    Hash(hash::Args),
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    match args {
        Args::Changed(args) => changed::run(cx, args),
        Args::Install(args) => work::install_run(cx, args),
        Args::Update(args) => work::update_run(cx, args),
        Args::Uninstall(args) => work::uninstall_run(cx, args),
        Args::Test(args) => test::run(cx, args),
        Args::Hash(args) => hash::run(cx, args),
    }
}
