//! Looks at everything that a lock says of repositories: commits, trees, modules, checkouts, trees of releases.
use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::modules::provider;
use odoopack_core::oca_lock::{
    Break, Elsewhere, Lock, Locked, RepositorySeen, Share, module_breaks, not_taken, outside_breaks, running,
};

use super::checkout::{self, Pack, Seen};
use super::mirror::Mirror;
use super::{Workshop, merge, mirror, parallel, resolve, tree};
use crate::failure::Result;
use crate::tools::git;
use crate::ui::Progress;

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// Broken promises.
    pub(crate) breaks: Vec<Break>,
    /// What is worth knowing and breaks nothing.
    pub(crate) notes: Vec<String>,
    /// Modules that were looked at.
    pub(crate) modules: usize,
}

/// One repository, looked at.
#[derive(Default)]
struct Sight {
    report: Report,
    seen: Option<RepositorySeen>,
    /// A repository on this machine that holds the commit.
    objects: Option<Utf8PathBuf>,
}

impl Sight {
    fn add(&mut self, kind: &'static str, name: &str, what: impl Into<String>, help: impl Into<String>) {
        self.report.breaks.push(Break::new(kind, name, what, help));
    }
}

/// Looks at every repository of a lock, several at a time.
///
/// # Shape
/// With `offline` nothing is asked of the network; what only the network knows is then not judged.
pub(crate) fn repositories(
    workshop: &Workshop<'_>,
    lock: &Lock,
    offline: bool,
    progress: &Progress,
) -> Result<Report> {
    let pack = Pack::around(workshop.repo)?;
    let recorded = match (&pack, &workshop.spec.addons.oca) {
        (Some(pack), Some(directory)) => pack.recorded(&workshop.repo.join(directory))?,
        _ => BTreeMap::new(),
    };
    let all: Vec<(&String, &Locked)> = lock.repositories.iter().collect();
    let mut sights = parallel::each(
        &all,
        |(name, _)| name,
        |(name, locked)| {
            progress.detail(name);
            let mut sight = Sight::default();
            if let Some(commit) = recorded.get(*name).filter(|commit| **commit != locked.commit) {
                let what = format!(
                    "the pack's submodule is at {}, the lock at {}",
                    short(commit),
                    short(&locked.commit)
                );
                sight.add("submodule", name, what, format!("odoopack oca sync {name}"));
            }
            one(workshop, name, locked, offline, &mut sight)?;
            Ok(sight)
        },
    )?;
    running_modules(&all, &mut sights, &workshop.asked()?)?;
    let seen: BTreeMap<&str, &RepositorySeen> = all
        .iter()
        .zip(&sights)
        .filter_map(|((name, _), sight)| Some((name.as_str(), sight.seen.as_ref()?)))
        .collect();
    let elsewhere = |here: &str, module: &str| who_has(lock, &seen, here, module);
    let mut report = Report::default();
    for ((name, locked), sight) in all.iter().zip(&sights) {
        report.breaks.extend(sight.report.breaks.iter().cloned());
        report.notes.extend(sight.report.notes.iter().cloned());
        if let Some(seen) = &sight.seen {
            report.modules += locked.modules.len();
            let breaks = module_breaks(name, locked, seen, &|module| elsewhere(name, module));
            report.breaks.extend(breaks);
        }
    }
    Ok(report)
}

/// Submodules and large files that belong to no module that runs: left out, and said.
fn some_outside(seen: &RepositorySeen) -> String {
    let listed = seen
        .outside
        .iter()
        .map(|(path, what)| format!("`{path}`, {what}"));
    format!("{}: not in any release", some(&listed.collect::<Vec<_>>()))
}

