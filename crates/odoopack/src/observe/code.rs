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
use super::installed::{self, Stored};
use crate::failure::Result;

/// Both sides.
#[derive(Debug)]
pub(crate) struct Code {
    /// Modules on the addons path.
    pub(crate) tree: Tree,
    /// What the database says.
    pub(crate) stored: Stored,
    /// Identity of Odoo's code.
    pub(crate) build: String,
    /// Whether Odoo's own modules, and those of Python packages, lie in an image: nobody reads their files.
    in_image: bool,
    /// Whether Odoo's code cannot change without its identity.
    fixed: bool,
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
        in_image: layout.containers(),
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
        let modules = names.into_iter().filter_map(|name| self.tree.get(name));
        let modules = modules
            .filter(|module| !(self.in_image && matches!(module.origin, Origin::Odoo | Origin::Python)));
        let wanted: Vec<Wanted> = modules.map(wanted).collect();
        contents::all(&wanted, &self.selection(&self.stored.languages))
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
        let unknown: Vec<Wanted> = modules
            .iter()
            .filter(|module| !known(module))
            .map(|module| wanted(module))
            .collect();
        let mut now = contents::all(&unknown, &self.selection(&self.stored.languages))?;
        let mut then = match languages {
            Some(languages) if !same_languages => contents::all(&unknown, &self.selection(languages))?,
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
        let same = record.details.as_ref()?.build == self.build;
        let parts = record.parts(&module.name)?;
        let usable = self.fixed && same && module.origin == Origin::Odoo;
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

fn wanted(module: &Module) -> Wanted {
    Wanted {
        module: module.name.clone(),
        path: module.path.clone(),
    }
}
