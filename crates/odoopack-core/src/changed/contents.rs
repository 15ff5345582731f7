//! What of a module's directory counts, in which order, and the hashes over it.
use std::collections::BTreeSet;

use sha1::{Digest, Sha1};

use super::pattern::Pattern;

/// Patterns that click-odoo-update leaves out when the database names no others.
pub const DEFAULT_PATTERNS: &str = "*.pyc,*.pyo,i18n/*.pot,i18n_extra/*.pot,static/*,tests/*";

/// What counts for the checksum.
///
/// # Source
/// `click_odoo_contrib/_addon_hash.py` 1.24 (its algorithm, written anew).
#[derive(Clone, Debug)]
pub struct Selection {
    patterns: Vec<Pattern>,
    languages: BTreeSet<String>,
}

/// A kind of file, for the reason of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Python outside `tests`, the manifest included.
    Python,
    /// Views, data, access rules and every other file that counts.
    Data,
    /// Translations into active languages.
    Translations,
    /// `static`: served and bundled, never in the database.
    Static,
    /// `tests`.
    Tests,
}

impl Part {
    /// All of them, in the order of [`Contents::parts`].
    pub const ALL: [Self; 5] = [
        Self::Python,
        Self::Data,
        Self::Translations,
        Self::Static,
        Self::Tests,
    ];
}

impl Selection {
    /// The selection for comma-separated `patterns` and the codes of the active languages.
    pub fn new<'a>(patterns: &str, languages: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            patterns: patterns.split(',').map(|one| Pattern::new(one.trim())).collect(),
            languages: languages.into_iter().map(|code| base(code).to_owned()).collect(),
        }
    }

    /// Whether the file at this path below the module counts for the checksum.
    pub fn counts(&self, path: &str) -> bool {
        !self.patterns.iter().any(|pattern| pattern.fits(path)) && self.is_wanted_language(path)
    }

    /// With no active language at all, every translation counts.
    fn is_wanted_language(&self, path: &str) -> bool {
        self.languages.is_empty() || language(path).is_none_or(|code| self.languages.contains(code))
    }

    /// What kind of file it is; `None` for one that changes nothing: compiled Python, templates of translations,
    /// translations into languages that are not active.
    pub fn part(&self, path: &str) -> Option<Part> {
        let (top, file) = path.split_once('/').map_or(("", path), |(top, _)| (top, path));
        let ends = |ending: &str| file.ends_with(ending);
        if ends(".pyc") || ends(".pyo") {
            return None;
        }
        match top {
            "tests" => Some(Part::Tests),
            "static" => Some(Part::Static),
            "i18n" | "i18n_extra" if ends(".pot") => None,
            "i18n" | "i18n_extra" if ends(".po") => {
                self.is_wanted_language(path).then_some(Part::Translations)
            }
            _ if ends(".py") => Some(Part::Python),
            _ => Some(Part::Data),
        }
    }
}

/// `fr` of `fr_BE`.
fn base(code: &str) -> &str {
    code.split('_').next().unwrap_or(code)
}

/// The language of `i18n/fr_BE.po`, without its country; only directly below `i18n` and `i18n_extra`.
fn language(path: &str) -> Option<&str> {
    let file = path
        .strip_prefix("i18n/")
        .or_else(|| path.strip_prefix("i18n_extra/"))?;
    let name = file
        .strip_suffix(".po")
        .filter(|name| !file.contains('/') && !name.chars().all(|c| c == '.'))?;
    Some(base(name))
}

/// The order in which files are hashed: those of a directory first, by name, then its directories, by name.
///
/// # Source
/// `os.walk` from the top with `dirnames.sort()` and `sorted(filenames)`.
pub fn order(left: &str, right: &str) -> std::cmp::Ordering {
    let (mut left, mut right) = (left.split('/').peekable(), right.split('/').peekable());
    loop {
        let (one, other) = match (left.next(), right.next()) {
            (Some(one), Some(other)) => (one, other),
            (one, other) => return one.cmp(&other),
        };
        let is_file = (left.peek().is_none(), right.peek().is_none());
        let by_kind = is_file.1.cmp(&is_file.0);
        if one != other || by_kind.is_ne() {
            return by_kind.then_with(|| one.cmp(other));
        }
    }
}

/// The hashes of a module as it is on disk.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// SHA-1 as click-odoo-update has it.
    pub checksum: String,
    /// A hash per part, in the order of [`Part::ALL`]; empty where there is no such file.
    pub parts: [String; 5],
}

impl Contents {
    /// The hash of one part.
    pub fn part(&self, part: Part) -> &str {
        &self.parts[part as usize]
    }
}

