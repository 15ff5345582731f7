//! Programs that come from the crate registry and are built by cargo itself.
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::run;

/// One program, at the version we build when the machine has none.
#[derive(Debug)]
pub(crate) struct Tool {
    name: &'static str,
    version: &'static str,
    why: &'static str,
}

/// Any version found is used as it is; 0.9.151 wants Rust 1.91.
pub(crate) const NEXTEST: Tool = Tool {
    name: "cargo-nextest",
    version: "0.9.151",
    why: "runs the tests (about 5 minutes to build, once)",
};

/// Any version found is used as it is; 0.20.2 wants Rust 1.88.
pub(crate) const DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    why: "checks licences and bans (about 3 minutes to build, once)",
};

impl Tool {
    /// Where the program is, if it is there.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        let own = self.own().ok()?.join("bin").join(self.name);
        run::find(self.name).or_else(|| own.is_file().then_some(own))
    }

    /// Builds the program when it is missing; returns where it is.
    pub(crate) fn install(&self) -> Result<PathBuf> {
        if let Some(found) = self.find() {
            return Ok(found);
        }
        println!("setup: building {} {}: {}", self.name, self.version, self.why);
        let mut command = run::cargo();
        command
            .args(["install", "--locked", "--version", self.version, "--root"])
            .arg(self.own()?)
            .arg(self.name);
        // Its dependencies are not ours: keep them out of the workspace's target directory.
        run::run(command.env_remove("CARGO_TARGET_DIR"))?;
        self.find()
            .with_context(|| format!("cargo installed {}, but it is not there", self.name))
    }

    fn own(&self) -> Result<PathBuf> {
        Ok(run::tools()?.join(format!("{}-{}", self.name, self.version)))
    }
}
