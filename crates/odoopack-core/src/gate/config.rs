//! The gate's configuration file: where it listens and where each slot answers.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::Slot;

/// The only format of the file so far.
pub const CONFIG_FORMAT: u32 = 1;

/// Longest path a unix socket can have on Linux (`sun_path` without its final zero, unix(7)).
const SOCKET_PATH_MAX: usize = 107;

/// Where slots answer when the file names no host.
const LOOPBACK: &str = "127.0.0.1";

/// What the gate is told at start and on `reload`; the active slot is state and stands elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub format: u32,
    /// Unix socket of the control protocol.
    pub control: Utf8PathBuf,
    /// File that remembers active slots and holds across restarts.
    pub state: Utf8PathBuf,
    pub environments: BTreeMap<String, Environment>,
}

/// One environment: the socket nginx connects to, and its slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    pub socket: Utf8PathBuf,
    pub slots: BTreeMap<Slot, Address>,
}

/// Where the Odoo web service of one slot answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Absent means `127.0.0.1`; a container's name in a stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    pub web: u16,
    /// Absent with `workers = 0`, where the web port also speaks websocket.
    #[serde(default)]
    pub websocket: Option<u16>,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the configuration is not what the gate reads: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("format {found} of the configuration is not known to this gate, which reads {CONFIG_FORMAT}")]
    Format { found: u32 },
    #[error("environment `{environment}` has no slot")]
    NoSlot { environment: String },
    #[error("`{path}` is used twice")]
    PathTwice { path: Utf8PathBuf },
    #[error("`{path}` is longer than the {SOCKET_PATH_MAX} bytes a unix socket can have")]
    PathTooLong { path: Utf8PathBuf },
    #[error("`{path}` is not an absolute path")]
    PathRelative { path: Utf8PathBuf },
}

impl Config {
    /// Reads and checks the text of a configuration file.
    ///
    /// # Errors
    /// The first mistake found; nothing of a wrong file is used.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self = serde_json::from_str(text)?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.format != CONFIG_FORMAT {
            return Err(ConfigError::Format { found: self.format });
        }
        self.check_slots()?;
        self.check_paths()
    }

    fn check_slots(&self) -> Result<(), ConfigError> {
        match self
            .environments
            .iter()
            .find(|(_, environment)| environment.slots.is_empty())
        {
            Some((name, _)) => Err(ConfigError::NoSlot {
                environment: name.clone(),
            }),
            None => Ok(()),
        }
    }

    fn check_paths(&self) -> Result<(), ConfigError> {
        let sockets = self.environments.values().map(|environment| &environment.socket);
        let mut seen = Vec::new();
        for path in sockets.chain([&self.control, &self.state]) {
            check_path(path)?;
            if seen.contains(&path) {
                return Err(ConfigError::PathTwice { path: path.clone() });
            }
            seen.push(path);
        }
        Ok(())
    }
}

fn check_path(path: &Utf8PathBuf) -> Result<(), ConfigError> {
    if !path.is_absolute() {
        return Err(ConfigError::PathRelative { path: path.clone() });
    }
    if path.as_str().len() > SOCKET_PATH_MAX {
        return Err(ConfigError::PathTooLong { path: path.clone() });
    }
    Ok(())
}

impl Address {
    /// The host to connect to.
    pub fn host(&self) -> &str {
        self.host.as_deref().unwrap_or(LOOPBACK)
    }

    /// The port that speaks websocket: the gevent process where there is one.
    pub fn websocket_port(&self) -> u16 {
        self.websocket.unwrap_or(self.web)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"format":1,"control":"/run/g/control.sock","state":"/run/g/state.json","environments":
        {"production":{"socket":"/run/g/p.sock","slots":{"blue":{"web":21000,"websocket":21001},"green":{"web":21002}}}}}"#;

    #[test]
    fn reads_both_slots_and_sends_websockets_to_web_without_gevent() {
        let config = Config::parse(GOOD).unwrap();
        let slots = &config.environments["production"].slots;
        assert_eq!(slots[&Slot::Blue].websocket_port(), 21001);
        assert_eq!(slots[&Slot::Green].websocket_port(), 21002);
        assert_eq!(slots[&Slot::Green].host(), "127.0.0.1");
    }

    #[test]
    fn prints_what_it_reads() {
        let config = Config::parse(GOOD).unwrap();
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(Config::parse(&text).unwrap(), config);
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        for (from, to, message) in [
            ("\"format\":1", "\"format\":2", "format 2"),
            ("\"state\"", "\"stat\"", "unknown field `stat`"),
            ("/run/g/p.sock", "/run/g/control.sock", "used twice"),
            ("/run/g/p.sock", "p.sock", "not an absolute path"),
            ("\"green\"", "\"red\"", "unknown variant `red`"),
        ] {
            let error = Config::parse(&GOOD.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(message), "{error} should contain {message}");
        }
    }

    #[test]
    fn refuses_a_socket_path_the_kernel_would_cut() {
        let long = format!("/{}", "x".repeat(120));
        let error = Config::parse(&GOOD.replace("/run/g/p.sock", &long)).unwrap_err();
        assert!(matches!(error, ConfigError::PathTooLong { .. }));
    }
}
