//! Parses the command line, runs one command, returns its exit code.
mod exec;
mod failure;
mod files;
mod probe;
mod ui;

fn main() {}
