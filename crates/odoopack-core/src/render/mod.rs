//! Texts of the files that other programs read: one plain function per file, `fn(&Input) -> String`.

pub mod compose;
pub mod dockerfile;
pub mod nginx;
pub mod odoo_conf;
pub mod pg_hba;
pub mod postgresql;
pub mod printing;
pub mod redis;
pub mod runit;
pub mod shell;
pub mod sql;
pub mod systemd;

/// First line of every rendered file, as a `#` comment with its line end.
///
/// # Shape
/// Scripts carry it on their second line, because their first one names the interpreter.
pub fn made_by(hash: &str) -> String {
    format!("# made by odoopack from odoopack.toml ({hash}); edit that file, not this one\n")
}
