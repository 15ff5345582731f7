//! Parses the command line, runs one command, returns its exit code.
mod apply;
mod backup;
mod cli;
mod commands;
mod context;
mod engines;
mod exec;
mod failure;
mod files;
mod gate;
mod hint;
mod interrupt;
mod jobs;
mod lockfile;
mod observe;
mod oca;
mod oneshot;
mod password;
mod probe;
mod release;
mod session;
mod store;
mod tls;
mod tools;
mod ui;

use std::process::ExitCode;

use clap::Parser;

/// Manifests and lists of files are many small texts, made by several threads at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit code of a panic: a bug of ours.
const BUG: u8 = 70;

fn main() -> ExitCode {
    std::panic::catch_unwind(run).unwrap_or_else(|_| {
        ui::failure("error: this is a bug in odoopack\nhint: report it with the command and the lines above");
        ExitCode::from(BUG)
    })
}

fn run() -> ExitCode {
    // Modes are ours to choose: with a caller's 077 the servers could not read what is built for them.
    exec::set_umask();
    let cli = cli::Cli::parse();
    let json = cli.json;
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let interrupted = interrupt::exit_code();
            let code = interrupted.unwrap_or(failure.kind as u8);
            if json {
                let mut document = failure.json();
                document["exit_code"] = code.into();
                ui::failure_json(&document);
            } else {
                ui::failure(&failure::render(&failure));
            }
            if interrupted.is_some() {
                ui::failure(interrupt::AGAIN);
            }
            ExitCode::from(code)
        }
    }
}
