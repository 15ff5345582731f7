//! A zip of somebody, read where it lies: judged entry by entry before anything of it is used.
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::dump::archive::{self, Entry};
use odoopack_core::units::Bytes;
use zip::{CompressionMethod, ZipArchive};

use crate::failure::{Failure, Result};

/// Longest description that is read.
const MANIFEST: u64 = 4 << 20;
/// A compressed plain dump becomes about this many times bigger.
pub(super) const COMPRESSED_GROWS: u64 = 5;

/// A zip whose entries were judged.
#[derive(Debug)]
pub(crate) struct Archive {
    path: Utf8PathBuf,
    dump: (usize, u64),
    /// Whether the dump is compressed once more, so that nobody can know how big it becomes.
    compressed: bool,
    /// Number, place and size of each attachment, in the order in which they lie in the file.
    pub(crate) attachments: Vec<(usize, String, u64)>,
    /// What its description says.
    pub(crate) series: Option<String>,
}

/// One entry while it is judged.
struct Seen {
    number: usize,
    entry: Entry,
    size: u64,
    from: u64,
    to: u64,
}

impl Archive {
    /// Opens and judges a zip.
    ///
    /// # Errors
    /// Kind `Refused` when an entry leads out of it, is a link, overlaps another or comes twice.
    pub(crate) fn open(path: &Utf8Path) -> Result<Self> {
        let mut zip = zip(path)?;
        let refused = |why: &str| Failure::refused(format!("`{path}` is not safe to unpack: {why}"));
        if entries_of(path)? != zip.len() as u64 {
            return Err(refused("two of its entries have the same name"));
        }
        let mut seen = Vec::new();
        for number in 0..zip.len() {
            let file = zip.by_index_raw(number).map_err(|e| broken(path, &e))?;
            let entry = archive::judge(file.name(), file.unix_mode()).map_err(|e| refused(&e.to_string()))?;
            if file.encrypted() {
                return Err(refused(&format!("`{}` is encrypted", file.name())));
            }
            if !matches!(entry, Entry::Nothing | Entry::Foreign) {
                readable(path, file.name(), file.compression())?;
            }
            let from = file.header_start();
            let data = file.data_start().unwrap_or(from);
            let to = data.saturating_add(file.compressed_size());
            seen.push(Seen {
                number,
                entry,
                size: file.size(),
                from,
                to,
            });
        }
        seen.sort_by_key(|entry| (entry.from, entry.to));
        if seen.windows(2).any(|pair| pair[0].to > pair[1].from) {
            return Err(refused("its entries overlap, as in a zip bomb"));
        }
        let series = series(path, &mut zip, &seen)?;
        let dumps: Vec<&Seen> = seen.iter().filter(|seen| is_dump(&seen.entry)).collect();
        let dump = match dumps[..] {
            [dump] => dump,
            [] => {
                return Err(Failure::refused(format!("`{path}` holds no `dump.sql`")).hint(
                    "a zip of Odoo or Odoo.sh has it at its top; what was packed in another way: `unzip` it, and import the folder",
                ));
            }
            _ => return Err(refused("it holds two dumps")),
        };
        Ok(Self {
            path: path.to_owned(),
            dump: (dump.number, dump.size),
            compressed: dump.entry == Entry::CompressedDump,
            series,
            attachments: seen.into_iter().filter_map(attachment).collect(),
        })
    }

    pub(crate) fn describe(&self) -> String {
        let (rows, files) = self.sizes();
        let series = self.series.as_deref().unwrap_or("no series named");
        format!(
            "a zip of Odoo ({series}) with a dump of {rows} and {} attachments of {files}",
            self.attachments.len()
        )
    }

    pub(crate) fn sizes(&self) -> (Bytes, Bytes) {
        let files = self.attachments.iter().map(|(_, _, size)| *size);
        let rows = if self.compressed {
            self.dump.1.saturating_mul(COMPRESSED_GROWS)
        } else {
            self.dump.1
        };
        (Bytes(rows), Bytes(files.fold(0, u64::saturating_add)))
    }

    /// Hands over the dump.
    pub(crate) fn with_dump<T>(&self, read: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
        let mut zip = zip(&self.path)?;
        let file = zip.by_index(self.dump.0).map_err(|e| broken(&self.path, &e))?;
        let mut dump = Exactly {
            left: self.dump.1,
            reader: file,
        };
        if self.compressed {
            return read(&mut flate2::read::MultiGzDecoder::new(dump));
        }
        read(&mut dump)
    }

