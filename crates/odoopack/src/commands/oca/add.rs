//! `oca add`, `oca remove`: the file, then the lock, then the checkout.
use std::collections::BTreeMap;

use camino::Utf8Path;
use odoopack_core::foreign::address;
use odoopack_core::oca_lock::RepositorySeen;
use odoopack_core::spec::Series;
use odoopack_core::spec::repositories::{NewRepository, add_repository, remove_repository};

use crate::context::{self, Context, FILE, Pack};
use crate::failure::{Failure, Kind, Result};
use crate::files;
use crate::lockfile::Request;
use crate::oca::checkout::{self, Pack as Git};
use crate::oca::{Workshop, mirror, resolve};

/// Add repositories, or modules of repositories that are there
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A module of `--modules` goes to the named repository that has it; a repository that gets none is taken whole.\n\nExamples:\n  odoopack oca add project helpdesk --modules project_timeline\n  odoopack oca add web --merge refs/pull/1234/head\n  odoopack oca add git@git.example.com:acme/addons.git --branch 18.0-acme"
)]
pub(crate) struct Args {
    /// Names of OCA's repositories, or clone URLs
    #[arg(required = true, value_name = "REPOSITORY")]
    repositories: Vec<String>,
    /// Modules to take, separated by commas
    #[arg(long, value_delimiter = ',', num_args = 1.., value_name = "MODULE")]
    modules: Vec<String>,
    /// Branch instead of the series' own
    #[arg(long)]
    branch: Option<String>,
    /// What to merge on top: REF, or `URL REF`; may be given several times
    #[arg(long = "merge", value_name = "REF")]
    merges: Vec<String>,
    /// Group of `[addons.groups]`
    #[arg(long)]
    group: Option<String>,
    /// Show what would change and write nothing into the pack
    #[arg(long)]
    dry_run: bool,
}

/// Remove repositories from file, lock and pack
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A checkout with changed files is never removed.\n\nExamples:\n  odoopack oca remove helpdesk"
)]
pub(crate) struct RemoveArgs {
    /// Names of repositories
    #[arg(required = true, value_name = "REPOSITORY")]
    repositories: Vec<String>,
    /// Show what would change and write nothing into the pack
    #[arg(long)]
    dry_run: bool,
}

/// One repository to add.
struct New {
    name: String,
    url: Option<String>,
}

pub(super) fn add(cx: &Context, pack: &Pack, args: &Args) -> Result<()> {
    let new: Vec<New> = args
        .repositories
        .iter()
        .map(|text| named(text))
        .collect::<Result<_>>()?;
    let file = pack.directory.join(FILE);
    let before = files::read_text(&file)?.unwrap_or_default();
    // First without modules: only then can be seen who has them.
    let text = written(&before, &new, args, &BTreeMap::new())?;
    let bare = cx.load_text(pack, &text)?;
    let modules = distributed(cx, &bare, &new, &args.modules)?;
    let text = written(&before, &new, args, &modules)?;
    let changed = cx.load_text(pack, &text)?;
    let made = super::super::lock::make(cx, &changed, &Request::default(), true)?;
    if !args.dry_run {
        super::replace_file(pack, &before, &text)?;
        crate::lockfile::write(&changed, &made.lock)?;
        let names: Vec<String> = new.iter().map(|new| new.name.clone()).collect();
        super::sync(cx, &changed, &names)?;
    }
    super::super::lock::show(cx, &changed, &made, args.dry_run);
    Ok(())
}

