//! The host's Python: its version, a plain virtual environment, and pip's own view of where packages come from.
use std::collections::BTreeMap;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

use crate::exec::Cmd;

/// Prints what an environment depends on: version, machine, C library, the real program.
const PROBE: &str = "import os,platform,sys;print('.'.join(map(str,sys.version_info[:3])),platform.machine(),\
                     '-'.join(platform.libc_ver()) or 'libc',os.path.realpath(sys.executable))";

/// An interpreter of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interpreter {
    /// Major and minor version.
    pub(crate) version: (u16, u16),
    /// Everything that decides which wheels fit: version, machine, C library.
    pub(crate) platform: String,
    /// The program itself, links followed.
    pub(crate) program: Utf8PathBuf,
}

/// Prints the name of every distribution that Python has.
const DISTRIBUTIONS: &str =
    "import importlib.metadata as m;print('\\n'.join(d.metadata['Name'] or '' for d in m.distributions()))";

/// What a Python anywhere is given to say what it is.
pub(crate) const fn probe_words() -> [&'static str; 3] {
    ["-I", "-c", PROBE]
}

/// Prints every distribution that Python has with its version.
const VERSIONS: &str = "import importlib.metadata as m;print('\\n'.join('%s==%s' % (d.metadata['Name'] or '', d.version) for d in m.distributions()))";

/// What a Python anywhere is given to name its distributions with their versions, one a line: `name==version`.
pub(crate) const fn version_words() -> [&'static str; 3] {
    ["-I", "-c", VERSIONS]
}

/// What a Python anywhere is given to name its distributions, one a line.
pub(crate) const fn distribution_words() -> [&'static str; 3] {
    ["-I", "-c", DISTRIBUTIONS]
}

/// Asks an interpreter what it is; the user's site packages and environment are left out.
pub(crate) fn probe(program: &Utf8Path) -> Cmd {
    Cmd::new(program.as_str())
        .args(["-I", "-c", PROBE])
        .patience(Duration::from_secs(30))
}

/// Reads what [`probe`] printed.
pub(crate) fn parse_probe(text: &str) -> Option<Interpreter> {
    let mut words = text.trim().splitn(4, ' ');
    let (version, machine, libc, program) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let mut numbers = version.split('.').map(str::parse);
    Some(Interpreter {
        version: (numbers.next()?.ok()?, numbers.next()?.ok()?),
        platform: format!("{version} {machine} {libc}"),
        program: Utf8PathBuf::from(program),
    })
}

/// Says of each requirement in its argument, a JSON list, what is wrong with it; nothing of those that are met. The rule is that of Odoo
/// 19.0, `odoo/modules/module.py` `check_python_external_dependency`, and the words are ours. With a second argument it judges with
/// pip's own copy of `packaging` where that package is not there, which Odoo itself does not.
const REQUIREMENTS: &str = r#"
import importlib.metadata, importlib.util, json, re, sys
try:
    from packaging.requirements import InvalidRequirement, Requirement
except ImportError:
    Requirement = None
    if len(sys.argv) > 2:
        try:
            from pip._vendor.packaging.requirements import InvalidRequirement, Requirement
        except ImportError:
            pass
def wrong(text):
    name, specifier = text, None
    if Requirement is not None:
        try:
            wanted = Requirement(text)
        except InvalidRequirement as error:
            return "it is no requirement: " + str(error).splitlines()[0]
        if wanted.marker and not wanted.marker.evaluate():
            return None
        name, specifier = wanted.name, wanted.specifier
    elif not re.fullmatch(r"[\w.\-]+", text):
        return "it cannot be judged: the environment has no package `packaging`"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        try:
            there = importlib.util.find_spec(text) is not None
        except (ImportError, ValueError):
            there = False
        return None if there else "not installed"
    if specifier and not specifier.contains(version):
        return version + " is installed"
    return None
found = {text: wrong(text) for text in json.loads(sys.argv[1])}
print(json.dumps({text: why for text, why in found.items() if why is not None}))
"#;

/// Asks the Python of an environment which of these requirements it does not meet.
pub(crate) fn unmet(venv: &Utf8Path, requirements: &[&str]) -> Cmd {
    Cmd::new(venv.join("bin/python").as_str())
        .args(unmet_words(requirements))
        .patience(Duration::from_mins(1))
}

/// The same for a Python anywhere: its arguments.
pub(crate) fn unmet_words(requirements: &[&str]) -> [String; 4] {
    let list = serde_json::json!(requirements).to_string();
    ["-I".to_owned(), "-c".to_owned(), REQUIREMENTS.to_owned(), list]
}

/// As [`unmet_words`], for what is there rather than for what Odoo can read: odoo:17.0 has pip, and no `packaging`.
pub(crate) fn missing_words(requirements: &[&str]) -> [String; 5] {
    let [isolated, option, script, list] = unmet_words(requirements);
    [isolated, option, script, list, "pip".to_owned()]
}

/// Reads what [`unmet`] printed: requirement to what is wrong.
pub(crate) fn parse_unmet(text: &str) -> Option<BTreeMap<String, String>> {
    serde_json::from_str(text).ok()
}

