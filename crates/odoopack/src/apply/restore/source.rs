//! What a backup of somebody is: Odoo's zip, a folder, a custom archive, plain SQL; found out by its bytes, not its name.
mod beginning;
mod files;

use std::fs::File;
use std::io::{BufReader, Read, Write};

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::backup::Manifest;
use odoopack_core::restore;
use odoopack_core::units::Bytes;

use self::beginning::{Beginning, begins};
use self::files::filestore_of;
pub(crate) use self::files::{attachments, files};
use super::archive::{Archive, COMPRESSED_GROWS};
use crate::failure::{Failure, Result};

/// A snapshot of the repository, as far as a restore needs to know it.
pub(crate) trait Stored: std::fmt::Debug + Send + Sync {
    /// Its name, for commands.
    fn id(&self) -> &str;
    /// Its name, for people.
    fn name(&self) -> String;
    /// What it says of itself.
    fn manifest(&self) -> &Manifest;
    /// Place, size and SHA-1 of each attachment that its database names.
    fn attachments(&self) -> Result<Vec<(String, i64, String)>>;
    /// Writes the dump, a custom archive.
    fn dump(&self, out: &mut dyn Write) -> Result<()>;
    /// Puts the filestore into an empty directory.
    fn filestore(&self, directory: &Utf8Path) -> Result<()>;
}

/// A backup that can be brought back.
#[derive(Debug)]
pub(crate) enum Source {
    /// A snapshot of ours.
    Snapshot(Box<dyn Stored>),
    /// Odoo's own zip, Odoo.sh's downloads.
    Zip(Archive),
    /// A folder with a dump and, perhaps, a filestore (click-odoo-backupdb).
    Folder {
        /// The dump.
        dump: Dump,
        /// The filestore.
        filestore: Option<Utf8PathBuf>,
    },
    /// A dump alone.
    Dump(Dump),
}

/// One dump in a file.
#[derive(Clone, Debug)]
pub(crate) struct Dump {
    pub(crate) path: Utf8PathBuf,
    pub(crate) format: Format,
    size: Bytes,
}

/// What a backup will take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// What the database takes on its disk, indexes included.
    pub(crate) database: Bytes,
    /// Attachments, on the disk of the environment.
    pub(crate) files: Bytes,
    /// The dump, on that disk too for as long as it is loaded in parallel.
    pub(crate) beside: Bytes,
}

/// How a dump is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `pg_dump -Fc`.
    Custom,
    /// Plain SQL.
    Plain,
    /// Plain SQL, compressed.
    Gzip,
}

impl Source {
    /// Opens a backup and judges it as far as that is possible without reading it whole.
    ///
    /// # Errors
    /// Kind `Refused` when it is none, or is made to do harm.
    pub(crate) fn open(path: &Utf8Path) -> Result<Self> {
        let failed = |e| Failure::refused(format!("could not open `{path}`")).because(e);
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if metadata.is_dir() {
            return folder(path);
        }
        match begins(path)? {
            Beginning::Zip => Archive::open(path).map(Self::Zip),
            Beginning::Dump(format) => Ok(Self::Dump(Dump::of(path, format)?)),
            other @ (Beginning::Tar
            | Beginning::TarOfDump
            | Beginning::Wide
            | Beginning::Packed(_)
            | Beginning::Damaged(_)
            | Beginning::Unknown) => Err(other.refuse(path)),
        }
    }

