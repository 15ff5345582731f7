//! `lock`: write down every byte that a release is built from, and check that it is all still there.
use odoopack_core::oca_lock::{FILE, Target, schema};

use crate::context::{Context, FILE as PACK_FILE, Pack};
use crate::failure::{Failure, Kind, Result};
use crate::files;
use crate::lockfile::{self, Made, Request};
use crate::oca::resolve::Move;
use crate::store::lock;

/// Lock Odoo, repositories of modules and Python packages in `oca.lock.json`, or check the lock
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "What the lock names already stays as it is; only what the file wants and the lock does not have is added. Releases are built from the lock alone. Python packages are chosen for this machine, and again for every other one that the lock names: its Python version, processor and C library.\n\nExamples:\n  odoopack lock\n  odoopack lock --target '3.12 x86_64 glibc'\n  odoopack lock --update --dry-run\n  odoopack lock verify --offline"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Move everything to what its source has now: Odoo, branches, Python packages
    #[arg(long)]
    update: bool,
    /// Machine to choose Python packages for as well, such as `3.12 x86_64 glibc`; may be repeated
    #[arg(long = "target", value_name = "MACHINE")]
    targets: Vec<Target>,
    /// Machine that the lock shall not serve any more; may be repeated
    #[arg(long = "drop-target", value_name = "MACHINE")]
    drop_targets: Vec<Target>,
    /// Show what would change and write nothing into the pack
    #[arg(long)]
    dry_run: bool,
    /// Print the JSON Schema of the file and stop
    #[arg(long, conflicts_with_all = ["update", "targets", "drop_targets", "dry_run"])]
    schema: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check every promise of the lock; exit code 8 names each one that is broken
    #[command(
        after_help = "With the network it also asks whether each commit is still on its branch and each package can still be had.\n\nExamples:\n  odoopack lock verify\n  odoopack lock verify --offline --json"
    )]
    Verify {
        /// Ask nothing of the network: what is on this machine must be enough
        #[arg(long)]
        offline: bool,
    },
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    if args.schema {
        let text = serde_json::to_string_pretty(&schema())
            .map_err(|e| Failure::failed("could not print the schema").because(e))?;
        crate::ui::out(&text);
        return Ok(());
    }
    match &args.command {
        Some(Command::Verify { offline }) => verify(cx, &cx.load()?, *offline),
        None => {
            let (pack, _held) = alone(cx, "odoopack lock")?;
            lock(cx, &pack, args)
        }
    }
}

/// Takes the pack's lock, then reads its file: what it says stays true until the lock is free.
///
/// # Errors
/// Kind `Locked` when somebody else works on the pack.
pub(super) fn alone(cx: &Context, why: &str) -> Result<(Pack, lock::Lock)> {
    let pack = cx.load()?;
    let state = pack.layout.state();
    lock::make_place(&state)?;
    let held = lock::take(&state, why)?;
    let text = files::read_text(&pack.directory.join(PACK_FILE))?.unwrap_or_default();
    Ok((cx.load_text(&pack, &text)?, held))
}

fn lock(cx: &Context, pack: &Pack, args: &Args) -> Result<()> {
    let series = pack.loaded.spec.odoo.series;
    for target in &args.targets {
        if let Some(misfit) = target.misfit(series) {
            return Err(Failure::new(Kind::Usage, format!("nothing runs on {target}"))
                .because(misfit)
                .hint("`python3 --version` on the server says which it has"));
        }
    }
    let held = |wanted: &odoopack_core::spec::Repository| wanted.commit.is_some();
    let all = pack.loaded.spec.addons.repositories.iter();
    let moving = all.filter(|(_, wanted)| args.update && !held(wanted));
    let request = Request {
        odoo: args.update,
        python: args.update,
        moves: moving.map(|(name, _)| (name.clone(), Move::Newest)).collect(),
        more: args.targets.clone(),
        less: args.drop_targets.clone(),
    };
    let made = make(cx, pack, &request, args.dry_run)?;
    show(cx, pack, &made, args.dry_run);
    Ok(())
}

/// Makes the lock and writes it, unless it is only to be shown.
pub(super) fn make(cx: &Context, pack: &Pack, request: &Request, dry_run: bool) -> Result<Made> {
    let progress = cx.ui.step("lock Odoo, repositories and Python packages");
    let work = || lockfile::make(&cx.ui, pack, request, &progress);
    let made = if dry_run {
        lockfile::without_deciding(pack, work)
    } else {
        work()
    };
    let made = match made {
        Ok(made) => made,
        Err(failure) => {
            progress.failed();
            return Err(failure);
        }
    };
    progress.done();
    if !dry_run {
        lockfile::write(pack, &made.lock)?;
    }
    Ok(made)
}

/// Says what changed.
pub(super) fn show(cx: &Context, pack: &Pack, made: &Made, dry_run: bool) {
    let path = pack.directory.join(FILE);
    cx.ui
        .json(&serde_json::json!({ "lock": path, "written": !dry_run, "changes": made.changes }));
    for change in &made.changes {
        cx.ui.result(&change.to_string());
    }
    let end = match (made.changes.is_empty(), dry_run) {
        (true, _) => "nothing has changed".to_owned(),
        (false, true) => "nothing was written".to_owned(),
        (false, false) => format!("wrote {path}; `odoopack up` builds from it"),
    };
    cx.ui.result(&end);
}

fn verify(cx: &Context, pack: &Pack, offline: bool) -> Result<()> {
    let progress = cx.ui.step("look at everything that the lock names");
    let found = match lockfile::verify(&cx.ui, pack, offline, &progress) {
        Ok(found) => found,
        Err(failure) => {
            progress.failed();
            return Err(failure);
        }
    };
    progress.done();
    let counts = serde_json::json!({
        "repositories": found.repositories, "modules": found.modules, "packages": found.packages,
    });
    cx.ui.json(&serde_json::json!({
        "kept": found.breaks.is_empty(), "offline": offline, "checked": counts,
        "breaks": found.breaks, "notes": found.notes,
    }));
    for broken in &found.breaks {
        cx.ui.result(&format!(
            "broken: {}: {}\n        {}",
            broken.about,
            broken.what,
            broken.hint()
        ));
    }
    for note in &found.notes {
        cx.ui.result(&format!("note: {note}"));
    }
    if found.breaks.is_empty() {
        cx.ui.result(&format!(
            "kept: {} repositories, {} modules, {} Python packages are as the lock says",
            found.repositories, found.modules, found.packages
        ));
        return Ok(());
    }
    Err(Failure::new(
        Kind::Drift,
        format!("the lock does not hold: {} broken", found.breaks.len()),
    ))
}
