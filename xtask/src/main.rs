//! The project's own chores: set-up, tests, tidy, benchmarks.
fn main() {}
