//! Small facts that only this program knows: what it wrote, what services were started with, what it had begun.
use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::Image;
use odoopack_core::name::Name;
use odoopack_core::spec::OwnServer;
use serde::de::DeserializeOwned;

use crate::failure::{Failure, Result};
use crate::files;

/// What a service was started with.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Stamp {
    /// Hash of its definition.
    pub(crate) definition: String,
    /// Hash of the files it read.
    pub(crate) inputs: String,
    /// How often it had been started by then.
    pub(crate) starts: u64,
}

/// Hash of each rendered file as last written.
pub(crate) fn written(state: &Utf8Path) -> Result<BTreeMap<Utf8PathBuf, String>> {
    Ok(read(&state.join("written.json"))?.unwrap_or_default())
}

/// Remembers that `path` was written with this hash.
pub(crate) fn remember_written(state: &Utf8Path, path: &Utf8Path, hash: &str) -> Result<()> {
    let mut all = written(state)?;
    all.insert(path.to_owned(), hash.to_owned());
    write(&state.join("written.json"), &all)
}

/// Forgets that `path` was written.
pub(crate) fn forget_written(state: &Utf8Path, path: &Utf8Path) -> Result<()> {
    let mut all = written(state)?;
    if all.remove(path).is_none() {
        return Ok(());
    }
    write(&state.join("written.json"), &all)
}

/// First port of each environment's block.
pub(crate) fn ports(state: &Utf8Path) -> Result<BTreeMap<Name, u16>> {
    Ok(read(&state.join("ports.json"))?.unwrap_or_default())
}

/// Remembers the blocks; environments that are gone keep theirs.
pub(crate) fn remember_ports(state: &Utf8Path, given: &BTreeMap<Name, u16>) -> Result<()> {
    let mut all = ports(state)?;
    let before = all.clone();
    all.extend(given.clone());
    if all == before {
        Ok(())
    } else {
        write(&state.join("ports.json"), &all)
    }
}

/// Images that were found and pinned, by part.
pub(crate) fn images(state: &Utf8Path) -> Result<BTreeMap<String, Image>> {
    Ok(read(&state.join("images.json"))?.unwrap_or_default())
}

/// Remembers what an image is from now on.
pub(crate) fn remember_image(state: &Utf8Path, part: &str, image: &Image) -> Result<()> {
    let mut all = images(state)?;
    all.insert(part.to_owned(), image.clone());
    write(&state.join("images.json"), &all)
}

/// Forgets them all: a stack that was tried before anything of it held data is none.
pub(crate) fn forget_images(state: &Utf8Path) -> Result<()> {
    files::remove(&state.join("images.json"))
}

/// What modules of a farm were when they were compiled for an image.
pub(crate) fn compiled(state: &Utf8Path, farm: &Utf8Path) -> Result<Option<String>> {
    let all: BTreeMap<Utf8PathBuf, String> = read(&state.join("compiled.json"))?.unwrap_or_default();
    Ok(all.get(farm).cloned())
}

/// Remembers that they are compiled.
pub(crate) fn remember_compiled(state: &Utf8Path, farm: &Utf8Path, seen: String) -> Result<()> {
    let path = state.join("compiled.json");
    let mut all: BTreeMap<Utf8PathBuf, String> = read(&path)?.unwrap_or_default();
    all.insert(farm.to_owned(), seen);
    write(&path, &all)
}

/// First three bytes of the stack's network.
pub(crate) fn network(state: &Utf8Path) -> Result<Option<[u8; 3]>> {
    read(&state.join("network.json"))
}

/// Remembers the network, which stays.
pub(crate) fn remember_network(state: &Utf8Path, network: [u8; 3]) -> Result<()> {
    if self::network(state)? == Some(network) {
        return Ok(());
    }
    write(&state.join("network.json"), &network)
}

/// Places of another stack that this pack has taken over.
pub(crate) fn adopted(state: &Utf8Path) -> Result<BTreeSet<Utf8PathBuf>> {
    Ok(read(&state.join("adopted.json"))?.unwrap_or_default())
}

/// Remembers that a place belongs to the pack from now on.
pub(crate) fn remember_adopted(state: &Utf8Path, path: &Utf8Path) -> Result<()> {
    let mut all = adopted(state)?;
    all.insert(path.to_owned());
    write(&state.join("adopted.json"), &all)
}

