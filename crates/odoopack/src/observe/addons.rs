//! Modules in the directories of the file.
use std::collections::BTreeMap;

use camino::Utf8Path;
use odoopack_core::facts::ModuleFact;
use odoopack_core::spec::Spec;

use crate::failure::Result;
use crate::files;

/// Every module in `[addons] own`, by name; of two with one name the first, as for Odoo.
pub(crate) fn own(spec: &Spec, repo: &Utf8Path) -> Result<BTreeMap<String, ModuleFact>> {
    let mut all = BTreeMap::new();
    for place in &spec.addons.own {
        // A directory that is not there holds no modules; Odoo says so too.
        for entry in repo.join(place).read_dir_utf8().into_iter().flatten().flatten() {
            let path = entry.path().to_owned();
            let manifest = path.join("__manifest__.py");
            if manifest.is_file() {
                let text = files::read_text(&manifest)?.unwrap_or_default();
                let version = odoopack_core::odoo::manifest::version(&text);
                all.entry(entry.file_name().to_owned())
                    .or_insert(ModuleFact { path, version });
            }
        }
    }
    Ok(all)
}
