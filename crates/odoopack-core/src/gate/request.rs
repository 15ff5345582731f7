//! Requests of the control protocol, one JSON object per line.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{PROTOCOL, Refusal, Slot};

/// Longest hold or drain that can be asked for: a day.
pub const MAX_SECONDS: u64 = 86_400;

const EXAMPLE: &str = r#"send one JSON object per line, like {"protocol":1,"command":"status"}"#;

/// One thing the gate can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Says who the gate is, what it does and what it has counted.
    Status {},
    /// Sends new requests to `slot` from the answer on; those in flight finish where they are.
    Switch { environment: String, slot: Slot },
    /// Lets new requests wait up to `seconds` each, then answers 503 with `page` (HTML).
    Hold {
        environment: String,
        seconds: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        page: Option<String>,
    },
    /// Ends a hold; the requests that waited go to the active slot.
    Release { environment: String },
    /// Waits until `slot` has no request in flight, at most `seconds`.
    Drain {
        environment: String,
        slot: Slot,
        seconds: u64,
        /// Also ends the slot's websockets (Odoo's clients reconnect to the active slot).
        #[serde(default)]
        close_websockets: bool,
    },
    /// Reads the configuration again; only what changed is touched.
    Reload {},
}

impl Request {
    /// The line to send, without its line feed.
    pub fn to_line(&self) -> String {
        super::response::with_protocol(self)
    }

    /// Reads one line.
    ///
    /// # Errors
    /// A refusal to answer with: no JSON, another protocol, an unknown command or field, a limit passed.
    pub fn parse(line: &str) -> Result<Self, Refusal> {
        let mut value: Value = serde_json::from_str(line).map_err(|error| unreadable(&error))?;
        check_protocol(&mut value)?;
        let request: Self = serde_json::from_value(value).map_err(|error| unreadable(&error))?;
        request.check()?;
        Ok(request)
    }

    fn check(&self) -> Result<(), Refusal> {
        match self {
            Self::Hold { seconds, .. } | Self::Drain { seconds, .. } if *seconds > MAX_SECONDS => {
                Err(Refusal::new(
                    format!("{seconds} seconds is longer than a day"),
                    format!("ask for at most {MAX_SECONDS}"),
                ))
            }
            Self::Status {}
            | Self::Switch { .. }
            | Self::Hold { .. }
            | Self::Release { .. }
            | Self::Drain { .. }
            | Self::Reload {} => Ok(()),
        }
    }
}

fn unreadable(error: &serde_json::Error) -> Refusal {
    Refusal::new(format!("the request cannot be read: {error}"), EXAMPLE)
}

/// Takes `protocol` out of the object, so that what is left is the command alone.
fn check_protocol(value: &mut Value) -> Result<(), Refusal> {
    let found = value.as_object_mut().and_then(|object| object.remove("protocol"));
    match found {
        Some(protocol) if protocol == PROTOCOL => Ok(()),
        Some(protocol) => Err(Refusal::new(
            format!("protocol {protocol} is not spoken here"),
            format!("this gate speaks protocol {PROTOCOL}; use the odoopack version that started it"),
        )),
        None => Err(Refusal::new("the request names no protocol", EXAMPLE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests() -> Vec<Request> {
        let environment = || "production".to_owned();
        vec![
            Request::Status {},
            Request::Switch {
                environment: environment(),
                slot: Slot::Green,
            },
            Request::Hold {
                environment: environment(),
                seconds: 30,
                page: Some("<p>soon</p>".to_owned()),
            },
            Request::Release {
                environment: environment(),
            },
            Request::Drain {
                environment: environment(),
                slot: Slot::Blue,
                seconds: 5,
                close_websockets: true,
            },
            Request::Reload {},
        ]
    }

    #[test]
    fn reads_what_it_writes() {
        for request in requests() {
            assert_eq!(Request::parse(&request.to_line()).unwrap(), request);
        }
    }

    #[test]
    fn reads_what_a_person_would_type() {
        let line = r#"{"protocol":1,"command":"switch","environment":"production","slot":"green"}"#;
        let expected = Request::Switch {
            environment: "production".to_owned(),
            slot: Slot::Green,
        };
        assert_eq!(Request::parse(line).unwrap(), expected);
    }

    #[test]
    fn refuses_with_a_hint() {
        for (line, message) in [
            ("", "cannot be read"),
            ("[1]", "names no protocol"),
            (r#"{"command":"status"}"#, "names no protocol"),
            (r#"{"protocol":2,"command":"status"}"#, "protocol 2 is not spoken"),
            (
                r#"{"protocol":1,"command":"explode"}"#,
                "unknown variant `explode`",
            ),
            (
                r#"{"protocol":1,"command":"status","loud":true}"#,
                "unknown field `loud`",
            ),
            (
                r#"{"protocol":1,"command":"switch","environment":"p","slot":"red"}"#,
                "unknown variant `red`",
            ),
            (
                r#"{"protocol":1,"command":"hold","environment":"p","seconds":-1}"#,
                "cannot be read",
            ),
            (
                r#"{"protocol":1,"command":"hold","environment":"p","seconds":99999999}"#,
                "longer than a day",
            ),
        ] {
            let refusal = Request::parse(line).unwrap_err();
            assert!(
                refusal.error.contains(message),
                "{} should contain {message}",
                refusal.error
            );
            assert!(!refusal.hint.is_empty());
        }
    }
}
