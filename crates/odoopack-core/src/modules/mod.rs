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

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use camino::Utf8PathBuf;

pub use farm::farm;
pub use findings::{Finding, Installed, Trouble, absent_directory, check, duplicate};
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

impl Module {
    /// Whether Odoo of a series can install it.
    pub fn installable(&self, series: Series) -> bool {
        let manifest = self.manifest.as_ref();
        manifest.is_ok_and(|manifest| manifest.installable && manifest.fits(series).is_ok())
    }
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
    /// By name; those of one name in Odoo's order of precedence.
    modules: Vec<Module>,
    /// Where the modules of a name stand; never nowhere.
    places: HashMap<String, Range<usize>>,
}

impl Tree {
    /// A tree of modules that were found, those that win over others first.
    ///
    /// # Shape
    /// Odoo's own code counts once: Debian's package has most modules both in `odoo/addons` and in `addons`.
    pub fn new(series: Series, found: impl IntoIterator<Item = Module>) -> Self {
        let mut modules: Vec<Module> = found.into_iter().collect();
        modules.retain(|module| is_name(&module.name));
        // Stable: the order of precedence stays.
        modules.sort_by(|one, other| one.name.cmp(&other.name));
        let mut odoo: Option<String> = None;
        modules.retain(|module| {
            let is_second = odoo.as_ref() == Some(&module.name);
            if module.origin != Origin::Odoo {
                return true;
            }
            if !is_second {
                odoo = Some(module.name.clone());
            }
            !is_second
        });
        Self {
            series,
            places: places(&modules),
            modules,
        }
    }

    /// What Odoo sees when it runs this edition: its own modules, those of Python packages, and the edition's farm.
    #[must_use]
    pub fn of_edition(mut self, edition: &Edition) -> Self {
        let farm = farm(&self, edition);
        let stays = |module: &Module| match module.origin {
            Origin::Odoo | Origin::Python => true,
            Origin::Own { .. } | Origin::Oca { .. } => farm.contains_key(module.name.as_str()),
        };
        let stays: Vec<bool> = self.modules.iter().map(stays).collect();
        if stays.contains(&false) {
            let mut stays = stays.into_iter();
            self.modules.retain(|_| stays.next().unwrap_or(true));
            self.places = places(&self.modules);
        }
        self
    }

    /// The series that will load it.
    pub fn series(&self) -> Series {
        self.series
    }

    /// The module of that name that Odoo takes.
    pub fn get(&self, name: &str) -> Option<&Module> {
        self.modules.get(self.places.get(name)?.start)
    }

    /// Every module that Odoo takes, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Module> {
        self.groups().filter_map(<[Module]>::first)
    }

    /// All modules of that name, the one that Odoo takes first.
    pub fn all(&self, name: &str) -> &[Module] {
        self.places
            .get(name)
            .map_or(&[], |place| &self.modules[place.clone()])
    }

    /// Modules of the same name together.
    fn groups(&self) -> impl Iterator<Item = &[Module]> {
        self.modules.chunk_by(|one, next| one.name == next.name)
    }

    /// Names that stand in more than one place.
    pub fn duplicates(&self) -> impl Iterator<Item = &[Module]> {
        self.groups().filter(|all| all.len() > 1)
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The manifest of a module that can be installed in this series.
    pub fn installable(&self, name: &str) -> Option<&Manifest> {
        let module = self.get(name)?;
        let manifest = module.manifest.as_ref().ok()?;
        module.installable(self.series).then_some(manifest)
    }

    /// What a module depends on; nothing when it is not there or unreadable.
    pub fn depends(&self, name: &str) -> Vec<&str> {
        let manifest = self.get(name).and_then(|module| module.manifest.as_ref().ok());
        manifest.map_or_else(Vec::new, |manifest| manifest.depends(name, self.series))
    }
}

/// Where the modules of each name stand.
fn places(modules: &[Module]) -> HashMap<String, Range<usize>> {
    let mut at = 0;
    let mut all = HashMap::with_capacity(modules.len());
    for group in modules.chunk_by(|one, next| one.name == next.name) {
        all.insert(group[0].name.clone(), at..at + group.len());
        at += group.len();
    }
    all
}

/// Whether a directory of this name can be a module.
///
/// # Source
/// `odoo/modules/module.py` of 19.0, `MODULE_NAME_RE`.
pub fn is_name(name: &str) -> bool {
    let fits = |letter: char| letter == '_' || letter.is_alphanumeric();
    !name.is_empty() && name.chars().count() <= 256 && name.chars().all(fits)
}
