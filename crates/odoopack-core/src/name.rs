//! Names of packs, editions and environments.
use std::fmt;
use std::str::FromStr;

/// The name of a pack, an edition or an environment.
///
/// # Shape
/// 1 to 16 characters: lower-case ASCII letters, digits and single hyphens; starts with a letter, ends with a
/// letter or digit. Short because it becomes part of a user name (32 characters at most, `useradd(8)`) and of
/// a unix socket path (107 bytes, `unix(7)`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Why a text is no [`Name`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no name: use 1 to 16 lower-case letters, digits and single hyphens, starting with a letter"
)]
pub struct BadName(pub String);

impl Name {
    /// Longest name in characters.
    pub const LONGEST: usize = 16;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as a PostgreSQL identifier or file stem: hyphens become underscores.
    pub fn underscored(&self) -> String {
        self.0.replace('-', "_")
    }
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let good = (1..=Self::LONGEST).contains(&text.len())
            && text.chars().all(plain)
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && !text.contains("--");
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadName(text.to_owned()))
        }
    }
}

impl TryFrom<String> for Name {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_plain_names_and_refuses_the_rest() {
        for good in ["a", "production", "staging-2", "core"] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "2nd",
            "-a",
            "a-",
            "a--b",
            "Prod",
            "a_b",
            "a/b",
            "abcdefghijklmnopq",
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
