//! What Python has compiled of modules, and whether it is what runs.
use camino::Utf8Path;

use super::machine;
use super::stack::docker;

/// Loads a file as an import does, and says how.
const LOAD: &str = "import importlib.machinery as m, sys; m.SourceFileLoader('x', sys.argv[1]).get_code('x')";

/// Every compiled file below a module, and when it was made or written to.
pub(crate) fn times(module: &Utf8Path) -> Vec<(String, String)> {
    let said = machine::must(
        "find",
        &[module.as_str(), "-name", "*.pyc", "-printf", "%P %C@\\n"],
    );
    let mut all: Vec<_> = said
        .lines()
        .map(|line| {
            let (path, time) = line.rsplit_once(' ').unwrap();
            (path.to_owned(), time.to_owned())
        })
        .collect();
    all.sort();
    all
}

/// How many files there are that can be compiled.
pub(crate) fn sources(module: &Utf8Path) -> usize {
    let said = machine::must("find", &[module.as_str(), "-name", "*.py"]);
    said.lines().count()
}

/// Whether Python in a container takes what was compiled instead of a source.
pub(crate) fn matches(container: &str, source: &Utf8Path) -> bool {
    let call = ["exec", container, "python3", "-v", "-c", LOAD, source.as_str()];
    let said = docker(&call).exits(0).stderr;
    said.lines()
        .any(|line| line.contains("/__pycache__/") && line.ends_with(&format!(" matches {source}")))
}

#[track_caller]
pub(crate) fn is_used(container: &str, source: &Utf8Path) {
    assert!(matches(container, source), "{source} is compiled at each start");
}
