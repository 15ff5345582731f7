//! What must change in Odoo's own Python requirements so that wheels exist and fit together.
mod swaps;

use std::collections::BTreeSet;

use crate::spec::Series;

/// Versions for requirements that name none.
const CONSTRAINTS_17: &str = include_str!("constraints-17.0.txt");
/// Versions for requirements that name none.
const CONSTRAINTS_18: &str = include_str!("constraints-18.0.txt");
/// Versions for requirements that name none.
const CONSTRAINTS_19: &str = include_str!("constraints-19.0.txt");
/// Taken instead of what is asked for.
const OVERRIDES: &str = include_str!("overrides.txt");
/// Needed beyond what the source names.
const ADDITIONS: &str = include_str!("additions.txt");
/// The same, for 17.0 and 18.0 alone: `odoo/modules/module.py` imports `pkg_resources` in 18.0 before odoo/odoo#181768
/// (2024-10) and in 17.0 before odoo/odoo#258840 (2026-04), and setuptools 82 no longer has it.
const ADDITIONS_OLD: &str = "setuptools<81\n";

/// Distributions that stay left out even when a pack asks for them: the first is there under another name, the
/// second is no distribution, the third would bring back an ancient num2words.
const NEVER: [&str; 3] = ["psycopg2", "odoo", "docopt"];

/// Three requirement files that go to the resolver beside the source's own list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pins {
    /// Further requirements.
    pub additions: String,
    /// Versions for requirements that name none.
    pub constraints: String,
    /// Taken instead of what is asked for.
    pub overrides: String,
}

/// What Odoo's source asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The series.
    pub series: Series,
    /// One requirement a line.
    pub list: &'a str,
    /// Whether the list leaves versions open (the metadata of a Debian package); `requirements.txt` names them.
    pub open: bool,
}

/// The corrections for a source on one Python version.
///
/// # Shape
/// `own` holds the names that the pack's own requirement files decide: those are left to the pack. A source that
/// names versions keeps them, except those in a table of known breakages.
pub fn pins(wanted: &Wanted<'_>, python: (u16, u16), own: &BTreeSet<String>) -> Pins {
    let constraints = if wanted.open {
        constraints(wanted.series)
    } else {
        ""
    };
    let overrides = format!("{OVERRIDES}{}", swaps::overrides(wanted, python));
    let left_alone = own
        .iter()
        .filter(|name| !NEVER.contains(&name.as_str()))
        .cloned()
        .collect();
    Pins {
        additions: additions(wanted.series),
        constraints: without(constraints, own),
        overrides: without(&overrides, &left_alone),
    }
}

fn additions(series: Series) -> String {
    let more = match series {
        Series::V17 | Series::V18 => ADDITIONS_OLD,
        Series::V19 => "",
    };
    format!("{ADDITIONS}{more}")
}

/// Constraints that keep modules packaged for Python within a series, where the pack names no version itself.
///
/// # Source
/// The OCA's packages since 15.0: one name for every series, the version begins with the series.
pub fn of_series(series: Series, own: &BTreeSet<String>) -> String {
    let major = series.as_str().split('.').next().unwrap_or_default();
    let modules = own.iter().filter(|name| name.starts_with("odoo-addon-"));
    modules
        .map(|name| format!("{name}>={major}.0.dev0,<{major}.1.dev0\n"))
        .collect()
}

const fn constraints(series: Series) -> &'static str {
    match series {
        Series::V17 => CONSTRAINTS_17,
        Series::V18 => CONSTRAINTS_18,
        Series::V19 => CONSTRAINTS_19,
    }
}

/// What the file's own wishes need, one requirement a line; empty for most.
pub fn for_spec(spec: &crate::spec::Spec) -> String {
    let reload = spec.environments.values().any(|environment| environment.reload);
    let mut all = String::new();
    if reload {
        // `odoo/service/server.py`, `FSWatcherWatchdog`, 17.0 to 19.0.
        // From 7 on a queue that overflows is answered by looking through every directory, which fills it again (seen with 7.1.0).
        all.push_str("\nwatchdog<7\n");
    }
    if spec.in_redis().next().is_some() {
        // `addons/odoopack_sessions`.
        all.push_str("\nredis\n");
    }
    all
}

