//! What a database remembers of the code that it last loaded.
use std::collections::BTreeMap;

use super::Contents;

/// Key of the checksums, shared with click-odoo-update.
pub const CHECKSUMS_KEY: &str = "module_auto_update.installed_checksums";
/// Key of other exclusion patterns than the usual ones, shared with click-odoo-update.
pub const PATTERNS_KEY: &str = "module_auto_update.exclude_patterns";
/// Key of what click-odoo-update does not keep: hashes per part, languages, the build of Odoo.
pub const DETAILS_KEY: &str = "odoopack.installed_contents";

/// Checksum per module; `None` where click-odoo-update found no directory (`false`).
pub type Checksums = BTreeMap<String, Option<String>>;

/// Everything that is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The checksums; `None` when nobody ever stored any.
    pub checksums: Option<Checksums>,
    /// The rest; `None` when only click-odoo-update, or nobody, was here.
    pub details: Option<Details>,
}

/// What only this program keeps.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Details {
    format: Format,
    /// Identity of the Odoo that was loaded last.
    pub build: String,
    /// Codes of the languages that were active.
    pub languages: Vec<String>,
    /// Whether some hash was made with other patterns than the usual ones: then none of them is believed without reading the files.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unusual: bool,
    /// Hashes per module.
    pub modules: BTreeMap<String, Contents>,
}

/// What a run of Odoo loaded.
#[derive(Clone, Copy, Debug)]
pub struct Loaded<'a> {
    /// Hashes of the modules that it installed or updated.
    pub modules: &'a BTreeMap<String, Contents>,
    /// Identity of Odoo's code.
    pub build: &'a str,
    /// Codes of the active languages.
    pub languages: &'a [String],
    /// Whether the database names other patterns than the usual ones.
    pub unusual: bool,
    /// Whether every other module was found unchanged.
    pub whole: bool,
}

/// The only format so far, written as a number: a newer one is refused and not misread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u32", into = "u32")]
enum Format {
    One,
}

impl TryFrom<u32> for Format {
    type Error = String;
    fn try_from(number: u32) -> Result<Self, String> {
        match number {
            1 => Ok(Self::One),
            other => Err(format!("format {other} is newer than this program")),
        }
    }
}

impl From<Format> for u32 {
    fn from(_: Format) -> Self {
        1
    }
}

impl Record {
    /// Reads the values of both parameters; an empty text counts as none, as for click-odoo-update.
    ///
    /// # Errors
    /// When a value is not what one of the two programs writes, with the key.
    pub fn parse(checksums: Option<&str>, details: Option<&str>) -> Result<Self, String> {
        let stored = |text: Option<&str>| text.filter(|text| !text.trim().is_empty()).map(str::to_owned);
        let checksums = stored(checksums).map(|text| parse_checksums(&text)).transpose();
        let details = stored(details)
            .map(|text| serde_json::from_str(&text))
            .transpose();
        Ok(Self {
            checksums: checksums.map_err(|why| format!("`{CHECKSUMS_KEY}` cannot be read: {why}"))?,
            details: details.map_err(|why| format!("`{DETAILS_KEY}` cannot be read: {why}"))?,
        })
    }

    /// The checksum that was stored for a module.
    pub fn checksum(&self, module: &str) -> Option<&str> {
        self.checksums.as_ref()?.get(module)?.as_deref()
    }

    /// The parts of a module, as they were when anybody of us loaded it last.
    pub fn parts(&self, module: &str) -> Option<&Contents> {
        self.details.as_ref()?.modules.get(module)
    }

    /// The record after a run, when only `installed` are installed now.
    #[must_use]
    pub fn after(&self, run: &Loaded<'_>, installed: &dyn Fn(&str) -> bool) -> Self {
        let mut checksums = self.checksums.clone().unwrap_or_default();
        let mut modules = self
            .details
            .as_ref()
            .map(|d| d.modules.clone())
            .unwrap_or_default();
        for (module, contents) in run.modules {
            checksums.insert(module.clone(), Some(contents.checksum.clone()));
            modules.insert(module.clone(), contents.clone());
        }
        checksums.retain(|module, _| installed(module));
        modules.retain(|module, _| installed(module));
        // Build and languages speak of all modules, so they move only when nothing of the old ones is left to compare.
        let (build, languages) = match &self.details {
            Some(then) if !run.whole => (then.build.clone(), then.languages.clone()),
            _ => (run.build.to_owned(), run.languages.to_vec()),
        };
        let before = self
            .details
            .as_ref()
            .is_some_and(|then| then.unusual && !run.whole);
        Self {
            checksums: Some(checksums),
            details: Some(Details {
                format: Format::One,
                build,
                languages,
                unusual: run.unusual || before,
                modules,
            }),
        }
    }

