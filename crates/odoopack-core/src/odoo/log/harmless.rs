//! Entries of level ERROR that do not mean that the act failed.
use super::{Entry, Level};

/// One known entry.
#[derive(Clone, Copy, Debug)]
pub struct Harmless {
    /// The logger.
    pub logger: &'static str,
    /// What the message begins with.
    pub begins: &'static str,
    /// What it must contain besides; empty: nothing.
    pub contains: &'static str,
    /// Why it is harmless, and where that can be read.
    pub because: &'static str,
}

/// The table; an entry comes in only with the source that proves it, and CRITICAL never does.
pub const HARMLESS: &[Harmless] = &[
    Harmless {
        logger: "odoo.sql_db",
        begins: "bad query: ",
        contains: "could not serialize access",
        because: "two transactions met and the later one is tried again; where nobody tries again the exception itself \
                  ends the act and is logged (odoo/service/model.py `retrying`, 17.0 to 19.0)",
    },
    Harmless {
        logger: "odoo.addons.base.models.ir_actions_report",
        begins: "Error when trying to remove file ",
        contains: "",
        because: "a temporary file of a report stays behind (ir_actions_report.py `_run_wkhtmltopdf`, 17.0 to 19.0)",
    },
];

impl Harmless {
    /// The row that knows this entry.
    pub fn of(entry: &Entry) -> Option<&'static Self> {
        if entry.level != Level::Error {
            return None;
        }
        HARMLESS.iter().find(|known| {
            entry.logger == known.logger
                && entry.message.starts_with(known.begins)
                && entry.message.contains(known.contains)
        })
    }
}
