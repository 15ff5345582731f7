//! What may stand at a key: types, ranges, and the form of texts.
mod domain;
pub(super) mod path;
pub(super) mod text;

use toml::de::{DeInteger, DeValue};

/// What may stand at a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A name of a pack, an edition or an environment.
    Name,
    /// A host name.
    Domain,
    /// A mail address.
    Email,
    /// A database name.
    Database,
    /// A language code of Odoo.
    Language,
    /// The technical name of a module.
    Module,
    /// The technical name of a module, with `*` for any letters.
    Pattern,
    /// The name of an option of odoo.conf.
    Option,
    /// The name of a setting of postgresql.conf.
    Setting,
    /// The name of an environment variable.
    Variable,
    /// An absolute path.
    Absolute,
    /// A path, absolute or relative.
    Path,
    /// A Python interpreter.
    Python,
    /// `host:port`.
    HostPort,
    /// An IP address, IPv6 in brackets.
    Address,
    /// Something that git can clone.
    GitUrl,
    /// The same, or an address without protection, which the checks judge.
    RepositoryUrl,
    /// The name of a repository or a group of repositories.
    Repository,
    /// A branch.
    Branch,
    /// What is merged: `REF` or `URL REF`.
    Merge,
    /// A host name or an IPv4 address.
    Host,
    /// The public key of an ssh host.
    HostKey,
    /// One line for people.
    Line,
    /// A Debian package file: path or https URL.
    Deb,
    /// A Debian suite.
    Suite,
    /// So many hex digits.
    Hex(usize),
    /// A TCP port.
    Port,
    /// A size.
    Bytes,
    /// The version of the file's format; judged by the checks.
    Format,
    /// A whole number.
    Integer {
        /// The least that makes sense.
        least: i64,
        /// The most that makes sense.
        most: i64,
    },
    /// `true` or `false`.
    Bool,
    /// One of these words.
    Word(&'static [&'static str]),
    /// The name of a container image.
    Image,
    /// A time zone.
    Zone,
    /// The address of a bucket.
    Bucket,
    /// The address of an archive of packages.
    Archive,
    /// A time of day, on every day or some days.
    When,
    /// A length of time.
    Duration,
    /// A length of time in calendar units.
    Within,
    /// A reference to a secret.
    Secret,
    /// A URL of PostgreSQL without a password, or a reference to a secret that holds one.
    ServerUrl,
    /// A value of odoo.conf.
    OdooValue,
    /// A value of postgresql.conf.
    PostgresValue,
    /// A value of a variable, or a reference to a secret.
    EnvValue,
    /// Several of the same.
    List(&'static Self),
}

/// A value as read; numbers and booleans as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A single value.
    One(String),
    /// A list.
    Many(Vec<String>),
}

/// Why a value does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// What is wrong.
    pub(super) what: String,
    /// What to do; `None`: look at the key's example.
    pub(super) hint: Option<String>,
}

/// A complaint with an own hint.
pub(super) fn wrong(what: impl Into<String>, hint: impl Into<String>) -> Wrong {
    Wrong {
        what: what.into(),
        hint: Some(hint.into()),
    }
}

impl Shape {
    /// The value, when it fits.
    pub(super) fn read(self, value: &DeValue<'_>) -> Result<Item, Wrong> {
        if let Self::List(element) = self {
            let list = value.as_array().ok_or_else(|| self.unlike(value))?;
            return list
                .iter()
                .map(|v| element.single(v.get_ref()))
                .collect::<Result<_, _>>()
                .map(Item::Many);
        }
        self.single(value).map(Item::One)
    }

    /// The value of anything but a list.
    pub(super) fn single(self, value: &DeValue<'_>) -> Result<String, Wrong> {
        if let Some(text) = value.as_str() {
            return if self.is_text() {
                text::check(self, text).map(|()| text.to_owned())
            } else {
                Err(self.unlike(value))
            };
        }
        let found = match (self, value.as_bool(), value.as_integer()) {
            (Self::Bool, Some(given), _) => Some(given.to_string()),
            (Self::OdooValue, Some(given), _) => Some(if given { "True" } else { "False" }.to_owned()),
            (Self::PostgresValue, Some(given), _) => Some(if given { "on" } else { "off" }.to_owned()),
            (Self::OdooValue | Self::PostgresValue, None, None) => {
                value.as_float().map(|f| f.as_str().to_owned())
            }
            (_, _, Some(given)) => return self.number(given, value),
            _ => None,
        };
        found.ok_or_else(|| self.unlike(value))
    }

