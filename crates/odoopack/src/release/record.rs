//! `release.json`: what was decided, and what of it is really there.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::{Release, Seen};
use odoopack_core::layout::Layout;
use odoopack_core::oca_lock::Lock;
use odoopack_core::spec::{Source, Spec};

use super::{Builder, environment, pin, tree};
use crate::failure::{Failure, Result};
use crate::files;
use crate::tools::apt_private::Package;

/// Version of the file's shape.
const FORMAT: u32 = 1;

/// A release with what is needed to fetch it again.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) format: u32,
    pub(super) release: Release,
    /// Commit, or SHA-256 of the package file; empty where neither exists.
    pub(super) pin: String,
    /// Debian packages whose versions were decided together.
    pub(super) packages: Vec<Package>,
    /// Hash of everything that the Python environment was made from.
    pub(super) inputs: Option<String>,
}

impl Record {
    /// A decision without anything fetched.
    pub(super) fn new(release: Release, pin: &str, packages: Vec<Package>) -> Self {
        Self {
            format: FORMAT,
            release,
            pin: pin.to_owned(),
            packages,
            inputs: None,
        }
    }
}

/// Looks at the release of a pack: recorded for this source, and what of it is there.
///
/// # Shape
/// Absent when nothing was decided for the source that file and lock name now; unknown when the lock is no lock, or
/// says something else than the file. `fetched` and `python` tell what is on disk, whatever the record says;
/// `python` is `None` too when the requirements have changed since.
pub(crate) fn observe(layout: &Layout, spec: &Spec, repo: &Utf8Path) -> Result<Seen<Release>> {
    let lock = match super::lock_of(spec, repo) {
        Ok(lock) => lock,
        Err(failure) => return Ok(Seen::Unknown(failure.sentence())),
    };
    let wanted = pin::wanted(spec, lock.as_ref());
    let Some(record) = read(layout)?.filter(|record| record.release.wanted == wanted) else {
        return Ok(Seen::Absent);
    };
    let place = Place {
        layout,
        spec,
        repo,
        lock: lock.as_ref(),
    };
    seen(&place, record).map(|record| Seen::Present(record.release))
}

/// What decides whether a release is there.
struct Place<'a> {
    layout: &'a Layout,
    spec: &'a Spec,
    repo: &'a Utf8Path,
    lock: Option<&'a Lock>,
}

/// The record with `fetched` and `python` as they are on disk.
pub(super) fn as_it_is(builder: &Builder<'_>, record: Record) -> Result<Record> {
    let place = Place {
        layout: builder.layout,
        spec: builder.spec,
        repo: builder.repo,
        lock: builder.lock.as_ref(),
    };
    seen(&place, record)
}

fn seen(place: &Place<'_>, mut record: Record) -> Result<Record> {
    let tree = tree(place.layout, &record.release);
    let (repositories, whole) = super::trees(place.layout, place.lock);
    record.release.fetched =
        record.release.fetched && whole && is_whole(&tree, &place.spec.odoo.source, &record.release);
    record.release.repositories = repositories;
    if !record.release.fetched {
        record.release.python = None;
    }
    if let Some(directory) = record.release.python.take() {
        let inputs = environment::fingerprint(place.spec, place.repo, &tree, place.lock)?;
        let same = record.inputs.as_ref() == Some(&inputs);
        record.release.python = (same && environment::is_whole(&directory)).then_some(directory);
    }
    Ok(record)
}

/// Whether Odoo's own code is there, whatever else is.
pub(super) fn has_code(builder: &Builder<'_>, record: &Record) -> bool {
    let tree = tree(builder.layout, &record.release);
    !record.release.entry.as_str().is_empty() && is_whole(&tree, &builder.spec.odoo.source, &record.release)
}

fn is_whole(tree: &Utf8Path, source: &Source, release: &Release) -> bool {
    let whole = match source {
        Source::Path { .. } | Source::Image { .. } => true,
        Source::Git { .. } | Source::Debian { .. } | Source::Deb { .. } => tree::is_whole(tree),
    };
    whole && release.entry.is_file()
}

/// Where the code of a release is.
pub(super) fn tree(layout: &Layout, release: &Release) -> Utf8PathBuf {
    layout.releases().join(&release.id)
}

fn file(layout: &Layout) -> Utf8PathBuf {
    layout.state().join("release.json")
}

/// Reads the record; `None` when nothing was decided yet.
pub(super) fn read(layout: &Layout) -> Result<Option<Record>> {
    let path = file(layout);
    let Some(text) = files::read_text(&path)? else {
        return Ok(None);
    };
    let record: Record = serde_json::from_str(&text).map_err(|e| {
        Failure::failed(format!("could not understand `{path}`"))
            .because(e)
            .hint(format!("remove it to decide on a release again: `rm {path}`"))
    })?;
    if record.format > FORMAT {
        return Err(
            Failure::refused(format!("`{path}` was written by a newer odoopack")).hint("use that version"),
        );
    }
    Ok(Some(record))
}

/// The record of exactly this release.
pub(super) fn of(layout: &Layout, release: &Release) -> Result<Record> {
    read(layout)?
        .filter(|record| record.release.id == release.id)
        .ok_or_else(|| {
            Failure::failed(format!(
                "release {} is not the one that was decided on",
                release.id
            ))
            .hint("run `odoopack up` again")
        })
}

/// Writes the record.
pub(super) fn write(layout: &Layout, record: &Record) -> Result<()> {
    files::directory_all(&layout.state())?;
    let text = serde_json::to_string_pretty(record)
        .map_err(|e| Failure::failed("could not write down the release").because(e))?;
    files::replace(&file(layout), format!("{text}\n").as_bytes(), 0o644, None)
}
