//! Reading a big tree of modules and working out what they need of each other, beside `manifestoo`.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::rig::Place;
use super::stats::{Times, measure, timed};
use crate::run;

/// As many modules as a big pack sees: Odoo, Enterprise and a hundred repositories of the OCA.
const MODULES: usize = 3_000;
const MANIFESTOO: &str = "manifestoo==1.1";

/// A row of the page.
pub(super) struct Row {
    pub(super) what: String,
    pub(super) times: Times,
}

/// Both programs on the same tree, which is made of Odoo's own manifests.
pub(super) fn compare(binary: &Path, odoo: &Path) -> Result<Vec<Row>> {
    let place = Place::new("modules")?;
    let addons = place.path().join("repo/addons");
    let names = lay_out(odoo, &addons)?;
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let file = format!(
        "format = 1\n[odoo]\nseries = \"19.0\"\n[addons]\nown = [\"addons\"]\n[editions.core]\nmodules = [{}]\n\
         [environments.production]\ndomain = \"localhost\"\n",
        quoted.join(", ")
    );
    place.write("repo/odoopack.toml", &file)?;
    let other = manifestoo()?;
    let ours = |what: &str| {
        let mut command = Command::new(binary);
        command.arg("--root").arg(place.path()).args(["module", what]);
        command
    };
    let theirs = |what: &str| {
        let mut command = Command::new(&other);
        command
            .args(["--odoo-series", "19.0", "--addons-path"])
            .arg(&addons);
        command.arg("--select-addons-dir").arg(&addons).arg(what);
        command
    };
    let mut rows = Vec::new();
    for what in ["list", "tree"] {
        let name = format!("`odoopack module {what}`");
        rows.push(warm(&name, 20, &mut ours(what))?);
        rows.extend(cold(&name, 5, &mut ours(what))?);
        let name = format!("`manifestoo {what}`");
        rows.push(warm(&name, 3, &mut theirs(what))?);
        rows.extend(cold(&name, 2, &mut theirs(what))?);
    }
    Ok(rows)
}

/// Copies of Odoo's manifests under other names until there are enough; names, sorted.
fn lay_out(odoo: &Path, to: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(odoo).with_context(|| format!("cannot list {}", odoo.display()))?;
    let mut manifests = Vec::new();
    for entry in entries.flatten() {
        if let Ok(text) = fs::read(entry.path().join("__manifest__.py")) {
            manifests.push((entry.file_name().to_string_lossy().into_owned(), text));
        }
    }
    if manifests.len() < 100 {
        bail!("only {} modules in {}", manifests.len(), odoo.display());
    }
    manifests.sort();
    let mut names = Vec::new();
    for copy in 0.. {
        for (name, text) in &manifests {
            if names.len() == MODULES {
                names.sort();
                return Ok(names);
            }
            let name = if copy == 0 {
                name.clone()
            } else {
                format!("{name}_{copy}")
            };
            let directory = to.join(&name);
            fs::create_dir_all(&directory)?;
            fs::write(directory.join("__manifest__.py"), text)?;
            names.push(name);
        }
    }
    Ok(names)
}

/// From the package index, once, into the user's cache.
fn manifestoo() -> Result<PathBuf> {
    let home = std::env::var_os("HOME").context("HOME is not set")?;
    let venv = Path::new(&home)
        .join(".cache/odoopack/bench")
        .join(MANIFESTOO.replace("==", "-"));
    let program = venv.join("bin/manifestoo");
    if !program.is_file() {
        run::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
        run::run(
            Command::new(venv.join("bin/python")).args(["-m", "pip", "install", "--quiet", MANIFESTOO]),
        )?;
    }
    Ok(program)
}

fn warm(what: &str, runs: usize, command: &mut Command) -> Result<Row> {
    timed(command)?;
    let times = measure(runs, || timed(command))?;
    Ok(Row {
        what: format!("{what}, warm"),
        times,
    })
}

/// With the kernel's caches emptied before each run; none where that is not allowed.
fn cold(what: &str, runs: usize, command: &mut Command) -> Result<Option<Row>> {
    if !forget_files() {
        return Ok(None);
    }
    let times = measure(runs, || {
        forget_files();
        timed(command)
    })?;
    Ok(Some(Row {
        what: format!("{what}, cold"),
        times,
    }))
}

fn forget_files() -> bool {
    write_all() && fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}

/// Only what is on disk can be forgotten.
fn write_all() -> bool {
    Command::new("sync").status().is_ok_and(|status| status.success())
}
