//! Whose turn it is to write for a pack: a word that changes with every copy, and that only the machine which made the last one knows.
use bytes::Bytes;

use crate::error::Result;
use crate::repository::Repository;

/// Where they are; stock restic looks at nothing there.
const PLACE: &str = "odoopack/turns";

impl Repository {
    /// The word of the last copy of a pack; `None`: none was written.
    ///
    /// # Errors
    /// When it could not be read: that is no absence.
    pub fn turn(&self, pack: &str) -> Result<Option<String>> {
        let bytes = self.objects.get(&format!("{PLACE}/{pack}"))?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()))
    }

    /// Writes the word of the next copy, in the place of the last one's.
    ///
    /// # Errors
    /// When the store does not take it.
    pub fn take_turn(&self, pack: &str, word: &str) -> Result<()> {
        let content = Bytes::copy_from_slice(word.as_bytes());
        self.objects.put(&format!("{PLACE}/{pack}"), &[content])
    }
}
