//! What Odoo itself reads and prints, per series.

pub mod conf_file;
pub mod log;
pub mod options;
mod series;

pub use series::{Role, Series, UnknownSeries};
