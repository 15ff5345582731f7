//! Manifests as the OCA publishes them, whole and broken: read as Python reads them, or refused.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

mod support;

use odoopack_core::manifest::{self, Fault, NoManifest};
use odoopack_core::spec::Series;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value as Json;
use support::addons;
use support::literals::{Oracle, in_order, tagged};

/// How often a manifest is broken; `cargo xtask soak` runs more.
const MUTATIONS: usize = 6_000;
const SOAK: usize = 300_000;

/// What the two readers say of one text.
#[derive(Debug, PartialEq)]
enum Verdict {
    /// The same value.
    Same,
    /// Both refuse it.
    BothRefuse,
    /// Python reads it, and we say that we cannot.
    Unsupported,
    /// Anything else is a bug.
    Disagree(String),
}

fn compare(content: &[u8], python: &Json) -> Verdict {
    let ours = match str::from_utf8(content) {
        Ok(text) => manifest::literal(text).map_err(NoManifest::from),
        Err(_) => Err(NoManifest::NotUtf8 { line: 0 }),
    };
    let unsupported =
        |why: &NoManifest| matches!(why, NoManifest::Unreadable(why) if why.fault == Fault::Unsupported);
    match (&ours, python.get("value")) {
        (Ok(value), Some(theirs)) if in_order(tagged(value)) == in_order(theirs.clone()) => Verdict::Same,
        (Err(_), None) => Verdict::BothRefuse,
        (Err(why), Some(_)) if unsupported(why) => Verdict::Unsupported,
        _ => Verdict::Disagree(format!(
            "{ours:?}\n{python}\n{}",
            String::from_utf8_lossy(content)
        )),
    }
}

#[test]
fn every_manifest_of_the_oca_is_read_as_python_reads_it() {
    let mut oracle = Oracle::start();
    let mut read = 0;
    for wheel in addons::wheels() {
        let found = oracle.wheel(&wheel);
        assert!(!found.is_empty(), "{wheel} holds no module");
        for (name, content, python) in found {
            assert_eq!(compare(&content, &python), Verdict::Same, "{wheel}");
            let manifest = manifest::parse(&content).unwrap_or_else(|e| panic!("{wheel}: {e}"));
            let series = if wheel.as_str().contains("-18.0.") {
                Series::V18
            } else {
                Series::V19
            };
            assert_eq!(manifest.fits(series), Ok(()), "{wheel}");
            assert!(manifest.installable && manifest.title.is_some(), "{wheel} {name}");
            read += 1;
        }
    }
    assert!(read >= 300, "{read} manifests");
}

#[test]
fn a_broken_manifest_is_never_read_otherwise_than_python_reads_it() {
    let mut oracle = Oracle::start();
    let whole: Vec<Vec<u8>> = addons::wheels()
        .iter()
        .step_by(3)
        .flat_map(|wheel| oracle.wheel(wheel))
        .map(|(_, content, _)| content)
        .collect();
    let wanted = if std::env::var_os("ODOOPACK_SOAK").is_some() {
        SOAK
    } else {
        MUTATIONS
    };
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let (mut same, mut refused, mut unsupported) = (0, 0, 0);
    for _ in 0..wanted / 200 {
        let texts: Vec<Vec<u8>> = (0..200).map(|_| broken(&whole, &mut dice)).collect();
        for (text, python) in texts.iter().zip(oracle.read(&texts)) {
            match compare(text, &python) {
                Verdict::Same => same += 1,
                Verdict::BothRefuse => refused += 1,
                Verdict::Unsupported => unsupported += 1,
                Verdict::Disagree(how) => panic!("seed {seed}: {how}"),
            }
        }
    }
    println!("{same} read alike, {refused} refused by both, {unsupported} said to be unsupported");
    // Else the breaking breaks too much, or too little, to say anything.
    assert!(same > wanted / 20 && refused > wanted / 20 && unsupported < wanted / 20);
}

const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ",",
    ":",
    "'",
    "\"",
    "\"\"\"",
    "\\",
    "\\\n",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "\x0c",
    " ",
    "#",
    "-",
    "+",
    "*",
    "0",
    "1_0",
    "0x1f",
    "1.5e3",
    "007",
    "1e",
    "j",
    "b''",
    "r'\\'",
    "u'é'",
    "f'{1}'",
    "\\N{DASH}",
    "\\x41",
    "\\u00e9",
    "\\777",
    "None",
    "True",
    "False",
    "set()",
    "...",
    "é",
    "\u{feff}",
    "\0",
    "\u{2028}",
    "\u{a0}",
    "'a' 'b'",
    "{1: 2, True: 3}",
    "\"depends\": ['base'],",
    "if",
    "lambda: 0",
    "1 + 2j",
];

fn broken(whole: &[Vec<u8>], dice: &mut StdRng) -> Vec<u8> {
    let mut text = whole.choose(dice).unwrap().clone();
    // Short texts are broken in more interesting places.
    if dice.random_bool(0.3) {
        let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        let keep = dice.random_range(1..=lines.len());
        text = lines
            .choose_multiple(dice, keep.min(6))
            .copied()
            .collect::<Vec<_>>()
            .concat();
    }
    for _ in 0..dice.random_range(1..4) {
        let at = dice.random_range(0..=text.len());
        let end = (at + dice.random_range(0..12)).min(text.len());
        match dice.random_range(0..5) {
            0 => drop(text.drain(at..end)),
            1 => text.truncate(at.max(1)),
            2 => {
                let again = text[at..end].to_vec();
                text.splice(at..at, again);
            }
            3 if at < text.len() => text[at] = dice.random_range(b' '..=b'~'),
            _ => {
                let piece = PIECES.choose(dice).unwrap();
                text.splice(at..at, piece.bytes());
            }
        }
    }
    text
}
