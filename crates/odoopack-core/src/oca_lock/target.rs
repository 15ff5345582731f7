//! Which machines Python packages are chosen for: Python version, processor and C library.
use std::fmt;
use std::str::FromStr;

use crate::spec::Series;

/// What the wheels of a machine have in common: `3.11 x86_64 glibc`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Major and minor version of Python.
    pub python: (u16, u16),
    /// Processor, as `uname -m` names it.
    pub machine: String,
    /// C library.
    pub libc: Libc,
}

/// A C library of Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Libc {
    /// GNU's: Debian, Ubuntu, Fedora.
    Glibc,
    /// Alpine's.
    Musl,
}

impl Libc {
    /// What Python calls it: nothing where it does not know it.
    pub fn of(text: &str) -> Self {
        if text.starts_with("glibc") {
            Self::Glibc
        } else {
            Self::Musl
        }
    }
}

impl Target {
    /// Why no Odoo of a series runs there.
    pub fn misfit(&self, series: Series) -> Option<String> {
        let ((_, lowest), (_, highest)) = series.python();
        let fits = (series.python().0..=series.python().1).contains(&self.python);
        (!fits).then(|| format!("Odoo {series} runs on Python 3.{lowest} to 3.{highest}"))
    }

    /// The platform in uv's words.
    ///
    /// # Source
    /// uv 0.13.9, `uv pip compile --help`, `--python-platform`.
    pub fn platform(&self) -> String {
        let libc = match self.libc {
            Libc::Glibc => "gnu",
            Libc::Musl => "musl",
        };
        format!("{}-unknown-linux-{libc}", self.machine)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.python;
        let libc = match self.libc {
            Libc::Glibc => "glibc",
            Libc::Musl => "musl",
        };
        write!(f, "{major}.{minor} {} {libc}", self.machine)
    }
}

/// A text that names no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no machine: write Python's version, `x86_64` or `aarch64`, and `glibc` or `musl`, as in `3.12 x86_64 glibc`"
)]
pub struct NoTarget(String);

impl FromStr for Target {
    type Err = NoTarget;

    fn from_str(text: &str) -> Result<Self, NoTarget> {
        let none = || NoTarget(text.to_owned());
        let words: Vec<&str> = text.split(' ').collect();
        let &[version, machine @ ("x86_64" | "aarch64"), libc] = words.as_slice() else {
            return Err(none());
        };
        let (major, minor) = version.split_once('.').ok_or_else(none)?;
        let number = |text: &str| text.parse().map_err(|_| none());
        let target = Self {
            python: (number(major)?, number(minor)?),
            machine: machine.to_owned(),
            libc: match libc {
                "glibc" => Libc::Glibc,
                "musl" => Libc::Musl,
                _ => return Err(none()),
            },
        };
        // One spelling only: it is a key of the lock.
        if target.to_string() == text {
            Ok(target)
        } else {
            Err(none())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_one_spelling() {
        let target: Target = "3.12 x86_64 glibc".parse().unwrap();
        assert_eq!(target.to_string(), "3.12 x86_64 glibc");
        assert_eq!(target.platform(), "x86_64-unknown-linux-gnu");
        let target: Target = "3.11 aarch64 musl".parse().unwrap();
        assert_eq!(target.platform(), "aarch64-unknown-linux-musl");
        for wrong in [
            "",
            "3.12",
            "3.12 x86_64",
            "3 x86_64 glibc",
            "3.012 x86_64 glibc",
            "3.12  x86_64 glibc",
            "3.12 sparc glibc",
            "3.12 x86_64 libc",
            "3.12 x86_64 glibc ",
            "3.x aarch64 musl",
        ] {
            wrong.parse::<Target>().unwrap_err();
        }
        assert_eq!((Libc::of("glibc-2.36"), Libc::of("-")), (Libc::Glibc, Libc::Musl));
    }

    #[test]
    fn a_python_that_the_series_does_not_know_is_named() {
        let of = |text: &str| text.parse::<Target>().unwrap().misfit(Series::V18);
        assert_eq!(of("3.12 x86_64 glibc"), None);
        assert_eq!(
            of("3.9 x86_64 glibc").as_deref(),
            Some("Odoo 18.0 runs on Python 3.10 to 3.13")
        );
    }
}
