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

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

fn tar(first: &[u8]) -> Vec<u8> {
    let mut tar = vec![0; 1024];
    tar[..first.len()].copy_from_slice(first);
    tar[257..262].copy_from_slice(b"ustar");
    tar
}

/// What is said of something that is not brought in, with what helps.
fn refused(files: &[(&str, &[u8])], what: &str) -> String {
    let failure = open(files, what).unwrap_err();
    assert_eq!(failure.kind, Kind::Refused, "{what}");
    format!("{} {}", failure.chain().join(": "), failure.json()["hints"])
}

#[test]
fn the_bytes_decide_and_not_the_name() {
    let (tar, packed) = (tar(b"a/"), gzip(SQL));
    let marked = [b"\xef\xbb\xbf".as_slice(), SQL].concat();
    let good: [(&str, &[u8], &str); 6] = [
        ("a.zip", SQL, "a plain dump"),
        ("a.sql", CUSTOM, "a custom dump"),
        ("a.dump", &packed, "a compressed plain dump"),
        ("c", &marked, "a plain dump"),
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
    let with = open(&[("x/dump.sql.gz", &gzip(SQL)), (place, b"")], "x").unwrap();
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

#[test]
fn what_is_compressed_is_judged_by_what_is_in_it() {
    let whole = gzip(&SQL.repeat(9));
    let table: [(Vec<u8>, &str, &str); 8] = [
        (
            gzip(&tar(b"odoo/db.dump")),
            "a compressed tar archive",
            "`tar xzf ",
        ),
        (
            gzip(CUSTOM),
            "a custom dump that was compressed once more",
            "`gunzip --stdout ",
        ),
        (
            gzip(b"PK\x03\x04xx"),
            "a zip that was compressed once more",
            "`gunzip --stdout ",
        ),
        (gzip(&tar(b"toc.dat\0")), "`pg_dump -Ft`", "`gunzip --stdout "),
        (
            gzip(b"\xff\xfe-\0-\0"),
            "UTF-16",
            "`pg_dump -f dump.sql DATABASE`",
        ),
        (gzip(b"<html>"), "no backup that is known", "`pg_dump -Fc`"),
        (
            whole[..whole.len() - 4].to_vec(),
            "cannot be unpacked",
            "copy it again",
        ),
        (
            b"\x1f\x8b\x08\x00xxxx".to_vec(),
            "cannot be unpacked",
            "copy it again",
        ),
    ];
    for (bytes, why, helps) in table {
        for said in [
            refused(&[("a.gz", &bytes)], "a.gz"),
            refused(&[("x/dump.sql.gz", &bytes)], "x"),
        ] {
            assert!(said.contains(why) && said.contains(helps), "{why}: {said}");
        }
    }
}

#[test]
fn what_pg_restore_or_another_shell_can_make_of_it_is_said() {
    let said = refused(&[("a.tar", &tar(b"toc.dat\0"))], "a.tar");
    assert!(
        said.contains("`pg_dump -Ft`") && said.contains("`pg_restore --no-owner -f dump.sql "),
        "{said}"
    );
    let said = refused(&[("x/toc.dat", CUSTOM), ("x/3000.dat.gz", b"x")], "x");
    assert!(
        said.contains("`pg_dump -Fd`") && said.contains("`pg_restore --no-owner -f dump.sql "),
        "{said}"
    );
    for wide in [b"\xff\xfe-\0-\0".as_slice(), b"\xfe\xff\0-\0-"] {
        let said = refused(&[("a.sql", wide)], "a.sql");
        assert!(
            said.contains("UTF-16") && said.contains("`pg_dump -f dump.sql DATABASE`"),
            "{said}"
        );
    }
}

const SHA: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

/// The attachments of a folder that has these files.
fn attachments_of(names: &[&str]) -> Result<Vec<String>> {
    let keep = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(keep.path()).unwrap();
    for name in ["db.dump"].iter().chain(names) {
        let path = root.join(name);
        files::directory_all(path.parent().unwrap()).unwrap();
        files::replace(&path, CUSTOM, 0o600, None).unwrap();
    }
    let Source::Folder {
        filestore: Some(directory),
        ..
    } = Source::open(root)?
    else {
        return Ok(Vec::new());
    };
    Ok(attachments(&directory)?
        .into_iter()
        .map(|(place, _)| place)
        .collect())
}

/// `cp -a` of Odoo's own directory brings the name of the database with it.
#[test]
fn the_filestore_of_one_database_is_found_below_its_name() {
    let place = format!("da/{SHA}");
    for database in ["odoo", "db", "checklist2", "my odoo"] {
        let name = format!("filestore/{database}/{place}");
        let list = format!("filestore/{database}/checklist/{place}");
        assert_eq!(
            attachments_of(&[&name, &list]).unwrap(),
            [place.as_str()],
            "{database}"
        );
    }
    // What lies where it should is taken, whatever is beside it.
    let (own, other) = (format!("filestore/{place}"), format!("filestore/other/{place}"));
    assert_eq!(attachments_of(&[&own, &other]).unwrap(), [place.as_str()]);
    let list = format!("filestore/checklist/{place}");
    assert_eq!(attachments_of(&[&list]).unwrap(), Vec::<String>::new());
    let name = format!("filestore/test/{place}");
    let failure = attachments_of(&[&other, &name]).unwrap_err();
    assert_eq!(failure.kind, Kind::Refused);
    assert!(
        failure.to_string().ends_with("several databases: other, test"),
        "{failure}"
    );
}

#[test]
fn attachments_of_the_first_series_are_found_and_every_file_is_known() {
    let keep = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(keep.path()).unwrap();
    let (new, old) = (format!("da/{SHA}"), format!("da3/{SHA}"));
    for name in [
        new.as_str(),
        &old,
        "odd/name",
        "flat",
        &format!("checklist/{new}"),
    ] {
        let path = root.join(name);
        files::directory_all(path.parent().unwrap()).unwrap();
        files::replace(&path, b"", 0o600, None).unwrap();
    }
    std::os::unix::fs::symlink("/etc/passwd", root.join("da/link")).unwrap();
    let names = |all: Vec<(String, u64)>| all.into_iter().map(|(place, _)| place).collect::<Vec<_>>();
    assert_eq!(names(attachments(root).unwrap()), [new.clone(), old.clone()]);
    assert_eq!(
        names(super::files(root).unwrap()),
        [new, old, "flat".to_owned(), "odd/name".to_owned()]
    );
}