/// Whether the lock says what the modules that run need of Python, and holds all of them; those of one repository can need others of another.
fn running_modules(all: &[(&String, &Locked)], sights: &mut [Sight], asked: &BTreeSet<String>) -> Result<()> {
    let nothing = RepositorySeen::default();
    let shares: Vec<Share<'_>> = all
        .iter()
        .zip(sights.iter())
        .map(|((_, locked), sight)| Share {
            modules: &locked.modules,
            seen: sight.seen.as_ref().unwrap_or(&nothing),
        })
        .collect();
    let running = running(&shares, asked);
    for (((name, locked), sight), modules) in all.iter().zip(sights).zip(running) {
        let (Some(place), Some(seen)) = (&sight.objects, &sight.seen) else {
            continue;
        };
        let outside = outside_breaks(name, &modules, seen);
        if outside.is_empty() && !seen.outside.is_empty() {
            let note = format!("{name}: the commit only points at {}", some_outside(seen));
            sight.report.notes.push(note);
        }
        sight.report.breaks.extend(outside);
        let debian = resolve::debian(place, locked.used())?;
        let python = resolve::python(place, locked.used(), &modules, seen)?;
        if python != locked.python {
            let what = format!(
                "its modules need {python:?} of Python, the lock says {:?}",
                locked.python
            );
            sight.add("python-needs", name, what, "odoopack lock");
        }
        if debian != locked.debian {
            let what = format!(
                "its `apt.txt` names {debian:?}, the lock says {:?}",
                locked.debian
            );
            sight.add("debian-needs", name, what, "odoopack lock");
        }
    }
    Ok(())
}

/// Who else has a module: a repository of the lock, a package of the lock, else what our tables say.
pub(crate) fn who_has(
    lock: &Lock,
    seen: &BTreeMap<&str, &RepositorySeen>,
    here: &str,
    module: &str,
) -> Elsewhere {
    let neighbour = seen
        .iter()
        .find(|(name, seen)| **name != here && resolve::has(seen, module));
    if let Some((name, _)) = neighbour {
        return Elsewhere::Neighbour((*name).to_owned());
    }
    let package = odoopack_core::modules::distribution(module);
    let packaged = lock
        .python
        .iter()
        .flat_map(|python| python.targets.values().flatten())
        .any(|distribution| distribution.name == package);
    if packaged {
        return Elsewhere::Package(package);
    }
    Elsewhere::Known(provider(module, lock.series))
}

fn one(workshop: &Workshop<'_>, name: &str, locked: &Locked, offline: bool, sight: &mut Sight) -> Result<()> {
    let mirror = workshop.mirror(&locked.url);
    if !offline {
        upstream(workshop, &mirror, name, locked, sight);
    }
    checked_out(workshop, name, locked, sight);
    let Some(place) = objects(workshop, &mirror, name, locked, sight)? else {
        return Ok(());
    };
    let found = mirror::tree(&place, locked.used())?;
    if found != locked.tree {
        let what = format!(
            "commit {} has tree {}, the lock says {}",
            short(locked.used()),
            short(&found),
            short(&locked.tree)
        );
        sight.add("tree", name, what, format!("odoopack oca update {name}"));
    }
    let seen = mirror::modules(&place, locked.used(), workshop.spec.odoo.series)?;
    if let Some(wanted) = workshop.spec.addons.repositories.get(name) {
        sight.report.breaks.extend(not_taken(name, wanted, locked, &seen));
    }
    sight.seen = Some(seen);
    sight.objects = Some(place.clone());
    built(workshop, &place, name, locked, sight)
}

