//! Versions that Odoo's own `requirements.txt` pins and that cannot be installed as wheels, or not together.
use super::{Wanted, name_of};
use crate::spec::Series;

/// One known breakage.
#[derive(Debug)]
struct Swap {
    /// Normalised name.
    name: &'static str,
    /// The versions that do not work.
    bad: &'static [&'static str],
    /// Lowest and highest minor version of Python 3 on which they do not.
    python: (u16, u16),
    /// What is taken instead.
    good: &'static str,
}

const fn swap(
    name: &'static str,
    bad: &'static [&'static str],
    python: (u16, u16),
    good: &'static str,
) -> Swap {
    Swap {
        name,
        bad,
        python,
        good,
    }
}

/// Every Python that is supported.
const ANY: (u16, u16) = (10, 13);

/// The breakages.
///
/// # Source
/// The package index, 2026-11: wheels for `manylinux` on `x86_64`, Python 3.10 to 3.13, against `requirements.txt` of 17.0, 18.0 and
/// 19.0. A version that is not in the list is left to Odoo, so a later fix of theirs is never undone.
const SWAPS: [Swap; 20] = [
    swap("cbor2", &["5.4.2"], (10, 11), "5.9.0"),
    swap("pypdf2", &["1.26.0"], ANY, "2.12.1"),
    swap("qrcode", &["7.3.1"], ANY, "7.4.2"),
    swap("rjsmin", &["1.1.0", "1.2.0"], (10, 12), "1.2.2"),
    swap("rjsmin", &["1.1.0", "1.2.0", "1.2.2"], (13, 13), "1.2.4"),
    swap("vobject", &["0.9.6.1"], ANY, "0.9.8"),
    // aarch64 has wheels from here on.
    swap("psutil", &["5.9.0", "5.9.4"], ANY, "5.9.8"),
    // gevent 21.8.0 has no wheel, 23.9.1 does not go with the greenlet 1.1.2 or 2.0.2 that is pinned beside it.
    swap("gevent", &["21.8.0", "22.10.2", "23.9.1"], (10, 12), "24.2.1"),
    swap("greenlet", &["1.1.2", "2.0.2"], (10, 12), "3.0.3"),
    swap(
        "gevent",
        &["21.8.0", "22.10.2", "23.9.1", "24.2.1"],
        (13, 13),
        "24.11.1",
    ),
    swap("greenlet", &["1.1.2", "2.0.2", "3.0.3"], (13, 13), "3.1.1"),
    swap("lxml", &["4.8.0", "4.9.2", "4.9.3"], (12, 12), "5.2.1"),
    swap("lxml", &["4.8.0", "4.9.2", "4.9.3", "5.2.1"], (13, 13), "5.3.0"),
    // Werkzeug 2.3 needs 2.1.1.
    swap("markupsafe", &["2.0.1"], (10, 11), "2.1.2"),
    swap("markupsafe", &["2.0.1", "2.1.2"], (12, 12), "2.1.5"),
    swap("markupsafe", &["2.0.1", "2.1.2", "2.1.5"], (13, 13), "3.0.2"),
    // Lists of 17.0 from before 3.12 was supported.
    swap("pillow", &["9.0.1", "9.4.0"], (12, 12), "10.2.0"),
    swap("reportlab", &["3.6.8", "3.6.12", "3.6.13"], (12, 13), "4.1.0"),
    swap("pillow", &["9.0.1", "9.4.0", "10.2.0"], (13, 13), "11.1.0"),
    swap("babel", &["2.9.1"], (12, 12), "2.10.3"),
];

/// For 19.0 alone: 2.3 floods its log with deprecations, 3.1 is clean (tried on Python 3.11).
const SWAPS_19: [Swap; 1] = [swap("werkzeug", &["2.0.2", "2.2.2", "2.3.8"], (10, 12), "3.1.6")];

fn of(series: Series) -> impl Iterator<Item = &'static Swap> {
    let more = match series {
        Series::V17 | Series::V18 => [].iter(),
        Series::V19 => SWAPS_19.iter(),
    };
    SWAPS.iter().chain(more)
}

/// Overrides for those pins of a list that do not work on this Python.
pub(super) fn overrides(wanted: &Wanted<'_>, python: (u16, u16)) -> String {
    let pins: Vec<(String, &str)> = wanted.list.lines().filter_map(pin).collect();
    let needed = |swap: &&Swap| {
        let (lowest, highest) = swap.python;
        (lowest..=highest).contains(&python.1)
            && pins
                .iter()
                .any(|(name, version)| name == swap.name && swap.bad.contains(version))
    };
    of(wanted.series)
        .filter(needed)
        .map(|swap| format!("{}=={}\n", swap.name, swap.good))
        .collect::<Vec<_>>()
        .concat()
}

/// Name and exact version of a line such as `Babel==2.9.1 ; python_version < '3.11'  # why`.
fn pin(line: &str) -> Option<(String, &str)> {
    let name = name_of(line)?;
    let version = line.split_once("==")?.1;
    let end = version
        .find(|c: char| c == ';' || c == '#' || c.is_whitespace())
        .unwrap_or(version.len());
    Some((name, &version[..end]))
}

/// The tables as text.
pub(super) fn text() -> String {
    format!("{SWAPS:?}{SWAPS_19:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(series: Series, minor: u16, list: &str, expected: &str) {
        let wanted = Wanted {
            series,
            list,
            open: false,
        };
        assert_eq!(overrides(&wanted, (3, minor)), expected, "{list} on 3.{minor}");
    }

    #[test]
    fn only_what_does_not_work_is_replaced() {
        check(
            Series::V18,
            11,
            "rjsmin==1.2.0 ; python_version >= '3.11'\nxlwt==1.3.0",
            "rjsmin==1.2.2\n",
        );
        check(Series::V18, 13, "rjsmin==1.2.0", "rjsmin==1.2.4\n");
        check(Series::V18, 11, "rjsmin==1.3.0", "");
        check(Series::V18, 12, "cbor2==5.4.2 ; python_version < '3.12'", "");
        check(
            Series::V17,
            11,
            "MarkupSafe==2.0.1;x\nPyPDF2==1.26.0# y",
            "pypdf2==2.12.1\nmarkupsafe==2.1.2\n",
        );
    }

    #[test]
    fn pairs_are_replaced_together() {
        let list = "gevent==23.9.1 ; python_version < '3.12'\ngreenlet==2.0.2 ; python_version < '3.12'";
        check(Series::V19, 11, list, "gevent==24.2.1\ngreenlet==3.0.3\n");
    }

    #[test]
    fn werkzeug_is_replaced_in_19_only() {
        check(Series::V18, 11, "Werkzeug==2.3.8", "");
        check(Series::V19, 11, "Werkzeug==2.3.8", "werkzeug==3.1.6\n");
    }
}
