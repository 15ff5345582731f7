//! The scripts through which Odoo prints.
use camino::Utf8PathBuf;

use super::{File, Known};
use crate::layout::Layout;
use crate::render::printing::{PROGRAMS, wrapper};

/// Directory that stands first on Odoo's PATH.
pub(super) fn directory(layout: &Layout) -> Utf8PathBuf {
    layout.config().join("bin")
}

/// One script per program, once the real one is there.
pub(super) fn of(known: &Known<'_>) -> Vec<File> {
    let Some(found) = known.facts.programs.get("wkhtmltopdf") else {
        return Vec::new();
    };
    let script = |name: &str| {
        super::files::text(
            directory(known.layout).join(name),
            super::directories::ours(known, 0o755),
            wrapper(&super::files::made_from(known), &found.with_file_name(name)),
        )
    };
    PROGRAMS.into_iter().map(script).collect()
}
