//! Modules that editions and the pack's own modules ask for, whatever repository has them.
use std::collections::BTreeSet;

use camino::Utf8Path;
use odoopack_core::manifest;

use super::Workshop;
use crate::failure::Result;
use crate::files;

impl Workshop<'_> {
    /// Names and patterns; those that no repository has are somebody else's.
    ///
    /// # Errors
    /// When a directory of own modules cannot be read.
    pub(crate) fn asked(&self) -> Result<BTreeSet<String>> {
        let mut all = BTreeSet::new();
        let editions = self.spec.editions.keys();
        for edition in editions.filter_map(|name| self.spec.edition_with_sessions(name)) {
            let named = edition
                .modules
                .iter()
                .chain(&edition.server_wide)
                .chain(&edition.only);
            all.extend(named.cloned());
        }
        for directory in &self.spec.addons.own {
            all.extend(needs_below(&self.repo.join(directory))?);
        }
        Ok(all)
    }
}

/// What the modules in a directory depend on; one that cannot be read is refused where modules are checked.
fn needs_below(directory: &Utf8Path) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for entry in files::read_entries(directory)? {
        let path = entry.into_path().join("__manifest__.py");
        if !path.is_file() {
            continue;
        }
        let text = files::read_bytes(&path)?.unwrap_or_default();
        all.extend(
            manifest::parse(&text)
                .into_iter()
                .flat_map(|manifest| manifest.depends_written),
        );
    }
    Ok(all)
}
