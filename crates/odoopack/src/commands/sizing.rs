//! `sizing`: the resource plan of this machine, with its sums.
use odoopack_core::facts::Seen;

use crate::context::Context;
use crate::failure::Result;
use crate::observe;

/// Show how cores, memory and connections are shared out, and why
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Any value can be set by hand in odoopack.toml; what then does not fit is said here.\n\nExample:\n  odoopack sizing"
)]
pub(crate) struct Args {}

/// Runs the command.
pub(crate) fn run(cx: &Context, _args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let host = observe::host::host(pack.layout.root())?;
    let spec = &pack.loaded.spec;
    let server = observe::given::look(spec, &pack.layout)?;
    if let Seen::Unknown(why) = &server {
        cx.ui.warn(&format!(
            "the database server could not be asked for its connections: {why}"
        ));
    }
    let sizing = observe::size(spec, &host, &server)?;
    cx.ui.json(&serde_json::json!(sizing));
    cx.ui.result("   memory conns  for");
    sizing
        .explain
        .iter()
        .for_each(|line| cx.ui.result(&line.to_string()));
    sizing
        .problems
        .iter()
        .for_each(|problem| cx.ui.warn(&problem.to_string()));
    Ok(())
}