/// The image that PostgreSQL of another stack ran in when its file was read.
pub(crate) fn adopted_image(state: &Utf8Path) -> Result<Option<String>> {
    read(&state.join("adopted-image.json"))
}

/// Remembers it.
pub(crate) fn remember_adopted_image(state: &Utf8Path, image: &str) -> Result<()> {
    write(&state.join("adopted-image.json"), &image)
}

/// The C library of that image.
pub(crate) fn adopted_library(state: &Utf8Path) -> Result<Option<String>> {
    read(&state.join("adopted-library.json"))
}

/// Remembers it.
pub(crate) fn remember_adopted_library(state: &Utf8Path, library: &str) -> Result<()> {
    write(&state.join("adopted-library.json"), &library)
}

/// Name of the pack that made this data directory.
pub(crate) fn made_by(state: &Utf8Path) -> Result<Option<String>> {
    Ok(files::read_text(&state.join("pack"))?.map(|text| text.trim().to_owned()))
}

/// Whose the data directory is; `None` when nobody has made it yet.
pub(crate) fn owner(state: &Utf8Path) -> Result<Option<u32>> {
    use std::os::unix::fs::MetadataExt;
    let path = state.join("pack");
    match std::fs::symlink_metadata(&path) {
        Ok(metadata) => Ok(Some(metadata.uid())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Failure::failed(format!("could not look at `{path}`")).because(e)),
    }
}

/// Says who made this data directory.
pub(crate) fn remember_made_by(state: &Utf8Path, pack: &Name) -> Result<()> {
    if made_by(state)?.is_some() {
        return Ok(());
    }
    files::replace(&state.join("pack"), format!("{pack}\n").as_bytes(), 0o644, None)
}

/// What a service was last started with.
pub(crate) fn stamp(state: &Utf8Path, service: &str) -> Result<Option<Stamp>> {
    read(&stamp_file(state, service))
}

/// Remembers what a service was started with.
pub(crate) fn remember_stamp(state: &Utf8Path, service: &str, stamp: &Stamp) -> Result<()> {
    write(&stamp_file(state, service), stamp)
}

/// Under which name a timer is remembered.
pub(crate) fn timer_stamp(job: &str) -> String {
    format!("job-{job}")
}

/// Forgets a service.
pub(crate) fn forget_stamp(state: &Utf8Path, service: &str) -> Result<()> {
    files::remove(&stamp_file(state, service))
}

/// First installations that were begun: the number of the very database, for the next one of this name is not ours.
pub(crate) fn unfinished<'a>(
    state: &Utf8Path,
    environments: impl Iterator<Item = &'a Name>,
) -> Result<BTreeMap<Name, u32>> {
    let mut all = BTreeMap::new();
    for name in environments {
        if let Some(text) = files::read_text(&unfinished_file(state, name))? {
            // A mark that names no database proves nothing.
            all.insert(name.clone(), text.trim().parse().unwrap_or(0));
        }
    }
    Ok(all)
}

/// Marks that the installation into the database with this number begins.
pub(crate) fn remember_unfinished(state: &Utf8Path, environment: &Name, oid: u32) -> Result<()> {
    let path = unfinished_file(state, environment);
    files::replace(&path, oid.to_string().as_bytes(), 0o600, None)
}

/// The mark of a first installation that was begun.
pub(crate) fn unfinished_file(state: &Utf8Path, environment: &Name) -> Utf8PathBuf {
    state.join("unfinished").join(environment.as_str())
}

/// The mark of a server's cluster whose creation was begun.
pub(crate) fn unfinished_cluster(state: &Utf8Path, server: &OwnServer) -> Utf8PathBuf {
    match server.edition() {
        None => state.join("unfinished-cluster"),
        Some(edition) => state.join(format!("unfinished-cluster.{edition}")),
    }
}

/// A module operation that was begun: what to know when it is cut off.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct ModuleWork {
    /// The command, for people.
    pub(crate) command: String,
    /// Services that it stopped.
    pub(crate) services: Vec<String>,
    /// Copies of the database that it and runs before it made.
    #[serde(default)]
    pub(crate) restore_points: Vec<String>,
    /// Whether it came to its end, good or bad: what is left then are services to start or copies to drop.
    #[serde(default)]
    pub(crate) ended: bool,
}

