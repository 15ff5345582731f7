//! The machine: cores, memory, disk, user, installed programs.
use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::{Host, Seen};
use odoopack_core::restore::Disk;
use odoopack_core::target::CLIENT;
use odoopack_core::units::Bytes;

use super::supervisor::Supervisor;
use crate::exec::find_program;
use crate::failure::{Failure, Result};
use crate::files;
use crate::tools::accounts::{self, Accounts};
use crate::tools::{docker, nginx};

/// Looks at the machine; `root` is the pack's root, which need not exist yet.
pub(crate) fn host(root: &Utf8Path) -> Result<Host> {
    let uid = rustix::process::geteuid();
    Ok(Host {
        cores: cores()?,
        memory: memory()?,
        disk_free: disk_free(root)?,
        docker_disk: None,
        root: uid.is_root(),
        systemd: Supervisor::here() == Supervisor::Systemd,
        user: accounts()?.user_name(uid.as_raw()),
        ids: (uid.as_raw(), rustix::process::getegid().as_raw()),
        debian: Utf8Path::new("/etc/debian_version").is_file(),
        postgres: postgres_servers(),
        pythons: pythons(),
        nginx: nginx_version(),
        now: jiff::Timestamp::now().as_second(),
    })
}

/// Users and groups of this machine.
pub(crate) fn accounts() -> Result<Accounts> {
    let read = |path: &str| files::read_text(Utf8Path::new(path)).map(Option::unwrap_or_default);
    let all = Accounts::parse(&read("/etc/passwd")?, &read("/etc/group")?);
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    let ids = (uid.as_raw(), gid.as_raw());
    if all.knows(ids) {
        return Ok(all);
    }
    // Somebody whom a directory service knows, which only the system's library can ask.
    Ok(
        match (named(&accounts::own_user()), named(&accounts::own_group())) {
            (Some(user), Some(group)) => all.with_own((&user, &group), ids, home_told()),
            _ => all,
        },
    )
}

/// What `id` prints; it fails where there is no name.
fn named(cmd: &crate::exec::Cmd) -> Option<String> {
    let name = cmd.read().ok()?.trim().to_owned();
    (!name.is_empty()).then_some(name)
}

fn home_told() -> Option<Utf8PathBuf> {
    let told = std::env::var("HOME").ok().map(Utf8PathBuf::from);
    told.filter(|home| home.is_absolute())
}

/// The home of whoever runs this program: `HOME`, else what the accounts say.
pub(crate) fn home() -> Option<Utf8PathBuf> {
    let known = || {
        let accounts = accounts().ok()?;
        let name = accounts.user_name(rustix::process::geteuid().as_raw());
        accounts.user_fact(&name).map(|fact| fact.home)
    };
    home_told().or_else(known)
}

fn cores() -> Result<u32> {
    let cores = std::thread::available_parallelism()
        .map_err(|e| Failure::failed("could not count the cores").because(e))?;
    Ok(u32::try_from(cores.get()).unwrap_or(u32::MAX))
}

/// Where a container sees its own limit, of the second and of the first version of control groups (`cgroups(7)`); the
/// root of a host has no limit to read, or one that is beyond any memory.
const LIMITS: [&str; 2] = [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
];

/// Memory of the machine, or what this container may use of it.
fn memory() -> Result<Bytes> {
    let text = files::read_text(Utf8Path::new("/proc/meminfo"))?.unwrap_or_default();
    let physical =
        parse_memory(&text).ok_or_else(|| Failure::failed("`/proc/meminfo` does not say `MemTotal`"))?;
    let mut limits = Vec::new();
    for path in LIMITS {
        let text = files::read_text(Utf8Path::new(path))?;
        limits.extend(text.as_deref().and_then(parse_limit));
    }
    Ok(limits.into_iter().fold(physical, std::cmp::min))
}

/// Bytes; `max` is none.
fn parse_limit(text: &str) -> Option<Bytes> {
    text.trim().parse().ok().map(Bytes)
}

/// `MemTotal:       24659432 kB` (`proc(5)`).
fn parse_memory(text: &str) -> Option<Bytes> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace()
        .next()?
        .parse::<u64>()
        .ok()
        .map(|kib| Bytes(kib << 10))
}

/// Free space where `root` is or will be.
pub(crate) fn disk_free(root: &Utf8Path) -> Result<Bytes> {
    disk(root).map(|disk| disk.free)
}

/// The disk where `root` is or will be.
pub(crate) fn disk(root: &Utf8Path) -> Result<Disk> {
    let place = root
        .ancestors()
        .find(|place| place.is_dir())
        .unwrap_or(Utf8Path::new("/"));
    let failed = |e| Failure::failed(format!("could not look at the disk of `{place}`")).because(e);
    let seen = rustix::fs::statvfs(place.as_std_path()).map_err(failed)?;
    let device = rustix::fs::stat(place.as_std_path()).map_err(failed)?.st_dev;
    Ok(Disk {
        place: root.to_owned(),
        device,
        free: Bytes(seen.f_bavail * seen.f_frsize),
    })
}

