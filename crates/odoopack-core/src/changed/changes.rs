//! Which installed modules changed since the database loaded them, why, and what each change asks for.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Contents, Part, Record};

/// An installed module, as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Its name.
    pub name: String,
    /// `latest_version`: the one that was loaded last.
    pub version: Option<String>,
    /// Uploaded into the database (`imported`): it has no directory.
    pub imported: bool,
}

/// A module on the addons path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnDisk {
    /// Whether it comes with Odoo.
    pub core: bool,
    /// Whether Odoo would load it.
    pub installable: bool,
    /// Its version, with the series in front as Odoo stores it.
    pub version: Option<String>,
    /// What it depends on.
    pub depends: Vec<String>,
    /// Its hashes.
    pub contents: Contents,
    /// The same with the languages of the record, where they are others than today's.
    pub with_old_languages: Option<Contents>,
}

/// Everything that is compared.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// Installed modules.
    pub installed: &'a [Installed],
    /// Every module on the addons path that is installed, by name.
    pub disk: &'a BTreeMap<String, OnDisk>,
    /// What the database remembers.
    pub record: &'a Record,
    /// Codes of the active languages.
    pub languages: &'a [String],
    /// Identity of Odoo's code.
    pub build: &'a str,
}

/// What a change asks for; the stronger one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reaction {
    /// Nothing of it is in the database or in a bundle.
    Nothing,
    /// Bundles are made again; the database keeps what it has.
    Assets,
    /// `-u`.
    Update,
}

/// Why a module is listed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "because", rename_all = "kebab-case")]
pub enum Reason {
    /// Nobody remembered what was loaded.
    NeverHashed,
    /// The manifest's version is another one (the rule of Odoo.sh).
    Version {
        /// In the database.
        from: String,
        /// On disk.
        to: String,
    },
    /// Something that counts is different; which part was not remembered.
    Content,
    /// Python: a new field needs its column (a login can fail without it).
    Python,
    /// Views, data, access rules.
    Data,
    /// Translations into languages that were active before.
    Translations,
    /// Languages that were activated since then have translations here.
    LanguagesAdded {
        /// Their codes.
        languages: Vec<String>,
    },
    /// Odoo's own code is another build.
    Build {
        /// The recorded one.
        from: String,
        /// Today's.
        to: String,
    },
    /// Only what counts is different: patterns, or a language that is no longer active.
    Rules,
    /// Files that are served or bundled.
    Static,
    /// Tests.
    Tests,
}

impl Reason {
    /// What it asks for.
    pub fn reaction(&self) -> Reaction {
        match self {
            Self::NeverHashed
            | Self::Version { .. }
            | Self::Content
            | Self::Python
            | Self::Data
            | Self::Translations
            | Self::LanguagesAdded { .. }
            | Self::Build { .. } => Reaction::Update,
            Self::Static => Reaction::Assets,
            Self::Rules | Self::Tests => Reaction::Nothing,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverHashed => f.write_str("what was loaded is not remembered"),
            Self::Version { from, to } => write!(f, "version {from} -> {to}"),
            Self::Content => f.write_str("its files changed"),
            Self::Python => f.write_str("Python changed"),
            Self::Data => f.write_str("data files changed"),
            Self::Translations => f.write_str("translations changed"),
            Self::LanguagesAdded { languages } => write!(f, "language added: {}", languages.join(", ")),
            Self::Build { from, to } => write!(f, "Odoo {from} -> {to}"),
            Self::Rules => f.write_str("only what counts is different"),
            Self::Static => f.write_str("static files changed"),
            Self::Tests => f.write_str("tests changed"),
        }
    }
}

/// One module that changed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// Its name.
    pub module: String,
    /// What it asks for.
    pub reaction: Reaction,
    /// Why, the strongest first.
    pub reasons: Vec<Reason>,
}

/// An installed module that Odoo could not load today.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Gone {
    /// Its name.
    pub module: String,
    /// Whether its directory is there, but not installable.
    pub there: bool,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = if self.there {
            "its manifest is no longer installable"
        } else {
            "no directory of the addons path has it"
        };
        write!(f, "{} is installed, but {why}", self.module)
    }
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Changes {
    /// Modules that changed, by name.
    pub modules: Vec<Change>,
    /// Installed modules that are updated as well, because they depend on one of them.
    pub dependents: Vec<String>,
    /// Installed modules without code: nothing may be updated before that is settled.
    pub gone: Vec<Gone>,
    /// What could not be compared.
    pub notes: Vec<String>,
}

