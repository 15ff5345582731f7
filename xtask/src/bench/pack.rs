//! A demo of the bench's own: its own root, name, users and ports, so that no other demo is touched.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::rig::{Place, free_port};

/// A demo that is taken down and removed with its owner.
pub(super) struct Demo {
    binary: PathBuf,
    place: Place,
    cache: Option<Place>,
    is_there: bool,
}

impl Demo {
    /// Nothing runs yet; with `cold` downloads go to an empty cache.
    pub(super) fn new(binary: &Path, cold: bool) -> Result<Self> {
        let place = Place::new(if cold { "cold" } else { "demo" })?;
        fs::create_dir_all(place.path().join("repo"))?;
        place.write(".odoopack-demo", "made by `cargo xtask bench`\n")?;
        let root = place.path().display();
        let file = format!(
            "format = 1\n[pack]\nname = \"bench\"\nroot = \"{root}\"\n[odoo]\nseries = \"19.0\"\n\
             source = {{ debian = \"sid\" }}\n[web]\nlisten = [\"127.0.0.1\"]\nhttp_port = {}\nhttps_port = {}\n\
             [environments.production]\ndomain = \"localhost\"\nusers = 6\n",
            free_port()?,
            free_port()?
        );
        place.write("repo/odoopack.toml", &file)?;
        ports_of(&place, &["production"])?;
        Ok(Self {
            binary: binary.to_owned(),
            place,
            cache: cold.then(|| Place::new("cache")).transpose()?,
            is_there: false,
        })
    }

    /// A pack of another file in a place of its own, to be brought up with `up`.
    pub(super) fn with_file(binary: &Path, place: Place, file: &str, names: &[&str]) -> Result<Self> {
        fs::create_dir_all(place.path().join("repo"))?;
        place.write(".odoopack-demo", "made by `cargo xtask bench`\n")?;
        ports_of(&place, names)?;
        let demo = Self {
            binary: binary.to_owned(),
            place,
            cache: None,
            is_there: true,
        };
        demo.rewrite(file)?;
        Ok(demo)
    }

    /// Writes another file.
    pub(super) fn rewrite(&self, file: &str) -> Result<()> {
        self.place.write("repo/odoopack.toml", file)
    }

    /// Brings it up and returns how long that took.
    pub(super) fn start(&mut self) -> Result<Duration> {
        self.is_there = true;
        self.timed(&["demo", "--yes"])
    }

    /// Takes it down, and everything it made with it.
    pub(super) fn remove(mut self) -> Result<()> {
        self.is_there = false;
        self.timed(&["demo", "--down"]).map(drop)
    }

    /// Runs a command of ours on it, quietly.
    pub(super) fn timed(&self, arguments: &[&str]) -> Result<Duration> {
        let start = Instant::now();
        self.read(arguments)?;
        Ok(start.elapsed())
    }

    /// The same, and what it printed.
    pub(super) fn read(&self, arguments: &[&str]) -> Result<String> {
        let child = self.command(arguments).spawn().context("cannot start odoopack")?;
        finish(child, arguments)
    }

    /// The same, and the most memory that our own process held at once, in KiB.
    pub(super) fn heaviest(&self, arguments: &[&str]) -> Result<(String, u64)> {
        let child = self.command(arguments).spawn().context("cannot start odoopack")?;
        let status = format!("/proc/{}/status", child.id());
        let watch = std::thread::spawn(move || {
            let mut most = 0;
            // The mark only rises; a process that ended and was not waited for has none.
            while let Some(now) = high_water(&status) {
                most = now;
                std::thread::sleep(Duration::from_millis(10));
            }
            most
        });
        let said = finish(child, arguments)?;
        Ok((said, watch.join().unwrap_or_default()))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .arg("--root")
            .arg(self.root())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(cache) = &self.cache {
            command.env("XDG_CACHE_HOME", cache.path());
        }
        command
    }

    pub(super) fn root(&self) -> &Path {
        self.place.path()
    }

    /// The directory of its release that holds Odoo's own modules.
    pub(super) fn odoo_addons(&self) -> Result<PathBuf> {
        let releases = self.root().join("data/releases");
        let entries =
            fs::read_dir(&releases).with_context(|| format!("cannot read {}", releases.display()))?;
        for entry in entries {
            let path = entry?.path().join("usr/lib/python3/dist-packages/odoo/addons");
            if path.is_dir() {
                return Ok(path);
            }
        }
        bail!("no release with Odoo's modules below {}", releases.display())
    }

    /// Port on which Odoo itself answers.
    pub(super) fn odoo_port(&self) -> Result<u16> {
        let conf = self.root().join("data/config/production/blue/odoo.conf");
        let text = fs::read_to_string(&conf).with_context(|| format!("cannot read {}", conf.display()))?;
        let port = text.lines().find_map(|line| line.strip_prefix("http_port = "));
        Ok(port.context("odoo.conf names no http_port")?.trim().parse()?)
    }

    /// The downloads of a cold run, in bytes.
    pub(super) fn downloaded(&self) -> u64 {
        self.cache.as_ref().map_or(0, |cache| size(cache.path()))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if self.is_there
            && let Err(error) = self.timed(&["demo", "--down"])
        {
            eprintln!("warning: the bench's demo is still there: {error:#}");
        }
    }
}

/// Blocks of ports as if given before: another new pack on this machine would be given the first ones as well.
fn ports_of(place: &Place, names: &[&str]) -> Result<()> {
    fs::create_dir_all(place.path().join("data/odoopack"))?;
    let first = 30_000 + std::process::id() % 150 * 10;
    let blocks = names.iter().zip((first..).step_by(10));
    let blocks: Vec<String> = blocks.map(|(name, port)| format!("\"{name}\":{port}")).collect();
    place.write("data/odoopack/ports.json", &format!("{{{}}}\n", blocks.join(",")))
}

/// Waits for a command of ours and returns what it printed.
fn finish(child: Child, arguments: &[&str]) -> Result<String> {
    let output = child.wait_with_output().context("cannot wait for odoopack")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`odoopack {}` failed: {said}", arguments.join(" "));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `VmHWM` of a process that lives (`proc_pid_status(5)`).
fn high_water(status: &str) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Bytes in the files below a directory.
fn size(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size(&entry.path()),
            Ok(metadata) if metadata.is_file() => metadata.len(),
            _ => 0,
        })
        .sum()
}
