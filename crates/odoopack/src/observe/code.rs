//! The code of an environment against what its database remembers of it.
use std::collections::BTreeMap;

use odoopack_core::changed::{Changes, Contents, Now, OnDisk, Record, Selection, changes};
use odoopack_core::facts::Release;
use odoopack_core::layout::Layout;
use odoopack_core::manifest::adapted;
use odoopack_core::modules::{Module, Origin, Tree};
use odoopack_core::spec::{Source, Spec};
use postgres::Client;

use super::contents::{self, Wanted};
use super::in_image::{self, Copies};
use super::installed::{self, Stored};
use crate::failure::{Failure, Result};
use crate::store::marks;

/// Both sides.
#[derive(Debug)]
pub(crate) struct Code {
    /// Modules on the addons path.
    pub(crate) tree: Tree,
    /// What the database says.
    pub(crate) stored: Stored,
    /// Identity of Odoo's code.
    pub(crate) build: String,
    /// The image in which Odoo's own modules lie, and those of Python packages.
    image: Option<Image>,
    /// Whether Odoo's code cannot change without its identity.
    fixed: bool,
}

/// Where files are read that are not on this machine.
#[derive(Debug)]
struct Image {
    layout: Layout,
    pinned: String,
}

/// Looks at both.
///
/// # Errors
/// When the database cannot be asked or a directory cannot be read.
pub(crate) fn look(spec: &Spec, layout: &Layout, release: &Release, client: &mut Client) -> Result<Code> {
    Ok(Code {
        tree: super::addons::tree(spec, layout, Some(release))?,
        stored: installed::look(client)?,
        build: release.identity.clone(),
        image: image(layout)?,
        fixed: !matches!(spec.odoo.source, Source::Path { .. }),
    })
}

impl Code {
    /// Hashes of these modules as they are on disk now; those without a directory are left out.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(crate) fn contents<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<BTreeMap<String, Contents>> {
        let modules: Vec<&Module> = names.into_iter().filter_map(|name| self.tree.get(name)).collect();
        let read = self.readable(&modules)?;
        contents::all(&read.modules, &self.selection(&self.stored.languages))
    }

    /// Where the files of modules can be read.
    fn readable(&self, modules: &[&Module]) -> Result<Copies> {
        let (inside, here): (Vec<&Module>, Vec<&Module>) =
            modules.iter().partition(|module| self.lies_in_image(module));
        let here = here.into_iter().map(wanted);
        let inside: Vec<Wanted> = inside.into_iter().map(wanted).collect();
        let mut read = match &self.image {
            Some(image) if !inside.is_empty() => in_image::copies(&image.layout, &image.pinned, &inside)?,
            _ => Copies::default(),
        };
        read.modules.extend(here);
        Ok(read)
    }

    fn lies_in_image(&self, module: &Module) -> bool {
        self.image.is_some() && matches!(module.origin, Origin::Odoo | Origin::Python)
    }

    /// What changed since it was loaded.
    ///
    /// # Errors
    /// When a file cannot be read, or the record is damaged.
    pub(crate) fn changes(&self) -> Result<Changes> {
        let record = self.stored.record()?;
        let disk = self.on_disk(record)?;
        Ok(changes(Now {
            installed: &self.stored.installed,
            disk: &disk,
            record,
            languages: &self.stored.languages,
            build: &self.build,
        }))
    }

    fn selection(&self, languages: &[String]) -> Selection {
        Selection::new(&self.stored.patterns, languages.iter().map(String::as_str))
    }

    fn on_disk(&self, record: &Record) -> Result<BTreeMap<String, OnDisk>> {
        let modules: Vec<&Module> = self
            .stored
            .installed
            .iter()
            .filter_map(|one| self.tree.get(&one.name))
            .collect();
        let languages = record.details.as_ref().map(|details| &details.languages);
        let same_languages = languages.is_none_or(|then| *then == self.stored.languages);
        let known = |module: &&Module| same_languages && self.known(record, module).is_some();
        let unknown: Vec<&Module> = modules.iter().copied().filter(|module| !known(module)).collect();
        let unknown = self.readable(&unknown)?;
        let mut now = contents::all(&unknown.modules, &self.selection(&self.stored.languages))?;
        let mut then = match languages {
            Some(languages) if !same_languages => {
                contents::all(&unknown.modules, &self.selection(languages))?
            }
            _ => BTreeMap::new(),
        };
        let one = |module: &Module| {
            let contents = now
                .remove(&module.name)
                .or_else(|| self.known(record, module).cloned())?;
            let disk = self.one(module, contents, then.remove(&module.name));
            Some((module.name.clone(), disk))
        };
        Ok(modules.into_iter().filter_map(one).collect())
    }

    /// What is remembered of a module of the very build that is there: its files are not read again.
    fn known<'a>(&self, record: &'a Record, module: &Module) -> Option<&'a Contents> {
        let details = record.details.as_ref()?;
        let same = details.build == self.build;
        let parts = record.parts(&module.name)?;
        // An image's identity covers the Python packages in it, a release's that of Odoo only.
        let covered = module.origin == Origin::Odoo || self.lies_in_image(module);
        // What is left out may be set in the database, by click-odoo-update's own parameter.
        let usual = !self.stored.is_unusual() && !details.unusual;
        let usable = self.fixed && same && covered && usual;
        (usable && record.checksum(&module.name) == Some(parts.checksum.as_str())).then_some(parts)
    }

    fn one(&self, module: &Module, contents: Contents, then: Option<Contents>) -> OnDisk {
        let series = self.tree.series();
        let manifest = module.manifest.as_ref().ok();
        OnDisk {
            core: module.origin == Origin::Odoo,
            installable: self.tree.installable(&module.name).is_some(),
            version: manifest.map(|manifest| adapted(&manifest.version, series)),
            depends: self
                .tree
                .depends(&module.name)
                .into_iter()
                .map(str::to_owned)
                .collect(),
            contents,
            with_old_languages: then,
        }
    }
}

/// The image that the pack runs; an absent one is `up`'s to bring.
fn image(layout: &Layout) -> Result<Option<Image>> {
    if !layout.containers() {
        return Ok(None);
    }
    let missing = || Failure::refused("the image of Odoo is not pinned yet").hint("`odoopack up`");
    let image = marks::images(&layout.state())?
        .remove("odoo")
        .ok_or_else(missing)?;
    Ok(Some(Image {
        layout: layout.clone(),
        pinned: image.pinned,
    }))
}

fn wanted(module: &Module) -> Wanted {
    Wanted {
        module: module.name.clone(),
        path: module.path.clone(),
    }
}
