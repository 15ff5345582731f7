//! `uv`: resolves requirements into a lock with hashes and makes virtual environments that hold exactly that lock.
use std::collections::BTreeMap;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use crate::exec::Cmd;

/// The version that everything here was tried with.
pub(crate) const VERSION: &str = "0.13.9";

/// The wheels of [`VERSION`] that pip may take, for both machines we run on.
///
/// # Source
/// The package index, file list of uv 0.13.9: `manylinux_2_17_x86_64`, `manylinux_2_17_aarch64.musllinux_1_1_aarch64`,
/// `manylinux_2_28_aarch64`.
const HASHES: [&str; 3] = [
    "d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19",
    "5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe",
    "ecb6028d79dc96fbeafffe5c8af62a7099487ebc05a701e76714eebcffd06375",
];

/// Variables of the user that decide how the network is reached; no others are passed on.
const NETWORK: [&str; 10] = [
    "ALL_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "all_proxy",
    "https_proxy",
    "http_proxy",
    "no_proxy",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
];

/// The requirement that brings uv itself: one version, known bytes.
pub(crate) fn requirement() -> String {
    let hashes = HASHES.map(|hash| format!(" --hash=sha256:{hash}")).concat();
    format!("uv=={VERSION}{hashes}\n")
}

/// How uv is called: which program, which cache, which index.
#[derive(Clone, Debug)]
pub(crate) struct Uv {
    /// The program.
    pub(crate) program: Utf8PathBuf,
    /// Downloaded and unpacked wheels.
    pub(crate) cache: Utf8PathBuf,
    /// Variables from [`index`] and [`network`].
    pub(crate) env: BTreeMap<String, String>,
}

/// The user's network variables out of `lookup`.
pub(crate) fn network(lookup: impl Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    NETWORK
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), lookup(name)?)))
        .collect()
}

/// Translates pip's configuration into uv's variables: uv reads none of pip's files. They are variables and not
/// arguments because an index address may hold a password.
pub(crate) fn index(pip: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let names = [
        ("index-url", "UV_DEFAULT_INDEX"),
        ("extra-index-url", "UV_INDEX"),
        ("trusted-host", "UV_INSECURE_HOST"),
        ("cert", "SSL_CERT_FILE"),
        ("find-links", "UV_FIND_LINKS"),
        ("proxy", "ALL_PROXY"),
    ];
    let value = |key: &str| pip.get(key).filter(|value| !value.is_empty()).cloned();
    names
        .into_iter()
        .filter_map(|(key, name)| Some((name.to_owned(), value(key)?)))
        .collect()
}

/// One resolution.
#[derive(Debug)]
pub(crate) struct Compile<'a> {
    /// What is wanted.
    pub(crate) wanted: &'a Utf8Path,
    /// Versions for what comes without one.
    pub(crate) constraints: &'a Utf8Path,
    /// What is taken instead of what is asked for.
    pub(crate) overrides: &'a Utf8Path,
    /// Where the lock goes.
    pub(crate) lock: &'a Utf8Path,
}

/// A Python that is not on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Elsewhere {
    /// `3.12`.
    pub(crate) version: String,
    /// `x86_64-unknown-linux-gnu`.
    pub(crate) platform: String,
}

impl Uv {
    fn call(&self) -> Cmd {
        let mut cmd = Cmd::new(self.program.as_str())
            .bare()
            .env("UV_CACHE_DIR", self.cache.as_str())
            .env("UV_NO_CONFIG", "1")
            .env("UV_PYTHON_DOWNLOADS", "never")
            .env("UV_SYSTEM_CERTS", "true")
            .env("HOME", self.cache.as_str())
            .umask(0o022)
            .patience(Duration::from_mins(30));
        for (name, value) in &self.env {
            cmd = cmd.env(name, value);
        }
        cmd
    }

    /// Makes an empty environment in `directory`, instead of one that was left unfinished.
    pub(crate) fn venv(&self, python: &Utf8Path, directory: &Utf8Path) -> Cmd {
        self.call()
            .args(["venv", "--quiet", "--no-project", "--clear"])
            .args(["--python", python.as_str(), directory.as_str()])
    }

    /// Resolves requirements: wheels only, every hash written down.
    pub(crate) fn compile(&self, python: &Utf8Path, compile: &Compile<'_>) -> Cmd {
        self.call()
            .args(["pip", "compile", "--quiet", "--python", python.as_str()])
            .args(["--only-binary", ":all:", "--generate-hashes"])
            .args(["--no-header", "--no-annotate"])
            .args(["--constraints", compile.constraints.as_str()])
            .args(["--overrides", compile.overrides.as_str()])
            .args(["--output-file", compile.lock.as_str(), compile.wanted.as_str()])
    }

    /// The same for a Python that is not on this machine.
    pub(crate) fn compile_for(&self, there: &Elsewhere, compile: &Compile<'_>) -> Cmd {
        self.call()
            .args(["pip", "compile", "--quiet"])
            .args([
                "--python-version",
                &there.version,
                "--python-platform",
                &there.platform,
            ])
            .args(["--only-binary", ":all:", "--generate-hashes"])
            .args(["--no-header", "--no-annotate"])
            .args(["--constraints", compile.constraints.as_str()])
            .args(["--overrides", compile.overrides.as_str()])
            .args(["--output-file", compile.lock.as_str(), compile.wanted.as_str()])
    }