/// Hashes files that come in [`order`].
#[derive(Clone, Debug, Default)]
pub struct Hasher {
    whole: Sha1,
    parts: [Option<Sha1>; 5],
}

impl Hasher {
    /// Takes the next file, its path below the module first.
    pub fn take(&mut self, selection: &Selection, path: &str, bytes: &[u8]) {
        if selection.counts(path) {
            self.take_counted(path, bytes);
        }
        if let Some(part) = selection.part(path) {
            let hash = self.parts[part as usize].get_or_insert_default();
            hash.update(path.as_bytes());
            // Lengths keep two files from looking like one.
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        }
    }

    /// Takes the next file that counts, for the checksum alone.
    pub fn take_counted(&mut self, path: &str, bytes: &[u8]) {
        self.whole.update(path.as_bytes());
        self.whole.update(bytes);
    }

    /// The hashes over everything that was taken.
    pub fn finish(self) -> Contents {
        Contents {
            checksum: hex(self.whole, 40),
            parts: self
                .parts
                .map(|part| part.map(|hash| hex(hash, 16)).unwrap_or_default()),
        }
    }
}

fn hex(hash: Sha1, digits: usize) -> String {
    let all: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    all[..digits].to_owned()
}

/// Number of the advisory lock that click-odoo-update takes in a database while it works.
///
/// # Source
/// `click_odoo_contrib/_dbutils.py` 1.24: the first 14 hexadecimal digits of the SHA-1 of the name.
pub fn advisory_lock(database: &str) -> i64 {
    let digest = Sha1::digest(format!("click-odoo-update/{database}"));
    digest
        .iter()
        .take(7)
        .fold(0, |number, byte| number << 8 | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection() -> Selection {
        Selection::new(DEFAULT_PATTERNS, ["en_US", "fr_BE"])
    }

    #[test]
    fn what_counts_and_what_kind_it_is() {
        let selection = selection();
        let check = |path: &str, counts: bool, part: Option<Part>| {
            assert_eq!(
                (selection.counts(path), selection.part(path)),
                (counts, part),
                "{path}"
            );
        };
        check("__manifest__.py", true, Some(Part::Python));
        check("models/tests/x.py", true, Some(Part::Python));
        check("views/x.xml", true, Some(Part::Data));
        check("README.rst", true, Some(Part::Data));
        check("static/src/x.js", false, Some(Part::Static));
        check("tests/test_x.py", false, Some(Part::Tests));
        check("models/__pycache__/x.cpython-311.pyc", false, None);
        check("i18n/x.pot", false, None);
        check("i18n/fr.po", true, Some(Part::Translations));
        check("i18n/fr_CA.po", true, Some(Part::Translations));
        check("i18n_extra/en_GB.po", true, Some(Part::Translations));
        check("i18n/de.po", false, None);
        // Only the top directories are special for click-odoo.
        check("data/i18n/de.po", true, Some(Part::Data));
        check("i18n/deep/de.po", true, Some(Part::Translations));
        check("i18n/.po", true, Some(Part::Translations));
    }

    #[test]
    fn without_languages_every_translation_counts() {
        let all = Selection::new(DEFAULT_PATTERNS, []);
        assert!(all.counts("i18n/de.po"));
    }

    #[test]
    fn files_of_a_directory_come_before_its_directories() {
        let mut paths = [
            "models/a.py",
            "z.py",
            "models/sub/x.py",
            "data/x.xml",
            "a.py",
            "models/z.py",
            "models-x/y",
        ];
        paths.sort_by(|left, right| order(left, right));
        assert_eq!(
            paths,
            [
                "a.py",
                "z.py",
                "data/x.xml",
                "models/a.py",
                "models/z.py",
                "models/sub/x.py",
                "models-x/y"
            ]
        );
    }

    #[test]
    fn the_checksum_is_over_paths_and_bytes() {
        let mut hasher = Hasher::default();
        hasher.take(&selection(), "a.py", b"x");
        hasher.take(&selection(), "static/y.js", b"y");
        let contents = hasher.finish();
        // sha1("a.pyx")
        let alone = hex(Sha1::new_with_prefix("a.pyx"), 40);
        assert_eq!(contents.checksum, alone);
        assert!(contents.part(Part::Tests).is_empty() && !contents.part(Part::Static).is_empty());
    }

    #[test]
    fn the_lock_is_the_one_of_click_odoo() {
        // int(hashlib.sha1(b"click-odoo-update/pack_production").hexdigest()[:14], 16)
        assert_eq!(advisory_lock("pack_production"), LOCK);
    }

    const LOCK: i64 = 14_975_745_739_474_160;
}
