//! Twelve repositories of modules on this machine: how long a look at the lock takes, and checking them all out.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::rig::Place;
use super::stats::{Times, measure, timed};

/// Repositories, modules in each, files in each module.
const REPOSITORIES: usize = 12;
const MODULES: usize = 20;
const FILES: usize = 12;
/// Runs of each way.
const RUNS: usize = 5;

/// One way and its times.
pub(super) struct Way {
    pub(super) what: &'static str,
    pub(super) times: Times,
}

/// What is measured.
pub(super) struct Found {
    pub(super) files: usize,
    pub(super) verify: Times,
    pub(super) ways: Vec<Way>,
}

struct Pack<'a> {
    place: &'a Place,
    binary: &'a Path,
    cache: PathBuf,
}

/// Makes the repositories and a pack, and measures.
pub(super) fn lock(binary: &Path) -> Result<Found> {
    let place = Place::new("lock")?;
    let pack = Pack {
        place: &place,
        binary,
        cache: place.path().join("cache"),
    };
    pack.prepare()?;
    let repo = place.path().join("repo");
    pack.odoopack(&repo, &["lock"])?;
    pack.odoopack(&repo, &["oca", "sync"])?;
    let verify = measure(RUNS * 2, || {
        pack.odoopack(&repo, &["lock", "verify", "--offline"])
    })?;
    git(&repo, &["add", "--all"])?;
    git(&repo, &["commit", "--quiet", "--message", "pack"])?;
    let cold = pack.way("`odoopack oca sync`, nothing in the cache", |clone| {
        remove(&pack.cache.join("odoopack/git"))?;
        pack.odoopack(clone, &["oca", "sync"])
    })?;
    let warm = pack.way("`odoopack oca sync`, mirrors in the cache", |clone| {
        pack.odoopack(clone, &["oca", "sync"])
    })?;
    let plain = pack.way("`git submodule update --init`", |clone| {
        git(clone, &["submodule", "--quiet", "update", "--init"])
    })?;
    let jobs = pack.way("`git submodule update --init --jobs 8`", |clone| {
        git(
            clone,
            &["submodule", "--quiet", "update", "--init", "--jobs", "8"],
        )
    })?;
    Ok(Found {
        files: REPOSITORIES * MODULES * FILES,
        verify,
        ways: vec![cold, warm, plain, jobs],
    })
}

impl Pack<'_> {
    fn prepare(&self) -> Result<()> {
        let root = self.place.path();
        let shown = root.display();
        let mut file = format!(
            "format = 1\n\n[pack]\nname = \"lock\"\nroot = \"{shown}\"\n\n[odoo]\nsource = {{ path = \"{shown}/odoo\" }}\n\n[addons]\noca = \"oca\"\n\n"
        );
        for number in 0..REPOSITORIES {
            let name = format!("repository-{number}");
            self.upstream(&name)?;
            let table = format!("[addons.repositories.{name}]\nurl = \"file://{shown}/up/{name}\"\n\n");
            file.push_str(&table);
        }
        file += "[environments.production]\ndomain = \"localhost\"\n";
        std::fs::create_dir_all(root.join("repo"))?;
        self.place.write("repo/odoopack.toml", &file)?;
        for (name, text) in [
            ("odoo/release.py", "version_info = (18, 0, 0, 'final', 0, '')\n"),
            ("odoo-bin", "print('Odoo')\n"),
            ("odoo/addons/base/__manifest__.py", "{'name': 'Base'}\n"),
            ("requirements.txt", "six==1.17.0\n"),
        ] {
            let path = root.join("odoo").join(name);
            std::fs::create_dir_all(path.parent().context("a file has a directory")?)?;
            std::fs::write(path, text)?;
        }
        // uv itself and wheels come from the cache of whoever measures.
        std::fs::create_dir_all(self.cache.join("odoopack"))?;
        let home = std::env::var("HOME").context("there is no HOME")?;
        for shared in ["uv", "wheels", "locks"] {
            let from = Path::new(&home).join(".cache/odoopack").join(shared);
            std::fs::create_dir_all(&from)?;
            std::os::unix::fs::symlink(from, self.cache.join("odoopack").join(shared))?;
        }
        git(&root.join("repo"), &["init", "--quiet"]).map(drop)
    }

    fn upstream(&self, name: &str) -> Result<()> {
        let up = self.place.path().join("up").join(name);
        for module in 0..MODULES {
            let directory = up.join(format!("module_{module}"));
            std::fs::create_dir_all(&directory)?;
            std::fs::write(
                directory.join("__manifest__.py"),
                "{'name': 'M', 'version': '18.0.1.0.0'}\n",
            )?;
            for file in 1..FILES {
                let text = format!("# {name} {module} {file}\n").repeat(60);
                std::fs::write(directory.join(format!("file_{file}.py")), text)?;
            }
        }
        git(&up, &["init", "--quiet", "--initial-branch=18.0"])?;
        git(&up, &["add", "--all"])?;
        git(&up, &["commit", "--quiet", "--message", "modules"]).map(drop)
    }

    /// Runs one way on fresh clones of the pack.
    fn way(&self, what: &'static str, once: impl Fn(&Path) -> Result<Duration>) -> Result<Way> {
        let clone = self.place.path().join("clone");
        let times = measure(RUNS, || {
            remove(&clone)?;
            let from = self.place.path().join("repo");
            git(
                self.place.path(),
                &["clone", "--quiet", &from.display().to_string(), "clone"],
            )?;
            once(&clone)
        })?;
        Ok(Way { what, times })
    }

    fn odoopack(&self, repo: &Path, arguments: &[&str]) -> Result<Duration> {
        timed(
            Command::new(self.binary)
                .args(arguments)
                .current_dir(repo)
                .env("XDG_CACHE_HOME", &self.cache),
        )
    }
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
        _ => Ok(()),
    }
}

fn git(directory: &Path, arguments: &[&str]) -> Result<Duration> {
    let who = [
        "-c",
        "user.name=B",
        "-c",
        "user.email=b@example.org",
        "-c",
        "protocol.file.allow=always",
    ];
    timed(
        Command::new("git")
            .args(who)
            .args(arguments)
            .current_dir(directory),
    )
}
