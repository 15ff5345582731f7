//! `apt-get` with a state directory of our own: signed packages of another suite, nothing of the host's apt changed.
use camino::{Utf8Path, Utf8PathBuf};

use crate::exec::Cmd;

/// What the host's apt says about one package index; `indextargets` knows no `SIGNED_BY` (tried, apt 2.6.1).
const INDEX_FORMAT: &str = "$(REPO_URI)|$(COMPONENT)|$(ORIGIN)|$(LABEL)|$(RELEASE)";

/// Where the Debian keyring is, newest name first (trixie renames it).
pub(crate) const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/// How the host reaches its mirrors; these settings are carried over, its hooks are not.
const CARRIED: [&str; 10] = [
    "Acquire::Check-",
    "Acquire::Max-ValidTime",
    "Acquire::Min-ValidTime",
    "Acquire::http::",
    "Acquire::https::",
    "Acquire::ftp::",
    "Acquire::ForceIPv",
    "Acquire::Retries",
    "Acquire::socks",
    "Acquire::tor",
];

/// Directories that apt does not make for itself.
pub(crate) const DIRECTORIES: [&str; 8] = [
    "etc",
    "log",
    "state",
    "state/lists",
    "state/lists/partial",
    "cache",
    "cache/archives",
    "cache/archives/partial",
];

/// A package file as the index names it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Package {
    /// Package name.
    pub(crate) name: String,
    /// Version with its epoch.
    pub(crate) version: String,
    /// Bytes.
    pub(crate) size: u64,
    /// In hex.
    pub(crate) sha256: String,
}

/// Lists the host's package indexes.
pub(crate) fn index_targets() -> Cmd {
    Cmd::new("apt-get").args(["indextargets", "--format", INDEX_FORMAT, "Created-By: Packages"])
}

/// The Debian mirror of the host: its main archive, neither security nor updates.
///
/// # Shape
/// `None` when the host has no Debian mirror. A host that never ran `apt-get update` knows no origins: then an
/// address that says Debian is taken, and the signature decides.
pub(crate) fn parse_mirror(text: &str) -> Option<String> {
    let rows = || text.lines().map(|line| line.split('|').collect::<Vec<_>>());
    let known =
        rows().find(|row| row.len() == 5 && row[1] == "main" && row[2] == "Debian" && row[3] == "Debian");
    let likely = || {
        rows().find(|row| {
            row.len() == 5
                && row[1] == "main"
                && row[2].is_empty()
                && row[0].contains("debian")
                && !row[4].contains('-')
        })
    };
    known.or_else(likely).map(|row| row[0].to_owned())
}

/// Shows the host's settings.
pub(crate) fn settings() -> Cmd {
    Cmd::new("apt-config").arg("dump")
}

/// The settings that say how mirrors are reached, verbatim.
pub(crate) fn parse_settings(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| CARRIED.iter().any(|prefix| line.starts_with(prefix)))
        .map(str::to_owned)
        .collect()
}

/// The one source, in deb822 form; its file name must end in `.sources`.
pub(crate) fn sources(mirror: &str, suite: &str, keyring: &str) -> String {
    format!(
        "Types: deb\nURIs: {mirror}\nSuites: {suite}\nComponents: main\nArchitectures: {ARCHITECTURE}\nSigned-By: {keyring}\n"
    )
}

/// Debian's name of this machine's architecture.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    "amd64"
};

/// The configuration that is read instead of the host's.
///
/// # Source
/// Tried with apt 2.6.1: `APT_CONFIG` is read before parts and main, so only there can the host's parts (and with
/// them its `Post-Invoke` hooks) be switched off.
pub(crate) fn config(root: &Utf8Path, carried: &[String]) -> String {
    let mut lines = vec![
        "Dir::Etc::main \"/dev/null\";".to_owned(),
        "Dir::Etc::parts \"/dev/null\";".to_owned(),
        format!("Dir::Etc::sourcelist \"{}\";", sources_file(root)),
        "Dir::Etc::sourceparts \"/dev/null\";".to_owned(),
        "Dir::Etc::preferences \"/dev/null\";".to_owned(),
        "Dir::Etc::preferencesparts \"/dev/null\";".to_owned(),
        format!("Dir::State \"{root}/state\";"),
        format!("Dir::State::lists \"{root}/state/lists\";"),
        format!("Dir::State::status \"{root}/state/status\";"),
        format!("Dir::State::extended_states \"{root}/state/extended_states\";"),
        format!("Dir::Cache \"{root}/cache\";"),
        format!("Dir::Cache::archives \"{root}/cache/archives\";"),
        format!("Dir::Log \"{root}/log\";"),
        "APT::Sandbox::User \"\";".to_owned(),
        "APT::Get::List-Cleanup \"false\";".to_owned(),
        "APT::Install-Recommends \"false\";".to_owned(),
        "Acquire::Languages \"none\";".to_owned(),
        "Acquire::Retries \"3\";".to_owned(),
    ];
    lines.extend(carried.iter().cloned());
    lines.join("\n") + "\n"
}

/// Where [`config`] belongs below `root`.
pub(crate) fn config_file(root: &Utf8Path) -> Utf8PathBuf {
    root.join("etc/apt.conf")
}

