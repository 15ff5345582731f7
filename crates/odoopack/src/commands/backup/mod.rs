//! `backup`: snapshots of environments made, listed, looked into; backups of others brought in and written out.
mod cat;
mod create;
mod diff;
mod drill;
mod export;
mod forget;
mod import;
mod key;
mod list;
mod ls;
mod offsite;
mod pin;
mod status;

pub(crate) use create::tell_missing;
use odoopack_core::name::Name;

use crate::context::{Context, Pack};
use crate::failure::{Failure, Kind, Result};

/// Make snapshots of database, filestore, configuration and secrets, look into them, bring backups in and write them out
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "A snapshot is encrypted, deduplicated and readable with stock restic: `restic -r <root>/backups snapshots`.\n\nExamples:\n  odoopack backup create\n  odoopack backup list\n  odoopack backup cat latest manifest.json"
)]
pub(crate) enum Args {
    Create(create::Args),
    List(list::Args),
    Ls(ls::Args),
    Cat(cat::Args),
    Diff(diff::Args),
    Drill(drill::Args),
    /// Keep a snapshot whatever the policy says
    Pin(pin::Args),
    /// Leave a snapshot to the policy again
    Unpin(pin::Args),
    Forget(forget::Args),
    Offsite(offsite::Args),
    Status(status::Args),
    Import(import::Args),
    Export(export::Args),
    #[command(subcommand)]
    Key(key::Args),
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    match args {
        Args::Create(args) => create::run(cx, args),
        Args::List(args) => list::run(cx, args),
        Args::Ls(args) => ls::run(cx, args),
        Args::Cat(args) => cat::run(cx, args),
        Args::Diff(args) => diff::run(cx, args),
        Args::Drill(args) => drill::run(cx, args),
        Args::Pin(args) => pin::run(cx, args, true),
        Args::Unpin(args) => pin::run(cx, args, false),
        Args::Forget(args) => forget::run(cx, args),
        Args::Offsite(args) => offsite::run(cx, args),
        Args::Status(args) => status::run(cx, args),
        Args::Import(args) => import::run(cx, args),
        Args::Export(args) => export::run(cx, args),
        Args::Key(args) => key::run(cx, args),
    }
}

/// The environment that is meant: the one named, `production`, or the only one.
pub(super) fn environment(pack: &Pack, named: Option<&Name>) -> Result<Name> {
    let all = &pack.loaded.spec.environments;
    if let Some(name) = named {
        return Ok(name.clone());
    }
    let production = all.keys().find(|name| name.as_str() == "production");
    let only = || all.keys().next().filter(|_| all.len() == 1);
    production.or_else(only).cloned().ok_or_else(|| {
        let there: Vec<_> = all.keys().map(Name::as_str).collect();
        Failure::new(Kind::Usage, "which environment?").hint(format!("name one: {}", there.join(", ")))
    })
}

/// Attachments that no backup of ours holds are said every time.
fn elsewhere(cx: &Context, count: u64) {
    if count > 0 {
        cx.ui.warn(&format!(
            "{count} attachments are kept by a module in a storage of its own: only what it keeps in the filestore itself is in this backup"
        ));
    }
}

/// A number of bytes for people.
fn size(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut number = bytes as f64;
    let mut unit = 0;
    while number >= 999.5 && unit + 1 < units.len() {
        number /= 1000.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} B")
    } else if number < 9.95 {
        format!("{number:.1} {}", units[unit])
    } else {
        format!("{number:.0} {}", units[unit])
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_have_two_or_three_digits() {
        let of = |bytes| super::size(bytes);
        assert_eq!(
            [of(0), of(999), of(1_000), of(12_345), of(999_700)].join(" "),
            "0 B 999 B 1.0 kB 12 kB 1.0 MB"
        );
        assert_eq!(of(9_960_000_000), "10 GB");
    }
}
