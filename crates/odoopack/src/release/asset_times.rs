//! Times of the files that modules from Python packages send to browsers.
use camino::Utf8Path;
use odoopack_core::oca_lock::time_of;

use super::{download, walk};
use crate::failure::Result;
use crate::files;

/// Gives each file below `odoo/addons/MODULE/static` a time that follows from its content: Odoo makes the addresses of its bundles
/// from the times of their files, and equal packages are to have equal addresses wherever and whenever they were unpacked.
/// Python's own files keep their times, which stand in what was compiled from them.
///
/// # Effects
/// A file that is one with the cache's has its time there too.
pub(super) fn follow_content(root: &Utf8Path) -> Result<()> {
    walk::walk(root, &mut |path, kind| {
        let of_module = path.as_str().contains("/odoo/addons/");
        let sent = path.components().any(|part| part.as_str() == "static");
        if kind.is_file() && of_module && sent {
            files::set_modified(path, time_of(&download::hash_of(path)?))?;
        }
        Ok(())
    })
}
