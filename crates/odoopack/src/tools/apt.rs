//! apt
