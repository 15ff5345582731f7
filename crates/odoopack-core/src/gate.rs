//! The gate's contract: its configuration file and the protocol of its control socket.

mod config;
mod request;
mod response;

pub use crate::layout::Slot;
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