impl ModuleWork {
    /// Says of an environment that its database is half-way; `None` when the operation came to its end.
    pub(crate) fn half_way(&self, environment: &Name) -> Option<String> {
        let what = format!(
            "`{}` was cut off: the database of {environment} is half-way",
            self.command
        );
        (!self.ended).then_some(what)
    }
}

/// The module operation of an environment that was cut off; only to be asked when nobody can be at it.
pub(crate) fn module_work(state: &Utf8Path, environment: &Name) -> Result<Option<ModuleWork>> {
    read(&module_work_file(state, environment))
}

/// Marks that a module operation begins.
pub(crate) fn remember_module_work(state: &Utf8Path, environment: &Name, work: &ModuleWork) -> Result<()> {
    files::directory_all(&state.join("modules"))?;
    write(&module_work_file(state, environment), work)
}

/// The operation has ended, one way or the other.
pub(crate) fn forget_module_work(state: &Utf8Path, environment: &Name) -> Result<()> {
    files::remove(&module_work_file(state, environment))
}

fn module_work_file(state: &Utf8Path, environment: &Name) -> Utf8PathBuf {
    state.join("modules").join(format!("{environment}.json"))
}

/// The snapshot that a recovery, or a change of the engine, has still to put into an environment, whose database is an empty one until then.
pub(crate) fn awaited(state: &Utf8Path, environment: &Name) -> Result<Option<String>> {
    let text = files::read_text(&awaited_file(state, environment))?;
    Ok(text.map(|text| text.trim().to_owned()))
}

/// Every environment that awaits one, sorted.
pub(crate) fn all_awaited(state: &Utf8Path) -> Result<Vec<Name>> {
    let entries = files::read_entries(&state.join("awaited"))?;
    // What is no name was not written here: a file that was on its way to its name.
    let mut names: Vec<Name> = entries
        .iter()
        .filter_map(|entry| entry.file_name().parse().ok())
        .collect();
    names.sort();
    Ok(names)
}

/// Marks that an environment awaits this snapshot.
pub(crate) fn remember_awaited(state: &Utf8Path, environment: &Name, snapshot: &str) -> Result<()> {
    let path = awaited_file(state, environment);
    files::directory_all(&state.join("awaited"))?;
    files::replace(&path, snapshot.as_bytes(), 0o600, None)
}

/// It has a database of its own.
pub(crate) fn forget_awaited(state: &Utf8Path, environment: &Name) -> Result<()> {
    files::remove(&awaited_file(state, environment))
}

/// The mark of an environment that awaits a snapshot.
pub(crate) fn awaited_file(state: &Utf8Path, environment: &Name) -> Utf8PathBuf {
    state.join("awaited").join(environment.as_str())
}

/// Says that the database for tests of an environment is ours to drop, from before it is made.
pub(crate) fn remember_tests(state: &Utf8Path, environment: &Name, database: &str) -> Result<()> {
    files::directory_all(&state.join("modules"))?;
    files::replace(&tests_file(state, environment), database.as_bytes(), 0o600, None)
}

/// Whether a database of this name was begun for tests.
pub(crate) fn is_for_tests(state: &Utf8Path, environment: &Name, database: &str) -> Result<bool> {
    Ok(files::read_text(&tests_file(state, environment))?.is_some_and(|name| name == database))
}

/// The database for tests is gone.
pub(crate) fn forget_tests(state: &Utf8Path, environment: &Name) -> Result<()> {
    files::remove(&tests_file(state, environment))
}

fn tests_file(state: &Utf8Path, environment: &Name) -> Utf8PathBuf {
    state.join("modules").join(format!("{environment}.tests"))
}

fn stamp_file(state: &Utf8Path, service: &str) -> Utf8PathBuf {
    state.join("stamps").join(format!("{service}.json"))
}

fn read<T: DeserializeOwned>(path: &Utf8Path) -> Result<Option<T>> {
    let Some(text) = files::read_text(path)? else {
        return Ok(None);
    };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|e| Failure::failed(format!("`{path}` is not what this program wrote")).because(e))
}

fn write<T: serde::Serialize>(path: &Utf8Path, value: &T) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| Failure::failed(format!("could not write `{path}`")).because(e))?;
    files::replace(path, text.as_bytes(), 0o644, None)
}