/// Where [`sources`] belongs below `root`.
pub(crate) fn sources_file(root: &Utf8Path) -> Utf8PathBuf {
    root.join("etc/odoopack.sources")
}

fn apt(root: &Utf8Path) -> Cmd {
    Cmd::new("apt-get").env("APT_CONFIG", config_file(root))
}

/// Fetches the signed index; every part that could not be fetched is an error. One retry: three take 8 s without a
/// network (apt 2.6.1), and an index in the cache does as well.
pub(crate) fn update(root: &Utf8Path) -> Cmd {
    apt(root).args([
        "-q",
        "-o",
        "APT::Update::Error-Mode=any",
        "-o",
        "Acquire::Retries=1",
        "update",
    ])
}

/// Asks where packages are; `install --print-uris` would give MD5 instead of SHA-256 (tried, apt 2.6.1).
pub(crate) fn locate<'a>(root: &Utf8Path, names: impl IntoIterator<Item = &'a str>) -> Cmd {
    apt(root).args(["-qq", "download", "--print-uris"]).args(names)
}

/// Reads what [`locate`] printed: `'URI' name_version_arch.deb size SHA256:hex`, one line per package.
pub(crate) fn parse_packages(text: &str) -> Vec<Package> {
    text.lines().filter_map(parse_package).collect()
}

fn parse_package(line: &str) -> Option<Package> {
    let mut words = line.strip_prefix('\'')?.split_once("' ")?.1.split_whitespace();
    let (file, size, hash) = (words.next()?, words.next()?, words.next()?);
    let mut parts = file.strip_suffix(".deb")?.split('_');
    Some(Package {
        name: parts.next()?.to_owned(),
        version: parts.next()?.replace("%3a", ":"),
        size: size.parse().ok()?,
        sha256: hash.strip_prefix("SHA256:")?.to_owned(),
    })
}

/// Downloads exactly these versions into `directory`, checked by apt against the signed index.
pub(crate) fn download(root: &Utf8Path, directory: &Utf8Path, packages: &[&Package]) -> Cmd {
    let exact = packages
        .iter()
        .map(|package| format!("{}={}", package.name, package.version));
    apt(root)
        .args(["-qq", "download"])
        .args(exact)
        .directory(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_main_archive_and_never_security() {
        let targets = include_str!("../../fixtures/apt-2.6.1-indextargets.txt");
        assert_eq!(
            parse_mirror(targets).as_deref(),
            Some("http://mirror.example/debian/")
        );
        let backwards: Vec<&str> = targets.lines().rev().collect();
        assert_eq!(
            parse_mirror(&backwards.join("\n")).as_deref(),
            Some("http://mirror.example/debian/")
        );
    }

    #[test]
    fn without_lists_an_address_that_says_debian_is_taken() {
        let text = "http://a.example/debian-security/|main|||bookworm-security\nhttp://a.example/debian/|main|||bookworm\n";
        assert_eq!(parse_mirror(text).as_deref(), Some("http://a.example/debian/"));
        assert_eq!(
            parse_mirror("http://archive.ubuntu.com/ubuntu/|main|Ubuntu|Ubuntu|noble\n"),
            None
        );
    }

    #[test]
    fn carries_the_transport_and_leaves_the_hooks() {
        let dump = include_str!("../../fixtures/apt-2.6.1-config-dump.txt");
        assert_eq!(
            parse_settings(dump),
            [
                "Acquire::Check-Valid-Until \"false\";",
                "Acquire::Check-Date \"false\";"
            ]
        );
    }

    #[test]
    fn the_hosts_parts_are_switched_off_and_its_settings_come_last() {
        let text = config("/c".into(), &["Acquire::Retries \"9\";".to_owned()]);
        assert!(text.contains("Dir::Etc::parts \"/dev/null\";"));
        assert!(text.contains("Dir::State::status \"/c/state/status\";"));
        assert!(text.ends_with("Acquire::Retries \"3\";\nAcquire::Retries \"9\";\n"));
    }

    #[test]
    fn calls_are_exact() {
        assert_eq!(
            update("/c".into()).to_string(),
            "apt-get -q -o APT::Update::Error-Mode=any -o Acquire::Retries=1 update"
        );
        assert_eq!(
            locate("/c".into(), ["a", "b"]).to_string(),
            "apt-get -qq download --print-uris a b"
        );
        let package = &parse_packages(include_str!("../../fixtures/apt-2.6.1-print-uris.txt"))[0];
        assert_eq!(
            download("/c".into(), "/d".into(), &[package]).to_string(),
            "apt-get -qq download fonts-roboto-unhinted=2:3.016-1"
        );
    }

    #[test]
    fn reads_names_versions_and_hashes() {
        let packages = parse_packages(include_str!("../../fixtures/apt-2.6.1-print-uris.txt"));
        assert_eq!(
            packages[2],
            Package {
                name: "odoo-19".to_owned(),
                version: "19.0.0+dfsg-1".to_owned(),
                size: 122_533_504,
                sha256: "9d2f598b0555db17e291d48ed24df184c70823c053c4c5ed53c467ca7f629bbf".to_owned(),
            }
        );
        assert_eq!(packages[0].version, "2:3.016-1");
    }
}
