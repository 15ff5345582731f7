//! `test`: everything CI runs, cheapest first, the tests and their count last.
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{deny, run, setup, tidy};

/// Runs all stages, or with words only the tests whose name, or whose file's, has one of them in it.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (options, filters): (Vec<&String>, Vec<&String>) =
        arguments.iter().partition(|argument| argument.starts_with('-'));
    if let Some(unknown) = options.iter().find(|option| option.as_str() != "--no-setup") {
        bail!("no such option: {unknown}");
    }
    let mut stages = Stages::default();
    if options.is_empty() {
        stages.run("setup", setup::run);
        stages.stop_at_failure()?;
    }
    if filters.is_empty() {
        stages.run("fmt", || run::run(run::cargo().args(["fmt", "--all", "--check"])));
        stages.run("tidy", tidy::run);
        stages.run("deny", deny::without_installing);
        stages.run("clippy", clippy);
        if has_doc_tests()? {
            stages.run("doc tests", || {
                run::run(cargo("test").args(["--workspace", "--doc"]))
            });
        }
    }
    stages.run("build", || run::run(nextest()?.arg("--no-run")));
    stages.stop_at_failure_of("build")?;
    println!("\n{}", stages.times());
    // After a run that went well and left nothing out, nextest's count stays the last line.
    let place = run::target().join("tests-left-out");
    stages.run("tests", || {
        empty(&place)?;
        run::run(nextest()?.args(named(&filters)).env(LEFT_OUT, &place))
    });
    match fs::read_to_string(&place) {
        Ok(said) => print!("{}", left_out(&said)),
        Err(error) => eprintln!(
            "error: what was left out is not known: {}: {error}",
            place.display()
        ),
    }
    stages.stop_at_failure()
}

/// Names for tests the file in which they say that they prove nothing on this machine, and why.
const LEFT_OUT: &str = "ODOOPACK_TESTS_LEFT_OUT";

fn empty(place: &Path) -> Result<()> {
    fs::write(place, "").with_context(|| format!("could not write {}", place.display()))
}

/// What was left out, one line each, and how many; nothing where nothing was.
fn left_out(said: &str) -> String {
    let lines: BTreeSet<&str> = said.lines().collect();
    let listed: String = lines.iter().flat_map(|line| ["  ", line, "\n"]).collect();
    match lines.len() {
        0 => String::new(),
        1 => format!("\nleft out, and counted as passed above:\n{listed}1 test was left out\n"),
        several => {
            format!("\nleft out, and counted as passed above:\n{listed}{several} tests were left out\n")
        }
    }
}

fn cargo(verb: &str) -> Command {
    let mut command = run::cargo();
    command.arg(verb);
    if run::is_ci() {
        command.arg("--locked");
    }
    command
}

fn clippy() -> Result<()> {
    run::run(cargo("clippy").args(["--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn nextest() -> Result<Command> {
    let Some(program) = setup::NEXTEST.find() else {
        bail!("cargo-nextest is missing: `cargo xtask setup`")
    };
    let mut command = Command::new(program);
    command
        .current_dir(run::root())
        .args(["nextest", "run", "--workspace"]);
    if run::is_ci() {
        command.args(["--locked", "--profile", "ci"]);
    }
    Ok(command)
}

/// The filter of nextest for these words; without one, all tests.
fn named(words: &[&String]) -> Vec<String> {
    let either = |word: &&String| {
        [
            "--filterset".to_owned(),
            format!("binary(~{word}) | test(~{word})"),
        ]
    };
    words.iter().flat_map(either).collect()
}

/// True when a library has an example in its documentation; without one the stage would only cost time.
fn has_doc_tests() -> Result<bool> {
    let files = tidy::Tree::load(&run::root())?.files;
    let fence = |line: &str| {
        ["//! ```", "/// ```"]
            .iter()
            .any(|fence| line.trim_start().starts_with(fence))
    };
    Ok(files
        .iter()
        .any(|file| file.path.starts_with("crates/") && file.is_rust() && file.text.lines().any(fence)))
}

/// The stages run so far; a failure is kept, so that one run tells everything that is wrong.
#[derive(Default)]
struct Stages {
    done: Vec<String>,
    failed: Vec<&'static str>,
}

impl Stages {
    fn run(&mut self, name: &'static str, stage: impl FnOnce() -> Result<()>) {
        println!("\n== {name}");
        let start = Instant::now();
        if let Err(error) = stage() {
            eprintln!("error: {name}: {error:#}");
            self.failed.push(name);
        }
        self.done
            .push(format!("{name} {:.1} s", start.elapsed().as_secs_f64()));
    }

    fn times(&self) -> String {
        self.done.join(", ")
    }

    fn stop_at_failure(&self) -> Result<()> {
        if self.failed.is_empty() {
            return Ok(());
        }
        bail!("failed: {} ({})", self.failed.join(", "), self.times())
    }

    fn stop_at_failure_of(&self, name: &str) -> Result<()> {
        if self.failed.contains(&name) {
            self.stop_at_failure()
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_names_tests_and_files_of_tests() {
        let words = ["real_stack".to_owned()];
        let named = named(&words.iter().collect::<Vec<_>>());
        assert_eq!(named, ["--filterset", "binary(~real_stack) | test(~real_stack)"]);
        assert!(super::named(&[]).is_empty());
    }

    #[test]
    fn what_was_left_out_is_told_and_counted_and_of_nothing_nothing_is_said() {
        assert_eq!(left_out(""), "");
        // A test that runs again, as in CI, is left out once.
        let said = "b: there is no Docker\na: no systemd\nb: there is no Docker\n";
        assert_eq!(
            left_out(said),
            "\nleft out, and counted as passed above:\n  a: no systemd\n  b: there is no Docker\n2 tests were left out\n"
        );
        assert!(left_out("a: no systemd\n").ends_with("  a: no systemd\n1 test was left out\n"));
    }

    #[test]
    fn a_failed_stage_is_named_at_the_end_and_the_next_one_still_runs() {
        let (mut stages, mut ran) = (Stages::default(), false);
        stages.run("first", || bail!("no"));
        stages.run("second", || {
            ran = true;
            Ok(())
        });
        assert!(ran);
        assert!(stages.stop_at_failure_of("second").is_ok());
        assert!(
            stages
                .stop_at_failure()
                .unwrap_err()
                .to_string()
                .starts_with("failed: first (first 0.0 s, second")
        );
    }

    #[test]
    fn an_unknown_option_is_refused() {
        assert_eq!(
            run(&["--fast".to_owned()]).unwrap_err().to_string(),
            "no such option: --fast"
        );
    }
}
