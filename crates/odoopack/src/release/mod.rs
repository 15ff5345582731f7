//! From `[odoo] source` to code that runs: decide what exactly, fetch it, build its Python environment.
//!
//! Three steps, each repeatable and each finishing what an interrupted run left.
pub(crate) mod apt_list;
mod apt_state;
mod asset_times;
mod assets;
mod contents;
mod deb;
mod debian;
mod download;
mod environment;
mod git;
pub(crate) mod image;
mod image_debian;
pub(crate) mod image_python;
mod index;
mod interpreter;
mod lock;
pub(crate) mod packages;
mod path;
mod pin;
mod python_lock;
mod record;
mod requirements;
mod store;
mod tree;
mod walk;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::Release;
use odoopack_core::layout::Layout;
use odoopack_core::oca_lock::Lock;
use odoopack_core::spec::{Source, Spec};
use sha2::Digest;

use crate::failure::{Failure, Result};
use crate::oca;
use crate::ui::{Progress, Ui};
pub(crate) use interpreter::choose as interpreter;
pub(crate) use python_lock::Machines;
use record::Record;
pub(crate) use record::observe;

/// What the three steps need to know.
#[derive(Clone, Debug)]
pub(crate) struct Builder<'a> {
    /// For warnings.
    pub(crate) ui: &'a Ui,
    /// Where things go.
    pub(crate) layout: &'a Layout,
    /// What is wanted.
    pub(crate) spec: &'a Spec,
    /// The user's cache directory; [`cache`] finds it.
    pub(crate) cache: &'a Utf8Path,
    /// Directory of `odoopack.toml`: relative paths start there.
    pub(crate) repo: &'a Utf8Path,
    /// The host's interpreter, from [`interpreter`].
    pub(crate) python: &'a Utf8Path,
    /// `oca.lock.json`, when there is one.
    pub(crate) lock: Option<Lock>,
}

impl Builder<'_> {
    /// Decides exactly which code it will be: what the lock says, else version and hash, or commit, of now.
    ///
    /// # Effects
    /// Writes `release.json`; a decision that was made for the same source is kept, without any network.
    pub(crate) fn resolve(&self, progress: &Progress) -> Result<Release> {
        pin::demand(self.spec, self.lock.as_ref())?;
        self.decision(progress)
    }

    /// The same, whatever the lock says of repositories: for making a lock.
    pub(crate) fn decision(&self, progress: &Progress) -> Result<Release> {
        let wanted = pin::wanted(self.spec, self.lock.as_ref());
        if let Some(record) = record::read(self.layout)?.filter(|record| record.release.wanted == wanted) {
            return record::as_it_is(self, record).map(|record| record.release);
        }
        self.decide(progress)
    }

    /// Decides anew, whatever was decided before.
    pub(crate) fn decide(&self, progress: &Progress) -> Result<Release> {
        let mut record = match self.lock.as_ref().map(|lock| &lock.odoo) {
            Some(pin) => pin::record(self, pin),
            None => match &self.spec.odoo.source {
                Source::Debian { suite } => debian::resolve(self, suite, progress),
                Source::Deb { location, sha256 } => deb::resolve(self, location, sha256.as_deref()),
                Source::Git { url, commit } => git::resolve(self, url, commit.as_deref()),
                Source::Path { directory } => path::resolve(self, directory),
                Source::Image { name } => Err(in_an_image(name)),
            },
        }?;
        // The same code may be here already, decided on in another way.
        if tree::is_whole(&self.tree(&record.release)) {
            record.release.fetched = true;
            self.describe(&mut record)?;
        }
        record::write(self.layout, &record)?;
        record::as_it_is(self, record).map(|record| record.release)
    }

    /// Gets the code: a whole tree under `releases/<id>`, or none.
    ///
    /// # Effects
    /// Built in a neighbour and renamed at the end; what is downloaded stays in the cache.
    pub(crate) fn fetch(&self, release: &Release, progress: &Progress) -> Result<Release> {
        let record = record::of(self.layout, release)?;
        let mut record = record::as_it_is(self, record)?;
        self.fetch_repositories(progress)?;
        if !record::has_code(self, &record) {
            match &self.spec.odoo.source {
                Source::Debian { suite } => debian::fetch(self, suite, &record, progress),
                Source::Deb { location, .. } => deb::fetch(self, location, &record, progress),
                Source::Git { url, .. } => git::fetch(self, url, &record, progress),
                Source::Path { directory } => path::fetch(self, directory, &record),
                Source::Image { name } => Err(in_an_image(name)),
            }?;
        }
        record.release.fetched = true;
        record.release.repositories = repositories(self.layout, self.lock.as_ref());
        self.describe(&mut record)?;
        record::write(self.layout, &record)?;
        Ok(record.release)
    }

    /// Builds the tree of every repository of the lock.
    fn fetch_repositories(&self, progress: &Progress) -> Result<()> {
        let Some(lock) = self.lock.as_ref().filter(|lock| !lock.repositories.is_empty()) else {
            return Ok(());
        };
        let workshop = oca::Workshop::new(self.spec, self.layout, self.repo, self.cache)?;
        workshop.build_trees(lock, progress)
    }

    /// Builds the Python environment, or takes one that another release has built from the same lock.
    pub(crate) fn build_python(&self, release: &Release, progress: &Progress) -> Result<Release> {
        let mut record = record::of(self.layout, release)?;
        let built = environment::build(self, &record.release, progress)?;
        record.release.python = Some(built.directory);
        record.inputs = Some(built.inputs);
        record::write(self.layout, &record)?;
        Ok(record.release)
    }

    /// Looks where things are in the fetched tree.
    fn describe(&self, record: &mut Record) -> Result<()> {
        let found = tree::describe(&self.tree(&record.release), self.spec.odoo.series)?;
        record.release.entry = found.entry;
        record.release.python_path = found.python_path;
        record.release.addons = found.addons;
        Ok(())
    }

    /// Where the code of a release is.
    fn tree(&self, release: &Release) -> Utf8PathBuf {
        record::tree(self.layout, release)
    }
}

