//! `oca.lock.json`: every byte that a release is built from, by name: Odoo, repositories of modules, Python packages.
mod change;
mod external;
mod pin;
mod read;
mod requirements;
mod schema;
mod taken;
mod target;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::BTreeMap;

pub use change::{Change, changes};
pub use external::{debian_line_of, debian_of, is_debian, is_need, python_of};
pub use pin::{Unpinned, is_pinned, pinned};
pub use read::{Unreadable, read, salvage};
pub use requirements::{distributions, requirement_lines, unhashed};
pub use schema::schema;
pub use taken::{Share, not_taken, running, taken};
pub use target::{Libc, NoTarget, Target};
pub use verify::{
    Break, Elsewhere, ModuleSeen, Outside, RepositorySeen, module_breaks, odoo_break, outside_breaks,
    wish_breaks,
};

use crate::facts::ImagePin;
use crate::spec::{Group, Series};

/// Name of the file, beside `odoopack.toml`.
pub const FILE: &str = "oca.lock.json";
/// Name of the list of Debian packages that a repository needs, or the pack itself; it lies at the top.
pub const DEBIAN_LIST: &str = "apt.txt";
/// Version of the file's shape.
pub const FORMAT: u32 = 1;

/// The whole lock.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Lock {
    /// [`FORMAT`].
    pub format: u32,
    /// Odoo's series.
    pub series: Series,
    /// Odoo's own code.
    pub odoo: OdooPin,
    /// Repositories of modules, by the name of their directory.
    pub repositories: BTreeMap<String, Locked>,
    /// Groups of repositories.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Group>,
    /// Debian packages that the pack's own `apt.txt` names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub debian: Vec<String>,
    /// Python packages; absent until they were resolved once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python: Option<Python>,
}

/// Which code of Odoo.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum OdooPin {
    /// One commit of a git repository.
    Git {
        /// Clone URL.
        url: String,
        /// Full commit id.
        commit: String,
    },
    /// Packages of a Debian suite that belong together.
    Debian {
        /// Suite.
        suite: String,
        /// Odoo's package first, then what it needs of the suite.
        packages: Vec<DebianPackage>,
    },
    /// One Debian package file.
    Deb {
        /// Path or URL.
        location: String,
        /// SHA-256 of the file.
        sha256: String,
    },
    /// An image that containers are made from.
    Image {
        /// As the file names it.
        name: String,
        /// Its id, which follows from its content.
        id: String,
        /// `repository@sha256:...` when a registry knows it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
    },
    /// A directory whose content nobody pins; for development.
    Path {
        /// Absolute.
        directory: String,
    },
}

impl OdooPin {
    /// The image that containers are made from, and its name in the file.
    pub fn image(&self) -> Option<(&str, ImagePin)> {
        match self {
            Self::Image { name, id, digest } => {
                let pin = ImagePin {
                    id: id.clone(),
                    digest: digest.clone(),
                };
                Some((name, pin))
            }
            Self::Git { .. } | Self::Debian { .. } | Self::Deb { .. } | Self::Path { .. } => None,
        }
    }
}

/// One file of a Debian archive.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebianPackage {
    /// Package name.
    pub name: String,
    /// Version with its epoch.
    pub version: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// One repository at one commit.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Locked {
    /// Clone URL.
    pub url: String,
    /// Branch that updates follow.
    pub branch: String,
    /// Commit of that branch.
    pub commit: String,
    /// What was merged on top, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub merges: Vec<Merged>,
    /// The commit that the merges give; made with a fixed author and date, so it is the same everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged: Option<String>,
    /// Tree of the commit that is used.
    pub tree: String,
    /// Group that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Modules that are taken, with the version of their manifest.
    pub modules: BTreeMap<String, String>,
    /// What these modules need of Python, as requirements.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub python: Vec<String>,
    /// Debian packages that the repository's `apt.txt` names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub debian: Vec<String>,
}

impl Locked {
    /// The commit whose tree is used.
    pub fn used(&self) -> &str {
        self.merged.as_deref().unwrap_or(&self.commit)
    }
}

/// One thing that was merged.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Merged {
    /// Clone URL, when it comes from another repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Branch or reference.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Commit that it stood at.
    pub commit: String,
}

/// Python packages.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Python {
    /// SHA-256 of everything that the resolution started from.
    pub inputs: String,
    /// Packages by target: Python version, machine and C library.
    pub targets: BTreeMap<String, Vec<Distribution>>,
}

/// One Python package; any of its files with one of the hashes may be installed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// Normalised name.
    pub name: String,
    /// Exact version.
    pub version: String,
    /// `sha256:HEX`, sorted.
    pub hashes: Vec<String>,
}

impl Lock {
    /// The text of the file: sorted, one value a line, so that a difference is readable.
    ///
    /// # Panics
    /// Never: plain data always serializes.
    pub fn text(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("plain data always serializes");
        format!("{text}\n")
    }

    /// What the modules of all repositories need of Python, sorted.
    pub fn python_needs(&self) -> Vec<String> {
        let all = self.repositories.values().flat_map(|locked| &locked.python);
        let all: std::collections::BTreeSet<&String> = all.collect();
        all.into_iter().cloned().collect()
    }

    /// Debian packages that the pack and all repositories need, sorted.
    pub fn debian_needs(&self) -> Vec<String> {
        let all = self.repositories.values().flat_map(|locked| &locked.debian);
        let all = all.chain(&self.debian);
        let all: std::collections::BTreeSet<&String> = all.collect();
        all.into_iter().cloned().collect()
    }

    /// A hash that changes with every byte that would be built.
    pub fn hash(&self) -> String {
        crate::hash::hex(self.text().as_bytes())
    }
}

/// Seconds since 1970 for a file whose content has this object id: the same content, the same time.
///
/// # Shape
/// Between September 2001 and July 2017, so that it is never in the future of any clock; an empty id gives the first.
pub fn time_of(id: &str) -> i64 {
    const FIRST: i64 = 1_000_000_000;
    const SPAN: u64 = 500_000_000;
    let head = id.get(..15).unwrap_or_default();
    let number = u64::from_str_radix(head, 16).unwrap_or_default() % SPAN;
    FIRST + i64::try_from(number).unwrap_or_default()
}
