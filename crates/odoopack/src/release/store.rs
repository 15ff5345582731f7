//! Package files in the cache: fetched by apt, checked by hash, kept for every release.
use camino::{Utf8Path, Utf8PathBuf};

use super::apt_state::Apt;
use super::download::{self, human};
use crate::failure::{Failure, Result};
use crate::files;
use crate::tools::apt_private::{self, Package};
use crate::ui::Progress;

/// Package files in the cache, by hash.
#[derive(Clone, Copy)]
pub(super) struct Store<'a> {
    pub(super) cache: &'a Utf8Path,
    pub(super) suite: &'a str,
    pub(super) mirror: Option<&'a str>,
}

impl Store<'_> {
    /// Gives the files of packages, downloading those that are not there or not as they should be.
    pub(super) fn get(&self, packages: &[&Package], progress: &Progress) -> Result<Vec<Utf8PathBuf>> {
        let mut absent = Vec::new();
        for package in packages {
            if !download::is_file_with(&self.place(package), &package.sha256)? {
                absent.push(*package);
            }
        }
        if !absent.is_empty() {
            self.download(&absent, progress)?;
        }
        Ok(packages.iter().map(|package| self.place(package)).collect())
    }

    /// Where a package's file is, or would be.
    pub(super) fn place(&self, package: &Package) -> Utf8PathBuf {
        self.cache
            .join("debs")
            .join(format!("{}-{}.deb", package.sha256, package.name))
    }

    /// Downloads into a directory of this run; a file gets its place only with the hash that was decided on.
    fn download(&self, packages: &[&Package], progress: &Progress) -> Result<()> {
        let apt = Apt::open(self.cache, self.suite, self.mirror)?;
        let work = self.cache.join("debs").join(format!(".part-{}", self.suite));
        files::remove_tree(&work)?;
        files::directory_all(&work)?;
        let total = packages.iter().map(|package| package.size).sum();
        let cmd = apt_private::download(&apt.root, &work, packages);
        let result = download::watched(&work, total, progress, || cmd.run()).map_err(|failure| {
            failure.during(format!("could not download {} from Debian {}", named(packages, total), self.suite)).hint(
                "a version that has left the mirror can be replaced by the newest: remove `release.json` of the pack and run again",
            )
        });
        let kept = result.and_then(|()| self.keep(&work, packages));
        files::remove_tree(&work)?;
        kept
    }

    fn keep(&self, work: &Utf8Path, packages: &[&Package]) -> Result<()> {
        let unreadable = |e| Failure::failed(format!("could not read directory `{work}`")).because(e);
        for entry in work.read_dir_utf8().map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.into_path();
            let hash = download::hash_of(&path)?;
            if let Some(package) = packages.iter().find(|package| package.sha256 == hash) {
                files::rename(&path, &self.place(package))?;
            }
        }
        match packages.iter().find(|package| !self.place(package).is_file()) {
            Some(package) => Err(Failure::failed(format!(
                "apt brought no `{}` with the decided hash",
                package.name
            ))
            .because(format!("expected sha256 {}", package.sha256))
            .hint("remove `release.json` of the pack and run again")),
            None => Ok(()),
        }
    }
}

fn named(packages: &[&Package], total: u64) -> String {
    let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    format!("{} ({})", names.join(", "), human(total))
}
