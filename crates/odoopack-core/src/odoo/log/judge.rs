//! What a one-shot run of Odoo says about itself: its exit code is 0 for unknown modules and inconsistent states.
use std::collections::BTreeSet;

use super::{Entry, Harmless, Level, Reader, TestReport};

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "trouble", rename_all = "kebab-case")]
pub enum Trouble {
    /// Names that no module of the addons path has; Odoo ignores them.
    UnknownModules {
        /// The names.
        modules: Vec<String>,
    },
    /// Modules left in `to install` or `to upgrade`.
    InconsistentStates {
        /// The modules.
        modules: Vec<String>,
    },
    /// Installed modules whose code was not loaded.
    NotLoaded {
        /// The modules.
        modules: Vec<String>,
    },
    /// A module that Odoo skipped, with its reason.
    Skipped {
        /// The module.
        module: String,
        /// Odoo's words.
        why: String,
    },
    /// A module depends on one that is not there.
    MissingDependency {
        /// The exception.
        why: String,
    },
    /// A module needs a Python package or a program that is not there.
    MissingProgram {
        /// The exception.
        why: String,
    },
    /// The registry could not be loaded.
    RegistryFailed {
        /// The exception that ended it.
        why: String,
    },
    /// Tests failed; the report has them.
    TestsFailed,
    /// Any other entry of level ERROR or CRITICAL.
    Logged,
}

/// One thing that is wrong, with the entry that says so.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Complaint {
    /// What.
    #[serde(flatten)]
    pub trouble: Trouble,
    /// Odoo's own words.
    pub entry: Entry,
}

/// What a whole run said.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Verdict {
    /// What is wrong, in the order of the log.
    pub complaints: Vec<Complaint>,
    /// Modules that were installed or updated.
    pub worked_on: BTreeSet<String>,
    /// What tests said.
    pub tests: TestReport,
    /// Number of entries of level WARNING.
    pub warnings: u32,
}

/// Reads the log of a run, line by line.
#[derive(Debug, Default)]
pub struct Judge {
    reader: Reader,
    verdict: Verdict,
}

impl Judge {
    /// Takes the next line.
    pub fn feed(&mut self, line: &str) {
        if let Some(entry) = self.reader.feed(line) {
            judge(&mut self.verdict, entry);
        }
    }

    /// The verdict over everything that was fed.
    pub fn finish(self) -> Verdict {
        let mut verdict = self.verdict;
        if let Some(entry) = self.reader.finish() {
            judge(&mut verdict, entry);
        }
        drop_echoes(&mut verdict.complaints);
        verdict
    }
}

/// Odoo's `Failed to load registry` only announces the exception that the next entry carries.
fn drop_echoes(complaints: &mut Vec<Complaint>) {
    let told = |c: &Complaint| !matches!(c.trouble, Trouble::Logged | Trouble::TestsFailed);
    if complaints.iter().any(told) {
        complaints.retain(|c| c.entry.message != "Failed to load registry");
    }
}

fn judge(verdict: &mut Verdict, entry: Entry) {
    if entry.level == Level::Warning {
        verdict.warnings += 1;
    }
    if let Some(module) = worked_on(&entry) {
        verdict.worked_on.insert(module.to_owned());
    }
    let of_tests = verdict.tests.take(&entry);
    let trouble = match trouble(&entry) {
        Some(trouble) => trouble,
        None if entry.level < Level::Error || Harmless::of(&entry).is_some() => return,
        None if of_tests => Trouble::TestsFailed,
        None => Trouble::Logged,
    };
    verdict.complaints.push(Complaint { trouble, entry });
}

/// `Module sale loaded in 1.20s`: said at INFO only of what was installed or updated.
fn worked_on(entry: &Entry) -> Option<&str> {
    let about_modules = entry.logger == "odoo.modules.loading" && entry.level == Level::Info;
    let (module, _) = entry.message.strip_prefix("Module ")?.split_once(" loaded in ")?;
    about_modules.then_some(module)
}

