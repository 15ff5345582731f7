//! Which Python of the host an environment is made from.
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::spec::Series;

use crate::exec::find_program;
use crate::failure::{Failure, Result};
use crate::tools::python::{self, Interpreter};

/// Chooses an interpreter that the series supports: the distribution's own first, else one on PATH.
///
/// # Shape
/// `asked` is the file's `python`, a name or a path. With `shared`, users other than ours run it, so it must be one
/// that everybody may execute: never one below somebody's home.
pub(crate) fn choose(wanted: Series, asked: Option<&str>, shared: bool) -> Result<Utf8PathBuf> {
    if let Some(asked) = asked {
        return chosen(wanted, asked, shared);
    }
    let fitting = candidates(wanted).into_iter().find(|program| {
        probe(program)
            .is_ok_and(|found| fits(wanted, &found) && (!shared || is_for_everybody(&found.program)))
    });
    fitting.ok_or_else(|| nothing_fits(wanted))
}

fn candidates(wanted: Series) -> Vec<Utf8PathBuf> {
    let names: Vec<String> = wanted
        .pythons()
        .iter()
        .map(|minor| format!("python3.{minor}"))
        .collect();
    let own = names
        .iter()
        .map(|name| Utf8Path::new("/usr/bin").join(name))
        .filter(|path| path.is_file());
    let other = names
        .iter()
        .map(String::as_str)
        .chain(["python3"])
        .filter_map(find_program);
    own.chain(other).collect()
}

fn chosen(wanted: Series, asked: &str, shared: bool) -> Result<Utf8PathBuf> {
    let found = if asked.contains('/') {
        Some(asked.into())
    } else {
        find_program(asked)
    };
    let program = found.ok_or_else(|| Failure::refused(format!("there is no Python `{asked}`")))?;
    let found = probe(&program)?;
    if !fits(wanted, &found) {
        let (major, minor) = found.version;
        return Err(nothing_fits(wanted).during(format!("`{asked}` is Python {major}.{minor}")));
    }
    if shared && !is_for_everybody(&found.program) {
        return Err(Failure::refused(format!(
            "`{asked}` is `{}`, which other users may not execute",
            found.program
        ))
        .hint("leave `python` out of [odoo] to use the distribution's own"));
    }
    Ok(program)
}

fn fits(wanted: Series, found: &Interpreter) -> bool {
    let (lowest, highest) = wanted.python();
    (lowest..=highest).contains(&found.version)
}

fn nothing_fits(wanted: Series) -> Failure {
    let ((_, lowest), (_, highest)) = wanted.python();
    let range = format!("Odoo {wanted} runs on Python 3.{lowest} to 3.{highest}");
    Failure::refused("no Python was found that this Odoo runs on")
        .because(range)
        .hint("`apt-get install python3 python3-venv`, or name one with `python = \"/path\"` in [odoo]")
}

/// Asks an interpreter what it is.
pub(super) fn probe(program: &Utf8Path) -> Result<Interpreter> {
    let text = python::probe(program).read()?;
    python::parse_probe(&text)
        .ok_or_else(|| Failure::failed(format!("`{program}` does not say which Python it is")).because(text))
}

/// Whether everybody may execute a program and enter every directory above it.
pub(super) fn is_for_everybody(program: &Utf8Path) -> bool {
    let mode = |path: &Utf8Path| path.metadata().map_or(0, |data| data.permissions().mode());
    mode(program) & 0o005 == 0o005
        && program
            .ancestors()
            .skip(1)
            .all(|directory| mode(directory) & 0o001 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_distributions_own_and_refuses_what_others_cannot_run() {
        let program = choose(Series::V19, None, true).unwrap();
        assert!(is_for_everybody(&program), "{program}");
        let keep = tempfile::tempdir().unwrap();
        let home = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap();
        crate::files::directory(&home, 0o700, None).unwrap();
        let hidden = home.join("python");
        std::fs::copy(&program, &hidden).unwrap();
        assert!(!is_for_everybody(&hidden));
    }

    #[test]
    fn says_which_versions_would_do() {
        let failure = choose(Series::V18, Some("no-such-python"), false).unwrap_err();
        assert_eq!(failure.chain(), ["there is no Python `no-such-python`"]);
        assert_eq!(
            nothing_fits(Series::V18).chain()[1],
            "Odoo 18.0 runs on Python 3.10 to 3.13"
        );
    }
}
