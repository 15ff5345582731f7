//! The program that Odoo prints with, under a memory limit of its own.
use camino::Utf8Path;

use super::made_by;
use super::shell::word;
use crate::units::Bytes;

/// Programs of wkhtmltopdf's package that Odoo starts by their names.
pub const PROGRAMS: [&str; 2] = ["wkhtmltopdf", "wkhtmltoimage"];

/// Virtual memory that one printing process may use.
///
/// # Source
/// Measured with wkhtmltopdf 0.12.6 of Debian 12: it crashes below about 1.2 GiB whatever it prints, because its
/// `JavaScript` engine reserves 1 GiB at the start; a table of 20,000 rows takes 150 MB more.
pub const MEMORY: Bytes = Bytes::gib(2);

/// The script that stands before the real program on Odoo's PATH; mode 0755.
///
/// # Shape
/// A worker of Odoo passes its own limit on (`limit_memory_hard`, `RLIMIT_AS`), and printing then dies with "error
/// code: -11" wherever that is small; a threaded server passes none on, so that one endless report could take the
/// host with it. The soft limit is set in both cases, the hard one is left alone.
///
/// # Source
/// Odoo 17.0 to 19.0, `odoo/tools/misc.py` `find_in_path` and `odoo/service/server.py` `set_limit_memory_hard`;
/// `ulimit -S -v` counts KiB and is beyond POSIX, but in dash, bash and busybox.
pub fn wrapper(hash: &str, program: &Utf8Path) -> String {
    format!(
        "#!/bin/sh\n{}# Printing has a memory limit of its own: that of Odoo's worker is too small or missing.\n\
         # shellcheck disable=SC3045\nulimit -S -v {}\nexec {} \"$@\"\n",
        made_by(hash),
        MEMORY.0 >> 10,
        word(program.as_str())
    )
}
