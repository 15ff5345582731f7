//! Git repositories of modules: mirrors, merges, checkouts, trees of releases, and the lock that pins them.
pub(crate) mod access;
mod asked;
pub(crate) mod checkout;
pub(crate) mod file;
#[cfg(test)]
mod fixture;
mod history;
mod merge;
pub(crate) mod mirror;
mod parallel;
pub(crate) mod resolve;
pub(crate) mod tree;
pub(crate) mod verify;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::layout::Layout;
use odoopack_core::oca_lock::{Lock, Locked};
use odoopack_core::spec::Spec;

use crate::failure::Result;
use crate::ui::Progress;
use access::Access;
pub(crate) use history::{Ahead, Moved, ahead_all, log};
use mirror::Mirror;

/// What the work on repositories needs to know.
#[derive(Debug)]
pub(crate) struct Workshop<'a> {
    /// The file.
    pub(crate) spec: &'a Spec,
    /// Where things go.
    pub(crate) layout: &'a Layout,
    /// Directory of the file.
    pub(crate) repo: &'a Utf8Path,
    /// The user's cache directory for us.
    pub(crate) cache: &'a Utf8Path,
    access: Access,
}

impl<'a> Workshop<'a> {
    /// Everything that is needed, keys of hosts included.
    pub(crate) fn new(
        spec: &'a Spec,
        layout: &'a Layout,
        repo: &'a Utf8Path,
        cache: &'a Utf8Path,
    ) -> Result<Self> {
        Ok(Self {
            spec,
            layout,
            repo,
            cache,
            access: Access::of(spec, layout)?,
        })
    }

    /// The mirror of an address.
    pub(crate) fn mirror(&self, url: &str) -> Mirror {
        Mirror::of(self.cache, url, self.access.way(url))
    }

    /// Where a repository is checked out for people; `None` without a directory in the file.
    pub(crate) fn checkout(&self, name: &str) -> Option<Utf8PathBuf> {
        let directory = self.spec.addons.oca.as_ref()?;
        Some(self.repo.join(directory).join(name))
    }

    /// Brings the commit that a lock names into the mirror, merged again where it is the result of merges.
    ///
    /// # Errors
    /// When a commit is gone, and when merging gives another tree than the lock says.
    pub(crate) fn bring(&self, name: &str, locked: &Locked) -> Result<Mirror> {
        let mirror = self.mirror(&locked.url);
        if let Some(merged) = &locked.merged {
            if !mirror.has(merged)? {
                merge::again(self, name, &mirror, locked)?;
            }
        } else {
            mirror.bring(&locked.commit)?;
        }
        Ok(mirror)
    }

    /// Builds the tree of every repository of a lock, several at a time.
    pub(crate) fn build_trees(&self, lock: &Lock, progress: &Progress) -> Result<()> {
        let all: Vec<(&String, &Locked)> = lock.repositories.iter().collect();
        let build = |(name, locked): &(&String, &Locked)| {
            let place = tree::place(self.layout, name, locked);
            if tree::is_whole(&place) {
                return Ok(());
            }
            progress.detail(name);
            tree::build(&place, &self.bring(name, locked)?, locked)
        };
        parallel::each(&all, |(name, _)| name, build).map(drop)
    }
}
