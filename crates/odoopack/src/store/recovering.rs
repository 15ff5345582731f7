//! How far a recovery has come; it lies in the root itself, for nothing else is there when one begins.
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};
use crate::files;

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stage {
    /// The pack's files, secrets and certificates are written.
    Files,
    /// Everything is built and started, around an empty database.
    Services,
    /// The snapshot is restored.
    Data,
    /// It is in place and people may work in it: what is left is to clean up.
    Restored,
}

/// A recovery that has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recovering {
    /// Name of the snapshot.
    pub(crate) snapshot: String,
    pub(crate) stage: Stage,
    /// The restore that brings the data, by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) operation: Option<String>,
    /// Number of the empty database that it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) empty: Option<u32>,
    /// What became of the pack's history, when the pack is no repository again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) history: Option<String>,
}

impl Recovering {
    /// One that begins.
    pub(crate) fn of(snapshot: &str) -> Self {
        Self {
            snapshot: snapshot.to_owned(),
            stage: Stage::Files,
            operation: None,
            empty: None,
            history: None,
        }
    }
}

/// Where it is written down.
pub(crate) fn path(root: &Utf8Path) -> Utf8PathBuf {
    root.join(".odoopack-recovering")
}

/// The recovery that was begun here; `None` when there is none, or it has ended.
///
/// # Errors
/// When it cannot be read: what was begun must not be guessed.
pub(crate) fn read(root: &Utf8Path) -> Result<Option<Recovering>> {
    let path = path(root);
    let Some(text) = files::read_text(&path)? else {
        return Ok(None);
    };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|e| Failure::failed(format!("`{path}` cannot be read")).because(e))
}

/// Says how far it has come.
pub(crate) fn write(root: &Utf8Path, recovering: &Recovering) -> Result<()> {
    let text = serde_json::to_string(recovering)
        .map_err(|e| Failure::failed("could not write down the recovery").because(e))?;
    files::replace(&path(root), format!("{text}\n").as_bytes(), 0o600, None)
}

/// It has ended.
pub(crate) fn end(root: &Utf8Path) -> Result<()> {
    files::remove(&path(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_is_known_until_it_ends_and_a_torn_mark_is_no_empty_one() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        assert_eq!(read(root).unwrap(), None);
        let begun = Recovering {
            stage: Stage::Restored,
            operation: Some("6a1b2c3d".to_owned()),
            empty: Some(7),
            ..Recovering::of("1a2b")
        };
        write(root, &begun).unwrap();
        assert_eq!(read(root).unwrap(), Some(begun));
        files::replace(&path(root), b"{", 0o600, None).unwrap();
        assert!(read(root).is_err());
        end(root).unwrap();
        assert_eq!(read(root).unwrap(), None);
    }
}
