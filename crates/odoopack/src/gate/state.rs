//! What must survive a restart of the gate: which slot serves, and which environment is held.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::gate::Slot;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::error::GateError;

/// The only format of the file so far.
const FORMAT: Format = Format::One;

/// Written as a number, so that a newer file is refused and not misread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
enum Format {
    One,
}

/// The content of the state file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    format: Format,
    environments: BTreeMap<String, Remembered>,
}

/// What is remembered of one environment; kept when it leaves the configuration, so that a mistake can be undone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Remembered {
    pub(crate) slot: Slot,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hold: Option<Terms>,
}

/// How a hold treats each request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Terms {
    pub(crate) seconds: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) page: Option<String>,
}

/// The state file and what it says; changes are written one after the other.
#[derive(Debug)]
pub(crate) struct Memory {
    path: Utf8PathBuf,
    state: RefCell<State>,
    /// Held by whoever writes the file.
    turn: Mutex<()>,
}

impl Memory {
    /// Reads the file; an absent one is an empty memory.
    ///
    /// # Errors
    /// Unreadable or damaged: guessing a slot could serve the wrong release.
    pub(crate) fn load(path: &Utf8Path) -> Result<Self, GateError> {
        let state = match fs::read_to_string(path) {
            Ok(text) => parse(path, &text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::empty(),
            Err(source) => {
                return Err(GateError::StateUnreadable {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        Ok(Self {
            path: path.to_owned(),
            state: RefCell::new(state),
            turn: Mutex::new(()),
        })
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// What is remembered of an environment.
    pub(crate) fn recall(&self, environment: &str) -> Option<Remembered> {
        self.state.borrow().environments.get(environment).cloned()
    }

    /// Changes what is remembered of an environment; returns when it is on disk.
    ///
    /// # Effects
    /// Replaces the state file from a blocking thread: an `fsync` during a backup takes seconds.
    pub(crate) async fn change(
        &self,
        environment: &str,
        current: Remembered,
        change: impl FnOnce(&mut Remembered),
    ) -> io::Result<()> {
        let _turn = self.turn.lock().await;
        let mut next = self.state.borrow().clone();
        change(next.environments.entry(environment.to_owned()).or_insert(current));
        let (path, text) = (self.path.clone(), next.to_text()?);
        tokio::task::spawn_blocking(move || replace(&path, &text)).await??;
        self.state.replace(next);
        Ok(())
    }
}

impl State {
    fn empty() -> Self {
        Self {
            format: FORMAT,
            environments: BTreeMap::new(),
        }
    }

    fn to_text(&self) -> io::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

impl TryFrom<u32> for Format {
    type Error = String;

    fn try_from(found: u32) -> Result<Self, String> {
        if found == 1 {
            Ok(Self::One)
        } else {
            Err(format!("format {found} is not known to this gate"))
        }
    }
}

impl From<Format> for u32 {
    fn from(format: Format) -> Self {
        match format {
            Format::One => 1,
        }
    }
}

fn parse(path: &Utf8Path, text: &str) -> Result<State, GateError> {
    serde_json::from_str(text).map_err(|source| GateError::StateWrong {
        path: path.to_owned(),
        source,
    })
}

/// Writes beside, syncs, renames, syncs the directory: old or new content after a crash, never half.
fn replace(path: &Utf8Path, text: &str) -> io::Result<()> {
    let beside = Utf8PathBuf::from(format!("{path}.new"));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    let directory = path.parent().unwrap_or(Utf8Path::new("/"));
    fs::File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Utf8PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(directory.path()).unwrap().join("state.json");
        (directory, path)
    }

    #[tokio::test]
    async fn remembers_across_a_restart() {
        let (_directory, path) = place();
        let memory = Memory::load(&path).unwrap();
        assert_eq!(memory.recall("production"), None);
        memory
            .change("production", Remembered::default(), |kept| {
                kept.slot = Slot::Green;
            })
            .await
            .unwrap();
        let terms = Terms {
            seconds: 30,
            page: None,
        };
        memory
            .change("production", Remembered::default(), |kept| {
                kept.hold = Some(terms.clone());
            })
            .await
            .unwrap();
        let again = Memory::load(&path).unwrap();
        assert_eq!(
            again.recall("production"),
            Some(Remembered {
                slot: Slot::Green,
                hold: Some(terms)
            })
        );
    }

    #[tokio::test]
    async fn a_change_that_cannot_be_written_is_not_remembered() {
        let memory = Memory::load(Utf8Path::new("/nonexistent/state.json")).unwrap();
        let change = memory.change("production", Remembered::default(), |kept| {
            kept.slot = Slot::Green;
        });
        change.await.unwrap_err();
        assert_eq!(memory.recall("production"), None);
    }

    #[test]
    fn refuses_to_guess() {
        let (_directory, path) = place();
        for text in [
            "",
            "{}",
            r#"{"format":2,"environments":{}}"#,
            r#"{"format":1,"environments":{"a":{}}}"#,
        ] {
            assert!(
                matches!(parse(&path, text), Err(GateError::StateWrong { .. })),
                "{text}"
            );
        }
    }
}
