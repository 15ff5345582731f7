//! `backup`: environments in and out.
mod export;
mod import;

use crate::context::Context;
use crate::failure::Result;

/// Bring backups in and write them out
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Args {
    Import(import::Args),
    Export(export::Args),
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    match args {
        Args::Import(args) => import::run(cx, args),
        Args::Export(args) => export::run(cx, args),
    }
}