    /// What it is, in words.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Snapshot(stored) => {
                let manifest = stored.manifest();
                format!(
                    "{} of {} of the pack {}, taken {}, Odoo {}, {} attachments",
                    stored.name(),
                    manifest.environment,
                    manifest.pack,
                    manifest.taken,
                    manifest.code.series,
                    manifest.attachments.files
                )
            }
            Self::Zip(archive) => archive.describe(),
            Self::Folder { dump, filestore } => {
                let files = if filestore.is_some() {
                    "and a filestore"
                } else {
                    "without a filestore"
                };
                format!("a folder with {} {files}", dump.describe())
            }
            Self::Dump(dump) => format!("{} without a filestore", dump.describe()),
        }
    }

    /// The series that it says it is of.
    pub(crate) fn series(&self) -> Option<&str> {
        match self {
            Self::Snapshot(stored) => Some(&stored.manifest().code.series),
            Self::Zip(archive) => archive.series.as_deref(),
            Self::Folder { .. } | Self::Dump(_) => None,
        }
    }

    /// The major of the server that it is of, where it says so.
    pub(crate) fn major(&self) -> Option<u16> {
        match self {
            Self::Snapshot(stored) => Some(stored.manifest().database.major),
            Self::Zip(_) | Self::Folder { .. } | Self::Dump(_) => None,
        }
    }

    /// Whether it has attachments at all.
    pub(crate) fn has_filestore(&self) -> bool {
        match self {
            Self::Snapshot(stored) => stored.manifest().attachments.files > 0,
            Self::Zip(archive) => !archive.attachments.is_empty(),
            Self::Folder { filestore, .. } => filestore.is_some(),
            Self::Dump(_) => false,
        }
    }

    /// About how many bytes it will become.
    pub(crate) fn sizes(&self) -> Result<Sizes> {
        let sizes = |rows, files| Sizes {
            database: restore::database_of(rows),
            files,
            beside: Bytes(0),
        };
        Ok(match self {
            Self::Snapshot(stored) => {
                let manifest = stored.manifest();
                Sizes {
                    database: Bytes(manifest.database.size),
                    files: Bytes(manifest.attachments.bytes),
                    beside: Bytes(manifest.database.dump.size),
                }
            }
            Self::Zip(archive) => {
                let (rows, files) = archive.sizes();
                sizes(rows, files)
            }
            Self::Folder { dump, filestore } => {
                let files = match filestore {
                    Some(directory) => attachments(directory)?.iter().map(|(_, size)| size).sum(),
                    None => 0,
                };
                sizes(dump.rows(), Bytes(files))
            }
            Self::Dump(dump) => sizes(dump.rows(), Bytes(0)),
        })
    }
}

impl Dump {
    pub(super) fn of(path: &Utf8Path, format: Format) -> Result<Self> {
        let size = std::fs::metadata(path).map_err(|e| unreadable(path, e))?.len();
        if size == 0 {
            return Err(Failure::refused(format!("`{path}` is empty")));
        }
        Ok(Self {
            path: path.to_owned(),
            format,
            size: Bytes(size),
        })
    }

    fn describe(&self) -> String {
        let what = match self.format {
            Format::Custom => "a custom dump",
            Format::Plain => "a plain dump",
            Format::Gzip => "a compressed plain dump",
        };
        format!("{what} of {}", self.size)
    }

    fn rows(&self) -> Bytes {
        match self.format {
            Format::Plain => self.size,
            Format::Custom | Format::Gzip => Bytes(self.size.0.saturating_mul(COMPRESSED_GROWS)),
        }
    }

    /// The plain SQL.
    pub(crate) fn plain(&self) -> Result<Box<dyn Read>> {
        let file = BufReader::with_capacity(1 << 20, self.file()?);
        Ok(match self.format {
            Format::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
            Format::Plain | Format::Custom => Box::new(file),
        })
    }

    /// The file as it is.
    pub(crate) fn file(&self) -> Result<File> {
        File::open(&self.path).map_err(|e| unreadable(&self.path, e))
    }
}

/// `db.dump` or `dump.sql`, and `filestore`: click-odoo-backupdb's folder, and an unpacked zip.
fn folder(path: &Utf8Path) -> Result<Source> {
    let candidates = ["db.dump", "dump.sql", "dump.sql.gz"];
    let found = candidates
        .iter()
        .map(|name| path.join(name))
        .find(|file| file.is_file());
    let Some(file) = found else {
        if path.join("toc.dat").is_file() {
            let what = format!("`{path}` is a dump in the directory format (`pg_dump -Fd`)");
            return Err(beginning::sql_of(Failure::refused(what), path));
        }
        return Err(Failure::refused(format!("the folder `{path}` holds no dump"))
            .hint("it should hold `db.dump` or `dump.sql`, and `filestore`"));
    };
    let format = match begins(&file)? {
        Beginning::Dump(format) => format,
        Beginning::Zip | Beginning::Unknown => {
            return Err(Failure::refused(format!("`{file}` is no dump")));
        }
        other @ (Beginning::Tar
        | Beginning::TarOfDump
        | Beginning::Wide
        | Beginning::Packed(_)
        | Beginning::Damaged(_)) => return Err(other.refuse(&file)),
    };
    Ok(Source::Folder {
        dump: Dump::of(&file, format)?,
        filestore: filestore_of(path)?,
    })
}

fn unreadable(path: &Utf8Path, error: std::io::Error) -> Failure {
    Failure::refused(format!("could not read `{path}`")).because(error)
}

#[cfg(test)]
#[path = "source/tests.rs"]
mod tests;
