//! The part of `oca.lock.json` that names Python packages: made, used, and looked at.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::Release;
use odoopack_core::oca_lock::{
    Break, Distribution, Lock, Python, distributions, requirement_lines, unhashed,
};

use super::requirements::Requirements;
use super::{Builder, index, interpreter, lock};
use crate::exec;
use crate::failure::{Failure, Result};
use crate::files;
use crate::tools::python::Interpreter;
use crate::tools::uv::{self, Uv};
use crate::ui::Progress;

/// What wheels of a target have in common: `3.11 x86_64 glibc`. The lock holds the hashes of every wheel of a
/// version, so smaller differences between machines do not matter.
pub(super) fn target(interpreter: &Interpreter) -> String {
    let mut words = interpreter.platform.split(' ').skip(1);
    let machine = words.next().unwrap_or("unknown");
    let libc = words.next().unwrap_or("libc").split('-').next().unwrap_or("libc");
    let (major, minor) = interpreter.version;
    format!("{major}.{minor} {machine} {libc}")
}

/// The requirement file that the pack's lock holds for this machine; `None` when the lock says nothing of Python.
///
/// # Errors
/// When the lock was made from something else, or for other machines only.
pub(super) fn of_pack(
    builder: &Builder<'_>,
    requirements: &Requirements,
    interpreter: &Interpreter,
) -> Result<Option<String>> {
    let Some(python) = builder.lock.as_ref().and_then(|lock| lock.python.as_ref()) else {
        return Ok(None);
    };
    if python.inputs != requirements.hash() {
        return Err(Failure::refused(
            "what Python packages are wanted has changed since `oca.lock.json` was made",
        )
        .hint("`odoopack lock`"));
    }
    let target = target(interpreter);
    let list = python.targets.get(&target).ok_or_else(|| {
        let known: Vec<&str> = python.targets.keys().map(String::as_str).collect();
        Failure::refused(format!("`oca.lock.json` has no Python packages for {target}"))
            .because(format!("only for {}", known.join(", ")))
            .hint("`odoopack lock`")
    })?;
    Ok(Some(requirement_lines(list)))
}

impl Builder<'_> {
    /// Resolves Python packages for this machine; targets of other machines stay while nothing else changed.
    pub(crate) fn lock_python(
        &self,
        release: &Release,
        needs: &[String],
        fresh: bool,
        progress: &Progress,
    ) -> Result<Python> {
        let tree = self.tree(release);
        let requirements = Requirements::read(self.spec, self.repo, &tree, needs)?;
        let interpreter = interpreter::probe(self.python)?;
        let inputs = requirements.hash();
        let target = target(&interpreter);
        let old = self.lock.as_ref().and_then(|lock| lock.python.clone());
        let mut targets = match old {
            Some(old) if old.inputs == inputs && !fresh => old.targets,
            _ => std::collections::BTreeMap::new(),
        };
        if let std::collections::btree_map::Entry::Vacant(entry) = targets.entry(target) {
            let place = lock::place(self.cache, &requirements, &interpreter);
            if fresh {
                files::remove(&place)?;
            }
            let text = match lock::known(&place)? {
                Some(text) => text,
                None => self.resolve_python(&place, &requirements, &interpreter, progress)?,
            };
            if let Some(line) = unhashed(&text).first() {
                return Err(
                    Failure::refused(format!("`{line}` cannot be locked by hash")).hint(
                        "take a version that the package index has; modules from git: `odoopack oca add`",
                    ),
                );
            }
            entry.insert(distributions(&text));
        }
        Ok(Python { inputs, targets })
    }

    fn resolve_python(
        &self,
        place: &Utf8Path,
        requirements: &Requirements,
        interpreter: &Interpreter,
        progress: &Progress,
    ) -> Result<String> {
        let uv = index::online(&index::uv(self.cache, self.python, progress)?, self.cache)?;
        progress.detail("finding Python packages that fit together");
        lock::resolve(&uv, place, requirements, interpreter)
    }

    /// Ways in which the Python part of the lock keeps no promise.
    ///
    /// # Shape
    /// With `offline` every package must be in the cache with a hash of the lock; else what is missing is fetched, and
    /// only what cannot be had is a break. In `notes` comes what could not be compared.
    pub(crate) fn python_breaks(
        &self,
        lock: &Lock,
        offline: bool,
        notes: &mut Vec<String>,
        progress: &Progress,
    ) -> Result<Vec<Break>> {
        let Some(python) = &lock.python else {
            return Ok(vec![Break::new(
                "python",
                "python",
                "the lock names no Python packages",
                "odoopack lock",
            )]);
        };
        let interpreter = interpreter::probe(self.python)?;
        let target = target(&interpreter);
        let mut all = self.inputs_break(lock, python, notes)?;
        let Some(list) = python.targets.get(&target) else {
            let what = format!("no packages for this machine, {target}");
            all.push(Break::new("target", "python", what, "odoopack lock"));
            return Ok(all);
        };
        all.extend(other_series(lock, list));
        let uv = if offline {
            let Some(uv) = index::there(self.cache) else {
                let what = format!(
                    "uv {} is not on this machine, so no package could be compared",
                    uv::VERSION
                );
                all.push(Break::new("absent", "python", what, "odoopack lock verify"));
                return Ok(all);
            };
            uv
        } else {
            index::online(&index::uv(self.cache, self.python, progress)?, self.cache)?
        };
        let scratch = Scratch::new(&uv, &interpreter)?;
        if offline {
            if scratch.missing(&uv, list)? > 0 {
                progress.detail("finding out which packages are missing");
                all.extend(
                    list.iter()
                        .filter_map(|package| scratch.wrong(&uv, package, offline)),
                );
            }
        } else {
            progress.detail("installing the packages into a scratch environment");
            if scratch.install(&uv, list, false).is_err() {
                all.extend(
                    list.iter()
                        .filter_map(|package| scratch.wrong(&uv, package, offline)),
                );
            }
        }
        Ok(all)
    }

    /// Compares what the resolution started from, where Odoo's own list is on this machine.
    fn inputs_break(&self, lock: &Lock, python: &Python, notes: &mut Vec<String>) -> Result<Vec<Break>> {
        let wanted = super::pin::wanted(self.spec, Some(lock));
        let record = super::record::read(self.layout)?.filter(|record| record.release.wanted == wanted);
        let tree = record.map(|record| self.tree(&record.release));
        let Some(tree) = tree.filter(|tree| tree.exists()) else {
            notes.push(
                "python: no release was built from this lock here, so nobody compared what its packages were chosen for"
                    .to_owned(),
            );
            return Ok(Vec::new());
        };
        let now = Requirements::read(self.spec, self.repo, &tree, &lock.python_needs())?.hash();
        if now == python.inputs {
            return Ok(Vec::new());
        }
        let what = "the wanted Python packages have changed since the lock was made";
        Ok(vec![Break::new("inputs", "python", what, "odoopack lock")])
    }
}

