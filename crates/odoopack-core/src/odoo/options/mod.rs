//! The options of odoo.conf, and what may be written about them in `[odoo.options]`.
mod check;
mod elsewhere;
mod governed;
mod table;
mod value;

pub use check::{OptionMistake, check, is_secret};
pub(in crate::odoo) use check::{clause, nearest};
pub use elsewhere::{Elsewhere, Instead, elsewhere};
pub use governed::{Governor, governor};
pub use value::{BadValue, fits};

use super::Series;

/// One option that Odoo reads from odoo.conf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OdooOption {
    /// The key in the file.
    pub name: &'static str,
    /// What its values look like.
    pub kind: Kind,
    /// No argument of the command line sets it.
    pub file_only: bool,
    defaults: [Option<&'static str>; 3],
}

/// What the values of an option look like in odoo.conf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `True` or `False`.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// Any text on one line.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A file or directory; `~` and `$NAME` are expanded by Odoo.
    Path,
    /// Words with commas between.
    List,
    /// Paths with commas between.
    Paths,
}

impl OdooOption {
    /// The default in `series` as odoo.conf would show it; `None`: the series has no such option.
    ///
    /// # Shape
    /// Defaults that depend on the machine start with `<home>` or `<tmp>`. `False` and `None` stand for "not
    /// set" where the option is no boolean.
    pub fn default_in(&self, series: Series) -> Option<&'static str> {
        match series {
            Series::V17 => self.defaults[0],
            Series::V18 => self.defaults[1],
            Series::V19 => self.defaults[2],
        }
    }
}

/// Every option that `series` reads from odoo.conf.
pub fn all(series: Series) -> impl Iterator<Item = &'static OdooOption> {
    table::OPTIONS
        .iter()
        .filter(move |option| option.default_in(series).is_some())
}

/// The option `name` when `series` reads it from odoo.conf.
pub fn find(series: Series, name: &str) -> Option<&'static OdooOption> {
    all(series).find(|option| option.name == name)
}
