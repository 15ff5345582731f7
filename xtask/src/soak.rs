//! `soak`: the real tests with their full counts, and what came of them in `docs/soak.md`.
use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{run, setup};

/// The binaries with real tests, and what each goes through here.
const SUBJECTS: [(&str, &str); 5] = [
    ("real_demo", "demo from nothing, a browser, drift, down and up"),
    (
        "real_faults",
        "`up` killed at every step, once in each round; every process killed",
    ),
    (
        "real_restore",
        "a restore killed at every step; imports, snapshots, a lost machine",
    ),
    ("real_pack", "secrets, modules of the OCA, a second environment"),
    (
        "real_manifests",
        "manifests broken in many ways, read beside Python's own reader",
    ),
];

/// One line of the table.
struct Row {
    what: &'static str,
    seconds: u64,
    outcome: String,
}

/// Runs everything and writes the table, also of a run that failed.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let rounds = rounds(arguments)?;
    setup::run()?;
    let mut rows = Vec::new();
    for (binary, what) in SUBJECTS {
        rows.push(subject(binary, what, rounds)?);
    }
    fs::write(run::root().join("docs/soak.md"), page(&rows, rounds)?).context("cannot write docs/soak.md")?;
    let failed = rows.iter().filter(|row| row.outcome == "FAILED").count();
    if failed > 0 {
        bail!("{failed} of {} failed; docs/soak.md says which", rows.len());
    }
    Ok(())
}

/// How often each step is killed: at once, and at later moments of the step.
fn rounds(arguments: &[String]) -> Result<u8> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => Ok(3),
        ["--rounds", count @ ("1" | "2" | "3")] => Ok(count.parse()?),
        _ => bail!("usage: cargo xtask soak [--rounds 1|2|3]"),
    }
}

/// `cargo test` and not nextest: its time limits are made for the short counts.
fn subject(binary: &str, what: &'static str, rounds: u8) -> Result<Row> {
    println!("\n== {binary}: {what}");
    let started = Instant::now();
    let output = run::cargo()
        .args([
            "test",
            // The same features as in the other chores, so that nothing is built twice.
            "--workspace",
            "--test",
            binary,
            "--",
            "--nocapture",
            // They use the same ports and accounts.
            "--test-threads=1",
        ])
        .env("ODOOPACK_SOAK", rounds.to_string())
        .output()
        .with_context(|| format!("cannot start {binary}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
    }
    let counted: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once("soak: ").map(|(_, said)| said))
        .collect();
    let outcome = match (output.status.success(), counted.as_slice()) {
        (false, _) => "FAILED".to_owned(),
        (true, []) => "passed".to_owned(),
        (true, said) => format!("passed: {}", said.join("; ")),
    };
    Ok(Row {
        what,
        seconds: started.elapsed().as_secs(),
        outcome,
    })
}

fn page(rows: &[Row], rounds: u8) -> Result<String> {
    let date = run::read(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))?;
    let machine = run::read(Command::new("uname").args(["-srm"]))?;
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let commit =
        run::read(
            Command::new("git")
                .current_dir(run::root())
                .args(["rev-parse", "--short", "HEAD"]),
        )?;
    let mut page = format!(
        "# Soak\n\nWritten by `cargo xtask soak`: the real tests with the counts of {rounds} of 3 rounds. Each outcome is of the run below.\n\n\
         - date: {}\n- commit: {}\n- machine: {}, {cores} cores\n\n| what | seconds | outcome |\n|---|---|---|\n",
        date.trim(),
        commit.trim(),
        machine.trim()
    );
    for row in rows {
        writeln!(page, "| {} | {} | {} |", row.what, row.seconds, row.outcome)?;
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_three_unless_fewer_are_asked_for() {
        let of = |words: &[&str]| rounds(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(of(&[]).unwrap(), 3);
        assert_eq!(of(&["--rounds", "1"]).unwrap(), 1);
        for wrong in [&["--rounds"][..], &["--rounds", "0"], &["1"]] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn every_subject_is_a_file_with_tests() {
        for (binary, _) in SUBJECTS {
            assert!(
                run::root()
                    .join(format!("crates/odoopack/tests/{binary}.rs"))
                    .is_file(),
                "{binary}"
            );
        }
    }
}
