//! One file per outside program: argument builders that run nothing, and parsers of captured output.
pub(crate) mod accounts;
pub(crate) mod apt;
pub(crate) mod apt_private;
pub(crate) mod crontab;
pub(crate) mod docker;
pub(crate) mod dpkg;
pub(crate) mod dumps;
pub(crate) mod git;
pub(crate) mod journalctl;
pub(crate) mod ldd;
pub(crate) mod nginx;
pub(crate) mod postgres;
pub(crate) mod python;
pub(crate) mod runit;
pub(crate) mod systemctl;
pub(crate) mod uv;
