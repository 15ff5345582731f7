//! What an entry of somebody's zip is, judged by its name and what the archive says of it.
use crate::filestore::is_attachment;

/// What to do with an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The plain dump.
    Dump,
    /// The plain dump, compressed once more.
    CompressedDump,
    /// Odoo's own description.
    Manifest,
    /// An attachment: its place below the filestore, `ab/ab...`.
    Attachment(String),
    /// A directory, or Odoo's list for its clean-up: nothing to keep.
    Nothing,
    /// Not part of Odoo's format.
    Foreign,
}

/// Why an archive is not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEntry {
    /// A name that leads elsewhere.
    #[error("`{0}` leads out of the archive")]
    Path(String),
    /// A link or a device.
    #[error("`{0}` is neither a file nor a directory")]
    Kind(String),
}

/// Bits of a mode that say what a file is, and the two kinds that are welcome (`stat(2)`).
const KIND: u32 = 0o170_000;
const WELCOME: [u32; 3] = [0, 0o100_000, 0o040_000];

/// Judges an entry by its name and its mode.
///
/// # Errors
/// When the name or the kind could do harm; the whole archive is refused then, since no honest tool makes such.
///
/// # Source
/// Odoo 17.0 to 19.0, `service/db.py` `dump_db`: `dump.sql`, `manifest.json`, the filestore. What Odoo.sh hands out has the
/// same shape, some with `dump.sql.gz`, without a description, or with directories of logs and sessions besides.
pub fn judge(name: &str, mode: Option<u32>) -> Result<Entry, BadEntry> {
    let bad = || BadEntry::Path(name.chars().take(80).collect());
    let outside = name.starts_with('/')
        || name.contains('\\')
        || name.contains('\0')
        || name.split('/').any(|part| part == "..")
        || name.as_bytes().get(1) == Some(&b':');
    if outside {
        return Err(bad());
    }
    if !mode.is_none_or(|mode| WELCOME.contains(&(mode & KIND))) {
        return Err(BadEntry::Kind(name.chars().take(80).collect()));
    }
    let name = name.trim_start_matches("./");
    Ok(match name {
        "dump.sql" => Entry::Dump,
        "dump.sql.gz" => Entry::CompressedDump,
        "manifest.json" => Entry::Manifest,
        _ if name.ends_with('/') => Entry::Nothing,
        _ => match name.strip_prefix("filestore/") {
            Some(place) if place.starts_with("checklist/") => Entry::Nothing,
            Some(place) if is_attachment(place) => Entry::Attachment(place.to_owned()),
            _ => Entry::Foreign,
        },
    })
}
