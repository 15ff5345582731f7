//! `module hash`: the checksums of modules as click-odoo-update has them.
use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::changed::{DEFAULT_PATTERNS, Selection};
use odoopack_core::manifest;

use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::observe::contents::{self, Wanted};

/// Print the checksums of modules, as click-odoo-update computes them
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Needs neither a pack nor a database. A DIR is a module, or holds modules.\n\nExamples:\n  odoopack module hash addons\n  odoopack module hash addons/shop_note --language fr_BE --language en_US --json"
)]
pub(crate) struct Args {
    /// A module, or a directory of modules
    #[arg(required = true, value_name = "DIR")]
    directories: Vec<Utf8PathBuf>,
    /// An active language; without any, every translation counts
    #[arg(long = "language", value_name = "CODE")]
    languages: Vec<String>,
    /// Patterns of files that do not count, separated by commas; without it those of click-odoo-update
    #[arg(long, value_name = "PATTERNS", allow_hyphen_values = true)]
    exclude: Option<String>,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let mut wanted = Vec::new();
    for directory in &args.directories {
        wanted.extend(modules(directory)?);
    }
    let mut seen = BTreeMap::new();
    for one in &wanted {
        if let Some(other) = seen.insert(&one.module, &one.path) {
            let twice = format!("`{}` is there twice: {other} and {}", one.module, one.path);
            return Err(Failure::new(Kind::Usage, twice));
        }
    }
    let patterns = args.exclude.as_deref().unwrap_or(DEFAULT_PATTERNS);
    let selection = Selection::new(patterns, args.languages.iter().map(String::as_str));
    let hashes = contents::checksums(&wanted, &selection)?;
    cx.ui.json(&serde_json::json!({ "checksums": hashes }));
    let width = hashes.keys().map(String::len).max().unwrap_or(0);
    for (module, checksum) in &hashes {
        cx.ui.result(&format!("{module:width$}  {checksum}"));
    }
    Ok(())
}

/// The directory itself when it is a module, else the modules in it.
fn modules(directory: &Utf8Path) -> Result<Vec<Wanted>> {
    let is_module = |path: &Utf8Path| path.join(manifest::FILE).is_file();
    let one = |path: &Utf8Path| {
        let module = path
            .canonicalize_utf8()
            .ok()
            .and_then(|path| path.file_name().map(str::to_owned));
        Wanted {
            module: module.unwrap_or_else(|| path.to_string()),
            path: path.to_owned(),
        }
    };
    if is_module(directory) {
        return Ok(vec![one(directory)]);
    }
    let unreadable =
        |e| Failure::new(Kind::Usage, format!("could not read directory `{directory}`")).because(e);
    let mut all = Vec::new();
    for entry in directory.read_dir_utf8().map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.into_path();
        if is_module(&path) {
            all.push(Wanted {
                module: path.file_name().unwrap_or_default().to_owned(),
                path,
            });
        }
    }
    if all.is_empty() {
        return Err(Failure::new(
            Kind::Usage,
            format!("`{directory}` is no module and holds none"),
        ));
    }
    Ok(all)
}