impl Changes {
    /// Modules that ask for at least this.
    pub fn asking(&self, reaction: Reaction) -> Vec<&str> {
        let asks = |change: &&Change| change.reaction == reaction;
        self.modules
            .iter()
            .filter(asks)
            .map(|change| change.module.as_str())
            .collect()
    }
}

/// Compares.
pub fn changes(now: Now<'_>) -> Changes {
    let mut answer = Changes::default();
    for module in now.installed.iter().filter(|module| !module.imported) {
        match now.disk.get(&module.name) {
            Some(disk) if disk.installable => answer.modules.extend(change(now, module, disk)),
            seen => answer.gone.push(Gone {
                module: module.name.clone(),
                there: seen.is_some(),
            }),
        }
    }
    answer.modules.sort_by(|a, b| a.module.cmp(&b.module));
    answer.gone.sort_by(|a, b| a.module.cmp(&b.module));
    let roots = answer.asking(Reaction::Update).into_iter().collect();
    answer.dependents = dependents(now, &roots);
    if now.record.checksums.is_some() && now.record.details.is_none() {
        let note =
            "only checksums of click-odoo-update are stored: whether static files changed is not known";
        answer.notes.push(note.to_owned());
    }
    answer.notes.extend(another_build(now));
    answer
}

/// A build that changed no file of an installed module is worth knowing all the same.
fn another_build(now: Now<'_>) -> Option<String> {
    let then = &now.record.details.as_ref()?.build;
    (then != now.build).then(|| {
        format!(
            "Odoo itself is another build than the one that the modules were loaded with: {then} -> {}",
            now.build
        )
    })
}

fn change(now: Now<'_>, module: &Installed, disk: &OnDisk) -> Option<Change> {
    let mut reasons = Vec::new();
    if let (Some(from), Some(to)) = (&module.version, &disk.version)
        && from != to
    {
        reasons.push(Reason::Version {
            from: from.clone(),
            to: to.clone(),
        });
    }
    match now.record.checksum(&module.name) {
        None => reasons.push(Reason::NeverHashed),
        Some(sum) if sum == disk.contents.checksum => {}
        Some(sum) => reasons.extend(what_changed(now, &module.name, sum, disk)),
    }
    if let Some(then) = now.record.parts(&module.name) {
        let differs = |part| then.part(part) != disk.contents.part(part);
        reasons.extend(differs(Part::Static).then_some(Reason::Static));
        reasons.extend(differs(Part::Tests).then_some(Reason::Tests));
    }
    let reaction = reasons.iter().map(Reason::reaction).max()?;
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.reaction()));
    Some(Change {
        module: module.name.clone(),
        reaction,
        reasons,
    })
}

/// The parts behind a checksum that differs.
fn what_changed(now: Now<'_>, module: &str, sum: &str, disk: &OnDisk) -> Vec<Reason> {
    let details = now.record.details.as_ref();
    // Parts that belong to another checksum are of another time: somebody else has updated since.
    let then = now.record.parts(module).filter(|then| then.checksum == sum);
    let (Some(then), Some(details)) = (then, details) else {
        return vec![Reason::Content];
    };
    let like_then = disk.with_old_languages.as_ref().unwrap_or(&disk.contents);
    let mut reasons = Vec::new();
    for (part, reason) in [
        (Part::Python, Reason::Python),
        (Part::Data, Reason::Data),
        (Part::Translations, Reason::Translations),
    ] {
        if then.part(part) != like_then.part(part) {
            reasons.push(reason);
        }
    }
    let added = |code: &&String| !details.languages.contains(code);
    let languages: Vec<String> = now.languages.iter().filter(added).cloned().collect();
    let more = like_then.part(Part::Translations) != disk.contents.part(Part::Translations);
    if more && !languages.is_empty() {
        reasons.push(Reason::LanguagesAdded { languages });
    }
    if !reasons.is_empty() && disk.core && details.build != now.build {
        reasons.push(Reason::Build {
            from: details.build.clone(),
            to: now.build.to_owned(),
        });
    }
    if reasons.is_empty() {
        reasons.push(Reason::Rules);
    }
    reasons
}

/// Installed modules that depend on one of `roots`, over any number of others, without the roots.
fn dependents(now: Now<'_>, roots: &BTreeSet<&str>) -> Vec<String> {
    let installed: BTreeSet<&str> = now.installed.iter().map(|module| module.name.as_str()).collect();
    let mut reached = roots.clone();
    loop {
        let before = reached.len();
        for (name, disk) in now.disk {
            if installed.contains(name.as_str())
                && disk.depends.iter().any(|one| reached.contains(one.as_str()))
            {
                reached.insert(name);
            }
        }
        if reached.len() == before {
            break;
        }
    }
    reached.difference(roots).map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
#[path = "changes/tests.rs"]
mod tests;
