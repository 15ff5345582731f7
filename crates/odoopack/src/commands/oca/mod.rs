//! `oca`: repositories of modules, added, removed, updated and looked at; each change ends in the lock.
mod add;
mod look;
mod update;

use odoopack_core::oca_lock::Locked;

use crate::context::{self, Context, FILE, Pack};
use crate::failure::{Failure, Result};
use crate::files;
use crate::lockfile;
use crate::oca::checkout::{self, Pack as Git};
use crate::oca::{self, Workshop};

/// Work with repositories of modules: OCA's and others
#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Repositories stand in `[addons.repositories]` of the file; `oca.lock.json` names their commits. Where the pack is a git repository they are its submodules.\n\nExamples:\n  odoopack oca add project --modules project_timeline\n  odoopack oca outdated\n  odoopack oca update project"
)]
pub(crate) enum Args {
    Add(add::Args),
    Remove(add::RemoveArgs),
    Update(update::Args),
    /// Show the repositories of the file with what the lock says of them
    List,
    /// Show which branches have moved on since the lock was made
    Outdated,
    /// Show what an update of one repository would bring: commits, modules, migrations
    Log {
        /// Name of the repository
        repository: String,
    },
    /// Bring the checkouts below the pack to the commits of the lock
    Sync {
        /// Names of repositories; without any, all
        repositories: Vec<String>,
    },
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let alone = |verb: &str| super::lock::alone(cx, &format!("odoopack oca {verb}"));
    match args {
        Args::Add(args) => {
            let (pack, _held) = alone("add")?;
            add::add(cx, &pack, args)
        }
        Args::Remove(args) => {
            let (pack, _held) = alone("remove")?;
            add::remove(cx, &pack, args)
        }
        Args::Update(args) => {
            let (pack, _held) = alone("update")?;
            update::run(cx, &pack, args)
        }
        Args::List => look::list(cx, &cx.load()?),
        Args::Outdated => look::outdated(cx, &cx.load()?),
        Args::Log { repository } => look::log(cx, &cx.load()?, repository),
        Args::Sync { repositories } => {
            let (pack, _held) = alone("sync")?;
            let moved = sync(cx, &pack, repositories)?;
            cx.ui.json(&serde_json::json!({ "moved": moved }));
            cx.ui.result(&match moved.len() {
                0 => "every checkout is at the commit of the lock".to_owned(),
                _ => format!("brought to the commit of the lock: {}", moved.join(", ")),
            });
            Ok(())
        }
    }
}

/// Replaces the file by `text`, which was made of `before` a while ago.
///
/// # Errors
/// Kind `Refused` when somebody wrote the file meanwhile.
fn replace_file(pack: &Pack, before: &str, text: &str) -> Result<()> {
    let file = pack.directory.join(FILE);
    if files::read_text(&file)?.unwrap_or_default() != before {
        return Err(
            Failure::refused(format!("meanwhile `{FILE}` has changed; nothing was written"))
                .hint("run the same command again"),
        );
    }
    files::replace(&file, text.as_bytes(), 0o644, None)
}

/// The lock, which must be there.
fn locked(pack: &Pack) -> Result<odoopack_core::oca_lock::Lock> {
    oca::file::read(&pack.directory)?
        .ok_or_else(|| Failure::refused("there is no `oca.lock.json`").hint("`odoopack lock`"))
}

/// Brings checkouts to the lock; gives the names of those that were moved.
fn sync(cx: &Context, pack: &Pack, names: &[String]) -> Result<Vec<String>> {
    let lock = locked(pack)?;
    let chosen = lockfile::chosen(&lock, names)?;
    let cache = context::cache();
    let workshop = Workshop::new(&pack.loaded.spec, &pack.layout, &pack.directory, &cache)?;
    let git = Git::around(&pack.directory)?;
    let progress = cx.ui.step("check out repositories");
    let done = checkout::bring_all(&workshop, git.as_ref(), &chosen, &progress)
        .and_then(|moved| record(&workshop, git.as_ref(), &chosen).map(|()| moved));
    match done {
        Ok(moved) => {
            progress.done();
            Ok(moved)
        }
        Err(failure) => {
            progress.failed();
            Err(failure)
        }
    }
}

fn record(workshop: &Workshop<'_>, git: Option<&Git>, all: &[(&String, &Locked)]) -> Result<()> {
    git.map_or(Ok(()), |git| checkout::record(workshop, git, all))
}
