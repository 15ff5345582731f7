//! `module missing`: modules that something needs and that are nowhere.
use odoopack_core::modules::{Installed, Trouble, check, provider};
use serde_json::json;

use super::{Seen, editions, wanted};
use crate::context::{Context, Pack};
use crate::failure::Result;

/// List modules that are needed and not there, and who has them
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  odoopack module missing")]
pub(crate) struct Args {
    /// Only this edition; without it all that an environment runs
    #[arg(long, value_name = "EDITION")]
    edition: Option<String>,
}

pub(super) fn run(cx: &Context, pack: &Pack, seen: &Seen, args: &Args) -> Result<()> {
    let editions = editions(pack, args.edition.as_deref())?;
    let names = editions.iter().flat_map(|(_, edition)| wanted(edition));
    let mut found = check(&seen.tree, names, &Installed::default());
    found.retain(|finding| finding.trouble == Trouble::Missing);
    let rows: Vec<_> = found
        .iter()
        .map(|finding| {
            let provider = provider(&finding.module, seen.tree.series());
            json!({ "module": finding.module, "what": finding.what, "hint": finding.hint, "provider": provider })
        })
        .collect();
    cx.ui.json(&json!(rows));
    if found.is_empty() {
        cx.ui.result("nothing is missing");
    }
    for finding in &found {
        cx.ui.result(&finding.what);
        cx.ui.result(&format!("  {}", finding.hint));
    }
    Ok(())
}
