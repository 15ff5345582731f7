//! What modules need of Python: names of distributions, where manifests give names of imports.
use std::collections::{BTreeMap, BTreeSet};

use super::RepositorySeen;
use crate::python_pins::name_of;

/// Import name to distribution, where manifests name the import.
///
/// # Source
/// Read off the manifests and `requirements.txt` of OCA repositories of 16.0 to 19.0, and the packages' own pages.
const IMPORTS: &[(&str, &str)] = &[
    ("asterisk", "py-Asterisk"),
    ("Crypto", "pycryptodome"),
    ("cv2", "opencv-python-headless"),
    ("dateutil", "python-dateutil"),
    ("dotenv", "python-dotenv"),
    ("git", "GitPython"),
    ("google.auth", "google-auth"),
    ("graphql", "graphql-core"),
    ("jose", "python-jose"),
    ("jwt", "PyJWT"),
    ("ldap", "python-ldap"),
    ("magic", "python-magic"),
    ("OpenSSL", "pyOpenSSL"),
    ("PIL", "Pillow"),
    ("saml2", "pysaml2"),
    ("serial", "pyserial"),
    ("slugify", "python-slugify"),
    ("stdnum", "python-stdnum"),
    ("u2flib_server", "python-u2flib-server"),
    ("usb", "pyusb"),
    ("voicent", "Voicent-Python"),
    ("yaml", "PyYAML"),
    ("zxcvbn", "zxcvbn"),
];

/// Whether a text is a package that is needed and nothing else: a line of a requirement file can be an option to the
/// installer too, and options can stand behind a package.
pub fn is_need(text: &str) -> bool {
    let option = text.split_whitespace().any(|word| word.starts_with('-'));
    name_of(text).is_some() && !option && !text.contains(char::is_control)
}

/// Whether a text is the name of a Debian package and nothing else, so that it can stand in a command.
///
/// # Source
/// Debian Policy 4.7, section 5.6.1.
pub fn is_debian(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
    let start = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (2..=128).contains(&text.len()) && text.as_bytes().first().is_some_and(start) && text.bytes().all(plain)
}

/// Debian packages that an `apt.txt` names, sorted, each once.
///
/// # Errors
/// The first word that is no name of a package.
pub fn debian_of(text: &str) -> Result<Vec<String>, String> {
    let bare = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    let mut all = BTreeSet::new();
    for word in bare.flat_map(str::split_whitespace) {
        if !is_debian(word) {
            return Err(word.to_owned());
        }
        all.insert(word.to_owned());
    }
    Ok(all.into_iter().collect())
}

/// The line of an `apt.txt` that names a package, from 1.
pub fn debian_line_of(text: &str, package: &str) -> Option<usize> {
    let names = |line: &str| {
        let bare = line.split('#').next().unwrap_or_default();
        bare.split_whitespace().any(|word| word == package)
    };
    text.lines().position(names).map(|at| at + 1)
}

/// Python requirements of the chosen modules, sorted, each once; what is none is left out, see [`super::module_breaks`].
pub fn python_of(modules: &BTreeMap<String, String>, seen: &RepositorySeen) -> Vec<String> {
    let mut all = BTreeSet::new();
    for name in modules.keys() {
        if let Some(Ok(module)) = seen.modules.get(name) {
            let needs = module.python.iter().map(|need| need.trim());
            all.extend(needs.filter(|need| is_need(need)).map(distribution));
        }
    }
    all.into_iter().collect()
}

fn distribution(need: &str) -> String {
    let known = IMPORTS.iter().find(|(import, _)| *import == need);
    known.map_or_else(|| need.to_owned(), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::ModuleSeen;
    use super::*;
    use crate::spec::Series;

    #[test]
    fn an_option_of_an_installer_is_no_need() {
        for good in [
            "a",
            "a>=1,<2",
            "a[b]==1 ; python_version < '3.12'",
            "py-Asterisk",
            "a-b_c.d~=1.0",
        ] {
            assert!(is_need(good), "{good}");
        }
        for bad in [
            "--index-url https://e.example",
            "-r /root/x",
            "a --find-links /tmp",
            "a\n--index-url https://e.example",
            "a\t-r x",
            "",
            "./dir",
        ] {
            assert!(!is_need(bad), "{bad}");
        }
    }

    #[test]
    fn a_list_of_debian_packages_holds_names_and_nothing_else() {
        let text = "# for labels\nlibcups2-dev\nffmpeg # films\n\ng++ ffmpeg\n";
        assert_eq!(debian_of(text).unwrap(), ["ffmpeg", "g++", "libcups2-dev"]);
        for bad in [
            "a", "-y", "x;reboot", "$(id)", "A-b", "x=1", "x\u{e9}", "`id`", "x/sid", "'x'",
        ] {
            assert_eq!(debian_of(&format!("cups\n{bad}\n")).unwrap_err(), bad);
        }
    }

    #[test]
    fn a_package_is_found_in_its_line() {
        let text = "# libcups2\n\nffmpeg libcups2-dev\nlibcups2 # labels\n";
        assert_eq!(debian_line_of(text, "libcups2"), Some(4));
        assert_eq!(debian_line_of(text, "labels"), None);
    }

    #[test]
    fn only_the_chosen_modules_count_and_imports_become_distributions() {
        let module = |needs: &str| {
            let text =
                format!("{{'version': '18.0.1.0.0', 'external_dependencies': {{'python': [{needs}]}}}}");
            ModuleSeen::read(text.as_bytes(), Series::V18)
        };
        let seen = RepositorySeen {
            modules: [
                ("a".to_owned(), module("'ldap', 'openupgradelib>=3'")),
                ("b".to_owned(), module("'xlrd'")),
            ]
            .into(),
            ..RepositorySeen::default()
        };
        let chosen = [("a".to_owned(), String::new())].into();
        assert_eq!(python_of(&chosen, &seen), ["openupgradelib>=3", "python-ldap"]);
    }
}
