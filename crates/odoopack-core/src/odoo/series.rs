//! The series of Odoo that run here, and what differs between them.
use std::fmt;
use std::str::FromStr;

/// A series of Odoo; ordered by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Series {
    /// 17.0
    V17,
    /// 18.0
    V18,
    /// 19.0
    V19,
}

/// A text that names no series known here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no series of Odoo that is known here: write 17.0, 18.0 or 19.0")]
pub struct UnknownSeries(pub String);

/// What one Odoo process is started for.
///
/// # Shape
/// All roles of an environment read the same odoo.conf; the role is in the arguments, which win over the file
/// (`odoo/tools/config.py`: command line over environment over file).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// HTTP workers and the gevent process, no cron.
    Web,
    /// Cron workers only.
    Cron,
    /// One act (`-i`, `-u`), then exit.
    OneShot,
}

impl Role {
    /// The arguments that make a process with the shared odoo.conf play this role.
    ///
    /// # Source
    /// `knowledge/odoo.md` B3 and C6; that `--workers=-1` without HTTP runs cron workers only was tried on
    /// 18 and 19 (`knowledge/tried.md` E15). Without `--no-http` a one-shot binds the port of the live server.
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Web => &["--max-cron-threads", "0"],
            Self::Cron => &["--no-http", "--workers=-1"],
            Self::OneShot => &[
                "--workers",
                "0",
                "--no-http",
                "--max-cron-threads",
                "0",
                "--stop-after-init",
            ],
        }
    }
}

impl Series {
    /// Every series known here, oldest first.
    pub const ALL: [Self; 3] = [Self::V17, Self::V18, Self::V19];

    /// The series as people write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V17 => "17.0",
            Self::V18 => "18.0",
            Self::V19 => "19.0",
        }
    }

    /// Oldest and newest Python that the series supports, as `(major, minor)`.
    ///
    /// # Source
    /// `odoo/__init__.py` of 17.0 and 18.0, `odoo/release.py` `MIN_PY_VERSION` and `MAX_PY_VERSION` of 19.0. 17.0 and 18.0 came
    /// with 3.12 as the newest; 3.13 (Debian 13) was added while they were maintained (odoo/odoo#219270).
    pub const fn python(self) -> ((u16, u16), (u16, u16)) {
        match self {
            Self::V17 | Self::V18 | Self::V19 => ((3, 10), (3, 13)),
        }
    }

    /// The minor versions of Python 3 that the series supports, the one to take first.
    ///
    /// # Shape
    /// 17.0 and 18.0 take 3.13 last: a commit from before it was supported says so only when it runs.
    pub const fn pythons(self) -> &'static [u16] {
        match self {
            Self::V17 | Self::V18 => &[12, 11, 10, 13],
            Self::V19 => &[13, 12, 11, 10],
        }
    }

    /// Oldest PostgreSQL major that the series supports.
    ///
    /// # Source
    /// `on_premise/source.rst` of 17.0 and 18.0; `odoo/release.py` `MIN_PG_VERSION` of 19.0.
    pub const fn oldest_postgresql(self) -> u16 {
        match self {
            Self::V17 | Self::V18 => 12,
            Self::V19 => 13,
        }
    }

    /// The server-wide modules that must always be loaded.
    ///
    /// # Source
    /// `odoo/tools/config.py`, default of `--load`; XML-RPC and JSON-RPC moved to `rpc` in 19.0.
    pub const fn server_wide_modules(self) -> &'static [&'static str] {
        match self {
            Self::V17 | Self::V18 => &["base", "web"],
            Self::V19 => &["base", "rpc", "web"],
        }
    }

    /// Whether the gevent process has memory limits of its own.
    ///
    /// # Source
    /// `odoo/tools/config.py`: `--limit-memory-soft-gevent` since 18.0.
    pub const fn has_gevent_memory_limits(self) -> bool {
        !matches!(self, Self::V17)
    }

    /// The option and value that load demo data into new databases, or keep it out.
    ///
    /// # Source
    /// `odoo/tools/config.py`: up to 18.0 demo data is the default and `without_demo = all` prevents it; 19.0
    /// has `with_demo`, a boolean, and warns about the value `all`.
    pub const fn demo(self, wanted: bool) -> (&'static str, &'static str) {
        match (self, wanted) {
            (Self::V17 | Self::V18, false) => ("without_demo", "all"),
            // An empty list of modules: the word `False` could not be told from a text in a list.
            (Self::V17 | Self::V18, true) => ("without_demo", ""),
            (Self::V19, false) => ("with_demo", "False"),
            (Self::V19, true) => ("with_demo", "True"),
        }
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Series {
    type Err = UnknownSeries;

    fn from_str(text: &str) -> Result<Self, UnknownSeries> {
        let known = Self::ALL.into_iter().find(|series| series.as_str() == text);
        known.ok_or_else(|| UnknownSeries(text.to_owned()))
    }
}

impl TryFrom<String> for Series {
    type Error = UnknownSeries;

    fn try_from(text: String) -> Result<Self, UnknownSeries> {
        text.parse()
    }
}

impl From<Series> for String {
    fn from(series: Series) -> Self {
        series.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_prints_and_orders_by_age() {
        for series in Series::ALL {
            assert_eq!(series.to_string().parse(), Ok(series));
            let json = serde_json::to_string(&series).unwrap();
            assert_eq!(serde_json::from_str::<Series>(&json).unwrap(), series);
        }
        assert!(Series::V17 < Series::V18 && Series::V18 < Series::V19);
        assert!("18".parse::<Series>().is_err());
        assert!(serde_json::from_str::<Series>("\"16.0\"").is_err());
    }

    #[test]
    fn every_python_of_a_series_has_its_turn() {
        for series in Series::ALL {
            let ((_, oldest), (_, newest)) = series.python();
            let mut turns = series.pythons().to_vec();
            turns.sort_unstable();
            assert_eq!(turns, (oldest..=newest).collect::<Vec<_>>(), "{series}");
        }
        assert_eq!(Series::V18.pythons().last(), Some(&13));
    }

    #[test]
    fn required_modules_are_the_default_of_the_option() {
        for series in Series::ALL {
            let option = crate::odoo::options::find(series, "server_wide_modules").unwrap();
            assert_eq!(
                option.default_in(series),
                Some(series.server_wide_modules().join(",").as_str())
            );
        }
    }

    #[test]
    fn what_a_series_claims_agrees_with_its_options() {
        for series in Series::ALL {
            let has = |name| crate::odoo::options::find(series, name).is_some();
            assert_eq!(has("limit_memory_soft_gevent"), series.has_gevent_memory_limits());
            assert!(has(series.demo(true).0) && has(series.demo(false).0));
        }
    }
}