/// Whether the commit is still what the branch grew from, and whether the merges still give the same.
fn upstream(workshop: &Workshop<'_>, mirror: &Mirror, name: &str, locked: &Locked, sight: &mut Sight) {
    let update = format!("odoopack oca update {name}");
    let head = match mirror.head(&locked.branch) {
        Ok(head) => head,
        Err(failure) => {
            sight.add(
                "upstream",
                name,
                failure.chain().join(": "),
                "check the address, the key and the network",
            );
            return;
        }
    };
    if head != locked.commit {
        let on_branch = mirror
            .follow(&locked.branch)
            .and_then(|()| mirror.on_branch(&locked.commit, &locked.branch));
        match on_branch {
            Ok(true) => sight.report.notes.push(format!(
                "{name}: `{}` has moved on to {}; `odoopack oca log {name}` says what is new",
                locked.branch,
                short(&head)
            )),
            Ok(false) => sight.add(
                "rewritten",
                name,
                format!(
                    "`{}` was rewritten: it is at {} and no longer holds {}",
                    locked.branch,
                    short(&head),
                    short(&locked.commit)
                ),
                &update,
            ),
            Err(failure) => sight.add("upstream", name, failure.chain().join(": "), &update),
        }
    }
    let again = if locked.merged.is_some() {
        merge::again(workshop, name, mirror, locked)
    } else {
        mirror.bring(&locked.commit)
    };
    if let Err(failure) = again {
        sight.add("gone", name, failure.chain().join(": "), &update);
    }
}

/// A repository on this machine that holds the commit; `None` is a break, and said.
fn objects(
    workshop: &Workshop<'_>,
    mirror: &Mirror,
    name: &str,
    locked: &Locked,
    sight: &mut Sight,
) -> Result<Option<Utf8PathBuf>> {
    if mirror.has(locked.used())? {
        return Ok(Some(mirror.place.clone()));
    }
    if let Some(place) = workshop.checkout(name)
        && place.join(".git").exists()
    {
        let data = Utf8PathBuf::from(git::checkout::git_directory(&place).read()?.trim());
        if git::tree_of(&data, locked.used()).outcome()?.status.success() {
            return Ok(Some(data));
        }
    }
    if !sight.report.breaks.iter().any(|b| b.kind == "gone") {
        let what = format!("commit {} is nowhere on this machine", short(locked.used()));
        sight.add("absent", name, what, "odoopack oca sync");
    }
    Ok(None)
}

/// Whether what people see in the pack is what the lock says.
fn checked_out(workshop: &Workshop<'_>, name: &str, locked: &Locked, sight: &mut Sight) {
    let Some(place) = workshop.checkout(name) else {
        return;
    };
    let sync = format!("odoopack oca sync {name}");
    let seen = match checkout::look(&place) {
        Ok(seen) => seen,
        // One that was cut off is a break like others, and no end of looking.
        Err(failure) => {
            sight.add("checkout", name, failure.chain().join(": "), sync);
            return;
        }
    };
    match seen {
        Seen::Absent => sight
            .report
            .notes
            .push(format!("{name}: not checked out; `{sync}`")),
        Seen::Foreign => sight.add("checkout", name, format!("`{place}` is no git repository"), sync),
        Seen::There { commit, changed } => {
            if commit != locked.used() {
                let what = format!(
                    "the checkout is at {}, the lock at {}",
                    short(&commit),
                    short(locked.used())
                );
                sight.add("checkout-moved", name, what, sync);
            }
            if !changed.is_empty() {
                let help = format!("`git -C {place} status` shows them");
                sight.add(
                    "checkout-changed",
                    name,
                    format!("changed files: {}", some(&changed)),
                    help,
                );
            }
        }
    }
}

/// Whether the tree that a release was built from is still as it was built.
fn built(
    workshop: &Workshop<'_>,
    objects: &Utf8Path,
    name: &str,
    locked: &Locked,
    sight: &mut Sight,
) -> Result<()> {
    let place = tree::place(workshop.layout, name, locked);
    if !tree::is_whole(&place) {
        return Ok(());
    }
    let changed = tree::differences(&place, objects, locked)?;
    if !changed.is_empty() {
        let what = format!("files of the release were changed: {}", some(&changed));
        sight.add(
            "release-changed",
            name,
            what,
            format!("`rm -r {place}`, then `odoopack up`"),
        );
    }
    Ok(())
}

/// The first few of many files.
pub(crate) fn some(files: &[String]) -> String {
    let first = files.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    match files.len() {
        0..=5 => first,
        more => format!("{first} and {} more", more - 5),
    }
}

fn short(commit: &str) -> &str {
    &commit[..12.min(commit.len())]
}
