//! Sizes and durations with their units in the type and in the text.
use std::fmt;
use std::str::FromStr;

/// A number of bytes; written `512MiB`, `20GiB`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl Bytes {
    /// `n` mebibytes.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// `n` gibibytes.
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }

    /// Whole mebibytes, rounded down.
    pub const fn as_mib(self) -> u64 {
        self.0 >> 20
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, shift) = match self.0 {
            n if n >= 1 << 30 => ("GiB", 30),
            n if n >= 1 << 20 => ("MiB", 20),
            n if n >= 1 << 10 => ("KiB", 10),
            _ => ("B", 0),
        };
        let tenths = (u128::from(self.0) * 10) >> shift;
        let text = if tenths % 10 == 0 {
            format!("{}{unit}", tenths / 10)
        } else {
            format!("{}.{}{unit}", tenths / 10, tenths % 10)
        };
        f.pad(&text)
    }
}

impl FromStr for Bytes {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let shifts = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40), ("B", 0)];
        let wrong = || BadUnit {
            text: text.to_owned(),
            example: "512MiB, 20GiB",
        };
        let (number, shift) = shifts
            .iter()
            .find_map(|(u, s)| text.strip_suffix(u).map(|n| (n, s)))
            .ok_or_else(wrong)?;
        let count: u64 = number.trim().parse().map_err(|_| wrong())?;
        count.checked_mul(1 << shift).map(Self).ok_or_else(wrong)
    }
}

/// A length of time in whole seconds; written `30s`, `15m`, `2h`, `7d`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Seconds(pub u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
        let unit = units
            .iter()
            .find(|(size, _)| self.0 >= *size && self.0.is_multiple_of(*size));
        let (size, name) = unit.copied().unwrap_or((1, "s"));
        f.pad(&format!("{}{name}", self.0 / size))
    }
}

impl FromStr for Seconds {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let sizes = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
        let wrong = || BadUnit {
            text: text.to_owned(),
            example: "30s, 15m, 2h, 7d",
        };
        let (number, size) = sizes
            .iter()
            .find_map(|(u, s)| text.strip_suffix(u).map(|n| (n, s)))
            .ok_or_else(wrong)?;
        let count: u64 = number.trim().parse().map_err(|_| wrong())?;
        count.checked_mul(*size).map(Self).ok_or_else(wrong)
    }
}

/// A size or a duration that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` has no unit that is known here; write for example {example}")]
pub struct BadUnit {
    /// What was written.
    pub text: String,
    /// Texts that would be right.
    pub example: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_read_back_what_they_print() {
        for text in ["0B", "512MiB", "20GiB", "3KiB"] {
            assert_eq!(text.parse::<Bytes>().unwrap().to_string(), text);
        }
        for text in ["30s", "15m", "2h", "7d", "90m"] {
            assert_eq!(text.parse::<Seconds>().unwrap().to_string(), text);
        }
        assert!("20".parse::<Bytes>().is_err());
        assert!("999999999999TiB".parse::<Bytes>().is_err());
        assert!("5 min".parse::<Seconds>().is_err());
        assert_eq!(Bytes::mib(1536).to_string(), "1.5GiB");
    }
}
