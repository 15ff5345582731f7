//! What runs the processes; each engine converges, starts, stops and observes services.
pub(crate) mod runit;
