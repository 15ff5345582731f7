//! Small texts beside snapshots, one for each, which outlive the machine that wrote them. Whoever writes them seals them: who can write to
//! the store can write a note.
use bytes::Bytes;

use crate::error::{Error, Result};
use crate::repository::{Repository, Snapshot};

/// Where they are; stock restic looks at nothing there.
const PLACE: &str = "odoopack/notes";
/// A longer one is of somebody else.
const LONGEST: u64 = 64 * 1024;

impl Repository {
    /// Writes the note of a snapshot, in the place of an older one.
    ///
    /// # Errors
    /// When the store does not take it.
    pub fn note(&self, snapshot: &Snapshot, text: &str) -> Result<()> {
        let content = Bytes::copy_from_slice(text.as_bytes());
        self.objects.put(&name(snapshot), &[content])
    }

    /// The notes of snapshots, in their order; those without one are left out.
    ///
    /// # Errors
    /// When the listing or a note could not be read: that is no absence.
    pub fn notes(&self, snapshots: &[Snapshot]) -> Result<Vec<(Snapshot, String)>> {
        let listed = self.objects.list(PLACE)?;
        let mut all = Vec::new();
        for snapshot in snapshots {
            let name = name(snapshot);
            let is = |object: &&crate::objects::Listed| name.ends_with(&format!("/{}", object.name));
            if listed.iter().find(is).is_none_or(|object| object.size > LONGEST) {
                continue;
            }
            if let Some(bytes) = self.objects.get(&name)? {
                let text = String::from_utf8(bytes.to_vec()).map_err(|e| Error::Format {
                    what: format!("could not read {name} at {}", self.place()),
                    why: e.to_string(),
                })?;
                all.push((snapshot.clone(), text));
            }
        }
        Ok(all)
    }

    /// Removes the notes of snapshots; one that is not there is fine.
    pub(crate) fn forget_notes(&self, snapshots: &[Snapshot]) -> Result<()> {
        snapshots
            .iter()
            .try_for_each(|snapshot| self.objects.remove(&name(snapshot)))
    }
}

fn name(snapshot: &Snapshot) -> String {
    format!("{PLACE}/{}", snapshot.first_id())
}
