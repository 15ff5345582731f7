//! One mirror per repository, below the cache, shared by packs and releases: commits without their history.
//!
//! A commit is fetched whole, without a filter for blobs: its tree is checked out and compared byte by byte, so every
//! blob is needed, and a filter would only fetch them one by one later and ask the network in `--offline`. Histories,
//! of which only the commits count, are fetched without trees and blobs.
use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::oca_lock::{ModuleSeen, Outside, RepositorySeen};
use odoopack_core::spec::Series;

use crate::failure::{Failure, Result};
use crate::files;
use crate::tools::git::{self, Way};

/// A bare repository that holds what was asked of an address.
#[derive(Clone, Debug)]
pub(crate) struct Mirror {
    /// Directory of the bare repository.
    pub(crate) place: Utf8PathBuf,
    /// What it mirrors.
    pub(crate) url: String,
    pub(super) way: Way,
}

impl Mirror {
    /// The mirror of `url`, whether it is there or not.
    pub(crate) fn of(cache: &Utf8Path, url: &str, way: Way) -> Self {
        let key = &odoopack_core::hash::hex(url.as_bytes())[..16];
        Self {
            place: cache.join("git").join(format!("{key}.git")),
            url: url.to_owned(),
            way,
        }
    }

    /// Directory of the commits without files, for questions about the past.
    pub(super) fn history(&self) -> Utf8PathBuf {
        self.place.with_extension("history.git")
    }

    /// Asks for the commit that a branch or reference stands at now.
    ///
    /// # Errors
    /// Refused when there is none.
    pub(crate) fn head(&self, branch: &str) -> Result<String> {
        let none = || Failure::refused(format!("`{}` has no branch `{branch}`", self.url));
        self.stands_at(branch)?.ok_or_else(none)
    }

    /// The same; `None` when there is none.
    pub(super) fn stands_at(&self, branch: &str) -> Result<Option<String>> {
        let cmd = git::branch_head(&self.url, branch, &self.way);
        let outcome = cmd.outcome()?;
        if outcome.status.code() == Some(2) {
            return Ok(None);
        }
        if !outcome.status.success() {
            return Err(cmd
                .ended_badly(&outcome)
                .during(format!("could not ask `{}` for its branch `{branch}`", self.url))
                .hint("check the address, the key and the network, then run again"));
        }
        git::parse_head(&outcome.stdout).map(Some).ok_or_else(|| {
            Failure::failed(format!("`{}` names no commit for `{branch}`", self.url)).because(outcome.stdout)
        })
    }

    /// Whether a commit is here, with everything that belongs to it.
    pub(crate) fn has(&self, commit: &str) -> Result<bool> {
        if !self.place.join("HEAD").is_file() {
            return Ok(false);
        }
        Ok(git::holds(&self.place, commit).outcome()?.status.success())
    }

    /// Fetches a commit if it is not here.
    pub(crate) fn bring(&self, commit: &str) -> Result<()> {
        if self.has(commit)? {
            return Ok(());
        }
        let _held = self.prepare()?;
        if self.has(commit)? {
            return Ok(());
        }
        git::fetch(&self.place, &self.url, commit, &self.way)
            .run()
            .map_err(|failure| {
                failure
                    .during(format!("could not fetch commit {commit} from `{}`", self.url))
                    .hint("check that the commit still exists there and the network works, then run again")
            })
    }

    /// Takes a commit that was made on this machine.
    pub(super) fn adopt(&self, from: &Utf8Path, commit: &str) -> Result<()> {
        let _held = self.prepare()?;
        git::fetch(&self.place, from.as_str(), commit, &Way::default()).run()
    }

    /// Makes the repository and keeps others from writing to it.
    fn prepare(&self) -> Result<std::fs::File> {
        files::directory_all(&self.place)?;
        let held = files::lock(&self.place.with_extension("lock"))?;
        if !self.place.join("HEAD").is_file() {
            git::init(&self.place).run()?;
        }
        Ok(held)
    }

    /// The tree of a commit that is here.
    pub(crate) fn tree(&self, commit: &str) -> Result<String> {
        tree(&self.place, commit)
    }
}

/// The tree of a commit in a repository.
pub(super) fn tree(place: &Utf8Path, commit: &str) -> Result<String> {
    git::tree_of(place, commit)
        .read()
        .map(|text| text.trim().to_owned())
}

