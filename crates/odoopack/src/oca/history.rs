//! What happened on a branch since the locked commit: commits without files are fetched for it, nothing else.
use std::collections::BTreeSet;

use odoopack_core::oca_lock::{Locked, RepositorySeen, is_pinned};
use odoopack_core::spec::Series;

use super::mirror::{self, Mirror};
use super::{Workshop, parallel};
use crate::failure::{Failure, Result};
use crate::files;
use crate::tools::git;
use crate::tools::git::history::{self, Commit};
use crate::ui::Progress;

/// Longest list of commits that is shown.
const MOST: usize = 200;

/// What an update would bring.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Ahead {
    /// Commit of the branch now.
    pub(crate) head: String,
    /// Commits between; `None` when the locked commit is not on the branch any more.
    pub(crate) count: Option<usize>,
    /// They, newest first.
    pub(crate) commits: Vec<Commit>,
    /// Modules that were not there.
    pub(crate) added: Vec<String>,
    /// Modules that are gone.
    pub(crate) removed: Vec<String>,
    /// Module, version in the lock, version now, and versions of migration scripts in between.
    pub(crate) changed: Vec<Changed>,
    /// What is merged on top and has moved.
    pub(crate) merges: Vec<Moved>,
}

impl Ahead {
    /// Whether an update would bring anything.
    pub(crate) fn is_any(&self, locked: &Locked) -> bool {
        self.head != locked.commit || !self.merges.is_empty()
    }
}

/// A pull request or branch that is merged and no longer stands where the lock has it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Moved {
    #[serde(rename = "ref")]
    pub(crate) reference: String,
    /// Commit of the lock.
    pub(crate) from: String,
    /// Commit now; `None` when the reference is gone.
    pub(crate) to: Option<String>,
}

/// A module with another version.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Changed {
    pub(crate) module: String,
    pub(crate) from: String,
    pub(crate) to: String,
    /// Versions whose migration scripts would run.
    pub(crate) migrations: Vec<String>,
    /// Whether the lock takes this module.
    pub(crate) selected: bool,
}

impl Mirror {
    /// Fetches the commits of a branch.
    pub(super) fn follow(&self, branch: &str) -> Result<()> {
        let place = self.history();
        files::directory_all(&place)?;
        let _held = files::lock(&place.with_extension("lock"))?;
        if !place.join("HEAD").is_file() {
            git::init(&place).run()?;
        }
        history::remember(&place, &self.url).run()?;
        history::fetch(&place, branch, &self.way)
            .run()
            .map_err(|failure| {
                failure
                    .during(format!(
                        "could not fetch the commits of `{branch}` from `{}`",
                        self.url
                    ))
                    .hint("check the branch and the network, then run again")
            })
    }

    /// Whether a commit is on a branch that was followed; one that nobody knows any more is not.
    ///
    /// # Errors
    /// When git cannot tell, such as without a network.
    pub(super) fn on_branch(&self, commit: &str, branch: &str) -> Result<bool> {
        let cmd = history::holds(&self.history(), commit, branch);
        let outcome = cmd.outcome()?;
        match outcome.status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ if history::is_unknown(&outcome.stderr) => Ok(false),
            _ => Err(cmd.ended_badly(&outcome)),
        }
    }

    /// The last commit of a branch before a date.
    pub(super) fn before(&self, branch: &str, date: &str) -> Result<String> {
        self.follow(branch)?;
        let text = history::before(&self.history(), branch, date).read()?;
        let commit = text.trim();
        if commit.is_empty() {
            return Err(Failure::refused(format!(
                "`{}` has no commit on `{branch}` before {date}",
                self.url
            )));
        }
        Ok(commit.to_owned())
    }
}

/// How far the branch is ahead of the lock, by its commits alone.
fn ahead(workshop: &Workshop<'_>, locked: &Locked) -> Result<Ahead> {
    let mirror = workshop.mirror(&locked.url);
    let head = mirror.head(&locked.branch)?;
    let mut ahead = Ahead {
        head,
        count: Some(0),
        commits: Vec::new(),
        added: Vec::new(),
        removed: Vec::new(),
        changed: Vec::new(),
        merges: moved(workshop, &mirror, locked)?,
    };
    if ahead.head == locked.commit {
        return Ok(ahead);
    }
    mirror.follow(&locked.branch)?;
    ahead.count = None;
    if mirror.on_branch(&locked.commit, &locked.branch)? {
        let text = history::count(&mirror.history(), &locked.commit, &locked.branch).read()?;
        ahead.count = text.trim().parse().ok();
    }
    Ok(ahead)
}

