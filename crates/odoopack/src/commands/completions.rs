//! `completions`: completion scripts for shells.
use clap::CommandFactory;

use crate::ui;

/// Print a completion script for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  odoopack completions bash > /etc/bash_completion.d/odoopack")]
pub(crate) struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

/// Runs the command.
pub(crate) fn run(args: &Args) {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut crate::cli::Cli::command(),
        "odoopack",
        &mut script,
    );
    ui::out(String::from_utf8_lossy(&script).trim_end());
}
