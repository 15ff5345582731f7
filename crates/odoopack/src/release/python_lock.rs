//! The part of `oca.lock.json` that names Python packages: made, used, and looked at.
use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::Release;
use odoopack_core::oca_lock::{
    Break, Distribution, Libc, Lock, Python, Target, distributions, requirement_lines, unhashed,
};

use super::lock::For;
use super::requirements::Requirements;
use super::{Builder, index, interpreter, lock};
use crate::exec;
use crate::failure::{Failure, Kind, Result};
use crate::files;
use crate::tools::python::Interpreter;
use crate::tools::uv::{self, Uv};
use crate::ui::Progress;

/// Which machines Python packages are chosen for, besides this one and those that the lock names.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Machines<'a> {
    /// Whether the newest versions that fit are chosen, whatever the lock has.
    pub(crate) fresh: bool,
    /// More of them.
    pub(crate) more: &'a [Target],
    /// Some less.
    pub(crate) less: &'a [Target],
}

/// What the wheels of an interpreter have in common. The lock holds the hashes of every wheel of a version, so smaller
/// differences between machines do not matter.
pub(super) fn target(interpreter: &Interpreter) -> Target {
    let mut words = interpreter.platform.split(' ').skip(1);
    Target {
        python: interpreter.version,
        machine: words.next().unwrap_or("unknown").to_owned(),
        libc: Libc::of(words.next().unwrap_or_default()),
    }
}

/// The requirement file that the pack's lock holds for this machine; `None` without a lock.
///
/// # Errors
/// When the lock names no Python packages, was made from something else, or for other machines only.
pub(super) fn of_pack(
    builder: &Builder<'_>,
    requirements: &Requirements,
    interpreter: &Interpreter,
) -> Result<Option<String>> {
    let Some(lock) = &builder.lock else {
        return Ok(None);
    };
    let Some(python) = &lock.python else {
        return Err(Failure::refused(
            "`oca.lock.json` names no Python packages, and nothing unpinned is deployed",
        )
        .hint("`odoopack lock`"));
    };
    if python.inputs != requirements.hash() {
        return Err(Failure::refused(
            "what Python packages are wanted has changed since `oca.lock.json` was made",
        )
        .hint("`odoopack lock`"));
    }
    let target = target(interpreter);
    let list = python.targets.get(&target.to_string()).ok_or_else(|| {
        let known: Vec<&str> = python.targets.keys().map(String::as_str).collect();
        Failure::refused(format!("`oca.lock.json` has no Python packages for {target}"))
            .because(format!("only for {}", known.join(", ")))
            .hint(format!(
                "`odoopack lock` here, or `odoopack lock --target '{target}'` where the pack is kept"
            ))
    })?;
    Ok(Some(requirement_lines(list)))
}

/// Each package can be had by itself, and all of them not.
fn not_together(why: &Failure) -> Break {
    let why = why.chain().join(": ");
    let what = format!("the packages cannot be installed together: {why}");
    Break::new("packages", "python", what, "odoopack lock --update")
}

impl Builder<'_> {
    /// Resolves Python packages for this machine, for every other one that the lock names, and for those of `machines`.
    ///
    /// # Shape
    /// What is resolved already stays while nothing else changed.
    pub(crate) fn lock_python(
        &self,
        release: &Release,
        needs: &[String],
        machines: &Machines<'_>,
        progress: &Progress,
    ) -> Result<Python> {
        let tree = self.tree(release);
        let requirements = Requirements::read(self.spec, self.repo, &tree, needs)?;
        let interpreter = interpreter::probe(self.python)?;
        let inputs = requirements.hash();
        let here = target(&interpreter);
        let old = self.lock.as_ref().and_then(|lock| lock.python.as_ref());
        let kept = old.filter(|old| old.inputs == inputs && !machines.fresh);
        let mut targets = BTreeMap::new();
        for target in wanted(&here, old, machines)? {
            let name = target.to_string();
            let known = kept.and_then(|kept| kept.targets.get(&name));
            let list = if let Some(list) = known {
                list.clone()
            } else {
                let python = if target == here {
                    For::Here(&interpreter)
                } else {
                    For::There(&target)
                };
                self.choose_packages(&requirements, python, machines.fresh, progress)?
            };
            targets.insert(name, list);
        }
        Ok(Python { inputs, targets })
    }

    fn choose_packages(
        &self,
        requirements: &Requirements,
        python: For<'_>,
        fresh: bool,
        progress: &Progress,
    ) -> Result<Vec<Distribution>> {
        let place = lock::place(self.cache, requirements, python);
        if fresh {
            files::remove(&place)?;
        }
        let text = if let Some(text) = lock::known(&place)? {
            text
        } else {
            let uv = index::online(&index::uv(self.cache, self.python, progress)?, self.cache)?;
            progress.detail("finding Python packages that fit together");
            lock::resolve(&uv, &place, requirements, python)?
        };
        match unhashed(&text).first() {
            None => Ok(distributions(&text)),
            Some(line) => Err(Failure::refused(format!("`{line}` cannot be locked by hash"))
                .hint("take a version that the package index has; modules from git: `odoopack oca add`")),
        }
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
        let target = target(&interpreter).to_string();
        let mut all = self.inputs_break(lock, python, notes)?;
        let others: Vec<&str> = python.targets.keys().map(String::as_str).collect();
        let Some(list) = python.targets.get(&target) else {
            let what = format!(
                "no packages for this machine, {target}, only for {}",
                others.join(", ")
            );
            let help = format!("odoopack lock --target '{target}'");
            all.push(Break::new("target", "python", what, help));
            return Ok(all);
        };
        for other in others.into_iter().filter(|other| *other != target) {
            notes.push(format!(
                "python: packages for {other} were not looked at: this machine is {target}"
            ));
        }
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
                all.extend(scratch.all_wrong(&uv, list, offline));
            }
        } else {
            progress.detail("installing the packages into a scratch environment");
            if let Err(together) = scratch.install(&uv, list, false) {
                let single = scratch.all_wrong(&uv, list, offline);
                all.extend(single.is_empty().then(|| not_together(&together)));
                all.extend(single);
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

/// This machine, those of the old lock and those that are asked for.
fn wanted(here: &Target, old: Option<&Python>, machines: &Machines<'_>) -> Result<BTreeSet<Target>> {
    if machines.less.contains(here) {
        let why = format!("the lock always serves the machine that makes it, {here}");
        return Err(Failure::new(Kind::Usage, why).hint("leave `--drop-target` out"));
    }
    let mut all = BTreeSet::from([here.clone()]);
    for name in old.into_iter().flat_map(|old| old.targets.keys()) {
        all.insert(
            name.parse()
                .map_err(|e| Failure::refused("the lock cannot be read").because(e))?,
        );
    }
    all.extend(machines.more.iter().cloned());
    all.retain(|target| !machines.less.contains(target));
    Ok(all)
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

    /// What is wrong with each of them by itself.
    fn all_wrong(&self, uv: &Uv, list: &[Distribution], offline: bool) -> Vec<Break> {
        let wrong = |package| self.wrong(uv, package, offline);
        list.iter().filter_map(wrong).collect()
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