    /// Hands over every attachment, one after the other.
    pub(crate) fn for_each_attachment(
        &self,
        mut each: impl FnMut(&str, &mut dyn Read) -> Result<()>,
    ) -> Result<()> {
        let mut zip = zip(&self.path)?;
        for (number, place, size) in &self.attachments {
            let file = zip.by_index(*number).map_err(|e| broken(&self.path, &e))?;
            each(
                place,
                &mut Exactly {
                    left: *size,
                    reader: file,
                },
            )
            .map_err(|e| e.during(format!("could not unpack `{place}`")))?;
        }
        Ok(())
    }
}

/// No entry may be longer, or shorter, than the archive said when room for it was looked for.
struct Exactly<R> {
    left: u64,
    reader: R,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.reader.read(buffer)?;
        let wrong = count as u64 > self.left || (count == 0 && self.left > 0 && !buffer.is_empty());
        if wrong {
            return Err(std::io::Error::other(
                "the entry is not as long as the archive says",
            ));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

fn is_dump(entry: &Entry) -> bool {
    matches!(entry, Entry::Dump | Entry::CompressedDump)
}

fn attachment(seen: Seen) -> Option<(usize, String, u64)> {
    match seen.entry {
        Entry::Attachment(place) => Some((seen.number, place, seen.size)),
        Entry::Dump | Entry::CompressedDump | Entry::Manifest | Entry::Nothing | Entry::Foreign => None,
    }
}

fn series(path: &Utf8Path, zip: &mut ZipArchive<BufReader<File>>, seen: &[Seen]) -> Result<Option<String>> {
    let Some(manifest) = seen.iter().find(|seen| seen.entry == Entry::Manifest) else {
        return Ok(None);
    };
    let file = zip.by_index(manifest.number).map_err(|e| broken(path, &e))?;
    let mut text = String::new();
    file.take(MANIFEST)
        .read_to_string(&mut text)
        .map_err(|e| Failure::refused(format!("could not read `manifest.json` of `{path}`")).because(e))?;
    let value: serde_json::Value = serde_json::from_str(&text)
        .map_err(|e| Failure::refused(format!("`manifest.json` of `{path}` is no JSON")).because(e))?;
    Ok(value["major_version"].as_str().map(str::to_owned))
}

fn zip(path: &Utf8Path) -> Result<ZipArchive<BufReader<File>>> {
    let file =
        File::open(path).map_err(|e| Failure::refused(format!("could not open `{path}`")).because(e))?;
    ZipArchive::new(BufReader::with_capacity(1 << 18, file)).map_err(|e| broken(path, &e))
}

/// Windows packs what is bigger than 2 GiB with Deflate64, which no program of Odoo's reads either.
///
/// # Source
/// APPNOTE.TXT 6.3.10, 4.4.5: 9 is Deflate64.
fn readable(path: &Utf8Path, name: &str, method: CompressionMethod) -> Result<()> {
    if matches!(method, CompressionMethod::Stored | CompressionMethod::Deflated) {
        return Ok(());
    }
    Err(Failure::refused(format!("`{name}` in `{path}` is not packed with deflate"))
        .because(format!("its method is {method}, as Windows Explorer's for big files can be"))
        .hint("unpack it and import the folder, or repack it with deflate: `zip -r backup.zip dump.sql manifest.json filestore`"))
}

fn broken(path: &Utf8Path, error: &zip::result::ZipError) -> Failure {
    Failure::refused(format!("`{path}` is no whole zip"))
        .because(error.to_string())
        .hint("download or copy it again; compare its size with the original's")
}

/// How many entries the archive's own end says it has; the library keeps one of those with the same name.
///
/// # Source
/// APPNOTE.TXT 6.3.10, 4.3.14 to 4.3.16: end of central directory, and its 64-bit form.
fn entries_of(path: &Utf8Path) -> Result<u64> {
    let failed = |e| Failure::refused(format!("could not read `{path}`")).because(e);
    let mut file = File::open(path).map_err(failed)?;
    let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
    let tail = length.min(66_000);
    file.seek(SeekFrom::End(-i64::try_from(tail).unwrap_or(0)))
        .map_err(failed)?;
    let mut end = Vec::new();
    file.read_to_end(&mut end).map_err(failed)?;
    let at = end.windows(4).rposition(|window| window == b"PK\x05\x06");
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let field = |from: usize, to: usize| end.get(from..to).map(number);
    let Some(small) = at.and_then(|at| field(at + 10, at + 12)) else {
        return Err(
            Failure::refused(format!("`{path}` is no whole zip: its end is missing"))
                .hint("download or copy it again; compare its size with the original's"),
        );
    };
    let big = end.windows(4).rposition(|window| window == b"PK\x06\x06");
    Ok(big.and_then(|at| field(at + 32, at + 40)).unwrap_or(small))
}

#[cfg(test)]
#[path = "archive/tests.rs"]
mod tests;
