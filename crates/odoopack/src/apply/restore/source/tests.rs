//! A backup is what its bytes are, whatever it is called.
use super::*;
use crate::failure::Kind;
use crate::files;

fn open(files: &[(&str, &[u8])], what: &str) -> std::result::Result<String, Failure> {
    let keep = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(keep.path()).unwrap();
    for (name, bytes) in files {
        let path = root.join(name);
        files::directory_all(path.parent().unwrap()).unwrap();
        files::replace(&path, bytes, 0o600, None).unwrap();
    }
    Source::open(&root.join(what)).map(|source| source.describe())
}

const SQL: &[u8] = b"--\n-- PostgreSQL database dump\n--\n";
const CUSTOM: &[u8] = b"PGDMP\x01\x0f\x00\x04\x08\x01";
const GZIP: &[u8] = b"\x1f\x8b\x08\x00xxxx";

#[test]
fn the_bytes_decide_and_not_the_name() {
    let mut tar = [0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    let good: [(&str, &[u8], &str); 5] = [
        ("a.zip", SQL, "a plain dump"),
        ("a.sql", CUSTOM, "a custom dump"),
        ("a.dump", GZIP, "a compressed plain dump"),
        ("a", b"\\restrict abc\n-- x", "a plain dump"),
        ("b", b"\n\n  SET statement_timeout = 0;\n", "a plain dump"),
    ];
    for (name, bytes, is) in good {
        let said = open(&[(name, bytes)], name).unwrap();
        assert!(said.starts_with(is), "{name}: {said}");
    }
    let bad: [(&str, &[u8], &str); 6] = [
        ("a.tar", &tar, "tar archive"),
        (
            "a.sql",
            b"<!DOCTYPE html>\n<title>Sign in</title>",
            "no backup that is known",
        ),
        ("a.dump", b"\x7fELF\x02\x01", "no backup that is known"),
        ("a.sql", b"", "no backup that is known"),
        ("a.zip", b"PK\x03\x04 and nothing more", "no whole zip"),
        ("a.sql", b"-- a\0b", "no backup that is known"),
    ];
    for (name, bytes, why) in bad {
        let failure = open(&[(name, bytes)], name).unwrap_err();
        assert_eq!(failure.kind, Kind::Refused, "{name}");
        assert!(failure.to_string().contains(why), "{name}: {failure}");
    }
}

#[test]
fn a_folder_is_known_by_its_dump_and_says_when_its_attachments_are_not_there() {
    let place = "x/filestore/da/da39a3ee5e6b4b0d3255bfef95601890afd80709";
    let with = open(&[("x/dump.sql.gz", GZIP), (place, b"")], "x").unwrap();
    assert!(with.ends_with("and a filestore"), "{with}");
    let without = open(&[("x/db.dump", SQL)], "x").unwrap();
    assert!(without.ends_with("without a filestore"), "{without}");
    for (file, bytes, why) in [
        ("x/other.sql", SQL, "holds no dump"),
        ("x/db.dump", b"<html>" as &[u8], "is no dump"),
    ] {
        let failure = open(&[(file, bytes)], "x").unwrap_err();
        assert!(failure.to_string().contains(why), "{failure}");
    }
    let nowhere = open(&[], "nowhere").unwrap_err();
    assert_eq!(nowhere.kind, Kind::Refused);
}