    /// The values of both parameters, by key.
    ///
    /// # Panics
    /// When plain data does not serialize to JSON, which it always does.
    pub fn values(&self) -> Vec<(&'static str, String)> {
        let json = |value: serde_json::Result<String>| value.expect("plain data always serializes");
        let checksums = self.checksums.as_ref().map(|all| {
            let all: BTreeMap<&str, serde_json::Value> = all
                .iter()
                .map(|(module, sum)| (module.as_str(), sum.clone().map_or(false.into(), Into::into)))
                .collect();
            (CHECKSUMS_KEY, json(serde_json::to_string(&all)))
        });
        let details = self
            .details
            .as_ref()
            .map(|details| (DETAILS_KEY, json(serde_json::to_string(details))));
        checksums.into_iter().chain(details).collect()
    }
}

fn parse_checksums(text: &str) -> Result<Checksums, String> {
    let all: BTreeMap<String, serde_json::Value> = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let one = |(module, value): (String, serde_json::Value)| match value {
        serde_json::Value::String(sum) => Ok((module, Some(sum))),
        serde_json::Value::Bool(false) | serde_json::Value::Null => Ok((module, None)),
        other @ (serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_)) => Err(format!("the checksum of `{module}` is {other}")),
    };
    all.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_click_odoo_writes() {
        let record = Record::parse(Some(r#"{"base": "ab", "gone": false}"#), None).unwrap();
        assert_eq!(
            (record.checksum("base"), record.checksum("gone")),
            (Some("ab"), None)
        );
        assert_eq!(Record::parse(Some(""), None).unwrap(), Record::default());
        let text = record.values()[0].1.clone();
        assert_eq!(text, r#"{"base":"ab","gone":false}"#);
    }

    #[test]
    fn what_is_neither_is_refused_with_its_key() {
        let check = |checksums: &str, details: &str, wanted: &str| {
            let why = Record::parse(Some(checksums), Some(details)).unwrap_err();
            assert!(why.contains(wanted), "{why}");
        };
        check("[]", "", CHECKSUMS_KEY);
        check(r#"{"a": 3}"#, "", "`a` is 3");
        check(
            "{}",
            r#"{"format":2,"build":"b","languages":[],"modules":{}}"#,
            "format 2 is newer",
        );
    }

    #[test]
    fn only_what_was_loaded_is_remembered_anew() {
        let contents = |sum: &str| Contents {
            checksum: sum.to_owned(),
            parts: Default::default(),
        };
        let before = Record::parse(Some(r#"{"a": "1", "b": "1", "c": "1"}"#), None).unwrap();
        let loaded = BTreeMap::from([("a".to_owned(), contents("2"))]);
        let languages = ["en_US".to_owned()];
        let run = Loaded {
            modules: &loaded,
            build: "build 1",
            languages: &languages,
            unusual: false,
            whole: false,
        };
        let after = before.after(&run, &|module| module != "c");
        let sums: Vec<_> = ["a", "b", "c"].map(|module| after.checksum(module)).into();
        assert_eq!(sums, [Some("2"), Some("1"), None]);
        let [(_, one), (_, other)] = after.values().try_into().unwrap();
        assert_eq!(Record::parse(Some(&one), Some(&other)).unwrap(), after);
    }

    #[test]
    fn a_part_of_the_modules_does_not_stand_for_another_build() {
        let none = BTreeMap::new();
        let build = |build, whole| Loaded {
            modules: &none,
            build,
            languages: &[],
            unusual: false,
            whole,
        };
        let of = |record: &Record| record.details.as_ref().unwrap().build.clone();
        let first = Record::default().after(&build("1", false), &|_| true);
        let part = first.after(&build("2", false), &|_| true);
        let whole = part.after(&build("2", true), &|_| true);
        assert_eq!([of(&first), of(&part), of(&whole)], ["1", "1", "2"]);
    }

    #[test]
    fn hashes_of_other_patterns_are_marked_until_everything_was_looked_at_again() {
        let none = BTreeMap::new();
        let run = |unusual, whole| Loaded {
            modules: &none,
            build: "1",
            languages: &[],
            unusual,
            whole,
        };
        let of = |record: &Record| record.details.as_ref().unwrap().unusual;
        let first = Record::default().after(&run(false, true), &|_| true);
        let other = first.after(&run(true, false), &|_| true);
        let part = other.after(&run(false, false), &|_| true);
        let whole = part.after(&run(false, true), &|_| true);
        assert_eq!(
            [&first, &other, &part, &whole].map(of),
            [false, true, true, false]
        );
        // What other versions of this program read is as it was.
        assert!(!first.values().iter().any(|(_, text)| text.contains("unusual")));
    }
}
