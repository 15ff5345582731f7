//! Checksums of modules beside those of click-odoo-update itself, which is run as it is published.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

mod support;

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;

use camino::{Utf8Path, Utf8PathBuf};
use support::hashes::{Case, ours, theirs, usual};
use support::{addons, machine};

#[track_caller]
fn equal(tops: &[Utf8PathBuf], cases: &[Case]) -> usize {
    let theirs = theirs(tops, cases);
    for (case, theirs) in cases.iter().zip(&theirs) {
        assert_eq!(
            ours(tops, case),
            *theirs,
            "{} {:?}",
            case.patterns,
            case.languages
        );
    }
    theirs[0].len()
}

#[test]
fn modules_of_the_oca_have_their_checksum() {
    let place = tempfile::tempdir().unwrap();
    let place = Utf8Path::from_path(place.path()).unwrap();
    let (mut tops, mut list) = (Vec::new(), Vec::new());
    for wheel in addons::wheels() {
        // A directory for each: two series have modules of one name.
        let top = place.join(tops.len().to_string());
        list.extend([wheel.into_string(), top.to_string()]);
        tops.push(top.join("odoo/addons"));
    }
    let unpack = "import sys, zipfile\nfor line in sys.stdin:\n    wheel, to = line.rstrip('\\n').split('\\t')\n    zipfile.ZipFile(wheel).extractall(to)";
    let lines: Vec<String> = list.chunks(2).map(|pair| pair.join("\t")).collect();
    machine::must_with("python3", &["-c", unpack], &lines.join("\n"));
    let mut modules = 0;
    for tops in by_series(&tops) {
        modules += equal(&tops, &[usual(&[]), usual(&["en_US", "nl_NL", "sr@latin"])]);
    }
    assert!(modules >= 300, "{modules}");
}

/// Tops in groups that hold no name twice.
fn by_series(tops: &[Utf8PathBuf]) -> Vec<Vec<Utf8PathBuf>> {
    let mut groups: Vec<(BTreeSet<String>, Vec<Utf8PathBuf>)> = Vec::new();
    for top in tops {
        let names: BTreeSet<String> = top
            .read_dir_utf8()
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_owned())
            .collect();
        match groups.iter_mut().find(|(known, _)| known.is_disjoint(&names)) {
            Some((known, group)) => {
                known.extend(names);
                group.push(top.clone());
            }
            None => groups.push((names, vec![top.clone()])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

#[test]
fn odd_trees_and_odd_patterns_as_well() {
    let place = tempfile::tempdir().unwrap();
    let top = Utf8Path::from_path(place.path()).unwrap();
    odd_tree(&top.join("odd"));
    symlink(top.join("odd"), top.join("linked")).unwrap();
    let mut cases = vec![usual(&[]), usual(&["fr_BE"])];
    cases.extend(patterns().into_iter().map(|patterns| Case {
        patterns,
        languages: vec!["de_DE"],
    }));
    assert_eq!(equal(&[top.to_owned()], &cases), 2);
}

fn odd_tree(module: &Utf8Path) {
    let files = [
        "__manifest__.py",
        "a.py",
        "B.py",
        "b.py",
        "z",
        "empty/",
        "models/a-b.py",
        "models/a.py",
        "models/[x].py",
        "models/é.py",
        "models/deep/er/x.py",
        "models-x/y.py",
        "models.x/y.py",
        "models/__pycache__/a.cpython-311.pyc",
        "i18n/fr.po",
        "i18n/fr_CA.po",
        "i18n/de.po",
        "i18n/x.pot",
        "i18n/.po",
        "i18n/de",
        "i18n/sub/fr.po",
        "i18n_extra/nl.po",
        "data/i18n/nl.po",
        "static/src/x.js",
        "static.txt",
        "tests/test_a.py",
        "models/tests/x.py",
        "a b/c d",
        "!x",
        "-y",
        "^w",
    ];
    for file in files {
        let path = module.join(file);
        if file.ends_with('/') {
            std::fs::create_dir_all(&path).unwrap();
            continue;
        }
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, if file.ends_with('z') { "" } else { file }).unwrap();
    }
    // A link to a file is read, a link to a directory is not followed.
    symlink("a.py", module.join("link.py")).unwrap();
    symlink("models", module.join("link")).unwrap();
}

/// Patterns made of what is special to `fnmatch`, by a generator that always gives the same.
fn patterns() -> Vec<String> {
    let pieces = [
        "*", "?", "[a-z]", "[!a]", "[]x]", "[", "]", "!", "-", "a", ".py", "/", "models", "é", "[^w]", "[a-",
        "[z-a]", "[!z-a]", "[-y]",
    ];
    let mut state = 7_u64;
    let mut next = |limit: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % limit
    };
    (0..60)
        .map(|_| {
            let count = 1 + next(4);
            (0..count).map(|_| pieces[next(pieces.len())]).collect::<String>()
        })
        .collect()
}
