//! Parses the command line, runs one command, returns its exit code.
mod exec;
mod failure;
mod files;
mod release;
mod tools;
mod ui;

fn main() {}