/// What the entry means where Odoo goes on as if nothing had happened, or where its exception has a name.
///
/// # Source
/// 17.0 to 19.0: `odoo/modules/loading.py`, `graph.py` (`module_graph.py` in 19.0), `module.py`, `service/server.py`;
/// `odoo/addons/base/models/ir_module.py` for the exceptions. The texts of exceptions are English: one-shots have no user.
fn trouble(entry: &Entry) -> Option<Trouble> {
    let message = entry.message.as_str();
    if let Some(names) = message.strip_prefix("invalid module names, ignored: ") {
        return Some(Trouble::UnknownModules {
            modules: comma_list(names),
        });
    }
    if message.starts_with("Some modules have inconsistent states") {
        return Some(Trouble::InconsistentStates {
            modules: python_list(message),
        });
    }
    if message.starts_with("Some modules are not loaded") {
        return Some(Trouble::NotLoaded {
            modules: python_list(message),
        });
    }
    if entry.level == Level::Warning {
        return skipped(entry);
    }
    if entry.level < Level::Error {
        return None;
    }
    let ended =
        message.starts_with("Failed to initialize database") || message.starts_with("Couldn't load module");
    let why = match entry.exception() {
        Some(why) if ended || entry.level == Level::Critical => why,
        _ if message.starts_with("module base cannot be loaded") => message.to_owned(),
        _ => return None,
    };
    Some(if why.contains("is not available in your system") {
        Trouble::MissingDependency { why }
    } else if why.contains("external dependency is not met") {
        Trouble::MissingProgram { why }
    } else {
        Trouble::RegistryFailed { why }
    })
}

/// `module x: not installable, skipped` and its like; a module that is not meant is not named at WARNING.
fn skipped(entry: &Entry) -> Option<Trouble> {
    let (module, why) = entry.first_line().strip_prefix("module ")?.split_once(": ")?;
    let known = [
        "not installable, skipped",
        "in a dependency loop, skipped",
        "manifest not found",
    ];
    let about_modules = entry.logger.starts_with("odoo.modules");
    (about_modules && known.contains(&why)).then(|| Trouble::Skipped {
        module: module.to_owned(),
        why: why.to_owned(),
    })
}

fn comma_list(text: &str) -> Vec<String> {
    let mut names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    names.sort();
    names
}

/// The names in `... ['a', 'b']`.
fn python_list(message: &str) -> Vec<String> {
    let inside = message.split_once('[').map_or("", |(_, rest)| rest);
    let quoted = inside.split('\'').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

impl Trouble {
    fn sentence(&self, entry: &Entry) -> String {
        let list = |modules: &[String]| modules.join(", ");
        match self {
            Self::UnknownModules { modules } => format!("no such module: {}", list(modules)),
            Self::InconsistentStates { modules } => {
                format!("left half-way, a dependency may be missing: {}", list(modules))
            }
            Self::NotLoaded { modules } => {
                format!(
                    "installed but not loaded, a dependency or manifest may be missing: {}",
                    list(modules)
                )
            }
            Self::Skipped { module, why } => format!("module {module}: {why}"),
            Self::MissingDependency { why } | Self::MissingProgram { why } | Self::RegistryFailed { why } => {
                why.clone()
            }
            Self::TestsFailed | Self::Logged => {
                let exception = entry.exception().map(|text| format!("\n{text}"));
                format!("{}{}", entry.first_line(), exception.unwrap_or_default())
            }
        }
    }
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sentence = self.trouble.sentence(&self.entry);
        write!(f, "{} [{}]", sentence, self.entry.logger)
    }
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.complaints.is_empty()
    }

    /// Drops what is said of modules without code where that is known: that they were skipped, or not loaded.
    ///
    /// # Source
    /// 17.0 to 19.0 say both of an installed module without a directory (`odoo/modules/graph.py` and `loading.py`,
    /// `module_graph.py` in 19.0); of one that was uploaded (`imported`) 17.0 says the first (odoo/odoo#155096).
    pub fn expect_without_code(&mut self, known: impl Fn(&str) -> bool) {
        self.complaints.retain(|complaint| {
            let not_loaded = matches!(&complaint.trouble, Trouble::NotLoaded { modules } if modules.iter().all(|one| known(one)));
            let skipped = matches!(&complaint.trouble, Trouble::Skipped { module, .. } if known(module));
            !not_loaded && !skipped
        });
    }

    /// What is wrong, one sentence each.
    pub fn said(&self) -> String {
        let all: Vec<String> = self.complaints.iter().map(ToString::to_string).collect();
        all.join("\n")
    }
}

#[cfg(test)]
#[path = "judge/tests.rs"]
mod tests;
