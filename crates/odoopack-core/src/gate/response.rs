//! Answers of the control protocol, one JSON object per line.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{PROTOCOL, Slot};

/// What the gate answers to a line: it did it, or says why not.
pub type Answer = Result<Response, Refusal>;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Response {
    Status(Status),
    Switched {
        environment: String,
        slot: Slot,
        previous: Slot,
    },
    Holding {
        environment: String,
        seconds: u64,
    },
    /// `held` requests were waiting at that moment.
    Released {
        environment: String,
        held: u64,
    },
    /// What was still in flight when the wait ended; `requests` is zero when the slot was drained.
    Drained {
        environment: String,
        slot: Slot,
        requests: u64,
        websockets: u64,
    },
    /// Names of the environments that came, went, or answer elsewhere now.
    Reloaded {
        added: Vec<String>,
        removed: Vec<String>,
        changed: Vec<String>,
    },
}

/// Why nothing was done, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(deny_unknown_fields)]
#[error("{error}")]
pub struct Refusal {
    pub error: String,
    pub hint: String,
}

/// The gate itself and every environment behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    pub version: String,
    pub pid: u32,
    /// RFC 3339, UTC.
    pub started: String,
    pub environments: BTreeMap<String, EnvironmentStatus>,
}

/// One environment at this moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentStatus {
    pub socket: Utf8PathBuf,
    /// The active slot: where new requests go.
    pub slot: Slot,
    /// The terms of the hold, absent when requests pass.
    pub hold: Option<Holding>,
    /// Requests waiting for a release, or for their turn after one.
    pub held: u64,
    pub in_flight: BTreeMap<Slot, InFlight>,
    pub counters: Counters,
    pub latency: Latency,
}

/// How long each request waits in a hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holding {
    pub seconds: u64,
}

/// What a slot is answering now; a request counts until the last byte of its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InFlight {
    pub requests: u64,
    pub websockets: u64,
}

/// Counted since the gate started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// Everything that came in, websockets included.
    pub requests: u64,
    pub websockets: u64,
    /// Answers by class of their status, the gate's own included.
    pub answered_1xx: u64,
    pub answered_2xx: u64,
    pub answered_3xx: u64,
    pub answered_4xx: u64,
    pub answered_5xx: u64,
    /// The slot could not be reached, or broke off before it answered (the gate's 502 and 504).
    pub errors: u64,
    /// Turned away by a hold (the gate's 503).
    pub refused: u64,
}

/// From the moment a request may pass to the first byte of its answer; a hold is not part of it.
///
/// # Units
/// Microseconds, at most 7 % above the true value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    pub samples: u64,
    pub p50: u64,
    pub p95: u64,
    pub p99: u64,
}

impl Refusal {
    pub fn new(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            hint: hint.into(),
        }
    }
}

/// The line that answers, without its line feed.
pub fn answer_line(answer: &Answer) -> String {
    match answer {
        Ok(response) => with_protocol(response),
        Err(refusal) => with_protocol(refusal),
    }
}

/// Reads the line that answers.
///
/// # Errors
/// The line is not an answer of this protocol; a refusal is not an error of the line.
pub fn parse_answer(line: &str) -> Result<Answer, serde_json::Error> {
    let mut value: Value = serde_json::from_str(line)?;
    if let Some(object) = value.as_object_mut() {
        object.remove("protocol");
    }
    if value.get("error").is_some() {
        serde_json::from_value(value).map(Err)
    } else {
        serde_json::from_value(value).map(Ok)
    }
}

/// Writes a protocol object with its version in it.
pub(super) fn with_protocol(message: &impl Serialize) -> String {
    let mut value = serde_json::to_value(message).expect("protocol types have string keys only");
    if let Some(object) = value.as_object_mut() {
        object.insert("protocol".to_owned(), PROTOCOL.into());
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        let environment = EnvironmentStatus {
            socket: "/run/gate/production.sock".into(),
            slot: Slot::Green,
            hold: Some(Holding { seconds: 30 }),
            held: 2,
            in_flight: BTreeMap::from([(
                Slot::Blue,
                InFlight {
                    requests: 1,
                    websockets: 4,
                },
            )]),
            counters: Counters {
                requests: 9,
                ..Counters::default()
            },
            latency: Latency {
                samples: 9,
                p50: 80,
                p95: 200,
                p99: 400,
            },
        };
        Status {
            version: "0.1.0".to_owned(),
            pid: 42,
            started: "2026-08-01T00:00:00Z".to_owned(),
            environments: BTreeMap::from([("production".to_owned(), environment)]),
        }
    }

    #[test]
    fn reads_what_it_writes() {
        let answers: [Answer; 3] = [
            Ok(Response::Status(status())),
            Ok(Response::Released {
                environment: "production".to_owned(),
                held: 3,
            }),
            Err(Refusal::new("no environment `x`", "one of: production")),
        ];
        for answer in answers {
            assert_eq!(parse_answer(&answer_line(&answer)).unwrap(), answer);
        }
    }

    #[test]
    fn a_refusal_is_an_error_and_a_hint() {
        let line = answer_line(&Err(Refusal::new("no", "yes")));
        assert_eq!(line, r#"{"error":"no","hint":"yes","protocol":1}"#);
    }
}