/// Files of Odoo's own code that are not as they were when it was built; `None` when nothing is built, or by an earlier
/// version, which wrote nothing down.
///
/// # Errors
/// When a file cannot be read.
pub(crate) fn changed_files(layout: &Layout, release: &Release) -> Result<Option<Vec<String>>> {
    contents::differences(&record::tree(layout, release))
}

/// The engine `compose` gets its images itself.
fn in_an_image(name: &str) -> Failure {
    Failure::refused(format!(
        "Odoo comes from the image `{name}`: there is nothing to fetch, build or lock"
    ))
    .hint("`odoopack up` gets the image and pins it by its digest")
}

/// A release that was decided on and not fetched.
fn decided(builder: &Builder<'_>, identity: &str) -> Release {
    let series = builder.spec.odoo.series;
    Release {
        id: format!("{series}-{}", &sha256(identity.as_bytes())[..12]),
        identity: identity.to_owned(),
        wanted: pin::wanted(builder.spec, builder.lock.as_ref()),
        fetched: false,
        entry: Utf8PathBuf::new(),
        python_path: None,
        addons: Vec::new(),
        repositories: [].into(),
        python: None,
    }
}

/// The lock of a pack, when there is one.
///
/// # Errors
/// When it is no lock, when it says something else than the file, and when the file names repositories that nothing pins.
pub(crate) fn lock_of(spec: &Spec, repo: &Utf8Path) -> Result<Option<Lock>> {
    let lock = oca::file::read(repo)?;
    pin::demand(spec, lock.as_ref())?;
    Ok(lock)
}

/// Where the modules of each repository of a lock are, and whether all of them are there.
pub(crate) fn trees(
    layout: &Layout,
    lock: Option<&Lock>,
) -> (std::collections::BTreeMap<String, Utf8PathBuf>, bool) {
    let all = repositories(layout, lock);
    let whole = all.values().all(|tree| oca::tree::is_whole(tree));
    (all, whole)
}

/// Where the modules of each repository of a lock are.
fn repositories(layout: &Layout, lock: Option<&Lock>) -> std::collections::BTreeMap<String, Utf8PathBuf> {
    let all = lock.iter().flat_map(|lock| &lock.repositories);
    all.map(|(name, locked)| (name.clone(), oca::tree::place(layout, name, locked)))
        .collect()
}

/// The user's cache directory for us: below `XDG_CACHE_HOME`, else `~/.cache`.
pub(crate) fn cache() -> Utf8PathBuf {
    let var = |name| std::env::var(name).ok().filter(|value| value.starts_with('/'));
    let base = var("XDG_CACHE_HOME").map(Utf8PathBuf::from);
    let home = || {
        crate::observe::host::home()
            .unwrap_or_else(|| "/root".into())
            .join(".cache")
    };
    base.unwrap_or_else(home).join("odoopack")
}

fn sha256(bytes: &[u8]) -> String {
    hex(&sha2::Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .concat()
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod real_debian;
#[cfg(test)]
mod real_download;
#[cfg(test)]
mod real_lock;
#[cfg(test)]
mod real_pins;
#[cfg(test)]
mod real_sources;
