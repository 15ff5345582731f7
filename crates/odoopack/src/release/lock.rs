//! The lock: every Python distribution with version and hashes, resolved once per set of inputs.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::oca_lock::Target;

use super::requirements::Requirements;
use crate::failure::{Failure, Result};
use crate::files;
use crate::tools::python::Interpreter;
use crate::tools::uv::{self, Compile, Elsewhere, Uv};

/// The Python that packages are chosen for.
#[derive(Clone, Copy, Debug)]
pub(super) enum For<'a> {
    /// One of this machine.
    Here(&'a Interpreter),
    /// One of another machine.
    There(&'a Target),
}

impl For<'_> {
    fn version(self) -> (u16, u16) {
        match self {
            Self::Here(interpreter) => interpreter.version,
            Self::There(target) => target.python,
        }
    }

    fn name(self) -> String {
        match self {
            Self::Here(interpreter) => interpreter.platform.clone(),
            Self::There(target) => format!("any {target}"),
        }
    }
}

/// Where the lock of these inputs is kept.
pub(super) fn place(cache: &Utf8Path, requirements: &Requirements, python: For<'_>) -> Utf8PathBuf {
    let key = format!("{} {} uv {}", requirements.hash(), python.name(), uv::VERSION);
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
    python: For<'_>,
) -> Result<String> {
    files::directory_all(place.parent().unwrap_or(place))?;
    let _held = files::lock(&place.with_file_name(".lock"))?;
    let work = place.with_file_name(".work");
    files::remove_tree(&work)?;
    files::directory_all(&work)?;
    let lock = compile(uv, &work, requirements, python);
    files::remove_tree(&work)?;
    let lock = lock?;
    files::replace(place, lock.as_bytes(), 0o644, None)?;
    Ok(lock)
}

fn compile(uv: &Uv, work: &Utf8Path, requirements: &Requirements, python: For<'_>) -> Result<String> {
    let write = |name: &str, text: &str| -> Result<Utf8PathBuf> {
        let path = work.join(name);
        files::replace(&path, text.as_bytes(), 0o644, None).map(|()| path)
    };
    let pins = requirements.pins(python.version());
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
    let (cmd, what) = match python {
        For::Here(interpreter) => (uv.compile(&interpreter.program, &call), String::new()),
        For::There(target) => (
            uv.compile_for(&elsewhere(target), &call),
            format!(" for {target}"),
        ),
    };
    cmd.run().map_err(|failure| {
        let failure = failure.during(format!(
            "could not find Python packages that fit together, as wheels{what}"
        ));
        let failure = failure.hint(
            "check the network; a package without a wheel must be given another version in a requirement file of the pack",
        );
        match python {
            For::Here(_) => failure,
            For::There(target) => failure.hint(format!(
                "when nothing runs on such a machine any more: `odoopack lock --drop-target '{target}'`"
            )),
        }
    })?;
    files::read_text(&lock)?.ok_or_else(|| Failure::failed("uv wrote no lock"))
}

/// A Python that is not on this machine, in uv's words.
pub(super) fn elsewhere(target: &Target) -> Elsewhere {
    let (major, minor) = target.python;
    Elsewhere {
        version: format!("{major}.{minor}"),
        platform: target.platform(),
    }
}