    /// Lays a lock out in a directory, for a Python that is not on this machine.
    pub(crate) fn install_for(&self, there: &Elsewhere, directory: &Utf8Path, lock: &Utf8Path) -> Cmd {
        self.call()
            .args([
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--target",
                directory.as_str(),
            ])
            .args([
                "--python-version",
                &there.version,
                "--python-platform",
                &there.platform,
            ])
            .args([
                "--require-hashes",
                "--only-binary",
                ":all:",
                "--link-mode",
                "copy",
            ])
            .args(["--requirement", lock.as_str()])
    }

    /// Says what would be downloaded for a lock, without any network.
    pub(crate) fn plan(&self, environment: &Utf8Path, lock: &Utf8Path) -> Cmd {
        self.call()
            .args(["pip", "sync", "--dry-run", "--offline", "--python"])
            .arg(environment.join("bin/python").as_str())
            .args(["--require-hashes", "--only-binary", ":all:", lock.as_str()])
    }

    /// Installs a lock for a try: nothing is compiled.
    pub(crate) fn try_install(&self, environment: &Utf8Path, lock: &Utf8Path, offline: bool) -> Cmd {
        let cmd = self
            .call()
            .args(["pip", "sync", "--quiet", "--python"])
            .arg(environment.join("bin/python").as_str())
            .args([
                "--require-hashes",
                "--only-binary",
                ":all:",
                "--link-mode",
                "hardlink",
            ]);
        if offline { cmd.arg("--offline") } else { cmd }.arg(lock.as_str())
    }

    /// Makes the environment hold exactly the lock, bytecode included: the users that run it cannot write there.
    pub(crate) fn sync(&self, environment: &Utf8Path, lock: &Utf8Path, offline: bool) -> Cmd {
        let cmd = self
            .call()
            .args([
                "pip",
                "sync",
                "--quiet",
                "--python",
                environment.join("bin/python").as_str(),
            ])
            .args(["--require-hashes", "--only-binary", ":all:"])
            .args(["--link-mode", "hardlink", "--compile-bytecode"]);
        if offline { cmd.arg("--offline") } else { cmd }.arg(lock.as_str())
    }
}

/// How many packages would be downloaded, as [`Uv::plan`] says on stderr; `None` when it does not say what it would do.
///
/// # Source
/// uv 0.13.9: `Would download 3 packages` stands there only when something is missing; a package whose cached file has
/// another hash than the lock counts as missing (tried).
pub(crate) fn parse_missing(text: &str) -> Option<usize> {
    let count = |start: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(start))?;
        line.split(' ').next()?.parse().ok()
    };
    let resolved = text.lines().any(|line| line.starts_with("Resolved "));
    count("Would download ").or(resolved.then_some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uv() -> Uv {
        Uv {
            program: "/c/uv".into(),
            cache: "/c/w".into(),
            env: BTreeMap::new(),
        }
    }

    #[test]
    fn the_requirement_knows_every_byte() {
        let text = requirement();
        assert!(text.starts_with("uv==0.13.9 --hash=sha256:d7f459fe"));
        assert_eq!(text.matches("--hash=sha256:").count(), 3);
    }

    #[test]
    fn calls_are_exact() {
        let compile = Compile {
            wanted: "/w/in".into(),
            constraints: "/w/c".into(),
            overrides: "/w/o".into(),
            lock: "/w/lock".into(),
        };
        assert_eq!(
            uv().compile("/usr/bin/python3".into(), &compile).to_string(),
            "/c/uv pip compile --quiet --python /usr/bin/python3 --only-binary :all: --generate-hashes --no-header --no-annotate --constraints /w/c --overrides /w/o --output-file /w/lock /w/in"
        );
        assert_eq!(
            uv().sync("/e".into(), "/w/lock".into(), true).to_string(),
            "/c/uv pip sync --quiet --python /e/bin/python --require-hashes --only-binary :all: --link-mode hardlink --compile-bytecode --offline /w/lock"
        );
        assert_eq!(
            uv().venv("/usr/bin/python3".into(), "/e".into()).to_string(),
            "/c/uv venv --quiet --no-project --clear --python /usr/bin/python3 /e"
        );
    }

    #[test]
    fn reads_how_much_is_missing() {
        let said = "Using Python 3.11.2 environment at: v\nResolved 61 packages in 11ms\n";
        assert_eq!(
            parse_missing(&format!("{said}Would install 61 packages\n + zeep==4.2.1\n")),
            Some(0)
        );
        assert_eq!(
            parse_missing(&format!(
                "{said}Would download 1 package\nWould install 61 packages\n"
            )),
            Some(1)
        );
        assert_eq!(parse_missing("error: no such option\n"), None);
        assert!(uv().plan("/e".into(), "/l".into()).to_string().ends_with(
            "pip sync --dry-run --offline --python /e/bin/python --require-hashes --only-binary :all: /l"
        ));
    }

    #[test]
    fn an_index_with_a_password_never_becomes_an_argument() {
        let pip = BTreeMap::from([(
            "index-url".to_owned(),
            "https://u:word@m.example/simple".to_owned(),
        )]);
        let env = index(&pip);
        assert_eq!(env["UV_DEFAULT_INDEX"], "https://u:word@m.example/simple");
        let shown = Uv { env, ..uv() }.venv("/p".into(), "/e".into()).to_string();
        assert!(!shown.contains("word"));
    }

    #[test]
    fn only_what_the_network_needs_is_passed_on() {
        let found = network(|name| {
            ["HTTPS_PROXY", "UV_INDEX_URL"]
                .contains(&name)
                .then(|| "x".to_owned())
        });
        assert_eq!(found.into_keys().collect::<Vec<_>>(), ["HTTPS_PROXY"]);
    }
}
