//! `oca update`: repositories to newer commits; the lock says which, checkouts follow.
use odoopack_core::oca_lock::is_pinned;
use odoopack_core::spec::repositories::move_commit;

use crate::context::{Context, FILE, Pack};
use crate::failure::{Failure, Kind, Result};
use crate::files;
use crate::lockfile::Request;
use crate::oca::resolve::Move;

/// Move repositories to the newest commit of their branch, or to another one
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without names every repository moves, except those that the file holds at a commit.\n\nExamples:\n  odoopack oca update --dry-run\n  odoopack oca update project --to 5bbd81fed7a9b68e365e7781750a67b72eb2691a\n  odoopack oca update --before 2026-01-31"
)]
pub(crate) struct Args {
    /// Names of repositories
    #[arg(value_name = "REPOSITORY")]
    repositories: Vec<String>,
    /// Full commit id; for one repository
    #[arg(long, value_name = "SHA", conflicts_with = "before")]
    to: Option<String>,
    /// The last commit before this date
    #[arg(long, value_name = "DATE")]
    before: Option<String>,
    /// Show what would change and write nothing into the pack
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(cx: &Context, pack: &Pack, args: &Args) -> Result<()> {
    let names = names(cx, pack, args)?;
    let to = target(args, names.len())?;
    let request = Request {
        moves: names.iter().map(|name| (name.clone(), to.clone())).collect(),
        ..Request::default()
    };
    let before = files::read_text(&pack.directory.join(FILE))?.unwrap_or_default();
    let made = super::super::lock::make(cx, pack, &request, true)?;
    let mut text = before.clone();
    for name in &names {
        if let Some(locked) = made.lock.repositories.get(name) {
            text = move_commit(&text, name, &locked.commit)
                .map_err(|e| Failure::new(Kind::Spec, format!("`{FILE}` is no TOML")).because(e))?;
        }
    }
    let changed = cx.load_text(pack, &text)?;
    if !args.dry_run {
        super::replace_file(pack, &before, &text)?;
        crate::lockfile::write(&changed, &made.lock)?;
        super::sync(cx, &changed, &names)?;
    }
    super::super::lock::show(cx, &changed, &made, args.dry_run);
    Ok(())
}

/// Those that were named, else all that the file does not hold.
fn names(cx: &Context, pack: &Pack, args: &Args) -> Result<Vec<String>> {
    let all = &pack.loaded.spec.addons.repositories;
    if let Some(unknown) = args.repositories.iter().find(|name| !all.contains_key(*name)) {
        return Err(
            Failure::refused(format!("the file has no repository `{unknown}`"))
                .hint(format!("`odoopack oca list`, or `odoopack oca add {unknown}`")),
        );
    }
    if !args.repositories.is_empty() {
        return Ok(args.repositories.clone());
    }
    let (held, free): (Vec<_>, Vec<_>) = all.iter().partition(|(_, wanted)| wanted.commit.is_some());
    for (name, _) in held {
        cx.ui.say(&format!(
            "{name} stays: the file holds it at a commit; `odoopack oca update {name}` moves it"
        ));
    }
    Ok(free.into_iter().map(|(name, _)| name.clone()).collect())
}

fn target(args: &Args, names: usize) -> Result<Move> {
    match (&args.to, &args.before) {
        (Some(to), _) => {
            let commit = to.to_ascii_lowercase();
            if !is_pinned(&commit) {
                return Err(Failure::new(Kind::Usage, format!("`{to}` is no full commit id"))
                    .hint("write all 40 characters, as `git rev-parse` prints them"));
            }
            if names != 1 {
                return Err(Failure::new(Kind::Usage, "`--to` moves one repository").hint("name it"));
            }
            Ok(Move::To(commit))
        }
        (None, Some(date)) => {
            let date: jiff::civil::Date = date.parse().map_err(|e| {
                Failure::new(Kind::Usage, format!("`{date}` is no date"))
                    .because(e)
                    .hint("write it as 2026-01-31")
            })?;
            Ok(Move::Before(format!("{date} 00:00:00 +0000")))
        }
        (None, None) => Ok(Move::Newest),
    }
}
