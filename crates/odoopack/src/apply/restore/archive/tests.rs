//! Zips that are not what they say, made byte by byte: no honest tool writes them.
use std::io::Write;

use camino::Utf8PathBuf;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use odoopack_core::restore::{Disk, database_of, room_for_copy};

use super::*;

/// One entry as the directory of the archive describes it, and its bytes.
struct Made {
    name: &'static str,
    flags: u16,
    method: u16,
    said: u32,
    packed: Vec<u8>,
    crc: u32,
}

const ENCRYPTED: u16 = 1;
const DEFLATE: u16 = 8;
const DEFLATE64: u16 = 9;

fn entry(name: &'static str, content: &[u8]) -> Made {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).unwrap();
    let mut crc = flate2::Crc::new();
    crc.update(content);
    Made {
        name,
        flags: 0,
        method: DEFLATE,
        said: u32::try_from(content.len()).unwrap(),
        packed: encoder.finish().unwrap(),
        crc: crc.sum(),
    }
}

fn header(made: &Made) -> Vec<u8> {
    let packed = u32::try_from(made.packed.len()).unwrap();
    let name = u16::try_from(made.name.len()).unwrap();
    let mut out = Vec::new();
    // Version 2.0, method, 1 January 1980.
    for number in [20, made.flags, made.method, 0, 0x21] {
        out.extend(number.to_le_bytes());
    }
    for number in [made.crc, packed, made.said] {
        out.extend(number.to_le_bytes());
    }
    out.extend(name.to_le_bytes());
    out.extend(0_u16.to_le_bytes());
    out
}

/// APPNOTE.TXT 6.3.10, 4.3: local headers with their bytes, the directory, its end.
fn zip_of(all: &[Made]) -> (tempfile::TempDir, Utf8PathBuf) {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for made in all {
        let at = u32::try_from(out.len()).unwrap();
        out.extend(b"PK\x03\x04");
        out.extend(header(made));
        out.extend(made.name.as_bytes());
        out.extend(&made.packed);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(header(made));
        // No comment, first disk, no attributes.
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(made.name.as_bytes());
    }
    let count = u16::try_from(all.len()).unwrap().to_le_bytes();
    let (size, at) = (directory.len(), out.len());
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count);
    out.extend(count);
    out.extend(u32::try_from(size).unwrap().to_le_bytes());
    out.extend(u32::try_from(at).unwrap().to_le_bytes());
    out.extend([0; 2]);
    written(&out)
}

fn written(bytes: &[u8]) -> (tempfile::TempDir, Utf8PathBuf) {
    let keep = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(keep.path().join("a.zip")).unwrap();
    crate::files::replace(&path, bytes, 0o600, None).unwrap();
    (keep, path)
}

fn why(all: &[Made]) -> String {
    let (_keep, path) = zip_of(all);
    let failure = Archive::open(&path).unwrap_err();
    assert_eq!(failure.kind, crate::failure::Kind::Refused, "{failure}");
    failure.chain().join(": ")
}

fn dump_of(archive: &Archive) -> Result<Vec<u8>> {
    archive.with_dump(|dump| {
        let mut bytes = Vec::new();
        let read = dump.read_to_end(&mut bytes);
        read.map_err(|e| Failure::failed("could not read the dump").because(e))?;
        Ok(bytes)
    })
}

const PLACE: &str = "filestore/da/da39a3ee5e6b4b0d3255bfef95601890afd80709";

#[test]
fn a_bomb_that_says_how_big_it_is_does_not_fit() {
    let bomb = Made {
        said: u32::MAX - 1,
        ..entry("dump.sql", &vec![b' '; 1 << 20])
    };
    let (_keep, path) = zip_of(&[bomb]);
    let (rows, files) = Archive::open(&path).unwrap().sizes();
    assert!(path.metadata().unwrap().len() < 2000);
    let disk = Disk {
        place: "/srv".into(),
        device: 1,
        free: Bytes::gib(3),
    };
    let need = Bytes(database_of(rows).0 + files.0);
    assert!(room_for_copy(need, &disk).is_err(), "{rows}");
}

#[test]
fn an_entry_never_becomes_longer_or_shorter_than_it_says() {
    for said in [10, (1 << 20) - 1, (1 << 20) + 1, 1 << 21] {
        let dump = || Made {
            said,
            ..entry("dump.sql", &vec![b' '; 1 << 20])
        };
        let (_keep, path) = zip_of(&[dump()]);
        let archive = Archive::open(&path).unwrap();
        let failure = dump_of(&archive).unwrap_err().chain().join(": ");
        assert!(failure.contains("could not read"), "{said}: {failure}");
        let attachment = Made {
            name: PLACE,
            ..dump()
        };
        let (_keep, path) = zip_of(&[entry("dump.sql", b"-- x"), attachment]);
        let archive = Archive::open(&path).unwrap();
        let mut got = 0;
        let taken = archive.for_each_attachment(|_, content| {
            let mut portion = [0; 4096];
            loop {
                let count = content.read(&mut portion);
                let count = count.map_err(|e| Failure::failed("could not read it").because(e))?;
                if count == 0 {
                    return Ok(());
                }
                got += count;
            }
        });
        assert!(taken.is_err() && got <= said as usize, "{said}: {got}");
    }
}

