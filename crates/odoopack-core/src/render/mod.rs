//! Text of the files that a plan writes.

pub mod odoo_conf;
