//! How single values of the file read and print.
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::shape::text::is_host;
use super::{Elsewhere, Engine, HostPort, Kind, MergeSource, SecretRef, Sessions, Value};

/// A word that is none of those which may stand there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not one of {known}")]
pub struct UnknownWord {
    /// What was written.
    pub word: String,
    /// What may be written.
    pub known: &'static str,
}

/// A text that is no [`HostPort`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not `host:port`")]
pub struct BadHostPort(pub String);

/// A text that is no [`SecretRef`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed secret reference")]
pub struct BadSecretRef;

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        f.pad(&format!("{bare}:{}", self.port))
    }
}

impl FromStr for HostPort {
    type Err = BadHostPort;

    fn from_str(text: &str) -> Result<Self, BadHostPort> {
        let wrong = || BadHostPort(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let digits = port.bytes().all(|b| b.is_ascii_digit());
        let port = port.parse().ok().filter(|p| *p > 0 && digits).ok_or_else(wrong)?;
        let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let good = inner.map_or_else(|| is_host(host), |h| h.parse::<Ipv6Addr>().is_ok());
        if good {
            Ok(Self {
                host: inner.unwrap_or(host).to_owned(),
                port,
            })
        } else {
            Err(wrong())
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => write!(f, "secret:{name}"),
            Self::Command(words) => write!(f, "secret:cmd:{}", words.join(" ")),
        }
    }
}

impl SecretRef {
    /// Under which key the value is kept among the facts: the name, or the whole command.
    pub fn key(&self) -> String {
        match self {
            Self::Named(name) => name.clone(),
            Self::Command(words) => format!("cmd:{}", words.join(" ")),
        }
    }
}

impl fmt::Display for MergeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.url {
            Some(url) => write!(f, "{url} {}", self.reference),
            None => f.write_str(&self.reference),
        }
    }
}

impl FromStr for MergeSource {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (url, reference) = text.rsplit_once(' ').map_or((None, text), |(u, r)| (Some(u), r));
        Ok(Self {
            url: url.map(str::to_owned),
            reference: reference.to_owned(),
        })
    }
}

impl fmt::Display for super::Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Git {
                url,
                commit: Some(commit),
            } => write!(f, "git {url} at {commit}"),
            Self::Git { url, commit: None } => write!(f, "git {url}"),
            Self::Debian { suite } => write!(f, "Debian {suite}"),
            Self::Deb { location, .. } => write!(f, "package {location}"),
            Self::Path { directory } => write!(f, "checkout {directory}"),
            Self::Image { name } => write!(f, "image {name}"),
        }
    }
}

impl super::Spec {
    /// The environment whose snapshots `refresh` brings into `name`; `None` when the file does not say.
    pub fn copied_from(&self, name: &crate::name::Name) -> Option<&crate::name::Name> {
        let told = self.environments.get(name)?.copy_of.as_ref();
        let mut production = self
            .environments
            .iter()
            .filter(|(_, environment)| environment.kind == Kind::Production);
        let only = production.next().filter(|_| production.next().is_none());
        told.or(only.map(|(name, _)| name))
    }

    /// Every secret that the file refers to.
    pub fn secrets(&self) -> Vec<&SecretRef> {
        let relay = self
            .mail
            .relay
            .iter()
            .filter_map(|relay| relay.credentials.as_ref());
        let values = self
            .environments
            .values()
            .flat_map(|environment| environment.env.values());
        let values = values.filter_map(|value| match value {
            Value::Secret(reference) => Some(reference),
            Value::Plain(_) => None,
        });
        let offsite = self
            .backup
            .offsite
            .iter()
            .flat_map(|offsite| match &offsite.place {
                Elsewhere::Bucket {
                    credentials,
                    prune_credentials,
                    ..
                } => std::iter::once(credentials).chain(prune_credentials).collect(),
                Elsewhere::Directory(_) => Vec::new(),
            });
        let server = match &self.postgres.url {
            Some(Value::Secret(reference)) => Some(reference),
            Some(Value::Plain(_)) | None => None,
        };
        let server = server.into_iter().chain(&self.postgres.password);
        server.chain(relay).chain(offsite).chain(values).collect()
    }

    /// Those without which the machine cannot match the file: all but what may be kept elsewhere on purpose.
    pub(crate) fn needed_secrets(&self) -> impl Iterator<Item = &SecretRef> {
        let place = self.backup.offsite.as_ref().map(|offsite| &offsite.place);
        let elsewhere = match place {
            Some(Elsewhere::Bucket {
                credentials,
                prune_credentials,
                ..
            }) => prune_credentials.as_ref().filter(|prune| *prune != credentials),
            Some(Elsewhere::Directory(_)) | None => None,
        };
        let all = self.secrets();
        all.into_iter().filter(move |one| Some(*one) != elsewhere)
    }
}

impl FromStr for SecretRef {
    type Err = BadSecretRef;