/// What of the merges stands elsewhere than in the lock.
fn moved(workshop: &Workshop<'_>, mirror: &Mirror, locked: &Locked) -> Result<Vec<Moved>> {
    let mut all = Vec::new();
    for merge in locked.merges.iter().filter(|merge| !is_pinned(&merge.reference)) {
        let other = merge.url.as_ref().map(|url| workshop.mirror(url));
        let to = other.as_ref().unwrap_or(mirror).stands_at(&merge.reference)?;
        if to.as_ref() != Some(&merge.commit) {
            all.push(Moved {
                reference: merge.reference.clone(),
                from: merge.commit.clone(),
                to,
            });
        }
    }
    Ok(all)
}

/// How far branches are ahead of the lock, several at a time.
pub(crate) fn ahead_all(
    workshop: &Workshop<'_>,
    all: &[(&String, &Locked)],
    progress: &Progress,
) -> Result<Vec<Ahead>> {
    parallel::each(
        all,
        |(name, _)| name,
        |(name, locked)| {
            progress.detail(name);
            ahead(workshop, locked)
        },
    )
}

/// What an update of a repository would bring, modules included.
pub(crate) fn log(workshop: &Workshop<'_>, locked: &Locked, series: Series) -> Result<Ahead> {
    let mut ahead = ahead(workshop, locked)?;
    if ahead.head == locked.commit {
        return Ok(ahead);
    }
    let mirror = workshop.mirror(&locked.url);
    if ahead.count.is_some() {
        let text = history::log(&mirror.history(), &locked.commit, &ahead.head, MOST).read()?;
        ahead.commits = history::parse_log(&text);
    }
    mirror.bring(&locked.commit)?;
    mirror.bring(&ahead.head)?;
    let old = mirror::modules(&mirror.place, &locked.commit, series)?;
    let new = mirror::modules(&mirror.place, &ahead.head, series)?;
    let scripts = mirror::migrations(&mirror.place, &ahead.head)?;
    let names = |seen: &RepositorySeen| seen.modules.keys().cloned().collect::<BTreeSet<_>>();
    let (before, after) = (names(&old), names(&new));
    ahead.added = after.difference(&before).cloned().collect();
    ahead.removed = before.difference(&after).cloned().collect();
    for module in before.intersection(&after) {
        let (Some(Ok(from)), Some(Ok(to))) = (old.modules.get(module), new.modules.get(module)) else {
            continue;
        };
        if from.version == to.version {
            continue;
        }
        // Scripts of `0.0.0` run at every change of version (Odoo 17.0 to 19.0, `odoo/modules/migration.py`).
        let between =
            |version: &String| version == "0.0.0" || version_of(version) > version_of(&from.version);
        let of_module = scripts
            .iter()
            .filter(|(name, version)| name == module && between(version));
        ahead.changed.push(Changed {
            module: module.clone(),
            from: from.version.clone(),
            to: to.version.clone(),
            migrations: of_module.map(|(_, version)| version.clone()).collect(),
            selected: locked.modules.contains_key(module),
        });
    }
    Ok(ahead)
}

/// A version that compares as numbers; `18.0.1.2.0` and `1.2.0` of one series are the same place.
fn version_of(text: &str) -> Vec<u64> {
    let mut numbers: Vec<u64> = text
        .split('.')
        .map(|part| part.parse().unwrap_or_default())
        .collect();
    if numbers.len() > 3 {
        numbers.drain(..2);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::version_of;

    #[test]
    fn versions_compare_as_numbers_with_or_without_the_series() {
        assert!(version_of("18.0.1.10.0") > version_of("18.0.1.9.3"));
        assert!(version_of("1.2.0") > version_of("18.0.1.1.9"));
        assert_eq!(version_of("18.0.1.1.0"), version_of("1.1.0"));
    }
}
