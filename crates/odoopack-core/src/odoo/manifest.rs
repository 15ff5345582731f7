//! The little that is needed of a module's `__manifest__.py`, which is a Python literal.
use super::Series;

/// The value of `version`, when the manifest says one.
pub fn version(manifest: &str) -> Option<String> {
    let code = |line: &&str| !line.trim_start().starts_with('#');
    let mut lines = manifest.lines().filter(code);
    lines.find_map(|line| {
        let rest = ["\"version\"", "'version'"]
            .iter()
            .find_map(|key| line.split_once(key))?
            .1;
        let value = rest.trim_start().strip_prefix(':')?.trim_start();
        let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''))?;
        value[1..].split(quote).next().map(str::to_owned)
    })
}

/// Whether Odoo of `series` refuses a module of this version: it has a series in front, and another one.
///
/// # Source
/// Odoo 17.0 to 19.0, `odoo/modules/module.py`: what follows the own series, or the whole version without it, may have
/// two or three parts.
pub fn of_another_series(version: &str, series: Series) -> bool {
    let own = version
        .strip_prefix(series.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    !own && version.split('.').count() > 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_version_in_every_way_it_is_written() {
        let check = |text: &str, wanted: Option<&str>| assert_eq!(version(text).as_deref(), wanted, "{text}");
        check(
            "{\n    \"name\": \"X\",\n    \"version\": \"18.0.1.0.0\",\n}",
            Some("18.0.1.0.0"),
        );
        check("{'name': 'X', 'version' : '1.2', }", Some("1.2"));
        check("{\n# \"version\": \"9\",\n}", None);
        check("{'version': VERSION}", None);
    }

    #[test]
    fn a_version_without_a_series_fits_every_series() {
        let check = |version: &str, other: bool| {
            assert_eq!(of_another_series(version, Series::V19), other, "{version}");
        };
        check("18.0.2.0.8", true);
        check("18.0.1.0", true);
        check("19.0.1.0.0", false);
        check("1.0.3", false);
        check("18.0", false);
    }
}
