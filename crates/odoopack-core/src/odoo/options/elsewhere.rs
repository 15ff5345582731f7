//! Names that people write into odoo.conf although the series has no such option.
use crate::odoo::Series::{self, V17, V18, V19};

/// A name that is no option of the series, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// The name as people write it.
    pub name: &'static str,
    /// What to use.
    pub instead: Instead,
    /// First and last series of which this holds.
    during: (Series, Series),
    /// Last series that still obeys it as an old name; `None`: no series known here does.
    obeyed_until: Option<Series>,
}

/// What to use instead of a name that is no option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead {
    /// Another option of odoo.conf.
    Option(&'static str),
    /// Something in odoopack.toml.
    Pack(&'static str),
    /// It exists, but only as an argument; a value in the file is ignored.
    CommandLine,
    /// Nothing, for this reason.
    Nothing(&'static str),
}

use Instead::{CommandLine, Nothing, Option as To, Pack};

impl Elsewhere {
    /// Whether `series` still obeys the old name.
    pub fn is_read_by(&self, series: Series) -> bool {
        self.obeyed_until.is_some_and(|last| series <= last)
    }

    /// What the name is in `series`, as the middle of a sentence.
    pub fn standing(&self, series: Series) -> &'static str {
        if self.is_read_by(series) {
            "an old name in"
        } else {
            "no option of"
        }
    }

    const fn obeyed_until(self, last: Series) -> Self {
        Self {
            obeyed_until: Some(last),
            ..self
        }
    }

    const fn from(self, first: Series) -> Self {
        Self {
            during: (first, self.during.1),
            ..self
        }
    }

    const fn until(self, last: Series) -> Self {
        Self {
            during: (self.during.0, last),
            ..self
        }
    }
}

const fn name(name: &'static str, instead: Instead) -> Elsewhere {
    Elsewhere {
        name,
        instead,
        during: (V17, V19),
        obeyed_until: None,
    }
}

const SESSIONS: Instead = Pack("`sessions = \"redis\"` (Odoo itself keeps sessions on disk in every series)");
const TLS: Instead = Pack("`environments.NAME.tls` (Odoo speaks no TLS itself, nginx does)");
const ROTATE: Instead =
    Nothing("Odoo no longer rotates logs; odoopack collects standard error and rotates it");
const I18N: Instead = Nothing("use `odoo i18n` of 19.0");

/// # Source
/// `odoo/tools/config.py` of 17.0, 18.0, 19.0: `outdated_options_map`, `_warn_deprecated_options`, `aliases`,
/// `file_loadable=False`; `knowledge/odoo.md` B4; the template of odoo/docker for `xmlrpcs*`.
#[rustfmt::skip]
const NAMES: &[Elsewhere] = &[
    // Old names.
    name("longpolling_port", To("gevent_port")).obeyed_until(V17),
    name("xmlrpc_port", To("http_port")).obeyed_until(V18),
    name("xmlrpc_interface", To("http_interface")).obeyed_until(V18),
    name("xmlrpc", To("http_enable")).obeyed_until(V18),
    name("netrpc_port", Nothing("Odoo no longer speaks NET-RPC")),
    name("xmlrpcs", TLS),
    name("xmlrpcs_interface", TLS),
    name("xmlrpcs_port", TLS),
    name("secure_cert_file", TLS),
    name("secure_pkey_file", TLS),
    name("geoip_database", To("geoip_city_db")).obeyed_until(V18),
    name("osv_memory_age_limit", To("transient_age_limit")).obeyed_until(V18),
    name("import_image_maxbytes", To("import_file_maxbytes")).from(V19).obeyed_until(V19),
    name("import_image_timeout", To("import_file_timeout")).from(V19).obeyed_until(V19),
    name("import_image_regex", To("import_url_regex")).from(V19).obeyed_until(V19),
    name("import_file_maxbytes", To("import_image_maxbytes")).until(V18),
    name("import_file_timeout", To("import_image_timeout")).until(V18),
    name("import_url_regex", To("import_image_regex")).until(V18),
    name("without_demo", To("with_demo")).from(V19).obeyed_until(V19),
    name("with_demo", To("without_demo")).until(V18),
    name("logrotate", ROTATE),
    name("debug_mode", To("dev_mode")),
    name("timezone", Nothing("Odoo runs in UTC; people and companies have their own time zone")),
    name("test_report_directory", Nothing("Odoo dropped it")),
    name("test_commit", Nothing("Odoo dropped it")),
    name("demo", Pack("`environments.NAME.demo`")),
    name("language", I18N).from(V19),
    name("translate_in", I18N).from(V19),
    name("translate_out", I18N).from(V19),
    name("shell_interface", Nothing("use `odoo shell --shell-interface`")).from(V19),
    // Sessions.
    name("session_store", SESSIONS),
    name("session_redis", SESSIONS),
    name("session_redis_host", SESSIONS),
    name("session_redis_port", SESSIONS),
    name("session_redis_password", SESSIONS),
    name("session_redis_url", SESSIONS),
    name("redis_host", SESSIONS),
    name("redis_port", SESSIONS),
    name("redis_url", SESSIONS),
    name("enable_redis", SESSIONS),
    // Arguments, not keys.
    name("config", CommandLine),
    name("save", CommandLine),
    name("init", CommandLine),
    name("update", CommandLine),
    name("reinit", CommandLine),
    name("test_enable", CommandLine),
    name("root_path", Nothing("Odoo finds its own code")).from(V19),
    name("root_path", CommandLine).until(V18),
    name("translate_modules", I18N).from(V19),
    name("translate_modules", CommandLine).until(V18),
    name("dev_mode", CommandLine).until(V18),
    name("import_partial", CommandLine).from(V19),
    name("stop_after_init", CommandLine).from(V19),
    name("test_file", CommandLine).from(V19),
    name("test_tags", CommandLine).from(V19),
    // Arguments spelled as keys.
    name("load", To("server_wide_modules")),
    name("database", To("db_name")),
    name("db_filter", To("dbfilter")),
    name("dev", To("dev_mode")),
    name("smtp", To("smtp_server")),
    name("geoip_db", To("geoip_city_db")),
    name("no_database_list", To("list_db")),
    name("no_http", To("http_enable")),
    name("i18n_overwrite", To("overwrite_existing_translations")),
];

/// What is known about `name` when it is no option of `series`, or only an old name of one.
///
/// # Shape
/// Names that start with `session_redis` are all known, whatever follows.
pub fn elsewhere(series: Series, name: &str) -> Option<&'static Elsewhere> {
    let wanted = if name.starts_with("session_redis") {
        "session_redis"
    } else {
        name
    };
    let holds = |entry: &&Elsewhere| (entry.during.0..=entry.during.1).contains(&series);
    NAMES.iter().filter(holds).find(|entry| entry.name == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odoo::options::find;

    #[test]
    fn replacements_are_options_of_the_series() {
        for series in Series::ALL {
            for entry in NAMES.iter().filter_map(|entry| elsewhere(series, entry.name)) {
                if let To(option) = entry.instead {
                    let exists = find(series, option).is_some() || elsewhere(series, option).is_some();
                    assert!(exists, "{series}: {} -> {option}", entry.name);
                }
            }
        }
    }

    #[test]
    fn nothing_is_both_an_option_and_elsewhere_except_the_old_name_that_17_declares() {
        for series in Series::ALL {
            for entry in NAMES.iter().filter_map(|entry| elsewhere(series, entry.name)) {
                let both = find(series, entry.name).is_some();
                assert_eq!(
                    both,
                    (series, entry.name) == (V17, "longpolling_port"),
                    "{series} {}",
                    entry.name
                );
            }
        }
    }
}
