//! Versions of modules, and whether a series takes them.
use crate::spec::Series;

/// A version that Odoo of a series does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongVersion {
    /// It is made for another series.
    #[error("its version is {version}, which is not of {series}")]
    Series {
        /// As written.
        version: String,
        /// The series that does not take it.
        series: Series,
    },
    /// It is no version.
    #[error("its version `{version}` is not `x.y`, `x.y.z`, `{series}.x.y` or `{series}.x.y.z`")]
    Format {
        /// As written.
        version: String,
        /// The series that does not take it.
        series: Series,
    },
}

/// The version as the database keeps it: with the series in front.
///
/// # Source
/// `odoo/modules/module.py` `adapt_version` of 17.0, 18.0 and 19.0.
pub fn adapted(version: &str, series: Series) -> String {
    let has_series = version.starts_with(series.as_str());
    let prefixed = match series {
        Series::V17 | Series::V18 => has_series && version[series.as_str().len()..].starts_with('.'),
        Series::V19 => has_series || version.split('.').count() > 3,
    };
    if prefixed {
        version.to_owned()
    } else {
        format!("{series}.{version}")
    }
}

/// # Source
/// `odoo/modules/module.py`: 17.0 and 18.0 raise for anything but two or three numbers after the series; 19.0 takes up to
/// five numbers (`adapt_version`) and then wants the series in front (`check_version`).
pub(super) fn fits(version: &str, series: Series) -> Result<(), WrongVersion> {
    let parts: Vec<&str> = version.split('.').collect();
    let numbers = parts
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    let other = numbers && (4..=5).contains(&parts.len()) && !has_series(version, series);
    if other {
        return Err(WrongVersion::Series {
            version: version.to_owned(),
            series,
        });
    }
    let right = match series {
        Series::V17 | Series::V18 => {
            let rest = if has_series(version, series) {
                parts.len() - 2
            } else {
                parts.len()
            };
            (2..=3).contains(&rest) || version == series.as_str()
        }
        Series::V19 => (2..=5).contains(&parts.len()) && has_series(&adapted(version, series), series),
    };
    if numbers && right {
        return Ok(());
    }
    Err(WrongVersion::Format {
        version: version.to_owned(),
        series,
    })
}

/// Whether the series stands in front, with more behind it.
fn has_series(version: &str, series: Series) -> bool {
    version
        .strip_prefix(series.as_str())
        .is_some_and(|rest| rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_and_refuses_what_each_series_does() {
        let check = |series, version: &str, wanted: &str| {
            let said = match fits(version, series) {
                Ok(()) => adapted(version, series),
                Err(WrongVersion::Series { .. }) => "other".to_owned(),
                Err(WrongVersion::Format { .. }) => "wrong".to_owned(),
            };
            assert_eq!(said, wanted, "{series} {version}");
        };
        for series in [Series::V18, Series::V19] {
            check(series, "1.0", &format!("{series}.1.0"));
            check(series, "1.2.3", &format!("{series}.1.2.3"));
            check(series, &format!("{series}.1.0.0"), &format!("{series}.1.0.0"));
            check(series, &format!("{series}.1.0"), &format!("{series}.1.0"));
            check(series, "17.0.1.0.0", "other");
            check(series, "17.0.1.0", "other");
            check(series, "1", "wrong");
            check(series, "1.0.0.0.0.0", "wrong");
            check(series, "1.x", "wrong");
            check(series, "", "wrong");
        }
        check(Series::V18, "18.0", "18.0.18.0");
        check(Series::V18, "18.0.1", "wrong");
        // Odoo 19.0 leaves it as it is, and then misses something behind the series.
        check(Series::V19, "19.0", "wrong");
        check(Series::V19, "19.0.1", "19.0.1");
    }
}
