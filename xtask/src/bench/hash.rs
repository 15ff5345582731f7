//! Checksums of every module of Odoo, beside click-odoo-update's own function over the same tree.
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::odoo;
use super::pack::Demo;
use super::stats::{Times, measure};

/// Hashes every module below `sys.argv[2]` with the function in the file `sys.argv[1]`.
const THEIRS: &str = r#"
import importlib.util, os, sys
spec = importlib.util.spec_from_file_location("theirs", sys.argv[1])
theirs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(theirs)
patterns = "*.pyc,*.pyo,i18n/*.pot,i18n_extra/*.pot,static/*,tests/*".split(",")
top = sys.argv[2]
for name in sorted(os.listdir(top)):
    if os.path.isfile(os.path.join(top, name, "__manifest__.py")):
        print(name, theirs.addon_hash(os.path.join(top, name), patterns, ["en_US"]))
"#;

/// What was measured.
pub(super) struct Hashes {
    pub(super) modules: usize,
    pub(super) ours: Times,
    pub(super) theirs: Times,
    /// `module changed` of the demo.
    pub(super) changed: Times,
}

/// Both hash the same tree in turns, warm; their answers must be equal.
pub(super) fn measure_both(binary: &Path, demo: &Demo) -> Result<Hashes> {
    let tree = demo.odoo_addons()?;
    let function = odoo::click_odoo()?.join("click_odoo_contrib/_addon_hash.py");
    let ours = || {
        let mut command = Command::new(binary);
        command.args(["module", "hash", "--language", "en_US"]).arg(&tree);
        output(command)
    };
    let theirs = || {
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-c", THEIRS]).arg(&function).arg(&tree);
        output(command)
    };
    let (said, _) = ours()?;
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    if words(&said) != words(&theirs()?.0) {
        bail!("the checksums differ from those of click-odoo-update");
    }
    let mut other = Vec::new();
    let ours = measure(7, || -> Result<Duration> {
        other.push(theirs()?.1);
        Ok(ours()?.1)
    })?;
    Ok(Hashes {
        modules: said.lines().count(),
        ours,
        theirs: Times::of(other).context("nothing was measured")?,
        changed: measure(10, || demo.timed(&["module", "changed", "production"]))?,
    })
}

fn output(mut command: Command) -> Result<(String, Duration)> {
    let start = Instant::now();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    let took = start.elapsed();
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok((String::from_utf8_lossy(&output.stdout).into_owned(), took))
}
