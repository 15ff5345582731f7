//! The real binary as a gate, between keep-alive clients on unix sockets and tiny servers that behave like Odoo.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on shall panic, in its helpers too"
)]

mod client;
mod controlling;
mod gate;
mod holding;
mod messages;
mod odoo;
mod restarting;
mod switching;
mod websockets;
