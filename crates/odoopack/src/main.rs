//! Parses the command line, runs one command, returns its exit code.
mod exec;
mod failure;
mod files;
mod password;
mod probe;
mod tls;
mod tools;
mod ui;

fn main() {}
