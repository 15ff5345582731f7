//! `dpkg-deb` and `dpkg-query`: unpacking without installing, and what is installed.
use std::collections::BTreeSet;
use std::time::Duration;

use camino::Utf8Path;

use crate::exec::Cmd;

/// Unpacks a package below `tree`; modes and file times are the package's own.
pub(crate) fn unpack(package: &Utf8Path, tree: &Utf8Path) -> Cmd {
    Cmd::new("dpkg-deb")
        .args(["--extract", package.as_str(), tree.as_str()])
        .patience(Duration::from_mins(30))
}

/// Lists every package that dpkg knows, with its state.
pub(crate) fn installed() -> Cmd {
    Cmd::new("dpkg-query").args(["--show", "--showformat", "${db:Status-Status} ${Package}\\n"])
}

/// The names of those that are wholly installed.
pub(crate) fn parse_installed(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("installed "))
        .map(str::to_owned)
        .collect()
}

/// Lists the same with what each stands for besides its name.
pub(crate) fn provided() -> Cmd {
    Cmd::new("dpkg-query").args([
        "--show",
        "--showformat",
        "${db:Status-Status} ${Package}, ${Provides}\\n",
    ])
}

/// The names that are there, because a package of that name is, or one that provides it.
pub(crate) fn parse_provided(text: &str) -> BTreeSet<String> {
    let there = text.lines().filter_map(|line| line.strip_prefix("installed "));
    let names = there.flat_map(|line| line.split(','));
    names
        .filter_map(|name| name.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// Lists the files of installed packages.
pub(crate) fn files(packages: &[String]) -> Cmd {
    Cmd::new("dpkg-query").arg("--listfiles").args(packages)
}

/// The systemd services among the files of a package; templates cannot be switched off as such.
pub(crate) fn parse_services(files: &str) -> BTreeSet<String> {
    let units = files.lines().filter(|line| line.contains("/systemd/system/"));
    units
        .filter_map(|line| line.rsplit('/').next())
        .filter(|unit| unit.ends_with(".service") && !unit.ends_with("@.service"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpacks_without_installing() {
        assert_eq!(
            unpack("/c/a.deb".into(), "/t".into()).to_string(),
            "dpkg-deb --extract /c/a.deb /t"
        );
        assert_eq!(
            installed().to_string(),
            "dpkg-query --show --showformat '${db:Status-Status} ${Package}\\n'"
        );
    }

    #[test]
    fn half_installed_is_not_installed() {
        let names = parse_installed("installed nginx\nconfig-files apache2\nhalf-configured runit\n");
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["nginx"]);
    }

    #[test]
    fn what_another_package_provides_is_there() {
        let names = parse_provided(
            "installed libjpeg62-turbo-dev, libjpeg-dev (= 1:2.1.5-2), libjpeg-turbo-dev\ninstalled g++, c++-compiler\n\
             installed cups, \nconfig-files gone, other\n",
        );
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "c++-compiler",
                "cups",
                "g++",
                "libjpeg-dev",
                "libjpeg-turbo-dev",
                "libjpeg62-turbo-dev"
            ]
        );
    }

    #[test]
    fn finds_services_and_leaves_templates() {
        let files = include_str!("../../fixtures/dpkg-1.21-listfiles-postgresql-common.txt");
        assert_eq!(
            parse_services(files).into_iter().collect::<Vec<_>>(),
            ["postgresql.service"]
        );
    }
}
