//! The modules that Odoo can see, what they need of each other, and in which order it loads them.
mod farm;
mod findings;
mod install;
mod licence;
mod order;
mod paths;
mod providers;
#[cfg(test)]
mod tests;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use camino::Utf8PathBuf;

pub use farm::farm;
pub use findings::{Finding, Installed, Trouble, check, duplicate};
pub use install::{Installation, Reason, Wish, install};
pub use licence::conflict;
pub use order::{Loaded, load_order};
pub use paths::why;
pub use providers::{Provider, distribution, provider};
pub use wanted::{matches, without_unchosen};

use crate::manifest::{Manifest, NoManifest};
use crate::spec::{Edition, Series};

/// A module at a path, with its manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// Name of its directory, which is its name in Odoo.
    pub name: String,
    /// Directory that holds its manifest.
    pub path: Utf8PathBuf,
    /// Whose it is.
    pub origin: Origin,
    /// What it says of itself, or why it cannot be read.
    pub manifest: Result<Manifest, NoManifest>,
}

/// Whose a module is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum Origin {
    /// Part of Odoo's own code.
    Odoo,
    /// In the directory of the file's `[addons] own`.
    Own {
        /// As the file writes it.
        directory: String,
    },
    /// In a repository below `[addons] oca`.
    Oca {
        /// Name of the repository: `project`.
        repository: String,
    },
    /// In a Python package of the release.
    Python,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Odoo => f.write_str("odoo"),
            Self::Own { directory } => f.write_str(directory),
            Self::Oca { repository } => write!(f, "oca/{repository}"),
            Self::Python => f.write_str("python"),
        }
    }
}

/// Every module that Odoo of one series can see.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    series: Series,
    /// By name, in Odoo's order of precedence; never an empty list.
    modules: BTreeMap<String, Vec<Module>>,
}

impl Tree {
    /// A tree of modules that were found, those that win over others first.
    ///
    /// # Shape
    /// Odoo's own code counts once: Debian's package has most modules both in `odoo/addons` and in `addons`.
    pub fn new(series: Series, found: impl IntoIterator<Item = Module>) -> Self {
        let mut modules: BTreeMap<String, Vec<Module>> = BTreeMap::new();
        for module in found.into_iter().filter(|module| is_name(&module.name)) {
            let all = modules.entry(module.name.clone()).or_default();
            if module.origin != Origin::Odoo || all.iter().all(|other| other.origin != Origin::Odoo) {
                all.push(module);
            }
        }
        Self { series, modules }
    }

    /// What Odoo sees when it runs this edition: its own modules, those of Python packages, and the edition's farm.
    #[must_use]
    pub fn of_edition(mut self, edition: &Edition) -> Self {
        let linked: BTreeSet<String> = farm(&self, edition).into_keys().map(str::to_owned).collect();
        self.modules.retain(|name, all| {
            all.retain(|module| match module.origin {
                Origin::Odoo | Origin::Python => true,
                Origin::Own { .. } | Origin::Oca { .. } => linked.contains(name),
            });
            !all.is_empty()
        });
        self
    }

    /// The series that will load it.
    pub fn series(&self) -> Series {
        self.series
    }

    /// The module of that name that Odoo takes.
    pub fn get(&self, name: &str) -> Option<&Module> {
        self.modules.get(name)?.first()
    }

    /// Every module that Odoo takes, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Module> {
        self.modules.values().filter_map(|all| all.first())
    }

    /// All modules of that name, the one that Odoo takes first.
    pub fn all(&self, name: &str) -> &[Module] {
        self.modules.get(name).map_or(&[], Vec::as_slice)
    }

    /// Names that stand in more than one place.
    pub fn duplicates(&self) -> impl Iterator<Item = &[Module]> {
        self.modules
            .values()
            .filter(|all| all.len() > 1)
            .map(Vec::as_slice)
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.modules.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }

    /// The manifest of a module that can be installed in this series.
    pub fn installable(&self, name: &str) -> Option<&Manifest> {
        let manifest = self.get(name)?.manifest.as_ref().ok()?;
        (manifest.installable && manifest.fits(self.series).is_ok()).then_some(manifest)
    }

    /// What a module depends on; nothing when it is not there or unreadable.
    pub fn depends(&self, name: &str) -> Vec<&str> {
        let manifest = self.get(name).and_then(|module| module.manifest.as_ref().ok());
        manifest.map_or_else(Vec::new, |manifest| manifest.depends(name, self.series))
    }
}

/// Whether a directory of this name can be a module.
///
/// # Source
/// `odoo/modules/module.py` of 19.0, `MODULE_NAME_RE`.
pub fn is_name(name: &str) -> bool {
    let fits = |letter: char| letter == '_' || letter.is_alphanumeric();
    !name.is_empty() && name.chars().count() <= 256 && name.chars().all(fits)
}
