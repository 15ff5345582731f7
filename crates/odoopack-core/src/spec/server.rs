//! A PostgreSQL server that somebody else runs, as its URL says it.
use std::fmt;
use std::str::FromStr;

use camino::Utf8PathBuf;

use super::shape::text::is_host;
use super::{Postgres, SecretRef, UnknownWord, Value};
use crate::secret::SecretText;

/// PostgreSQL's own port.
const PORT: u16 = 5432;

/// Where the server is, who we are there, and how the way to it is protected.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct GivenServer {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The role that was given to us.
    pub role: String,
    /// Who the environments are there.
    pub roles: Roles,
    /// `sslmode`.
    pub tls: TlsMode,
    /// `sslrootcert`: certificates of the authorities that are trusted, PEM; there when `tls` verifies.
    pub authority: Option<Utf8PathBuf>,
}

/// Who the environments are on a server that somebody else runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Roles {
    /// The role that was given, which then owns the database of the only environment.
    Given,
    /// Each has a role of its own, made by the one that was given.
    PerEnvironment,
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Given => "given",
            Self::PerEnvironment => "per-environment",
        })
    }
}

impl FromStr for Roles {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "given" => Ok(Self::Given),
            "per-environment" => Ok(Self::PerEnvironment),
            other => Err(UnknownWord {
                word: other.to_owned(),
                known: "given, per-environment",
            }),
        }
    }
}

/// What is asked of TLS; weaker modes of libpq, which go on without it, cannot be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// None: for a network that nobody else listens on.
    Disable,
    /// Encrypted, with whoever answers.
    Require,
    /// And its certificate is of an authority in `sslrootcert`.
    VerifyCa,
    /// And for the host's name.
    VerifyFull,
}

impl TlsMode {
    /// As libpq writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// A URL with what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    /// Everything but the password.
    pub server: GivenServer,
    /// The password, where the URL holds one.
    pub password: Option<SecretText>,
}

/// Why a text is no usable URL; never holds the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadServerUrl(pub String);

fn bad<T>(why: impl Into<String>) -> Result<T, BadServerUrl> {
    Err(BadServerUrl(why.into()))
}

impl FromStr for ServerUrl {
    type Err = BadServerUrl;

    /// # Source
    /// PostgreSQL 18, libpq, "Connection URIs" and "Parameter Key Words".
    fn from_str(text: &str) -> Result<Self, BadServerUrl> {
        let rest = text.trim();
        let rest = rest
            .strip_prefix("postgresql://")
            .or_else(|| rest.strip_prefix("postgres://"));
        let Some(rest) = rest else {
            return bad("a URL of PostgreSQL begins with `postgres://`");
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let authority = rest.split_once('/').map_or(rest, |(authority, _)| authority);
        let Some((user, place)) = authority.rsplit_once('@') else {
            return bad("the URL names no role: `postgres://ROLE@HOST`");
        };
        let (role, password) = user.split_once(':').map_or((user, None), |(r, p)| (r, Some(p)));
        let role = decoded(role)?;
        if role.is_empty() {
            return bad("the URL names no role: `postgres://ROLE@HOST`");
        }
        if role == "postgres" {
            return bad("Odoo refuses to work as the role `postgres`; make one of its own");
        }
        if is_socket(place, query) {
            return bad(
                "the URL names a unix socket: write `postgres://ROLE@HOST:PORT`, where the server listens on TCP",
            );
        }
        let (host, port) = place_of(place)?;
        let (tls, authority) = protection(query)?;
        Ok(Self {
            server: GivenServer {
                host,
                port,
                role,
                roles: Roles::Given,
                tls,
                authority,
            },
            password: password.map(decoded).transpose()?.map(SecretText::new),
        })
    }
}

/// As libpq writes it: the directory as the host, or as a parameter.
fn is_socket(place: &str, query: &str) -> bool {
    let begins = |text: &str| decoded(text).is_ok_and(|text| text.starts_with(['/', '@']));
    let mut parameters = query.split('&').filter_map(|part| part.strip_prefix("host="));
    begins(place) || parameters.any(begins)
}

/// Whether an address or a name is that of whoever asks.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let address = name.parse::<std::net::IpAddr>();
    let local = |address: std::net::IpAddr| address.to_canonical().is_loopback() || address.is_unspecified();
    name == "localhost" || name.ends_with(".localhost") || address.is_ok_and(local)
}

