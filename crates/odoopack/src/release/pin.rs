//! The part of `oca.lock.json` that names Odoo: written from a decision, and a decision made from it.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::Release;
use odoopack_core::oca_lock::{Break, DebianPackage, Lock, OdooPin, wish_breaks};
use odoopack_core::spec::{Source, Spec};

use super::record::{self, Record};
use super::store::Store;
use super::{Builder, deb, debian, decided, download, path};
use crate::failure::{Failure, Kind, Result};
use crate::tools::apt_private::Package;

/// Refuses to build from a lock that says something else than the file, or from repositories without any lock.
pub(super) fn demand(spec: &Spec, lock: Option<&Lock>) -> Result<()> {
    let Some(lock) = lock else {
        if spec.addons.repositories.is_empty() {
            return Ok(());
        }
        return Err(Failure::refused("the repositories of [addons] are not locked").hint("`odoopack lock`"));
    };
    match wish_breaks(spec, lock).first() {
        None => Ok(()),
        Some(first) => Err(
            Failure::refused("`oca.lock.json` does not say what `odoopack.toml` wants")
                .because(first.to_string())
                .hint("`odoopack lock`"),
        ),
    }
}

/// The source of file and lock as one text: another text needs another release.
pub(super) fn wanted(spec: &Spec, lock: Option<&Lock>) -> String {
    let source = match lock.map(|lock| &lock.odoo) {
        Some(OdooPin::Git { url, commit }) => format!("git {url} {commit}"),
        Some(OdooPin::Debian { suite, packages }) => {
            let hashes: Vec<&str> = packages.iter().map(|p| p.sha256.as_str()).collect();
            format!(
                "debian {suite} {}",
                &super::sha256(hashes.join(" ").as_bytes())[..16]
            )
        }
        Some(OdooPin::Deb { location, sha256 }) => format!("deb {location} {sha256}"),
        Some(OdooPin::Path { directory }) => format!("path {directory}"),
        Some(OdooPin::Image { id, .. }) => format!("image {id}"),
        None => match &spec.odoo.source {
            Source::Git { url, commit } => format!("git {url} {}", commit.as_deref().unwrap_or("branch")),
            Source::Debian { suite } => format!("debian {suite}"),
            Source::Deb { location, sha256 } => {
                format!("deb {location} {}", sha256.as_deref().unwrap_or("any"))
            }
            Source::Path { directory } => format!("path {directory}"),
            Source::Image { name } => format!("image {name}"),
        },
    };
    format!("{} {source}", spec.odoo.series)
}

fn package(locked: &DebianPackage) -> Package {
    Package {
        name: locked.name.clone(),
        version: locked.version.clone(),
        size: locked.size,
        sha256: locked.sha256.clone(),
    }
}

/// Whether a package file is what the lock says; `None` when it is not on this machine.
fn kept(place: &Utf8Path, sha256: &str) -> Result<Option<bool>> {
    if !place.is_file() {
        return Ok(None);
    }
    download::is_file_with(place, sha256).map(Some)
}

/// The decision that a lock holds.
pub(super) fn record(builder: &Builder<'_>, pin: &OdooPin) -> Result<Record> {
    match pin {
        OdooPin::Git { commit, .. } => Ok(Record::new(
            decided(builder, &format!("git {commit}")),
            commit,
            Vec::new(),
        )),
        OdooPin::Debian { packages, .. } => debian::record(builder, packages.iter().map(package).collect()),
        OdooPin::Deb { location, sha256 } => deb::resolve(builder, location, Some(sha256)),
        OdooPin::Path { directory } => path::resolve(builder, directory.as_str().into()),
        OdooPin::Image { name, .. } => Err(super::in_an_image(name)),
    }
}

impl Builder<'_> {
    /// Whether the package files that a lock pins Odoo by are as it says, on this machine.
    ///
    /// # Shape
    /// What is broken, and in words what could not be compared.
    pub(crate) fn package_breaks(&self, pin: &OdooPin) -> Result<(Vec<Break>, Vec<String>)> {
        let files: Vec<(String, Utf8PathBuf, &String)> = match pin {
            OdooPin::Git { .. } | OdooPin::Path { .. } | OdooPin::Image { .. } => Vec::new(),
            OdooPin::Deb { location, sha256 } => {
                vec![(location.clone(), deb::place(self, location, sha256), sha256)]
            }
            OdooPin::Debian { suite, packages } => {
                let (cache, suite) = (self.cache, suite.as_str());
                let mirror = None;
                let store = Store { cache, suite, mirror };
                let all = packages.iter();
                all.map(|p| (p.name.clone(), store.place(&package(p)), &p.sha256))
                    .collect()
            }
        };
        let (mut breaks, mut notes) = (Vec::new(), Vec::new());
        for (name, place, sha256) in files {
            match kept(&place, sha256)? {
                Some(true) => {}
                Some(false) => breaks.push(Break::new(
                    "hash",
                    "odoo",
                    format!("{place} is not the package that the lock names"),
                    format!("take {name} from where it came again, or `odoopack lock --update`"),
                )),
                None => notes.push(format!(
                    "odoo: package {name} is not on this machine, so its hash was not compared"
                )),
            }
        }
        Ok((breaks, notes))
    }

    /// What was decided for a release, as the lock says it.
    pub(crate) fn pin(&self, release: &Release) -> Result<OdooPin> {
        let record = record::of(self.layout, release)?;
        Ok(match &self.spec.odoo.source {
            Source::Git { url, .. } => OdooPin::Git {
                url: url.clone(),
                commit: record.pin,
            },
            Source::Debian { suite } => OdooPin::Debian {
                suite: suite.clone(),
                packages: debian_packages(&record)?,
            },
            Source::Deb { location, .. } => OdooPin::Deb {
                location: location.clone(),
                sha256: record.pin,
            },
            Source::Path { directory } => OdooPin::Path {
                directory: directory.to_string(),
            },
            Source::Image { name } => return Err(super::in_an_image(name)),
        })
    }
}

/// Odoo's own package first.
fn debian_packages(record: &Record) -> Result<Vec<DebianPackage>> {
    let main = record.packages.iter().find(|p| p.sha256 == record.pin);
    let main = main.ok_or_else(|| Failure::new(Kind::Failed, "the recorded release names no package"))?;
    let mut others: Vec<&Package> = record
        .packages
        .iter()
        .filter(|p| p.sha256 != record.pin)
        .collect();
    others.sort_by(|a, b| a.name.cmp(&b.name));
    let locked = |p: &Package| DebianPackage {
        name: p.name.clone(),
        version: p.version.clone(),
        size: p.size,
        sha256: p.sha256.clone(),
    };
    Ok(std::iter::once(main).chain(others).map(locked).collect())
}
