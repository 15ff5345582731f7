//! `gate`: the proxy between nginx and Odoo; the supervisor runs it.
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::gate::Request;

use crate::failure::{Failure, Result};

/// How long a gate that works may take to say so; Docker gives up after 8 s.
const ANSWER: Duration = Duration::from_secs(5);

/// Run the proxy between nginx and Odoo (the supervisor does this).
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The rendered gate.json
    #[arg(long)]
    config: Utf8PathBuf,
    /// Ask the one that runs whether it answers; for the health check of its container
    #[arg(long, hide = true)]
    check: bool,
}

/// Runs until it is asked to stop, or asks the one that runs.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.check {
        return check(&args.config);
    }
    crate::gate::run(&args.config).map_err(|e| {
        let hint = e.hint();
        Failure::failed(format!("the gate of `{}` ended", args.config))
            .because(e)
            .hint(hint)
    })
}

fn check(config: &Utf8Path) -> Result<()> {
    let unwell = || Failure::failed(format!("the gate of `{config}` is not well"));
    let known = crate::gate::read_config(config).map_err(|e| unwell().because(e))?;
    let answer = crate::gate::call(&known.control, &Request::Status {}, ANSWER);
    answer.map(drop).map_err(|e| unwell().because(e))
}