/// Everything in the tables as one text: when it changes, what was resolved with it is out of date.
pub fn tables() -> String {
    [
        CONSTRAINTS_17,
        CONSTRAINTS_18,
        CONSTRAINTS_19,
        OVERRIDES,
        ADDITIONS,
        ADDITIONS_OLD,
        &swaps::text(),
    ]
    .join("\0")
}

fn without(text: &str, names: &BTreeSet<String>) -> String {
    let kept = text
        .lines()
        .filter(|line| name_of(line).is_none_or(|name| !names.contains(&name)));
    kept.flat_map(|line| [line, "\n"]).collect()
}

/// The normalised distribution name that a line of a requirement file is about; `None` for comments and options.
///
/// # Source
/// PEP 503: runs of `-`, `_` and `.` are one `-`, lower case.
pub fn name_of(line: &str) -> Option<String> {
    let line = line.trim();
    let end = line
        .find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c))
        .unwrap_or(line.len());
    let name = line[..end].trim_end_matches(['-', '_', '.']);
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    starts_well.then(|| normalised(name))
}

fn normalised(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if text.ends_with('-') => {}
            '-' | '_' | '.' => text.push('-'),
            c => text.push(c.to_ascii_lowercase()),
        }
    }
    text
}

/// The unconditional requirements in a distribution's metadata (`PKG-INFO`).
///
/// # Source
/// Debian's odoo-19: `requires.txt` beside it holds only `passlib`, the whole list is `Requires-Dist`.
pub fn from_metadata(text: &str) -> Vec<String> {
    let headers = text.lines().take_while(|line| !line.is_empty());
    headers
        .filter_map(|line| line.strip_prefix("Requires-Dist: "))
        .filter(|requirement| !requirement.contains("extra =="))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised() {
        for (line, name) in [
            (
                "Lxml_HTML.Clean>=1 ; python_version < '3'",
                Some("lxml-html-clean"),
            ),
            ("  Babel==2.9.1", Some("babel")),
            ("pytz  # no pin", Some("pytz")),
            ("zeep[async]==4", Some("zeep")),
            ("# comment", None),
            ("-r other.txt", None),
            ("", None),
        ] {
            assert_eq!(name_of(line).as_deref(), name, "{line}");
        }
    }

    #[test]
    fn a_packs_own_pin_wins_over_ours_but_psycopg2_stays_out() {
        let own = BTreeSet::from(["pillow".to_owned(), "rjsmin".to_owned(), "psycopg2".to_owned()]);
        let wanted = Wanted {
            series: Series::V19,
            list: "rjsmin==1.2.0",
            open: true,
        };
        let pins = pins(&wanted, (3, 11), &own);
        assert!(!pins.constraints.contains("\npillow==") && pins.constraints.contains("\npolib=="));
        assert!(!pins.overrides.contains("\nrjsmin==") && pins.overrides.contains("\npsycopg2 ;"));
    }

    #[test]
    fn a_source_with_versions_keeps_them() {
        let wanted = Wanted {
            series: Series::V18,
            list: "zeep==4.2.1",
            open: false,
        };
        let pins = pins(&wanted, (3, 11), &BTreeSet::new());
        assert_eq!(pins.constraints, "");
        assert!(pins.additions.contains("psycopg2-binary"));
    }

    #[test]
    fn modules_stay_within_the_series() {
        let own = BTreeSet::from(["odoo-addon-web-responsive".to_owned(), "xlrd".to_owned()]);
        assert_eq!(
            of_series(Series::V18, &own),
            "odoo-addon-web-responsive>=18.0.dev0,<18.1.dev0\n"
        );
    }

    #[test]
    fn extras_are_no_requirements() {
        let text = "Name: odoo\nRequires-Dist: babel>=1.0\nRequires-Dist: python-ldap; extra == \"ldap\"\n\nRequires-Dist: body\n";
        assert_eq!(from_metadata(text), ["babel>=1.0"]);
    }
}
