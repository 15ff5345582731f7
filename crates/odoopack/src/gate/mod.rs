//! `odoopack gate`: the small proxy that stays between nginx and every environment's Odoo.
//!
//! One thread, one listener per environment, one new connection to Odoo per request. A request is sent to a
//! slot at most once: only a connection that was refused is tried again, because nothing had been said on it.

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

pub(crate) use client::{CallError, call};
pub(crate) use reload::read_config;
pub(crate) use server::run;
