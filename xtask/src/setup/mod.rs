//! `setup`: installs what the tests need, says what and why, and does nothing the second time.
mod cargo_tools;
mod clients;
mod needs;
mod servers;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};

pub(crate) use cargo_tools::{DENY, NEXTEST};
use needs::{NEEDS, Need};

use crate::run;

const INSTALL: &str = include_str!("install.sh");

/// A mirror drops superseded files after about this long, and installing from older lists fails.
const LISTS_AGE: Duration = Duration::from_hours(24);

/// Installs the missing Debian packages and cargo tools.
pub(crate) fn run() -> Result<()> {
    let missing: Vec<&Need> = NEEDS
        .iter()
        .filter(|need| !need.seen.is_there(Path::new("/")))
        .collect();
    if !missing.is_empty() {
        packages(&missing)?;
    }
    servers::install()?;
    clients::install()?;
    NEXTEST.install()?;
    Ok(())
}

fn packages(missing: &[&Need]) -> Result<()> {
    println!("setup: missing on this machine:");
    for need in missing {
        println!("  {:<24}{}", need.package, need.why);
    }
    let names: Vec<&str> = missing.iter().map(|need| need.package).collect();
    if run::find("apt-get").is_none() {
        bail!(
            "set-up knows Debian only and there is no apt-get; install the equivalents of: {}",
            names.join(" ")
        );
    }
    if fs::metadata("/proc/self").context("cannot read /proc")?.uid() != 0 {
        bail!("{}", sudo_line(&names));
    }
    if lists_are_old(Path::new("/var/lib/apt/lists"), SystemTime::now()) {
        update()?;
    }
    if install(missing).is_err() {
        // The lists were younger than a day and still too old.
        update()?;
        install(missing)?;
    }
    match NEEDS.iter().find(|need| !need.seen.is_there(Path::new("/"))) {
        Some(need) => bail!(
            "apt-get went well, but what `{}` should bring is not there: {:?}",
            need.package,
            need.seen
        ),
        None => Ok(()),
    }
}

/// What an ordinary user is told.
fn sudo_line(packages: &[&str]) -> String {
    format!(
        "packages are missing and only root installs them; run\n\
         \n  sudo apt-get install --no-install-recommends {}\n\
         \nDebian starts the servers among them at once; `sudo cargo xtask setup` installs the same and leaves them stopped",
        packages.join(" ")
    )
}

fn update() -> Result<()> {
    run::run(Command::new("apt-get").args(["-q", "-o", "DPkg::Lock::Timeout=300", "update"]))
}

fn install(missing: &[&Need]) -> Result<()> {
    let services: Vec<&str> = missing.iter().filter_map(|need| need.service).collect();
    let packages = missing.iter().map(|need| need.package);
    run::run(
        Command::new("sh")
            .args(["-c", INSTALL, "setup", &services.join(" ")])
            .args(packages),
    )
}

/// True when the package lists are missing or were last fetched more than a day ago.
fn lists_are_old(directory: &Path, now: SystemTime) -> bool {
    let Ok(entries) = fs::read_dir(directory) else {
        return true;
    };
    let has_lists = entries
        .filter_map(Result::ok)
        .any(|entry| entry.file_name().to_string_lossy().contains("_Packages"));
    // The files carry the mirror's time; the directory's own time is when apt last put one there.
    let fetched = fs::metadata(directory).and_then(|metadata| metadata.modified());
    !has_lists || fetched.is_ok_and(|fetched| now.duration_since(fetched).is_ok_and(|age| age > LISTS_AGE))
}

#[cfg(test)]
mod tests;
