//! `odoopack gate`: the small proxy that stays between nginx and every environment's Odoo.
//!
//! One thread, one listener per environment, one new connection to Odoo per request. A request is sent to a
//! slot at most once: only a connection that was refused is tried again, because nothing had been said on it.

#[cfg_attr(
    not(test),
    expect(
        dead_code,
        reason = "the first command that asks the gate comes with the command line"
    )
)]
mod client;
mod commands;
mod control;
mod environment;
mod error;
mod failure;
mod flight;
mod headers;
mod hold;
mod listener;
mod log;
mod metrics;
mod proxy;
mod reload;
mod route;
mod server;
mod socket;
mod state;
mod tunnel;
mod upstream;

#[expect(
    unused_imports,
    reason = "the first command that asks the gate comes with the command line"
)]
pub(crate) use client::{CallError, call};
pub(crate) use error::GateError;
pub(crate) use server::run;

/// Says why the gate ended; until `failure.rs` does.
pub(crate) fn report(error: &GateError) -> std::process::ExitCode {
    log::log_line(&format!("error: {}\nhint: {}", error.chain(), error.hint()));
    std::process::ExitCode::from(1)
}