#[test]
fn what_is_encrypted_overlaps_or_comes_twice_is_refused() {
    let dump = || entry("dump.sql", b"-- x");
    let secret = Made {
        flags: ENCRYPTED,
        ..entry(PLACE, b"x")
    };
    assert!(why(&[dump(), secret]).contains("is encrypted"));
    assert!(why(&[dump(), dump()]).contains("same name"));
    assert!(why(&[dump(), entry("dump.sql.gz", b"x")]).contains("two dumps"));
    assert!(why(&[entry("backup/dump.sql", b"-- x")]).contains("holds no `dump.sql`"));
    assert!(why(&[dump(), entry("filestore/../../x", b"x")]).contains("leads out"));
    // One entry whose bytes hold the next one, as in the bombs without nesting.
    let inner = entry(PLACE, b"x");
    let (_keep, path) = zip_of(&[dump(), inner]);
    let mut bytes = std::fs::read(&path).unwrap();
    let directory = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    let at = directory + 20;
    let longer = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) + 40;
    bytes[at..at + 4].copy_from_slice(&longer.to_le_bytes());
    let (_keep, path) = written(&bytes);
    let failure = Archive::open(&path).unwrap_err();
    assert!(failure.to_string().contains("overlap"), "{failure}");
}

/// As Windows Explorer packs what is big.
#[test]
fn a_method_that_is_not_read_here_is_named_and_not_taken_for_damage() {
    let other = |made: Made| Made {
        method: DEFLATE64,
        ..made
    };
    let dump = || entry("dump.sql", b"-- x");
    for all in [
        vec![other(dump())],
        vec![dump(), other(entry("manifest.json", b"{}"))],
        vec![dump(), other(entry(PLACE, b"x"))],
    ] {
        let said = why(&all);
        assert!(
            said.contains("not packed with deflate") && said.contains("Deflate64"),
            "{said}"
        );
    }
    let (_keep, path) = zip_of(&[dump(), other(entry("logs/odoo.log", b"x"))]);
    assert_eq!(dump_of(&Archive::open(&path).unwrap()).unwrap(), b"-- x");
}

#[test]
fn a_zip_that_was_cut_off_is_no_zip() {
    let (_keep, path) = zip_of(&[entry("dump.sql", b"-- x"), entry(PLACE, b"")]);
    let bytes = std::fs::read(&path).unwrap();
    for length in [5, 30, bytes.len() / 2, bytes.len() - 23, bytes.len() - 1] {
        let (_keep, path) = written(&bytes[..length]);
        let failure = Archive::open(&path).unwrap_err();
        assert_eq!(failure.kind, crate::failure::Kind::Refused, "{length}: {failure}");
    }
    let archive = Archive::open(&path).unwrap();
    assert_eq!(archive.attachments.len(), 1);
}

/// What Odoo.sh hands out: a dump that may be compressed once more, a filestore, perhaps no description.
#[test]
fn a_download_without_a_description_says_no_series_and_is_taken() {
    let text = b"-- PostgreSQL database dump\n";
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(text).unwrap();
    let packed = packed.finish().unwrap();
    let others = || {
        [
            entry(PLACE, b""),
            entry("sessions/ab/abcdef", b"{}"),
            entry("logs/odoo.log", b"x"),
        ]
    };
    for dump in [entry("dump.sql", text), entry("dump.sql.gz", &packed)] {
        let size = u64::from(dump.said);
        let compressed = dump.name.ends_with("gz");
        let all: Vec<Made> = std::iter::once(dump).chain(others()).collect();
        let (_keep, path) = zip_of(&all);
        let archive = Archive::open(&path).unwrap();
        assert_eq!(archive.series, None);
        assert_eq!(archive.attachments.len(), 1);
        assert_eq!(dump_of(&archive).unwrap(), text);
        let grows = if compressed { COMPRESSED_GROWS } else { 1 };
        assert_eq!(archive.sizes().0, Bytes(size * grows));
    }
    let described = entry("manifest.json", br#"{"major_version": "17.0"}"#);
    let (_keep, path) = zip_of(&[entry("dump.sql", text), described]);
    assert_eq!(Archive::open(&path).unwrap().series.as_deref(), Some("17.0"));
}

#[test]
fn a_compressed_dump_that_is_cut_off_is_an_error() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&[b'x'; 4096]).unwrap();
    let packed = packed.finish().unwrap();
    let (_keep, path) = zip_of(&[entry("dump.sql.gz", &packed[..packed.len() - 9])]);
    assert!(dump_of(&Archive::open(&path).unwrap()).is_err());
}
