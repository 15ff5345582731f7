//! The planner against a model of a machine: tables of refusals, and convergence from anywhere.
mod containers;
mod machine;
mod model;
mod tables;
mod units;
