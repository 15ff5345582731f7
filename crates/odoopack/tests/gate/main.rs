//! The real binary as a gate, between keep-alive clients on unix sockets and tiny servers that behave like Odoo.

mod client;
mod controlling;
mod gate;
mod holding;
mod messages;
mod odoo;
mod restarting;
mod switching;
mod websockets;
