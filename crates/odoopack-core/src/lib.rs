//! Decides what should be on the machine; plain data in, plain data out.
#![forbid(unsafe_code)]

pub mod gate;
