//! From what the file wants of a repository to what the lock says of it.
use std::collections::BTreeMap;

use camino::Utf8Path;
use odoopack_core::foreign::address;
use odoopack_core::oca_lock::{
    DEBIAN_LIST, Locked, Merged, RepositorySeen, Share, debian_line_of, is_need, is_pinned, running, taken,
};
use odoopack_core::python_pins::name_of;
use odoopack_core::spec::Repository;

use super::mirror::{self, Mirror};
use super::{Workshop, merge, parallel};
use crate::failure::{Failure, Result};
use crate::ui::Progress;

/// Which commit is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// The one of the file or the lock; the branch's own only where neither names one.
    Stay,
    /// What the branch stands at now.
    Newest,
    /// This one.
    To(String),
    /// The last one before this date.
    Before(String),
}

/// One repository to resolve.
#[derive(Clone, Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) name: &'a str,
    pub(crate) wanted: &'a Repository,
    /// What the lock says now.
    pub(crate) old: Option<&'a Locked>,
    pub(crate) to: Move,
}

/// A repository with what it holds.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) name: String,
    pub(crate) locked: Locked,
    pub(crate) seen: RepositorySeen,
}

impl Resolved {
    pub(crate) fn share(&self) -> Share<'_> {
        Share {
            modules: &self.locked.modules,
            seen: &self.seen,
        }
    }
}

/// Resolves repositories, several at a time.
pub(crate) fn resolve(
    workshop: &Workshop<'_>,
    wishes: &[Wish<'_>],
    progress: &Progress,
) -> Result<Vec<Resolved>> {
    let mut all = parallel::each(
        wishes,
        |wish| wish.name,
        |wish| {
            progress.detail(wish.name);
            one(workshop, wish).map_err(|failure| {
                failure.during(format!("could not resolve the repository `{}`", wish.name))
            })
        },
    )?;
    let running = running(
        &all.iter().map(Resolved::share).collect::<Vec<_>>(),
        &workshop.asked()?,
    );
    // Dependencies that nobody named run as well, and need their part of Python.
    for (one, modules) in all.iter_mut().zip(running) {
        let mirror = workshop.mirror(&one.locked.url);
        one.locked.python = python(&mirror.place, one.locked.used(), &modules, &one.seen)?;
    }
    Ok(all)
}

fn one(workshop: &Workshop<'_>, wish: &Wish<'_>) -> Result<Resolved> {
    let wanted = wish.wanted;
    let mirror = workshop.mirror(&wanted.url);
    let commit = commit(&mirror, wish)?;
    let merges = merges(workshop, &mirror, wish)?;
    let (result, tree) = if merges.is_empty() {
        mirror.bring(&commit)?;
        (None, mirror.tree(&commit)?)
    } else {
        let (result, tree) = merge::merged(workshop, wish.name, &mirror, &commit, &merges)?;
        (Some(result), tree)
    };
    let used = result.as_deref().unwrap_or(&commit);
    let seen = mirror::modules(&mirror.place, used, workshop.spec.odoo.series)?;
    let modules = taken(wanted, &seen);
    let debian = debian(&mirror.place, used)?;
    Ok(Resolved {
        name: wish.name.to_owned(),
        locked: Locked {
            url: wanted.url.clone(),
            branch: wanted.branch.clone(),
            commit,
            merges,
            merged: result,
            tree,
            group: wanted.group.clone(),
            modules,
            python: Vec::new(),
            debian,
        },
        seen,
    })
}

fn commit(mirror: &Mirror, wish: &Wish<'_>) -> Result<String> {
    let wanted = wish.wanted;
    let same = |old: &&Locked| address::same(&old.url, &wanted.url) && old.branch == wanted.branch;
    let kept = || wish.old.filter(same).map(|old| old.commit.clone());
    match &wish.to {
        Move::Stay => match wanted.commit.clone().or_else(kept) {
            Some(commit) => Ok(commit),
            None => mirror.head(&wanted.branch),
        },
        Move::Newest => mirror.head(&wanted.branch),
        Move::To(commit) => Ok(commit.clone()),
        Move::Before(date) => mirror.before(&wanted.branch, date),
    }
}

/// The commits to merge: those of the lock while nothing moves, else those that the references stand at now.
fn merges(workshop: &Workshop<'_>, mirror: &Mirror, wish: &Wish<'_>) -> Result<Vec<Merged>> {
    let one = |source: &odoopack_core::spec::MergeSource| -> Result<Merged> {
        let of_old = |old: &&Merged| old.reference == source.reference && old.url == source.url;
        let kept = wish.old.and_then(|old| old.merges.iter().find(of_old));
        let commit = match kept {
            Some(kept) if wish.to == Move::Stay => kept.commit.clone(),
            _ if is_pinned(&source.reference) => source.reference.clone(),
            _ => match &source.url {
                Some(url) => workshop.mirror(url).head(&source.reference)?,
                None => mirror.head(&source.reference)?,
            },
        };
        Ok(Merged {
            url: source.url.clone(),
            reference: source.reference.clone(),
            commit,
        })
    };
    wish.wanted.merges.iter().map(one).collect()
}

/// Debian packages that a repository's own list names.
pub(super) fn debian(place: &Utf8Path, commit: &str) -> Result<Vec<String>> {
    let list = mirror::read(place, commit, &[DEBIAN_LIST.to_owned()])?;
    let text = list.first().map_or("", |(_, text)| text.as_str());
    odoopack_core::oca_lock::debian_of(text).map_err(|word| {
        Failure::refused(format!(
            "`apt.txt` names {word:?}, which is no name of a Debian package"
        ))
        .hint("stay at a commit whose `apt.txt` can be read: `odoopack oca pin --help`")
    })
}

/// The line of a repository's own list that names a package; `None` where the commit is not on this machine.
pub(crate) fn debian_line(mirror: &Mirror, locked: &Locked, package: &str) -> Result<Option<usize>> {
    if !mirror.has(locked.used())? {
        return Ok(None);
    }
    let list = mirror::read(&mirror.place, locked.used(), &[DEBIAN_LIST.to_owned()])?;
    let text = list.first().map_or("", |(_, text)| text.as_str());
    Ok(debian_line_of(text, package))
}

/// What the modules need of Python; a version that the repository's own list names is taken from there.
pub(super) fn python(
    place: &Utf8Path,
    commit: &str,
    modules: &BTreeMap<String, String>,
    seen: &RepositorySeen,
) -> Result<Vec<String>> {
    let needed = odoopack_core::oca_lock::python_of(modules, seen);
    if needed.is_empty() {
        return Ok(needed);
    }
    let list = mirror::read(place, commit, &["requirements.txt".to_owned()])?;
    let lines: Vec<String> = list
        .iter()
        .flat_map(|(_, text)| text.lines())
        .map(|line| line.split('#').next().unwrap_or_default().trim().to_owned())
        .collect();
    let exact = |need: String| {
        let name = name_of(&need);
        let bare = need
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        let listed = lines
            .iter()
            .find(|line| bare && name_of(line) == name && !line.contains("git+") && is_need(line));
        listed.cloned().unwrap_or(need)
    };
    let mut all: Vec<String> = needed.into_iter().map(exact).collect();
    all.sort();
    all.dedup();
    Ok(all)
}

/// Whether a repository has a module that can be installed.
pub(crate) fn has(seen: &RepositorySeen, module: &str) -> bool {
    matches!(seen.modules.get(module), Some(Ok(found)) if found.usable())
}
