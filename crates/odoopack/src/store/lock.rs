//! One converging command at a time: `flock` on a file that says who, when and why; the kernel frees a dead holder's.
use std::fs::File;
use std::io::Write;

use camino::Utf8Path;
use odoopack_core::name::Name;

use crate::failure::{Failure, Kind, Result};
use crate::files;

/// A held lock; dropping it frees it.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: std::fs::File,
}

/// Takes the pack's lock without waiting.
///
/// # Errors
/// Kind `Locked` (exit code 5) naming the holder when somebody else has it.
pub(crate) fn take(state: &Utf8Path, why: &str) -> Result<Lock> {
    take_file(&state.join("lock"), why)
}

/// Takes one environment without waiting: backups, deploys, module operations, clones and restores of it exclude each other.
///
/// # Errors
/// Kind `Locked` (exit code 5) naming the holder when somebody else has it.
pub(crate) fn take_environment(state: &Utf8Path, environment: &Name, why: &str) -> Result<Lock> {
    let directory = state.join("locks");
    files::directory_all(&directory).map_err(not_writable)?;
    take_file(&directory.join(environment.as_str()), why)
}

/// Takes the database for tests of an environment without waiting; it stands beside everything else.
///
/// # Errors
/// Kind `Locked` (exit code 5) naming the holder when somebody else has it.
pub(crate) fn take_tests(state: &Utf8Path, environment: &Name, why: &str) -> Result<Lock> {
    let directory = state.join("locks");
    files::directory_all(&directory).map_err(not_writable)?;
    // No environment's name holds a point.
    take_file(&directory.join(format!("{environment}.tests")), why)
}

/// Waits until nobody else makes one of the pack's repositories, and keeps others from it; that takes seconds at most.
///
/// # Errors
/// When the lock cannot be had.
pub(crate) fn wait_for_repository(state: &Utf8Path) -> Result<File> {
    let directory = state.join("locks");
    files::directory_all(&directory).map_err(not_writable)?;
    // No environment's name holds a point.
    let path = directory.join("new.repository");
    let file = files::append(&path).map_err(not_writable)?;
    file.lock()
        .map_err(|e| Failure::failed(format!("could not lock `{path}`")).because(e))?;
    Ok(file)
}

/// Whether somebody has the pack's lock; nothing is written.
///
/// # Errors
/// When that cannot be seen.
pub(crate) fn is_taken(state: &Utf8Path) -> Result<bool> {
    let path = state.join("lock");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(Failure::failed(format!("could not open `{path}`")).because(e)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(std::fs::TryLockError::WouldBlock) => Ok(true),
        Err(std::fs::TryLockError::Error(e)) => {
            Err(Failure::failed(format!("could not look at the lock `{path}`")).because(e))
        }
    }
}

fn take_file(path: &Utf8Path, why: &str) -> Result<Lock> {
    let mut file = files::append(path).map_err(not_writable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Err(held(path)),
        Err(std::fs::TryLockError::Error(e)) => {
            return Err(Failure::failed(format!("could not lock `{path}`")).because(e));
        }
    }
    let line = format!(
        "{why}, process {}, since {}\n",
        std::process::id(),
        jiff::Timestamp::now()
    );
    file.set_len(0)
        .and_then(|()| file.write_all(line.as_bytes()))
        .map_err(|e| Failure::failed(format!("could not write `{path}`")).because(e))?;
    crate::interrupt::listen();
    Ok(Lock { _file: file })
}

/// Makes the directory of the lock, where a pack was not brought up yet.
///
/// # Errors
/// When a link is in the way: what lies behind it belongs to somebody else.
pub(crate) fn make_place(state: &Utf8Path) -> Result<()> {
    if let Some(link) = state.ancestors().take(2).find(|place| place.is_symlink()) {
        return Err(
            Failure::refused(format!("{link} is a link, and must be a directory"))
                .hint("move what it leads to into its place, or bind it there with `mount --bind`"),
        );
    }
    files::directory_all(state).map_err(not_writable)
}

/// Nothing was touched: a place that cannot be written to is a precondition that does not hold.
pub(crate) fn not_writable(failure: Failure) -> Failure {
    failure
        .into_refusal()
        .hint("choose a place that you may write to with `--root DIR`")
}

fn held(path: &Utf8Path) -> Failure {
    let holder = files::read_text(path).ok().flatten().unwrap_or_default();
    Failure::new(
        Kind::Locked,
        format!("somebody else is at work here: {}", holder.trim()),
    )
    .hint("wait until it has ended; a lock of a process that died frees itself")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_is_told_who_holds_it() {
        let keep = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(keep.path()).unwrap();
        let first = take(state, "up").unwrap();
        let failure = take(state, "down").unwrap_err();
        assert!(
            failure.kind == Kind::Locked && failure.to_string().contains("up, process"),
            "{failure}"
        );
        drop(first);
        take(state, "down").unwrap();
    }

    #[test]
    fn environments_exclude_themselves_and_nobody_else() {
        let keep = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(keep.path()).unwrap();
        let [production, staging] = ["production", "staging"].map(|name| name.parse().unwrap());
        let _backup = take_environment(state, &production, "backup").unwrap();
        take_environment(state, &staging, "backup").unwrap();
        take(state, "up").unwrap();
        assert_eq!(
            take_environment(state, &production, "deploy").unwrap_err().kind,
            Kind::Locked
        );
    }
}
