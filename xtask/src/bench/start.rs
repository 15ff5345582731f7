//! How long a command takes that has nothing to do but start.
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::pack::Demo;
use super::rig::Place;
use super::stats::{Times, measure, timed};
use crate::run;

/// One command and how long its runs took.
pub(super) struct Start {
    pub(super) what: String,
    pub(super) times: Times,
}

/// `--version` of ours, and of what people type instead.
pub(super) fn versions(binary: &Path) -> Result<Vec<Start>> {
    let mut all = vec![version("odoopack --version", binary, 100)?];
    // The system's Python by its path: a version manager's `python3` is a shell script.
    for (name, runs) in [("/usr/bin/python3", 50), ("docker", 50), ("click-odoo", 20)] {
        if let Some(program) = run::find(name) {
            all.push(version(&format!("{name} --version"), &program, runs)?);
        }
    }
    Ok(all)
}

/// Odoo's own `--version`, from the demo's release.
pub(super) fn odoo_version(demo: &Demo) -> Result<Start> {
    let times = measure(10, || demo.timed(&["exec", "production", "--", "--version"]))?;
    Ok(Start {
        what: "Odoo 19's own `--version`, by `odoopack exec`".to_owned(),
        times,
    })
}

fn version(what: &str, program: &Path, runs: usize) -> Result<Start> {
    let times = measure(runs, || timed(Command::new(program).arg("--version")))?;
    Ok(Start {
        what: format!("`{what}`"),
        times,
    })
}

/// `plan` of the example with three environments in an empty root: nothing of it runs.
pub(super) fn plan_of_the_seed(binary: &Path) -> Result<Times> {
    let place = Place::new("seed")?;
    std::fs::create_dir_all(place.path().join("repo"))?;
    let seed = run::root().join("examples/seed.toml");
    let seed = std::fs::read_to_string(&seed).context("cannot read examples/seed.toml")?;
    let root = format!("root = \"{}\"", place.path().display());
    place.write(
        "repo/odoopack.toml",
        &seed.replace("root = \"/opt/odoo-ce\"", &root),
    )?;
    let arguments: [PathBuf; 3] = ["plan".into(), "--root".into(), place.path().into()];
    let plan = || {
        let mut command = Command::new(binary);
        command.args(&arguments);
        // Without a value for each secret that the file names nothing is planned.
        for name in ["SMTP", "SENTRY_DSN"] {
            command.env(format!("ODOOPACK_SECRET_{name}"), "user:word");
        }
        timed(&mut command)
    };
    measure(30, plan)
}
