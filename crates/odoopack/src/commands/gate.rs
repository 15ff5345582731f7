//! `gate`: the proxy between nginx and Odoo; the supervisor runs it.
use camino::Utf8PathBuf;

use crate::failure::{Failure, Result};

/// Run the proxy between nginx and Odoo (the supervisor does this).
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The rendered gate.json
    #[arg(long)]
    config: Utf8PathBuf,
}

/// Runs until it is asked to stop.
pub(crate) fn run(args: &Args) -> Result<()> {
    crate::gate::run(&args.config).map_err(|e| {
        let hint = e.hint();
        Failure::failed(format!("the gate of `{}` ended", args.config))
            .because(e)
            .hint(hint)
    })
}
