//! What places of another stack hold, and where its volumes lie.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::adopt::{Holds, is_site};

use crate::exec::find_program;
use crate::failure::{Failure, Result};
use crate::tools::docker;

/// Directory of a volume; `None`: there is no such volume.
pub(crate) fn volume(name: &str) -> Result<Option<Utf8PathBuf>> {
    if find_program("docker").is_none() {
        return Err(Failure::refused(format!(
            "volume `{name}` cannot be looked at: `docker` is not installed"
        ))
        .hint("run this on the host of the stack"));
    }
    let cmd = docker::volume(name);
    let outcome = cmd.outcome()?;
    if outcome.status.success() {
        return Ok(Some(outcome.stdout.trim().into()));
    }
    // The daemon's words of API 1.41 to 1.51, with and without a capital.
    if outcome.stderr.to_lowercase().contains("no such volume") {
        return Ok(None);
    }
    Err(cmd.ended_badly(&outcome))
}

/// What a place holds; `None`: it is not there.
pub(crate) fn holds(path: &Utf8Path) -> Result<Option<Holds>> {
    let wrong = |e: std::io::Error| Failure::failed(format!("could not look into `{path}`")).because(e);
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(wrong(e)),
    };
    if !metadata.is_dir() {
        return Ok(Some(Holds::File));
    }
    if path.join("PG_VERSION").exists() {
        let spaces = path.join("pg_tblspc");
        let outside = spaces.is_dir() && spaces.read_dir_utf8().map_err(wrong)?.count() > 0;
        return Ok(Some(if outside {
            Holds::Tablespaces
        } else {
            Holds::Cluster
        }));
    }
    if path.join("filestore").is_dir() {
        return Ok(Some(Holds::Filestore));
    }
    let mut repositories = false;
    for entry in path.read_dir_utf8().map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        let place = entry.path();
        if place.join("__manifest__.py").is_file() {
            return Ok(Some(Holds::Modules));
        }
        let Ok(inside) = place.read_dir_utf8() else {
            continue;
        };
        let module = |inside: camino::Utf8DirEntry| inside.path().join("__manifest__.py").is_file();
        repositories |= inside.flatten().any(module);
    }
    Ok(Some(if repositories {
        Holds::Repositories
    } else {
        Holds::Other
    }))
}

/// Where a place really is whose own name is a link; links above it are part of its path.
pub(crate) fn led_to(path: &Utf8Path) -> Result<Option<Utf8PathBuf>> {
    let wrong = |e: std::io::Error| Failure::failed(format!("could not follow `{path}`")).because(e);
    if !path.symlink_metadata().map_err(wrong)?.is_symlink() {
        return Ok(None);
    }
    path.canonicalize_utf8().map(Some).map_err(wrong)
}

/// Files in one of nginx's directories that are part of what it serves, in nginx's order.
pub(crate) fn sites(directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let wrong = |e: std::io::Error| Failure::failed(format!("could not look into `{directory}`")).because(e);
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for entry in directory.read_dir_utf8().map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        if is_site(directory, entry.file_name()) {
            all.push(entry.into_path());
        }
    }
    all.sort();
    Ok(all)
}
