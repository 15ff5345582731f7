//! A Docker of the bench's own where none answers: the one of the tests, with their images, in a network of its own.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::rig::{Place, Running};
use crate::run;

/// Set in the process whose network is its own.
const INSIDE: &str = "ODOOPACK_BENCH_STACK";
/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where Docker answers.
pub(super) enum Docker {
    /// By itself.
    Here,
    /// In a process of ours, and as long as this value lives.
    Ours(Daemon),
    /// Only in a process of ours with a network of its own.
    Elsewhere(PathBuf),
    /// Nowhere, and why.
    Nowhere(String),
}

pub(super) fn look() -> Result<Docker> {
    if std::env::var_os(INSIDE).is_some() {
        return Daemon::start().map(Docker::Ours);
    }
    if answers() {
        return Ok(Docker::Here);
    }
    Ok(match home()? {
        _ if !run::is_root() => Docker::Nowhere("no Docker with Compose answers, and only root starts one".to_owned()),
        None => Docker::Nowhere(
            "no Docker with Compose answers, and `cargo xtask test real_stack` has not made the images of one".to_owned(),
        ),
        Some(home) => Docker::Elsewhere(home),
    })
}

fn answers() -> bool {
    [&["compose", "version"][..], &["version"]]
        .into_iter()
        .all(|args| {
            let output = Command::new("docker").args(args).output();
            output.is_ok_and(|output| output.status.success())
        })
}

/// Where the tests keep what their Docker has: the newest of its kind.
fn home() -> Result<Option<PathBuf>> {
    let place = run::cache()?.join("odoopack-tests/stack");
    let Ok(entries) = fs::read_dir(&place) else {
        return Ok(None);
    };
    let whole = |path: &PathBuf| {
        path.join("docker").is_dir() && path.join("docker-config/cli-plugins/docker-compose").is_file()
    };
    let number = |path: &PathBuf| {
        path.file_name()
            .and_then(|name| name.to_str()?.parse::<u32>().ok())
    };
    let all = entries.flatten().map(|entry| entry.path()).filter(whole);
    Ok(all.max_by_key(number))
}

/// Measures the piece in a process of ours, where the rules of a firewall and the bridges of Docker are nobody else's.
pub(super) fn measured_elsewhere(home: &Path) -> Result<String> {
    let this = std::env::current_exe().context("cannot find out where this program is")?;
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--mount", "--fork", "--kill-child", "--"])
        .arg(this)
        .args(["bench", "stack"])
        .env(INSIDE, "1")
        .env("DOCKER_HOST", format!("unix://{}/docker.sock", home.display()))
        .env("DOCKER_CONFIG", home.join("docker-config"));
    run::read(&mut command)
}

/// `dockerd`, which ends with its owner; what a measurement made goes before.
pub(super) struct Daemon {
    _running: Running,
    _place: Place,
    _held: fs::File,
}

impl Daemon {
    fn start() -> Result<Self> {
        run::run(Command::new("ip").args(["link", "set", "lo", "up"]))?;
        let home = home()?
            .context("the images of the tests are gone")?
            .join("docker");
        // The tests hold the same file while they have a daemon on these images.
        let held = fs::File::create(home.join(".held"))?;
        held.lock()?;
        let place = Place::new("dockerd")?;
        let at = |name: &str| place.path().join(name);
        let log = fs::File::create(at("log"))?;
        let running = Running::start(
            Command::new("setpriv")
                .args(["--pdeathsig", "TERM", "dockerd"])
                .arg(format!("--data-root={}", home.display()))
                .arg(format!("--host={}", std::env::var("DOCKER_HOST")?))
                .arg(format!("--exec-root={}", at("exec").display()))
                .arg(format!("--pidfile={}", at("pid").display()))
                .stdout(log.try_clone()?)
                .stderr(log),
        )?;
        let begun = Instant::now();
        while !answers() {
            if begun.elapsed() > PATIENCE {
                let said = fs::read_to_string(at("log")).unwrap_or_default();
                bail!(
                    "dockerd does not start: {}",
                    said.lines().last().unwrap_or_default()
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let daemon = Self {
            _running: running,
            _place: place,
            _held: held,
        };
        clean()?;
        Ok(daemon)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(clean());
    }
}

/// Containers and networks of whoever was killed, and images that were made here and say nothing of the next program.
fn clean() -> Result<()> {
    let listed = |args: &[&str]| -> Result<Vec<String>> {
        let text = run::read(Command::new("docker").args(args))?;
        Ok(text.lines().map(str::to_owned).collect())
    };
    let quietly = |args: &[&str]| {
        let output = Command::new("docker").args(args).stdin(Stdio::null()).output();
        output.map(drop).context("cannot start docker")
    };
    for id in listed(&["ps", "--all", "--quiet"])? {
        quietly(&["rm", "--force", "--volumes", &id])?;
    }
    quietly(&["network", "prune", "--force"])?;
    let mut made = listed(&["image", "ls", "--quiet", "odoopack-gate"])?;
    made.extend(listed(&[
        "image",
        "ls",
        "--quiet",
        "--filter",
        "label=odoopack.release",
    ])?);
    for id in made {
        quietly(&["rmi", "--force", &id])?;
    }
    Ok(())
}