fn named(text: &str) -> Result<New> {
    let is_url = text.contains(':') || text.starts_with('/');
    let name = if is_url {
        address::name(text)
    } else {
        text.rsplit('/').next().unwrap_or(text)
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.starts_with('-') || !name.chars().all(plain) {
        return Err(
            Failure::new(Kind::Usage, format!("`{text}` is no name of a repository"))
                .hint("write OCA's name such as `project`, or a clone URL"),
        );
    }
    Ok(New {
        name: name.to_owned(),
        url: is_url.then(|| text.to_owned()),
    })
}

fn written(
    before: &str,
    new: &[New],
    args: &Args,
    modules: &BTreeMap<String, Vec<String>>,
) -> Result<String> {
    let mut text = before.to_owned();
    for one in new {
        let repository = NewRepository {
            url: one.url.clone(),
            branch: args.branch.clone(),
            modules: modules.get(&one.name).cloned().unwrap_or_default(),
            merges: args.merges.clone(),
            group: args.group.clone(),
        };
        text = add_repository(&text, &one.name, &repository).map_err(not_toml)?;
    }
    Ok(text)
}

fn not_toml(e: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::new(Kind::Spec, format!("`{FILE}` is no TOML")).because(e)
}

/// Which of the new repositories has which module.
fn distributed(
    cx: &Context,
    pack: &Pack,
    new: &[New],
    modules: &[String],
) -> Result<BTreeMap<String, Vec<String>>> {
    if modules.is_empty() {
        return Ok(BTreeMap::new());
    }
    let spec = &pack.loaded.spec;
    let cache = context::cache();
    let workshop = Workshop::new(spec, &pack.layout, &pack.directory, &cache)?;
    let progress = cx.ui.step("look who has the modules");
    let look = || -> Result<BTreeMap<String, RepositorySeen>> {
        let mut all = BTreeMap::new();
        for one in new {
            progress.detail(&one.name);
            all.insert(
                one.name.clone(),
                seen(&workshop, pack, &one.name, spec.odoo.series)?,
            );
        }
        Ok(all)
    };
    let seen = match look() {
        Ok(seen) => seen,
        Err(failure) => {
            progress.failed();
            return Err(failure);
        }
    };
    progress.done();
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for module in modules {
        let owner = seen.iter().find(|(_, seen)| resolve::has(seen, module));
        // What nobody has goes to the first: the judgement of the lock says why it cannot be.
        let owner = owner.map_or(&new[0].name, |(name, _)| name);
        all.entry(owner.clone()).or_default().push(module.clone());
    }
    Ok(all)
}

/// What a repository holds: at its locked commit, else at the branch's.
fn seen(workshop: &Workshop<'_>, pack: &Pack, name: &str, series: Series) -> Result<RepositorySeen> {
    let wanted = pack.loaded.spec.addons.repositories.get(name);
    let wanted = wanted.ok_or_else(|| Failure::failed(format!("the file has no repository `{name}`")))?;
    let salvaged = crate::oca::file::salvage(&pack.directory)?;
    let old = salvaged
        .as_ref()
        .and_then(|(lock, _)| lock.repositories.get(name));
    let mirror = workshop.mirror(&wanted.url);
    let commit = match wanted
        .commit
        .clone()
        .or_else(|| old.map(|old| old.commit.clone()))
    {
        Some(commit) => commit,
        None => mirror.head(&wanted.branch)?,
    };
    mirror.bring(&commit)?;
    mirror::modules(&mirror.place, &commit, series)
}

pub(super) fn remove(cx: &Context, pack: &Pack, args: &RemoveArgs) -> Result<()> {
    let file = pack.directory.join(FILE);
    let before = files::read_text(&file)?.unwrap_or_default();
    let mut text = before.clone();
    for name in &args.repositories {
        if !pack.loaded.spec.addons.repositories.contains_key(name) {
            return Err(
                Failure::refused(format!("the file has no repository `{name}`")).hint("`odoopack oca list`")
            );
        }
        text = remove_repository(&text, name).map_err(not_toml)?;
    }
    let changed = cx.load_text(pack, &text)?;
    let made = super::super::lock::make(cx, &changed, &Request::default(), true)?;
    if !args.dry_run {
        take_away(pack, &args.repositories)?;
        super::replace_file(pack, &before, &text)?;
        crate::lockfile::write(&changed, &made.lock)?;
    }
    super::super::lock::show(cx, &changed, &made, args.dry_run);
    Ok(())
}

/// Removes the checkouts first: one that holds changes stops everything.
fn take_away(pack: &Pack, names: &[String]) -> Result<()> {
    let cache = context::cache();
    let workshop = Workshop::new(&pack.loaded.spec, &pack.layout, &pack.directory, &cache)?;
    let git = Git::around(Utf8Path::new(&pack.directory))?;
    for name in names {
        checkout::remove(&workshop, git.as_ref(), name)?;
    }
    Ok(())
}