/// The modules at the root of a commit, with what counts of their manifests.
pub(crate) fn modules(place: &Utf8Path, commit: &str, series: Series) -> Result<RepositorySeen> {
    let listed = git::entries(place, commit, false).read()?;
    let entries = git::parse_entries(&listed);
    let manifests: Vec<String> = entries
        .iter()
        .map(|entry| entry.path)
        .filter(|path| {
            path.split_once('/')
                .is_some_and(|(_, file)| file == odoopack_core::manifest::FILE)
        })
        .map(str::to_owned)
        .collect();
    let texts = read(place, commit, &manifests)?;
    let one = |(path, text): (String, String)| {
        let name = path.split('/').next().unwrap_or_default().to_owned();
        (name, ModuleSeen::read(text.as_bytes(), series))
    };
    Ok(RepositorySeen {
        modules: texts.into_iter().map(one).collect(),
        outside: outside(place, commit, &entries)?,
    })
}

/// What a commit only points at: submodules, and pointers of Git LFS where its attributes name that.
///
/// # Source
/// Git LFS 3.6, "Git LFS Specification": a pointer begins with its version and has fewer than 1024 bytes.
fn outside(place: &Utf8Path, commit: &str, entries: &[git::Entry<'_>]) -> Result<BTreeMap<String, Outside>> {
    let submodules = entries.iter().filter(|entry| entry.is_submodule);
    let mut all: BTreeMap<String, Outside> = submodules
        .map(|entry| (entry.path.to_owned(), Outside::Submodule))
        .collect();
    let attributes: Vec<String> = entries
        .iter()
        .map(|entry| entry.path)
        .filter(|path| path.rsplit('/').next() == Some(".gitattributes"))
        .map(str::to_owned)
        .collect();
    let attributes = read(place, commit, &attributes)?;
    if !attributes.iter().any(|(_, text)| text.contains("filter=lfs")) {
        return Ok(all);
    }
    let listed = git::entries(place, commit, true).read()?;
    let small: Vec<String> = git::parse_entries(&listed)
        .into_iter()
        .filter(|entry| entry.size.is_some_and(|size| size < 1024))
        .map(|entry| entry.path.to_owned())
        .collect();
    let pointers = read(place, commit, &small)?.into_iter();
    let pointers = pointers.filter(|(_, text)| text.starts_with("version https://git-lfs.github.com/spec/"));
    all.extend(pointers.map(|(path, _)| (path, Outside::LargeFile)));
    Ok(all)
}

/// Files of a commit by their path; what is not there is left out.
pub(crate) fn read(place: &Utf8Path, commit: &str, paths: &[String]) -> Result<Vec<(String, String)>> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    // Requests stand in lines.
    let paths: Vec<String> = paths
        .iter()
        .filter(|path| !path.contains('\n'))
        .cloned()
        .collect();
    let text = git::contents(place, commit, &paths).read()?;
    Ok(git::parse_contents(&text, commit, &paths))
}

/// Scripts of migrations below a commit: module and version.
pub(super) fn migrations(place: &Utf8Path, commit: &str) -> Result<Vec<(String, String)>> {
    let names = git::list(place, commit).read()?;
    let one = |path: &str| {
        let mut parts = path.split('/');
        let (module, directory, version) = (parts.next()?, parts.next()?, parts.next()?);
        let script = parts.next().is_some_and(|file| file.ends_with(".py"));
        (matches!(directory, "migrations" | "upgrades") && script)
            .then(|| (module.to_owned(), version.to_owned()))
    };
    let mut found: Vec<(String, String)> = names.split('\0').filter_map(one).collect();
    found.sort();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Repository, git as plain_git};
    use super::*;

    #[test]
    fn submodules_and_pointers_to_large_files_are_seen_for_what_they_are() {
        let upstream = Repository::new();
        let write = |name: &str, text: &str| {
            files::replace(&upstream.place.join(name), text.as_bytes(), 0o644, None).unwrap();
        };
        let seen = || {
            let commit = upstream.commit();
            modules(&upstream.git_directory(), &commit, Series::V19)
                .unwrap()
                .outside
        };
        let pointer = format!(
            "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n",
            "4d".repeat(32)
        );
        files::directory_all(&upstream.place.join("web_more/static")).unwrap();
        write("web_more/static/film.mp4", &pointer);
        write("web_more/static/my film.mp4", &pointer);
        write("web_more/static/small.txt", "small\n");
        // Without an attribute it is a text like any other.
        assert_eq!(seen(), BTreeMap::new());
        write(
            "web_more/static/.gitattributes",
            "*.mp4 filter=lfs diff=lfs merge=lfs -text\n",
        );
        files::directory_all(&upstream.place.join("web_more/lib")).unwrap();
        let link = format!("160000,{},web_more/lib", "5".repeat(40));
        plain_git(&upstream.place, &["update-index", "--add", "--cacheinfo", &link]);
        let wanted = [
            ("web_more/lib".to_owned(), Outside::Submodule),
            ("web_more/static/film.mp4".to_owned(), Outside::LargeFile),
            ("web_more/static/my film.mp4".to_owned(), Outside::LargeFile),
        ];
        assert_eq!(seen(), wanted.into());
    }
}
