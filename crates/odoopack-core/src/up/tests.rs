//! The planner against a model of a machine: tables of refusals, and convergence from anywhere.
mod adopt;
mod clusters;
mod containers;
mod docker;
mod effects;
mod examples;
mod given;
mod holds;
mod images;
mod machine;
mod model;
mod modules;
mod servers;
mod tables;
mod units;
mod unnamed;
mod views;
