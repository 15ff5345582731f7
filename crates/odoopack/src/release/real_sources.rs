//! more