/// Makes a virtual environment with pip, for our own tools.
pub(crate) fn venv(python: &Utf8Path, directory: &Utf8Path) -> Cmd {
    Cmd::new(python.as_str())
        .args(["-I", "-m", "venv", "--clear", directory.as_str()])
        .umask(0o022)
}

/// Installs the requirements in `file`, wheels only, every byte known beforehand.
pub(crate) fn pip_install(venv: &Utf8Path, file: &Utf8Path) -> Cmd {
    pip(venv)
        .args([
            "install",
            "--quiet",
            "--no-input",
            "--no-deps",
            "--require-hashes",
            "--only-binary",
            ":all:",
        ])
        .args(["--requirement", file.as_str()])
        .umask(0o022)
        .patience(Duration::from_mins(30))
}

/// Lists pip's configuration, files and environment together.
pub(crate) fn pip_config(venv: &Utf8Path) -> Cmd {
    pip(venv).args(["config", "list"])
}

fn pip(venv: &Utf8Path) -> Cmd {
    Cmd::new(venv.join("bin/python").as_str())
        .args(["-m", "pip"])
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
}

/// What pip is configured with: option to value, as pip itself would combine them.
///
/// # Source
/// pip's user guide, "Configuration Precedence": environment over command section over `global`.
pub(crate) fn parse_pip_config(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for section in ["global", "install", ":env:"] {
        for line in text.lines() {
            let Some(rest) = line.strip_prefix(section).and_then(|rest| rest.strip_prefix('.')) else {
                continue;
            };
            if let Some((key, value)) = rest.split_once('=') {
                found.insert(key.to_owned(), unquoted(value));
            }
        }
    }
    found
}

/// Undoes Python's `repr`, in which pip prints values; several lines come back as words.
fn unquoted(value: &str) -> String {
    value
        .trim_matches(['\'', '"'])
        .replace("\\n", " ")
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_probe() {
        let found = parse_probe("3.11.2 x86_64 glibc-2.36 /usr/bin/python3.11\n").unwrap();
        assert_eq!(found.version, (3, 11));
        assert_eq!(found.platform, "3.11.2 x86_64 glibc-2.36");
        assert_eq!(found.program, "/usr/bin/python3.11");
        assert_eq!(parse_probe("Python 3.11"), None);
    }

    #[test]
    fn asks_for_all_requirements_at_once() {
        let argv = unmet("/v".into(), &["lxml>=3", "a'b"]).argv();
        let [.., python, isolated, option, _, list] = &argv[..] else {
            panic!("{argv:?}")
        };
        assert_eq!([python, isolated, option], ["/v/bin/python", "-I", "-c"]);
        assert_eq!(list, r#"["lxml>=3","a'b"]"#);
        assert_eq!(
            parse_unmet("{\"a'b\": \"not installed\"}\n").unwrap()["a'b"],
            "not installed"
        );
        assert_eq!(parse_unmet("Traceback"), None);
    }

    /// Where there is no `packaging`, Odoo cannot read a version; whether a package is there is known all the same.
    #[test]
    fn without_packaging_a_version_is_judged_by_pip_when_that_is_asked() {
        let before = "import sys, types\nsys.modules['packaging'] = None\n\
            for name in ['pip', 'pip._vendor', 'pip._vendor.packaging', 'pip._vendor.packaging.requirements']:\n    \
                sys.modules[name] = types.ModuleType(name)\n\
            class Requirement:\n    marker = None\n    def __init__(self, text):\n        self.name, self.least = text.split('>=')\n    \
                specifier = property(lambda self: self)\n    contains = lambda self, version: self.least == '0'\n\
            sys.modules[name].Requirement, sys.modules[name].InvalidRequirement = Requirement, ValueError\n\
            import importlib.metadata\nimportlib.metadata.version = lambda name: '3.1'\n";
        let asked = |words: &[String]| {
            let mut words = words.to_vec();
            words[2].insert_str(0, before);
            let said = Cmd::new("python3").args(words).read().unwrap();
            parse_unmet(&said).unwrap()
        };
        let needs = ["xlrd>=0", "xlrd>=9"];
        let odoo = asked(&unmet_words(&needs));
        assert!(
            odoo.len() == 2 && odoo["xlrd>=0"].starts_with("it cannot be judged"),
            "{odoo:?}"
        );
        let there = asked(&missing_words(&needs));
        assert_eq!(
            there,
            BTreeMap::from([("xlrd>=9".to_owned(), "3.1 is installed".to_owned())])
        );
    }

    #[test]
    fn installs_only_wheels_whose_hash_is_known() {
        assert_eq!(
            pip_install("/v".into(), "/r.txt".into()).to_string(),
            "/v/bin/python -m pip install --quiet --no-input --no-deps --require-hashes --only-binary :all: --requirement /r.txt"
        );
        assert_eq!(
            venv("/usr/bin/python3.11".into(), "/v".into()).to_string(),
            "/usr/bin/python3.11 -I -m venv --clear /v"
        );
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let text = include_str!("../../fixtures/pip-23.0-config-list.txt");
        let found = parse_pip_config(text);
        assert_eq!(found["index-url"], "https://user:word@mirror.example/simple");
        assert_eq!(
            found["extra-index-url"],
            "https://a.example/simple https://b.example/simple"
        );
        assert_eq!(found["cert"], "/etc/ssl/certs/ca-certificates.crt");
    }
}
