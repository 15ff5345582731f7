//! Editions beside each other on one machine: planning, starting and memory, with either engine.
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::memory;
use super::pack::Demo;
use super::rig::{Place, free_port};
use super::stats::{Times, measure};

const NAMES: [&str; 3] = ["production", "marketing", "accounting"];
const RUNS: usize = 10;

pub(super) const ABOUT: &str = "Each edition has Odoo 19 with `base` and `web`, two workers and a process for its scheduled jobs; \
    they share PostgreSQL, nginx and the gate. Healthy is when `up` has checked every edition: its page, its login, its websocket. \
    Memory is of the Odoo processes of one edition, each shared page divided by the number of its users (PSS), right after \
    the start.";

/// What runs the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Native,
    Compose,
}

/// What was found.
pub(super) struct Found {
    /// Of this many editions: `plan`, `up` with nothing to do, from stopped to healthy.
    pub(super) of: BTreeMap<usize, [Times; 3]>,
    /// Of each of three editions, in KiB.
    pub(super) memory: Vec<(&'static str, u64)>,
}

pub(super) fn measured(binary: &Path, engine: Engine) -> Result<Found> {
    let place = Place::new(if engine == Engine::Native {
        "editions"
    } else {
        "stack"
    })?;
    let ports = [free_port()?, free_port()?];
    let text = |count: usize| file(engine, place.path(), ports, &NAMES[..count]);
    let (one, three) = (text(1)?, text(3)?);
    let demo = Demo::with_file(binary, place, &one, &NAMES)?;
    demo.timed(&["up", "--yes"])?;
    let mut of = BTreeMap::new();
    of.insert(1, times(&demo, 2)?);
    demo.rewrite(&three)?;
    demo.timed(&["up", "--yes"])?;
    of.insert(3, times(&demo, 1)?);
    let memory = NAMES
        .into_iter()
        .map(|name| Ok((name, memory(engine, name, demo.root())?)))
        .collect::<Result<_>>()?;
    demo.remove()?;
    Ok(Found { of, memory })
}

fn times(demo: &Demo, starts: usize) -> Result<[Times; 3]> {
    let plan = measure(RUNS, || demo.timed(&["plan"]))?;
    let up = measure(RUNS, || demo.timed(&["up"]))?;
    let start = measure(starts, || {
        demo.timed(&["down"])?;
        demo.timed(&["up", "--yes"])
    })?;
    Ok([plan, up, start])
}

/// Whatever tag is here already is taken; a registry may be out of reach.
fn file(engine: Engine, root: &Path, ports: [u16; 2], names: &[&str]) -> Result<String> {
    let (word, source) = match engine {
        Engine::Native => ("native", "{ debian = \"sid\" }"),
        Engine::Compose => ("compose", "{ image = \"odoo:19.0\" }"),
    };
    let mut text = format!(
        "format = 1\n[pack]\nname = \"bench\"\nroot = \"{}\"\nengine = \"{word}\"\n[odoo]\nseries = \"19.0\"\nsource = {source}\n\
         [web]\nlisten = [\"127.0.0.1\"]\nhttp_port = {}\nhttps_port = {}\n",
        root.display(),
        ports[0],
        ports[1]
    );
    if engine == Engine::Compose {
        text += "[images]\n";
        for part in ["postgres", "nginx"] {
            if let Some(tag) = here(part)? {
                writeln!(text, "{part} = \"{tag}\"")?;
            }
        }
    }
    for name in names {
        writeln!(
            text,
            "[editions.{name}]\n[environments.{name}]\nkind = \"production\"\nedition = \"{name}\"\ndomain = \"{name}.localhost\"\nworkers = 2"
        )?;
    }
    Ok(text)
}

fn here(repository: &str) -> Result<Option<String>> {
    let args = ["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", repository];
    let all = said(Command::new("docker").args(args))?;
    Ok(all
        .lines()
        .find(|line| !line.ends_with(":<none>"))
        .map(str::to_owned))
}

fn memory(engine: Engine, name: &str, root: &Path) -> Result<u64> {
    let pids = match engine {
        Engine::Native => of_configuration(&root.join("data/config").join(name))?,
        Engine::Compose => in_containers(name)?,
    };
    if pids.is_empty() {
        bail!("no process of {name} was found");
    }
    pids.into_iter().map(memory::pss_of).sum()
}

/// Processes that were started with a file below this directory.
fn of_configuration(directory: &Path) -> Result<Vec<u32>> {
    let wanted = format!("{}/", directory.display());
    let entries = fs::read_dir("/proc").context("cannot list /proc")?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    // One that ended since is none of them.
    let line = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let odoo = |pid: &u32| line(pid).split('\0').any(|word| word.contains(&wanted));
    Ok(pids.filter(odoo).collect())
}

fn in_containers(name: &str) -> Result<Vec<u32>> {
    let mut all = Vec::new();
    for role in ["web", "cron"] {
        let filter = format!("label=com.docker.compose.service={name}.blue.{role}");
        let id = said(Command::new("docker").args(["ps", "--quiet", "--filter", &filter]))?;
        let pids = said(Command::new("docker").args(["top", id.trim(), "-eo", "pid"]))?;
        all.extend(pids.lines().filter_map(|line| line.trim().parse::<u32>().ok()));
    }
    Ok(all)
}

fn said(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
