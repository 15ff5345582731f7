//! What `engine leave` has put aside, and whether its data have come into the engine of the file.
use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::name::Name;
use odoopack_core::spec::Engine;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};
use crate::files;

/// What was put aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Left {
    /// The engine that made it.
    pub(crate) from: String,
    /// Name of its directory below `<root>/aside`.
    pub(crate) place: String,
    /// The engine that takes the data in; `None` until that has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<String>,
    /// The restores that put the data in the place of empty databases, each by its id: those are still to be removed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) brought: BTreeMap<Name, String>,
    /// Whether all of them are in.
    #[serde(default)]
    pub(crate) ended: bool,
}

/// The word of the file for an engine.
pub(crate) fn word(engine: Engine) -> &'static str {
    match engine {
        Engine::Native => "native",
        Engine::Compose => "compose",
    }
}

/// What was put aside last; `None` when nothing was.
///
/// # Errors
/// When it cannot be read: what was left must not be guessed.
pub(crate) fn read(state: &Utf8Path) -> Result<Option<Left>> {
    let path = path(state);
    let Some(text) = files::read_text(&path)? else {
        return Ok(None);
    };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|e| Failure::failed(format!("`{path}` is not what this program wrote")).because(e))
}

/// Writes it down.
pub(crate) fn write(state: &Utf8Path, left: &Left) -> Result<()> {
    let text = serde_json::to_string_pretty(left)
        .map_err(|e| Failure::failed("could not write down what was left").because(e))?;
    files::replace(&path(state), text.as_bytes(), 0o600, None)
}

/// Refuses to serve empty databases in the place of those that were left.
///
/// # Errors
/// Kind `Refused` with both ways out.
pub(crate) fn came_in(state: &Utf8Path) -> Result<()> {
    let Some(left) = read(state)?.filter(|left| !left.ended) else {
        return Ok(());
    };
    Err(Failure::refused(format!(
        "the engine `{}` was left, and its data have not come in here yet",
        left.from
    ))
    .hint("`odoopack engine enter` builds the pack with the engine of the file and brings them")
    .hint("`odoopack engine back` puts back what was left"))
}

fn path(state: &Utf8Path) -> Utf8PathBuf {
    state.join("left.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_served_until_what_was_left_came_in() {
        let keep = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(keep.path()).unwrap();
        came_in(state).unwrap();
        let mut left = Left {
            from: "native".to_owned(),
            place: "native-1".to_owned(),
            to: None,
            brought: BTreeMap::new(),
            ended: false,
        };
        write(state, &left).unwrap();
        let said = came_in(state).unwrap_err().to_string();
        assert!(said.contains("the engine `native` was left"), "{said}");
        left.ended = true;
        write(state, &left).unwrap();
        came_in(state).unwrap();
        assert_eq!(read(state).unwrap(), Some(left));
        files::replace(&path(state), b"{", 0o600, None).unwrap();
        assert!(came_in(state).is_err());
    }
}