    fn from_str(text: &str) -> Result<Self, BadSecretRef> {
        let rest = text.strip_prefix("secret:").ok_or(BadSecretRef)?;
        match rest.strip_prefix("cmd:") {
            Some(command) => command_of(command).map(Self::Command).ok_or(BadSecretRef),
            None if is_variable(rest) && !rest.starts_with('_') => Ok(Self::Named(rest.to_owned())),
            None => Err(BadSecretRef),
        }
    }
}

/// The words of a command line without a shell; quotes would be taken literally, so they are refused.
fn command_of(text: &str) -> Option<Vec<String>> {
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let plain = !text.contains(['"', '\'', '`', '|', '$', '\\']) && !text.chars().any(char::is_control);
    let program = words.first().is_some_and(|w| !w.starts_with('-'));
    (plain && program).then_some(words)
}

/// Whether `text` can be the name of an environment variable: `[A-Z_][A-Z0-9_]*`.
pub(super) fn is_variable(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with(|c: char| c.is_ascii_digit())
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => f.write_str(text),
            Self::Secret(reference) => reference.fmt(f),
        }
    }
}

impl FromStr for Value {
    type Err = BadSecretRef;

    fn from_str(text: &str) -> Result<Self, BadSecretRef> {
        if text.starts_with("secret:") {
            text.parse().map(Self::Secret)
        } else {
            Ok(Self::Plain(text.to_owned()))
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native => f.pad("native"),
            Self::Compose => f.pad("compose"),
        }
    }
}

impl FromStr for Engine {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "native" => Ok(Self::Native),
            "compose" => Ok(Self::Compose),
            other => Err(UnknownWord {
                word: other.to_owned(),
                known: "native, compose",
            }),
        }
    }
}

impl fmt::Display for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Disk => "disk",
            Self::Redis => "redis",
            Self::Database => "database",
        })
    }
}

impl FromStr for Sessions {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "disk" => Ok(Self::Disk),
            "redis" => Ok(Self::Redis),
            "database" => Ok(Self::Database),
            other => Err(UnknownWord {
                word: other.to_owned(),
                known: "disk, redis, database",
            }),
        }
    }
}

/// OCA's module for `sessions = "database"`.
pub const SESSION_DB: &str = "session_db";

impl super::Spec {
    /// Environments whose sessions are in Redis.
    pub fn in_redis(&self) -> impl Iterator<Item = &crate::name::Name> {
        self.with_sessions(Sessions::Redis)
    }

    /// Environments whose sessions are in a database of their own.
    pub fn in_database(&self) -> impl Iterator<Item = &crate::name::Name> {
        self.with_sessions(Sessions::Database)
    }

    fn with_sessions(&self, sessions: Sessions) -> impl Iterator<Item = &crate::name::Name> {
        let all = self.environments.iter();
        all.filter(move |(_, e)| e.sessions == sessions)
            .map(|(name, _)| name)
    }

    /// An edition with the module that keeps sessions of one of its environments among what every process loads.
    pub fn edition_with_sessions(&self, name: &crate::name::Name) -> Option<super::Edition> {
        let mut edition = self.editions.get(name)?.clone();
        let mut environments = self.environments.values();
        let asked = environments.any(|e| e.edition == *name && e.sessions == Sessions::Database);
        if asked && !edition.server_wide.iter().any(|module| module == SESSION_DB) {
            edition.server_wide.push(SESSION_DB.to_owned());
        }
        Some(edition)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Production => "production",
            Self::Staging => "staging",
            Self::Development => "development",
        })
    }
}

impl FromStr for Kind {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "production" => Ok(Self::Production),
            "staging" => Ok(Self::Staging),
            "development" => Ok(Self::Development),
            other => Err(UnknownWord {
                word: other.to_owned(),
                known: "production, staging, development",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_what_they_print() {
        for text in [
            "127.0.0.1:1025",
            "smtp.mailgun.org:587",
            "[::1]:25",
            "localhost:1",
        ] {
            assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
        }
        for bad in [
            "", ":25", "host", "host:", "host:0", "host:+1", "::1:25", "ho st:25", "a:b:1", "h:99999",
        ] {
            assert!(bad.parse::<HostPort>().is_err(), "{bad}");
        }
    }

    #[test]
    fn secret_references_read_back_what_they_print() {
        for text in [
            "secret:SMTP",
            "secret:A_1",
            "secret:cmd:/usr/bin/pass show odoo/smtp",
        ] {
            assert_eq!(text.parse::<SecretRef>().unwrap().to_string(), text);
        }
        for bad in [
            "SMTP",
            "secret:",
            "secret:smtp",
            "secret:A B",
            "secret:cmd:",
            "secret:cmd:-x",
            "secret:cmd:a | b",
        ] {
            assert!(bad.parse::<SecretRef>().is_err(), "{bad}");
        }
    }
}
