//! The gate's contract: its configuration file and the protocol of its control socket.

mod config;
mod request;
mod response;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use config::{Address, CONFIG_FORMAT, Config, ConfigError, Environment};
pub use request::{MAX_SECONDS, Request};
pub use response::{
    Answer, Counters, EnvironmentStatus, Holding, InFlight, Latency, Refusal, Response, Status, answer_line,
    parse_answer,
};

/// Version of the control protocol; any change of a field or command raises it.
///
/// # Shape
/// One JSON object per line, answered by one JSON object per line, in order; both carry `"protocol"`.
/// Requests carry `"command"`, answers carry `"answer"`, refusals carry `"error"` and `"hint"`.
pub const PROTOCOL: u32 = 1;

/// Which of an environment's two places serves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// The slot a new environment starts with.
    #[default]
    Blue,
    Green,
}

impl fmt::Display for Slot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Blue => "blue",
            Self::Green => "green",
        })
    }
}
