//! The note beside a snapshot that it was proven, or is no more: what it says, and the seal that only the key of the backups makes.
use serde::{Deserialize, Serialize};

/// A proof, or that it was taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// When, RFC 3339.
    pub at: String,
    /// How long bringing it back took.
    pub seconds: f64,
    /// How far it went, and what was missing.
    pub detail: serde_json::Value,
    /// A later drill failed. Written over what was proven, for who may write to a store need not be able to delete there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taken_back: bool,
}

impl Proof {
    /// The note: what it says, and a line with the seal that `seal` makes of that and of the snapshot.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn seal(&self, snapshot: &str, seal: impl Fn(&str) -> String) -> Result<String, serde_json::Error> {
        let text = serde_json::to_string(self)?;
        let tag = seal(&sealed(snapshot, &text));
        Ok(format!("{text}\n{tag}\n"))
    }

    /// What a note says; `None` when the seal is not the one that `seal` makes, or nothing can be read.
    pub fn open(note: &str, snapshot: &str, seal: impl Fn(&str) -> String) -> Option<Self> {
        let (text, tag) = note.trim_end().split_once('\n')?;
        if seal(&sealed(snapshot, text)) != tag {
            return None;
        }
        serde_json::from_str(text).ok()
    }
}

/// What is sealed: a note of one snapshot says nothing of another.
fn sealed(snapshot: &str, text: &str) -> String {
    format!("odoopack proof\n{snapshot}\n{text}")
}