/// Where Docker keeps images and what containers write, when that is on this machine and not on the disk of `root`.
pub(super) fn docker_disk(root: &Utf8Path) -> Option<(Utf8PathBuf, Bytes)> {
    let place = Utf8PathBuf::from(docker::root_directory().read().ok()?.trim());
    let all = other_disks(root, &[&place]).into_iter();
    let mut seen = all.filter(|_| place.is_dir()).filter_map(|(place, free)| {
        let free = *free.present()?;
        Some((place, free))
    });
    seen.next()
}

/// Free space of those places that are neither on the disk of `root` nor on that of a place before them.
pub(super) fn other_disks(root: &Utf8Path, places: &[&Utf8Path]) -> Vec<(Utf8PathBuf, Seen<Bytes>)> {
    let mut known: Vec<u64> = disk(root).into_iter().map(|disk| disk.device).collect();
    let mut all = Vec::new();
    for place in places {
        match disk(place) {
            Ok(disk) if known.contains(&disk.device) => {}
            Ok(disk) => {
                known.push(disk.device);
                all.push((disk.place, Seen::Present(disk.free)));
            }
            Err(failure) => all.push(((*place).to_owned(), Seen::Unknown(failure.chain().join(": ")))),
        }
    }
    all
}

fn postgres_servers() -> BTreeMap<u16, Utf8PathBuf> {
    postgres_programs("postgres")
}

/// Debian keeps every major apart: `/usr/lib/postgresql/15/bin`; those that hold `program`.
pub(super) fn postgres_programs(program: &str) -> BTreeMap<u16, Utf8PathBuf> {
    let Ok(entries) = Utf8Path::new("/usr/lib/postgresql").read_dir_utf8() else {
        return BTreeMap::new();
    };
    let server = |entry: camino::Utf8DirEntry| {
        let major = entry.file_name().parse().ok()?;
        let programs = entry.path().join("bin");
        programs.join(program).is_file().then_some((major, programs))
    };
    entries.flatten().filter_map(server).collect()
}

fn pythons() -> BTreeMap<(u16, u16), Utf8PathBuf> {
    let found = |minor: u16| {
        let path = Utf8PathBuf::from(format!("/usr/bin/python3.{minor}"));
        path.is_file().then_some(((3, minor), path))
    };
    // Also those that no series supports: then the refusal is early and names what would do.
    (8..=15).filter_map(found).collect()
}

fn nginx_version() -> Option<(u16, u16, u16)> {
    let outcome = nginx::version(&find_program("nginx")?).outcome().ok()?;
    nginx::parse_version(&outcome.stderr)
}

/// Finds each program; `postgres` and `python3-venv` are looked for where Debian puts them.
pub(crate) fn programs(names: &[&str], host: &Host) -> BTreeMap<String, Utf8PathBuf> {
    let find = |name: &str| match name {
        "postgres" => host
            .postgres
            .values()
            .last()
            .map(|programs| programs.join("postgres")),
        "python3-venv" => venv(host),
        CLIENT => host
            .postgres
            .values()
            .last()
            .map(|programs| programs.join(CLIENT)),
        other => find_program(other),
    };
    names
        .iter()
        .filter_map(|name| find(name).map(|path| ((*name).to_owned(), path)))
        .collect()
}

/// `python3-venv` brings `ensurepip` (Debian splits it from the interpreter).
fn venv(host: &Host) -> Option<Utf8PathBuf> {
    let module = |(major, minor): &(u16, u16)| {
        Utf8PathBuf::from(format!("/usr/lib/python{major}.{minor}/ensurepip/__init__.py"))
    };
    host.pythons.keys().map(module).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_may_have_less_than_the_machine() {
        assert_eq!(parse_limit("2097152\n"), Some(Bytes::mib(2)));
        assert_eq!(parse_limit("max\n"), None);
    }

    #[test]
    fn a_disk_is_named_once_and_never_that_of_the_root() {
        let places = ["/", "/proc", "/proc/nothing/of/this", "/nothing"].map(Utf8Path::new);
        let all = other_disks("/nothing/of/this".into(), &places);
        let named: Vec<&str> = all.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(named, ["/proc"]);
        assert!(all[0].1.present().is_some());
    }

    #[test]
    fn each_place_is_seen_on_its_own_disk() {
        let root = disk("/".into()).unwrap();
        let [processes, below] = ["/proc", "/proc/nothing/of/this"].map(|place| disk(place.into()).unwrap());
        assert_ne!(processes.device, root.device);
        assert_eq!(below.device, processes.device);
        assert_eq!(
            (processes.free, below.place.as_str()),
            (Bytes(0), "/proc/nothing/of/this")
        );
    }

    #[test]
    fn reads_the_total_memory() {
        assert_eq!(
            parse_memory("MemTotal:        2048 kB\nMemFree: 1 kB\n"),
            Some(Bytes::mib(2))
        );
        assert_eq!(parse_memory("nothing"), None);
    }
}