/// Whether a host is an address of IPv6, and not one of IPv4 written so.
pub(crate) fn is_ipv6(host: &str) -> bool {
    let address = host.parse::<std::net::Ipv6Addr>();
    address.is_ok_and(|address| std::net::IpAddr::from(address).to_canonical().is_ipv6())
}

fn place_of(place: &str) -> Result<(String, u16), BadServerUrl> {
    let (host, port) = match place.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => place.split_once(':').map_or((place, None), |(h, p)| (h, Some(p))),
    };
    let address = host.parse::<std::net::Ipv6Addr>().is_ok();
    if host.contains(',') {
        return bad("the URL names several hosts; write the one that takes writes");
    }
    if !address && !is_host(host) {
        return bad("the URL names no host: `postgres://ROLE@HOST`");
    }
    match port.map(str::parse::<u16>) {
        None => Ok((host.to_owned(), PORT)),
        Some(Ok(port)) if port > 0 => Ok((host.to_owned(), port)),
        Some(_) => bad("the port of the URL is no number from 1 to 65535"),
    }
}

fn protection(query: &str) -> Result<(TlsMode, Option<Utf8PathBuf>), BadServerUrl> {
    let (mut mode, mut authority) = (None, None);
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let value = decoded(value)?;
        match key {
            "sslmode" => mode = Some(mode_of(&value)?),
            "sslrootcert" if value.starts_with('/') => authority = Some(Utf8PathBuf::from(value)),
            "sslrootcert" => return bad("`sslrootcert` of the URL is no absolute path"),
            _ => {
                return bad(
                    "the URL has a parameter besides `sslmode` and `sslrootcert`, which the other programs would not heed; remove it",
                );
            }
        }
    }
    let mode = mode.unwrap_or(if authority.is_some() {
        TlsMode::VerifyFull
    } else {
        TlsMode::Require
    });
    // As libpq has it: with an authority, `require` looks at the certificate.
    let mode = match (mode, &authority) {
        (TlsMode::Require, Some(_)) => TlsMode::VerifyCa,
        (mode, _) => mode,
    };
    let verifies = matches!(mode, TlsMode::VerifyCa | TlsMode::VerifyFull);
    if verifies && authority.is_none() {
        return bad(format!(
            "`sslmode={}` needs `sslrootcert=FILE`, the authority's certificate; for a public one \
             `/etc/ssl/certs/ca-certificates.crt`",
            mode.as_str()
        ));
    }
    Ok((mode, authority))
}

fn mode_of(word: &str) -> Result<TlsMode, BadServerUrl> {
    match word {
        "disable" => Ok(TlsMode::Disable),
        "require" => Ok(TlsMode::Require),
        "verify-ca" => Ok(TlsMode::VerifyCa),
        "verify-full" => Ok(TlsMode::VerifyFull),
        "allow" | "prefer" => bad(
            "`sslmode` of the URL would go on without TLS when somebody in between says so; write `require` or `verify-full`",
        ),
        _ => bad("`sslmode` of the URL is none of disable, require, verify-ca, verify-full"),
    }
}

/// Takes `%41` back (RFC 3986 section 2.1).
fn decoded(text: &str) -> Result<String, BadServerUrl> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let code = match byte {
            b'%' => match (digit(), digit()) {
                (Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
                _ => None,
            },
            other => Some(other),
        };
        match code {
            Some(code) if code >= b' ' => bytes.push(code),
            Some(_) | None => return bad("the URL has a `%` without two hex digits, or a control character"),
        }
    }
    String::from_utf8(bytes).or_else(|_| bad("the URL is no UTF-8"))
}

impl fmt::Display for GivenServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Postgres {
    /// Whether the server is somebody else's.
    pub fn is_given(&self) -> bool {
        self.url.is_some()
    }