    fn number(self, given: &DeInteger<'_>, value: &DeValue<'_>) -> Result<String, Wrong> {
        let (least, most) = self.range().ok_or_else(|| self.unlike(value))?;
        match i64::from_str_radix(given.as_str(), given.radix()) {
            Ok(number) if (least..=most).contains(&number) => Ok(number.to_string()),
            _ => Err(wrong(
                format!("{given} is out of range"),
                format!("use a whole number from {least} to {most}"),
            )),
        }
    }

    /// Least and most of a number that may stand here.
    pub(super) fn range(self) -> Option<(i64, i64)> {
        let free = matches!(
            self,
            Self::Format | Self::OdooValue | Self::PostgresValue | Self::EnvValue
        );
        if let Self::Integer { least, most } = self {
            Some((least, most))
        } else if self == Self::Port {
            Some((1, 65_535))
        } else {
            free.then_some((i64::MIN, i64::MAX))
        }
    }

    /// Whether a TOML string may stand here.
    fn is_text(self) -> bool {
        !matches!(
            self,
            Self::Format | Self::Port | Self::Integer { .. } | Self::Bool | Self::List(_)
        )
    }

    /// The complaint about a value of another type.
    pub(super) fn unlike(self, value: &DeValue<'_>) -> Wrong {
        Wrong {
            what: format!("expected {}, found {}", self.expects(), type_of(value)),
            hint: None,
        }
    }

    /// What may stand here, for people.
    pub(super) fn expects(self) -> String {
        let words = match self {
            Self::Word(words) => return format!("one of {}", words.join(", ")),
            Self::Hex(digits) => return format!("{digits} hex digits"),
            Self::Integer { least, most } => return format!("a whole number from {least} to {most}"),
            Self::List(element) => return format!("a list, each {}", element.expects()),
            Self::Format => "the whole number 1",
            Self::Name => "a name",
            Self::Domain => "a host name",
            Self::Email => "a mail address",
            Self::Database => "a database name",
            Self::Language => "a language code",
            Self::Module => "a module name",
            Self::Pattern => "a module name or pattern",
            Self::Option => "an option of odoo.conf",
            Self::Setting => "a setting of postgresql.conf",
            Self::Variable => "a variable name",
            Self::Absolute => "an absolute path",
            Self::Path => "a path",
            Self::Python => "a Python interpreter",
            Self::HostPort => "host:port",
            Self::Address => "an IP address",
            Self::GitUrl | Self::RepositoryUrl => "a clone URL",
            Self::Repository => "a name of letters, digits, underscores and hyphens",
            Self::Branch => "a branch",
            Self::Merge => "`REF` or `URL REF`",
            Self::Host => "a host name or an IPv4 address",
            Self::HostKey => "a public key such as `ssh-ed25519 AAAA...`",
            Self::Line => "a line of text",
            Self::Deb => "a path or an https URL",
            Self::Suite => "a Debian suite",
            Self::Port => "a port",
            Self::Bytes => "a size such as 512MiB",
            Self::Bool => "true or false",
            Self::Image => "an image such as odoo:18.0",
            Self::Zone => "a time zone such as Europe/Paris",
            Self::Bucket => "the address of a bucket such as https://s3.example.com/bucket",
            Self::Archive => "an address such as https://mirror.example.com/debian",
            Self::When => "a time such as 02:00 or Sun 03:00",
            Self::Duration => "a length of time such as 26h or 8d",
            Self::Within => "a length of time such as 30d or 1y6m",
            Self::Secret => "secret:NAME",
            Self::ServerUrl => "secret:NAME, or a URL of PostgreSQL without a password",
            Self::OdooValue | Self::PostgresValue => "text, a number or a boolean",
            Self::EnvValue => "text, a whole number or secret:NAME",
        };
        words.to_owned()
    }
}

/// The type of a TOML value, for people.
pub(super) fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
