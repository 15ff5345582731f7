//! The history of a pack out of a snapshot: its files are back, and are a git repository again.
use camino::Utf8Path;
use odoopack_core::backup::paths;

use super::stored::Opened;
use crate::context::FILE;
use crate::failure::{Failure, Result};
use crate::files;
use crate::tools::git::{bundle, checkout};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum History {
    /// The directory is a repository again.
    Back,
    /// The snapshot holds none.
    None,
    /// The pack was a directory of a bigger repository: the bundle lies beside.
    OfMore,
}

/// Makes `directory`, which holds the pack's files, a git repository with the history of the snapshot.
pub(crate) fn bring(opened: &Opened, directory: &Utf8Path, beside: &Utf8Path) -> Result<History> {
    let in_parts = format!("{}/", paths::HISTORY);
    if !opened
        .files()?
        .iter()
        .any(|(path, _)| path.starts_with(&in_parts))
    {
        return Ok(History::None);
    }
    files::remove(beside)?;
    let mut file = files::create(beside, 0o600, None)?;
    opened.parts(paths::HISTORY, &mut file)?;
    drop(file);
    let head = bundle::heads(beside).read()?;
    let head = bundle::parse_heads(&head)
        .ok_or_else(|| Failure::failed("the history of the snapshot does not say where the pack stood"))?;
    checkout::init_plain(directory).run()?;
    bundle::take(directory, beside).run()?;
    bundle::stand(directory, &head).run()?;
    if !bundle::has(directory, FILE).outcome()?.status.success() {
        files::remove_tree(&directory.join(".git"))?;
        return Ok(History::OfMore);
    }
    bundle::index(directory).run()?;
    files::remove(beside)?;
    Ok(History::Back)
}