    /// The given server with its password; `None` without a URL, or while a secret has no value.
    ///
    /// # Errors
    /// The value of a secret is no usable URL, or there is no password, or there are two.
    pub fn given(
        &self,
        value: impl Fn(&SecretRef) -> Option<SecretText>,
    ) -> Result<Option<ServerUrl>, BadServerUrl> {
        let text = match &self.url {
            None => return Ok(None),
            Some(Value::Plain(text)) => Some(SecretText::new(text)),
            Some(Value::Secret(reference)) => value(reference),
        };
        let Some(text) = text else { return Ok(None) };
        let mut url: ServerUrl = text.expose().parse()?;
        url.server.roles = self.roles;
        match (&url.password, &self.password) {
            (Some(_), None) => Ok(Some(url)),
            (Some(_), Some(_)) => bad("the URL holds a password, and `password` names another"),
            (None, None) => bad("the URL holds no password, and `password` names none"),
            (None, Some(reference)) => Ok(value(reference).map(|password| {
                url.password = Some(password);
                url
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        match text.parse::<ServerUrl>() {
            Ok(ServerUrl { server, password }) => format!(
                "{} at {server} {} {:?} {:?}",
                server.role,
                server.tls.as_str(),
                server.authority,
                password.as_ref().map(SecretText::expose)
            ),
            Err(wrong) => wrong.to_string(),
        }
    }

    #[test]
    fn urls_say_who_where_and_how_protected() {
        for (text, wanted) in [
            (
                "postgres://odoo:p%40ss@db.example.com:25060/defaultdb?sslmode=require",
                "odoo at db.example.com:25060 require None Some(\"p@ss\")",
            ),
            (
                "postgresql://odoo@db.example.com",
                "odoo at db.example.com:5432 require None None",
            ),
            (
                "postgres://odoo@[::1]:5433/?sslrootcert=/etc/ca.pem",
                "odoo at ::1:5433 verify-full Some(\"/etc/ca.pem\") None",
            ),
            (
                "postgres://odoo@10.0.0.3/x?sslmode=disable",
                "odoo at 10.0.0.3:5432 disable None None",
            ),
        ] {
            assert_eq!(read(text), wanted);
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused_without_the_text_in_the_words() {
        for (text, wanted) in [
            ("mysql://odoo:geheim@db", "begins with"),
            ("postgres://db.example.com/x", "names no role"),
            ("postgres://:geheim@db", "names no role"),
            ("postgres://postgres:geheim@db", "refuses to work as"),
            ("postgres://odoo:geheim@a,b", "several hosts"),
            ("postgres://odoo:geheim@", "no host"),
            ("postgres://odoo:geheim@db:0", "port"),
            ("postgres://odoo:geheim@db:geheim", "port"),
            ("postgres://odoo:geheim%4@db", "hex digits"),
            ("postgres://odoo:geheim@db?sslmode=prefer", "would go on without"),
            ("postgres://odoo:geheim@db?sslmode=geheim", "none of disable"),
            (
                "postgres://odoo:geheim@db?sslmode=verify-full",
                "sslrootcert=FILE",
            ),
            ("postgres://odoo:geheim@db?sslrootcert=geheim", "absolute"),
            ("postgres://odoo:geheim@db?options=geheim", "parameter"),
            ("postgres://odoo:geheim@%2Frun%2Fpostgresql/x", "a unix socket"),
            ("postgres://odoo:geheim@/x?host=/run/postgresql", "a unix socket"),
        ] {
            let said = read(text);
            assert!(
                said.contains(wanted) && !said.contains("geheim"),
                "{text}: {said}"
            );
        }
    }

    #[test]
    fn there_is_exactly_one_password() {
        let named = |name: &str| SecretRef::Named(name.to_owned());
        let of = |url: &str, password: bool| Postgres {
            cluster: super::super::Clusters::Shared,
            directory: None,
            version: None,
            port: None,
            options: std::collections::BTreeMap::new(),
            url: Some(url.parse().unwrap()),
            password: password.then(|| named("PASSWORD")),
            roles: Roles::Given,
        };
        let value = |reference: &SecretRef| {
            let text = match reference.key().as_str() {
                "URL" => "postgres://odoo:one@db",
                "BARE" => "postgres://odoo@db",
                "PASSWORD" => "two",
                _ => return None,
            };
            Some(SecretText::new(text))
        };
        let password = |url: &str, own: bool| {
            of(url, own)
                .given(value)
                .map(|given| given.map(|given| given.password.unwrap().expose().to_owned()))
        };
        assert_eq!(password("secret:URL", false), Ok(Some("one".to_owned())));
        assert_eq!(password("secret:BARE", true), Ok(Some("two".to_owned())));
        assert_eq!(password("postgres://odoo@db", true), Ok(Some("two".to_owned())));
        assert_eq!(password("secret:NOWHERE", false), Ok(None));
        assert!(password("secret:URL", true).is_err());
        assert!(password("secret:BARE", false).is_err());
    }
}
