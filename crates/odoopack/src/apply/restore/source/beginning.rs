//! What a file is, by its first bytes; what is none that can be brought in says what would make it one.
use std::fs::File;
use std::io::{BufReader, Read};

use camino::Utf8Path;

use super::{Format, unreadable};
use crate::failure::{Failure, Result};

/// So many bytes tell: a tar archive says what it is behind 257 others.
const ENOUGH: u64 = 512;

/// What a file is.
#[derive(Debug)]
pub(super) enum Beginning {
    Zip,
    Dump(Format),
    Tar,
    /// `pg_dump -Ft`.
    TarOfDump,
    /// A text in UTF-16.
    Wide,
    /// Something else than plain SQL, compressed with gzip.
    Packed(Box<Self>),
    /// What says that it is compressed, and is not.
    Damaged(std::io::Error),
    Unknown,
}

/// Looks at the beginning of a file; of a compressed one, at what is in it.
pub(super) fn begins(path: &Utf8Path) -> Result<Beginning> {
    let open = || File::open(path).map_err(|e| unreadable(path, e));
    let start = read(open()?).map_err(|e| unreadable(path, e))?;
    if !start.starts_with(&[0x1f, 0x8b]) {
        return Ok(judge(&start));
    }
    let inside = flate2::bufread::MultiGzDecoder::new(BufReader::new(open()?));
    Ok(match read(inside).map(|start| judge(&start)) {
        Ok(Beginning::Dump(Format::Plain)) => Beginning::Dump(Format::Gzip),
        Ok(other) => Beginning::Packed(Box::new(other)),
        Err(e) => Beginning::Damaged(e),
    })
}

fn read(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    from.take(ENOUGH).read_to_end(&mut start)?;
    Ok(start)
}

fn judge(start: &[u8]) -> Beginning {
    let plain = || !start.is_empty() && !start.contains(&0) && looks_like_sql(start);
    match start {
        [b'P', b'K', 3 | 5, 4 | 6, ..] => Beginning::Zip,
        [b'P', b'G', b'D', b'M', b'P', ..] => Beginning::Dump(Format::Custom),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Beginning::Wide,
        _ if start.get(257..262) == Some(b"ustar") => {
            if start.starts_with(b"toc.dat\0") {
                Beginning::TarOfDump
            } else {
                Beginning::Tar
            }
        }
        _ if plain() => Beginning::Dump(Format::Plain),
        _ => Beginning::Unknown,
    }
}

fn looks_like_sql(start: &[u8]) -> bool {
    let text = String::from_utf8_lossy(start);
    let first = text
        .trim_start_matches('\u{feff}')
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or_default();
    let word = first
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_ascii_uppercase();
    [
        "--",
        "SET",
        "\\RESTRICT",
        "BEGIN;",
        "BEGIN",
        "CREATE",
        "/*",
        "SELECT",
    ]
    .contains(&word.as_str())
}

impl Beginning {
    /// Why `path` is not brought in, and what makes it something that is.
    pub(super) fn refuse(&self, path: &Utf8Path) -> Failure {
        let is = |what: &str| Failure::refused(format!("`{path}` is {what}"));
        match self {
            Self::Tar => is("a tar archive").hint(format!(
                "`tar xf {path}`, then import the folder or the dump that was in it"
            )),
            Self::TarOfDump => sql_of(is("a dump in the tar format (`pg_dump -Ft`)"), path),
            Self::Wide => is("a text in UTF-16, as PowerShell's `>` writes it")
                .hint("write it with `pg_dump -f dump.sql DATABASE`, which needs no `>`"),
            Self::Packed(inside) => match inside.as_ref() {
                Self::Tar => is("a compressed tar archive").hint(format!(
                    "`tar xzf {path}`, then import the folder or the dump that was in it"
                )),
                Self::Dump(_) => unpack(is("a custom dump that was compressed once more"), path),
                Self::Zip => unpack(is("a zip that was compressed once more"), path),
                Self::TarOfDump => unpack(is("a compressed dump in the tar format (`pg_dump -Ft`)"), path),
                Self::Wide => is("a compressed text in UTF-16, as PowerShell's `>` writes it")
                    .hint("write it with `pg_dump -f dump.sql DATABASE`, which needs no `>`"),
                Self::Packed(_) | Self::Damaged(_) | Self::Unknown => unknown(format!(
                    "what is compressed in `{path}` is no backup that is known here"
                )),
            },
            Self::Damaged(e) => Failure::refused(format!("`{path}` cannot be unpacked"))
                .because(e.to_string())
                .hint("download or copy it again; compare its size with the original's"),
            Self::Zip | Self::Dump(_) | Self::Unknown => {
                unknown(format!("`{path}` is no backup that is known here"))
            }
        }
    }
}

/// What `pg_restore` alone can read becomes plain SQL.
pub(super) fn sql_of(failure: Failure, path: &Utf8Path) -> Failure {
    failure.hint(format!(
        "`pg_restore --no-owner -f dump.sql {path}` with a client that is as new as the one that wrote it, then import `dump.sql`"
    ))
}

fn unpack(failure: Failure, path: &Utf8Path) -> Failure {
    failure.hint(format!(
        "`gunzip --stdout {path} > unpacked`, then import `unpacked`"
    ))
}

fn unknown(message: String) -> Failure {
    Failure::refused(message)
        .hint("a zip of Odoo, a folder of click-odoo-backupdb, or a dump: `pg_dump -Fc`, .sql, .sql.gz")
}
