//! `doctor`: what could be better, why it matters, and what helps.
use crate::context::Context;
use crate::failure::Result;

/// Look for what could be better.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// Runs the command.
pub(crate) fn run(_cx: &Context, _args: &Args) -> Result<()> {
    Ok(())
}
