//! Checksums of modules beside those of click-odoo-update itself, which is run as it comes from PyPI.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

mod support;

use std::os::unix::fs::symlink;

use camino::{Utf8Path, Utf8PathBuf};
use support::addons;
use support::hashes::{Case, ours, theirs, usual};

const OCA: &[(&str, &str)] = &[
    ("odoo-addon-partner-firstname", "19.0.1.0.3"),
    ("odoo-addon-auditlog", "19.0.2.0.1"),
    ("odoo-addon-auditlog", "18.0.2.0.8"),
];

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
    for (package, version) in OCA {
        let top = place.join(version);
        addons::lay_out(package, version, &top);
        equal(&[top], &[usual(&[]), usual(&["en_US", "nl_NL", "sr@latin"])]);
    }
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
        std::fs::write(&path, if file.ends_with("z") { "" } else { file }).unwrap();
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