/// Modules as Python packages must be of the series.
fn other_series(lock: &Lock, list: &[Distribution]) -> Vec<Break> {
    let prefix = format!("{}.", lock.series);
    let modules = list
        .iter()
        .filter(|package| package.name.starts_with("odoo-addon-"));
    modules
        .filter(|package| !package.version.starts_with(&prefix))
        .map(|package| {
            let what = format!("version {} is not of {}", package.version, lock.series);
            Break::new("wrong-series", &package.name, what, "odoopack lock --update")
        })
        .collect()
}

/// An empty environment to try installations in.
struct Scratch {
    _keep: tempfile::TempDir,
    environment: Utf8PathBuf,
    file: Utf8PathBuf,
}

impl Scratch {
    fn new(uv: &Uv, interpreter: &Interpreter) -> Result<Self> {
        // Beside the cache, so that installing means linking.
        let keep = tempfile::Builder::new()
            .prefix(".verify-")
            .tempdir_in(uv.cache.parent().unwrap_or(&uv.cache))
            .map_err(|e| Failure::failed("could not make a directory").because(e))?;
        let root = Utf8Path::from_path(keep.path())
            .ok_or_else(|| Failure::failed("the cache directory is not UTF-8"))?
            .to_owned();
        let environment = root.join("environment");
        uv.venv(&interpreter.program, &environment).run()?;
        Ok(Self {
            _keep: keep,
            environment,
            file: root.join("lock.txt"),
        })
    }

    fn write(&self, list: &[Distribution]) -> Result<()> {
        files::replace(&self.file, requirement_lines(list).as_bytes(), 0o644, None)
    }

    /// How many packages are not in the cache with a hash of the lock.
    fn missing(&self, uv: &Uv, list: &[Distribution]) -> Result<usize> {
        self.write(list)?;
        let outcome = uv.plan(&self.environment, &self.file).outcome()?;
        if !outcome.status.success() {
            return Ok(list.len());
        }
        uv::parse_missing(&outcome.stderr)
            .ok_or_else(|| Failure::failed("uv did not say what it would download").because(outcome.stderr))
    }

    fn install(&self, uv: &Uv, list: &[Distribution], offline: bool) -> Result<()> {
        self.write(list)?;
        uv.try_install(&self.environment, &self.file, offline).run()
    }

    /// What is wrong with one package.
    fn wrong(&self, uv: &Uv, package: &Distribution, offline: bool) -> Option<Break> {
        let one = std::slice::from_ref(package);
        if offline && self.missing(uv, one).is_ok_and(|count| count == 0) {
            return None;
        }
        let failure = self.install(uv, one, offline).err()?;
        let text = failure.chain().join("\n");
        let named = format!("{} {}", package.name, package.version);
        let (kind, what, help) =
            if text.contains("Hash mismatch") || text.contains("hash") && text.contains("does not match") {
                (
                    "hash",
                    format!("{named}: no file of it has a hash of the lock"),
                    "git checkout oca.lock.json",
                )
            } else if offline {
                (
                    "wheel",
                    format!("{named}: not in the cache of this machine"),
                    "odoopack lock verify",
                )
            } else {
                (
                    "wheel",
                    format!(
                        "{named} cannot be had: {}",
                        exec::tail(&text, 2).replace('\n', " ")
                    ),
                    "odoopack lock --update",
                )
            };
        Some(Break::new(kind, "python", what, help))
    }
}
