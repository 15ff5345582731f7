//! Parses the command line, runs one command, returns its exit code.

mod gate;

use std::process::ExitCode;

/// Stands here until the command line does: `odoopack gate --config FILE`.
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [command, flag, config] = arguments.as_slice() else {
        return ExitCode::from(2);
    };
    if command != "gate" || flag != "--config" {
        return ExitCode::from(2);
    }
    match gate::run(config.as_str().into()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => gate::report(&error),
    }
}
