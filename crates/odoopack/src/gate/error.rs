//! Why the gate did not start or could not go on.

use std::io;

use camino::Utf8PathBuf;
use odoopack_core::gate::{ConfigError, Slot};

/// Every way `odoopack gate` can end badly; `hint` is what the operator can do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GateError {
    #[error("cannot read the gate's configuration `{path}`")]
    ConfigUnreadable { path: Utf8PathBuf, source: io::Error },
    #[error("the gate's configuration `{path}` is wrong")]
    ConfigWrong { path: Utf8PathBuf, source: ConfigError },
    #[error("cannot read the gate's state `{path}`")]
    StateUnreadable { path: Utf8PathBuf, source: io::Error },
    #[error("the gate's state `{path}` is damaged or of another version")]
    StateWrong {
        path: Utf8PathBuf,
        source: serde_json::Error,
    },
    #[error("environment `{environment}` is served by slot {slot}, which the configuration does not name")]
    SlotGone { environment: String, slot: Slot },
    #[error("a live process already listens on `{path}`")]
    AlreadyServed { path: Utf8PathBuf },
    #[error("cannot listen on `{path}`")]
    Listen { path: Utf8PathBuf, source: io::Error },
    #[error("`{setting}` cannot change while the gate runs")]
    NeedsRestart { setting: String },
    #[error("cannot start the event loop")]
    Runtime { source: io::Error },
}

impl GateError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::ConfigUnreadable { .. } | Self::ConfigWrong { .. } => {
                "run `odoopack up` to render it again"
            }
            Self::StateUnreadable { .. } => "let the gate's user read and write it",
            Self::StateWrong { .. } => {
                "find out which slot serves each environment, then remove the file: every environment starts with blue"
            }
            Self::SlotGone { .. } => "put the slot back, or switch to the other one first",
            Self::AlreadyServed { .. } => "stop the other gate first",
            Self::Listen { .. } => "see that its directory exists and belongs to the gate's user",
            Self::NeedsRestart { .. } => "restart the gate",
            Self::Runtime { .. } => "see the limits of the process (`ulimit -a`)",
        }
    }

    /// The whole chain in one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}
