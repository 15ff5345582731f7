//! The virtual environment: exactly the lock, shared by every release with the same one, usable by every user.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::Release;
use odoopack_core::oca_lock::Lock;
use odoopack_core::spec::Spec;

use super::lock::For;
use super::requirements::Requirements;
use super::{Builder, asset_times, index, interpreter, lock, python_lock, walk};
use crate::exec::Cmd;
use crate::failure::{Failure, Result};
use crate::files;
use crate::tools::python::Interpreter;
use crate::ui::Progress;

/// Written into an environment when everything else is there.
const MARKER: &str = ".odoopack-environment";
/// The lock that an environment holds.
const LOCK: &str = "requirements.lock";

/// An environment that is there.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) directory: Utf8PathBuf,
    /// [`fingerprint`] of what it was made from.
    pub(super) inputs: String,
}

/// A hash of everything in the file and in files that decides what the environment holds.
pub(super) fn fingerprint(
    spec: &Spec,
    repo: &Utf8Path,
    tree: &Utf8Path,
    lock: Option<&Lock>,
) -> Result<String> {
    let asked = spec.odoo.python.as_deref().unwrap_or("newest");
    let requirements = Requirements::read(spec, repo, tree, &needs(lock))?.hash();
    let locked = lock.and_then(|lock| lock.python.as_ref());
    let locked = locked.map_or_else(String::new, odoopack_core::hash::of);
    Ok(super::sha256(
        format!("{requirements} {asked}{locked}").as_bytes(),
    ))
}

fn needs(lock: Option<&Lock>) -> Vec<String> {
    lock.map(Lock::python_needs).unwrap_or_default()
}

/// Whether an environment was finished and its interpreter is still there.
pub(super) fn is_whole(directory: &Utf8Path) -> bool {
    directory.join(MARKER).is_file() && directory.join("bin/python").is_file()
}

/// Makes the environment of a release, or finds that it is there.
pub(super) fn build(builder: &Builder<'_>, release: &Release, progress: &Progress) -> Result<Built> {
    let tree = builder.tree(release);
    let pack_lock = builder.lock.as_ref();
    let inputs = fingerprint(builder.spec, builder.repo, &tree, pack_lock)?;
    let requirements = Requirements::read(builder.spec, builder.repo, &tree, &needs(pack_lock))?;
    let interpreter = interpreter::probe(builder.python)?;
    let lock = lock_of(builder, &requirements, &interpreter, progress)?;
    let key = format!("{lock}\0{} {}", interpreter.platform, interpreter.program);
    let directory = builder
        .layout
        .pythons()
        .join(&super::sha256(key.as_bytes())[..16]);
    if !is_whole(&directory) {
        make(builder, &interpreter, &directory, progress)?;
        fill(builder, &directory, &lock, progress)?;
        check_links(builder, &directory)?;
        prove(&directory, release)?;
        files::sync_file_system(&directory)?;
        files::replace(&directory.join(MARKER), b"complete\n", 0o644, None)?;
    }
    Ok(Built { directory, inputs })
}

fn lock_of(
    builder: &Builder<'_>,
    requirements: &Requirements,
    interpreter: &Interpreter,
    progress: &Progress,
) -> Result<String> {
    if let Some(lock) = python_lock::of_pack(builder, requirements, interpreter)? {
        return Ok(lock);
    }
    let place = lock::place(builder.cache, requirements, For::Here(interpreter));
    if let Some(lock) = lock::known(&place)? {
        return Ok(lock);
    }
    let uv = index::online(
        &index::uv(builder.cache, builder.python, progress)?,
        builder.cache,
    )?;
    progress.detail("finding Python packages that fit together");
    lock::resolve(&uv, &place, requirements, For::Here(interpreter))
}

/// Makes an empty environment, whatever an interrupted run left in its place.
fn make(
    builder: &Builder<'_>,
    interpreter: &Interpreter,
    directory: &Utf8Path,
    progress: &Progress,
) -> Result<()> {
    for parent in [builder.layout.releases(), builder.layout.pythons()] {
        files::directory_all(&parent)?;
        files::directory(&parent, 0o755, None)?;
    }
    index::uv(builder.cache, builder.python, progress)?
        .venv(&interpreter.program, directory)
        .run()
}

/// Fills an environment from the cache alone when that is possible, else with the network.
fn fill(builder: &Builder<'_>, directory: &Utf8Path, lock: &str, progress: &Progress) -> Result<()> {
    let file = directory.join(LOCK);
    files::replace(&file, lock.as_bytes(), 0o644, None)?;
    let uv = index::uv(builder.cache, builder.python, progress)?;
    progress.detail("installing Python packages");
    if uv.sync(directory, &file, true).run().is_ok() {
        return asset_times::follow_content(directory);
    }
    progress.detail("downloading Python packages");
    index::online(&uv, builder.cache)?
        .sync(directory, &file, false)
        .run()
        .map_err(|failure| {
            failure
                .during("could not install the Python packages")
                .hint("check the network, then run again")
        })?;
    asset_times::follow_content(directory)
}

/// An environment that leads into somebody's cache or home works for that somebody only.
fn check_links(builder: &Builder<'_>, directory: &Utf8Path) -> Result<()> {
    for (link, target) in walk::links(directory)? {
        let place = walk::normalised(&link.parent().unwrap_or(directory).join(&target));
        let ours = place.starts_with(directory);
        let fine = ours || (interpreter::is_for_everybody(&place) || !builder.layout.own_users());
        if !fine || place.starts_with(builder.cache) {
            return Err(Failure::refused(format!(
                "`{link}` leads to `{place}`, which other users cannot use"
            ))
            .hint("name another interpreter with `python = \"/usr/bin/python3\"` in [odoo]"));
        }
    }
    Ok(())
}

/// Lets Odoo say its version: proof that its imports are there.
fn prove(directory: &Utf8Path, release: &Release) -> Result<()> {
    version(directory, release).read().map(|_| ()).map_err(|failure| {
        failure
            .during("Odoo does not start in its new Python environment")
            .hint("give the package named above another version in a requirement file of the pack")
    })
}

/// Asks Odoo for its version in an environment.
pub(super) fn version(directory: &Utf8Path, release: &Release) -> Cmd {
    let cmd = Cmd::new(directory.join("bin/python").as_str())
        .bare()
        .args([release.entry.as_str(), "--version"])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("HOME", "/nonexistent");
    match &release.python_path {
        Some(path) => cmd.env("PYTHONPATH", path.as_str()),
        None => cmd,
    }
}
