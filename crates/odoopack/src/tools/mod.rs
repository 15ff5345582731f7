//! One file per outside program: argument builders that run nothing, and parsers of captured output.
pub(crate) mod apt;
pub(crate) mod apt_private;
pub(crate) mod dpkg;
pub(crate) mod git;
pub(crate) mod python;
pub(crate) mod uv;
