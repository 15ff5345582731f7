//! `gen`: pages that are made from the binary; the tests that compare them write them when told to.
use anyhow::Result;

use crate::run;

/// What is done with a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Write,
    Check,
}

/// Runs the tests that own generated text. Blocks marked `real` need a demo and are left to `cargo xtask test`.
pub(crate) fn run(mode: Mode) -> Result<()> {
    let mut command = run::cargo();
    command.args([
        "test",
        "--quiet",
        "--package",
        "odoopack",
        "--test",
        "cli",
        "--test",
        "guides",
    ]);
    command.args(["--", "--skip", "real_"]);
    match mode {
        Mode::Write => command.env("ODOOPACK_TRANSCRIPTS", "write"),
        Mode::Check => command.env_remove("ODOOPACK_TRANSCRIPTS"),
    };
    run::run(&mut command)
}
