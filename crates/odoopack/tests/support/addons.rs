//! Modules of the Odoo Community Association, from the Python package index.
use camino::{Utf8Path, Utf8PathBuf};

use super::machine::must;

/// Sessions in a database.
pub(crate) const SESSION_DB: (&str, &str) = ("odoo-addon-session-db", "19.0.1.0.0.2");

/// Fetches a wheel once and lays its module out below `to`, as a git repository of modules would be.
pub(crate) fn lay_out(package: &str, version: &str, to: &Utf8Path) {
    std::fs::create_dir_all(to).unwrap();
    let unpacked = unpacked(package, version).join("odoo/addons");
    must("cp", &["-rT", unpacked.as_str(), to.as_str()]);
}

/// A wheel, fetched and unpacked once.
pub(crate) fn unpacked(package: &str, version: &str) -> Utf8PathBuf {
    let cache = cache().join(format!("{package}-{version}"));
    let to = cache.join("unpacked");
    if to.is_dir() {
        return to;
    }
    let wheel = || {
        let mut entries = cache.read_dir_utf8().into_iter().flatten().flatten();
        entries
            .find(|entry| entry.path().extension() == Some("whl"))
            .map(camino::Utf8DirEntry::into_path)
    };
    if wheel().is_none() {
        let wanted = format!("{package}=={version}");
        let mut args = vec!["-m", "pip", "download", "--quiet", "--no-deps"];
        args.extend(["--only-binary=:all:", "-d", cache.as_str(), &wanted]);
        must("python3", &args);
    }
    // Whole or not at all: a run that is killed here leaves nothing that looks unpacked.
    let part = cache.join(format!("part-{}", std::process::id()));
    must(
        "python3",
        &["-m", "zipfile", "-e", wheel().unwrap().as_str(), part.as_str()],
    );
    drop(std::fs::rename(&part, &to));
    to
}

/// A package with everything that it needs, fetched once; Python finds it there.
pub(crate) fn installed(package: &str, version: &str) -> Utf8PathBuf {
    let to = cache().join(format!("{package}-{version}-installed"));
    if to.is_dir() {
        return to;
    }
    let part = to.with_extension(format!("part-{}", std::process::id()));
    let wanted = format!("{package}=={version}");
    let args = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--only-binary=:all:",
        "--target",
    ];
    must("python3", &[&args[..], &[part.as_str(), &wanted]].concat());
    drop(std::fs::rename(&part, &to));
    to
}

/// Packages of the OCA, `name==version` per line, of 18.0 and 19.0.
const PACKAGES: &str = include_str!("../../fixtures/oca-packages.txt");

/// The wheels of all packages in the list, each fetched once.
pub(crate) fn wheels() -> Vec<Utf8PathBuf> {
    let cache = cache().join("oca");
    std::fs::create_dir_all(&cache).unwrap();
    let file = |package: &str| {
        let (name, version) = package.split_once("==").unwrap();
        cache.join(format!("{}-{version}-py3-none-any.whl", name.replace('-', "_")))
    };
    let missing: Vec<&str> = PACKAGES
        .lines()
        .filter(|package| !file(package).is_file())
        .collect();
    for some in missing.chunks(50) {
        let mut args = vec![
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "-d",
            cache.as_str(),
        ];
        args.extend(some);
        must("python3", &args);
    }
    PACKAGES.lines().map(file).collect()
}

fn cache() -> Utf8PathBuf {
    let home = Utf8PathBuf::from(std::env::var("HOME").unwrap());
    home.join(".cache/odoopack/addons")
}
