//! Decides what should be on the machine; plain data in, plain data out.
//!
//! The nouns: [`spec::Spec`] is what the file wants, [`facts::Facts`] are what was seen, [`target::Target`] is what
//! should be there, a [`plan::Plan`] is what to do about the difference. Nothing here reads a file, starts a
//! process, looks at the clock or the environment.
#![forbid(unsafe_code)]

pub mod adopt;
pub mod backup;
pub mod changed;
pub mod checks;
pub mod columns;
pub mod dump;
pub mod facts;
pub mod filestore;
pub mod foreign;
pub mod gate;
pub mod hash;
pub mod image_name;
pub mod import;
pub mod layout;
pub mod manifest;
pub mod modules;
pub mod name;
pub mod oca_lock;
pub mod odoo;
pub mod plan;
pub mod python_pins;
pub mod render;
pub mod restore;
pub mod schedule;
pub mod secret;
pub mod service;
pub mod sizing;
pub mod sorting;
pub mod spec;
pub mod target;
pub mod units;
pub mod up;
