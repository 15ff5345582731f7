//! The lock: every Python distribution with version and hashes, resolved once per set of inputs.
use camino::{Utf8Path, Utf8PathBuf};

use super::requirements::Requirements;
use crate::failure::{Failure, Result};
use crate::files;
use crate::tools::python::Interpreter;
use crate::tools::uv::{self, Compile, Uv};

/// Where the lock of these inputs is kept.
pub(super) fn place(cache: &Utf8Path, requirements: &Requirements, interpreter: &Interpreter) -> Utf8PathBuf {
    let key = format!(
        "{} {} uv {}",
        requirements.hash(),
        interpreter.platform,
        uv::VERSION
    );
    cache
        .join("locks")
        .join(format!("{}.txt", &super::sha256(key.as_bytes())[..24]))
}

/// Reads the lock when these inputs were resolved before.
pub(super) fn known(place: &Utf8Path) -> Result<Option<String>> {
    files::read_text(place)
}

/// Resolves the inputs and keeps the lock.
pub(super) fn resolve(
    uv: &Uv,
    place: &Utf8Path,
    requirements: &Requirements,
    interpreter: &Interpreter,
) -> Result<String> {
    files::directory_all(place.parent().unwrap_or(place))?;
    let _held = files::lock(&place.with_file_name(".lock"))?;
    let work = place.with_file_name(".work");
    files::remove_tree(&work)?;
    files::directory_all(&work)?;
    let lock = compile(uv, &work, requirements, interpreter);
    files::remove_tree(&work)?;
    let lock = lock?;
    files::replace(place, lock.as_bytes(), 0o644, None)?;
    Ok(lock)
}

fn compile(
    uv: &Uv,
    work: &Utf8Path,
    requirements: &Requirements,
    interpreter: &Interpreter,
) -> Result<String> {
    let write = |name: &str, text: &str| -> Result<Utf8PathBuf> {
        let path = work.join(name);
        files::replace(&path, text.as_bytes(), 0o644, None).map(|()| path)
    };
    let pins = requirements.pins(interpreter.version);
    let wanted = write("wanted.txt", &requirements.text(&pins))?;
    let constraints = write("constraints.txt", &pins.constraints)?;
    let overrides = write("overrides.txt", &pins.overrides)?;
    let lock = work.join("lock.txt");
    let call = Compile {
        wanted: &wanted,
        constraints: &constraints,
        overrides: &overrides,
        lock: &lock,
    };
    uv.compile(&interpreter.program, &call).run().map_err(|failure| {
        failure.during("could not find Python packages that fit together, as wheels").hint(
            "check the network; a package without a wheel must be given another version in a requirement file of the pack",
        )
    })?;
    files::read_text(&lock)?.ok_or_else(|| Failure::failed("uv wrote no lock"))
}
