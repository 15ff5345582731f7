//! The table: one row per option, with its default in 17.0, 18.0 and 19.0.
//!
//! # Source
//! `odoo/tools/config.py` of the three series; the lists in `fixtures/odoo-options-*.txt` say which copies.
use super::Kind::{Bool, Choice, Float, Int, List, Path, Paths, Text};
use super::{Kind, OdooOption};

const SSL_MODES: Kind = Choice(&[
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
]);
#[rustfmt::skip]
const LOG_LEVELS: Kind = Choice(&[
    "info", "debug_rpc", "warn", "test", "critical", "runbot", "debug_sql", "error", "debug", "debug_rpc_answer", "notset",
]);
const MIB: &str = "10485760";
const URLS: &str = "^(?:http|https)://";
const CITY: &str = "/usr/share/GeoIP/GeoLite2-City.mmdb";
const COUNTRY: &str = "/usr/share/GeoIP/GeoLite2-Country.mmdb";
const OPENERP: &str = "http://services.openerp.com/publisher-warranty/";
const ODOO: &str = "http://services.odoo.com/publisher-warranty/";

/// Same default everywhere.
const fn same(name: &'static str, kind: Kind, default: &'static str) -> OdooOption {
    each(name, kind, default, default, default)
}

/// "Not set" was `False` up to 18.0.
const fn unset(name: &'static str, kind: Kind, default_19: &'static str) -> OdooOption {
    each(name, kind, "False", "False", default_19)
}

/// "Not set" was `None` up to 18.0.
const fn none(name: &'static str, kind: Kind, default_19: &'static str) -> OdooOption {
    each(name, kind, "None", "None", default_19)
}

const fn each(
    name: &'static str,
    kind: Kind,
    v17: &'static str,
    v18: &'static str,
    v19: &'static str,
) -> OdooOption {
    OdooOption {
        name,
        kind,
        file_only: false,
        defaults: [Some(v17), Some(v18), Some(v19)],
    }
}

impl OdooOption {
    const fn file_only(self) -> Self {
        Self {
            file_only: true,
            ..self
        }
    }

    const fn only_17(self) -> Self {
        Self {
            defaults: [self.defaults[0], None, None],
            ..self
        }
    }

    const fn until_18(self) -> Self {
        Self {
            defaults: [self.defaults[0], self.defaults[1], None],
            ..self
        }
    }

    const fn since_18(self) -> Self {
        Self {
            defaults: [None, self.defaults[1], self.defaults[2]],
            ..self
        }
    }

    const fn since_19(self) -> Self {
        Self {
            defaults: [None, None, self.defaults[2]],
            ..self
        }
    }
}

#[rustfmt::skip]
pub(super) static OPTIONS: &[OdooOption] = &[
    // Start.
    none("addons_path", Paths, ""),
    each("upgrade_path", Paths, "None", "None", ""),
    same("pre_upgrade_scripts", Paths, ""),
    each("server_wide_modules", List, "base,web", "base,web", "base,rpc,web"),
    same("data_dir", Path, "<home>"),
    none("pidfile", Path, ""),
    same("import_partial", Path, "").until_18(),
    unset("without_demo", List, "").until_18(),
    same("with_demo", Bool, "False").since_19(),
    same("skip_auto_install", Bool, "False").since_19(),
    same("stop_after_init", Bool, "False").until_18(),
    // HTTP.
    each("http_interface", Text, "", "", "0.0.0.0"),
    same("http_port", Int, "8069"),
    same("gevent_port", Int, "8072"),
    same("longpolling_port", Int, "0").only_17(),
    same("http_enable", Bool, "True"),
    same("proxy_mode", Bool, "False"),
    same("x_sendfile", Bool, "False"),
    same("dbfilter", Text, ""),
    same("list_db", Bool, "True"),
    same("admin_passwd", Text, "admin").file_only(),
    same("websocket_keep_alive_timeout", Int, "3600").file_only(),
    same("websocket_rate_limit_burst", Int, "10").file_only(),
    same("websocket_rate_limit_delay", Float, "0.2").file_only(),
    // Database.
    unset("db_name", List, ""),
    unset("db_user", Text, ""),
    unset("db_password", Text, ""),
    unset("db_host", Text, ""),
    unset("db_port", Int, "None"),
    unset("db_replica_host", Text, "None").since_18(),
    unset("db_replica_port", Int, "None").since_18(),
    same("db_sslmode", SSL_MODES, "prefer"),
    same("db_maxconn", Int, "64"),
    unset("db_maxconn_gevent", Int, "None"),
    same("db_template", Text, "template0"),
    same("db_app_name", Text, "odoo-{pid}").since_19(),
    none("pg_path", Path, ""),
    same("unaccent", Bool, "False"),
    // Mail.
    unset("email_from", Text, ""),
    unset("from_filter", Text, ""),
    same("smtp_server", Text, "localhost"),
    same("smtp_port", Int, "25"),
    same("smtp_ssl", Bool, "False"),
    unset("smtp_user", Text, ""),
    unset("smtp_password", Text, ""),
    unset("smtp_ssl_certificate_filename", Path, ""),
    unset("smtp_ssl_private_key_filename", Path, ""),
    // Logs.
    none("logfile", Path, ""),
    same("syslog", Bool, "False"),
    same("log_handler", List, ":INFO"),
    same("log_level", LOG_LEVELS, "info"),
    unset("log_db", Text, ""),
    same("log_db_level", Text, "warning"),
    // Processes and limits.
    same("workers", Int, "0"),
    same("max_cron_threads", Int, "2"),
    same("limit_time_worker_cron", Int, "0"),
    same("limit_memory_soft", Int, "2147483648"),
    same("limit_memory_hard", Int, "2684354560"),
    unset("limit_memory_soft_gevent", Int, "None").since_18(),
    unset("limit_memory_hard_gevent", Int, "None").since_18(),
    same("limit_time_cpu", Int, "60"),
    same("limit_time_real", Int, "120"),
    same("limit_time_real_cron", Int, "-1"),
    same("limit_request", Int, "65536"),
    same("osv_memory_count_limit", Int, "0"),
    same("transient_age_limit", Float, "1.0"),
    // Files and places.
    same("geoip_city_db", Path, CITY),
    same("geoip_country_db", Path, COUNTRY),
    same("bin_path", Path, "").file_only(),
    same("csv_internal_sep", Text, ",").file_only(),
    same("reportgz", Bool, "False").file_only(),
    each("publisher_warranty_url", Text, OPENERP, ODOO, ODOO).file_only(),
    same("proxy_access_token", Text, "").file_only(),
    same("default_productivity_apps", Bool, "False").file_only().since_19(),
    same("import_image_maxbytes", Int, MIB).file_only().until_18(),
    same("import_image_timeout", Int, "3").file_only().until_18(),
    same("import_image_regex", Text, URLS).file_only().until_18(),
    same("import_file_maxbytes", Int, MIB).file_only().since_19(),
    same("import_file_timeout", Int, "3").file_only().since_19(),
    same("import_url_regex", Text, URLS).file_only().since_19(),
    // Translations, development, tests.
    same("load_language", Text, "None"),
    same("overwrite_existing_translations", Bool, "False"),
    same("language", Text, "None").until_18(),
    same("translate_in", Path, "None").until_18(),
    same("translate_out", Path, "None").until_18(),
    same("shell_interface", Text, "None").until_18(),
    same("dev_mode", List, "").since_19(),
    same("test_file", Path, "False").until_18(),
    same("test_tags", Text, "None").until_18(),
    none("screencasts", Path, ""),
    same("screenshots", Path, "<tmp>/odoo_tests"),
];

#[cfg(test)]
mod tests {
    use super::super::{Kind, OdooOption, all};
    use crate::odoo::Series;

    fn captured(series: Series) -> &'static str {
        match series {
            Series::V17 => include_str!("../../../fixtures/odoo-options-17.0.txt"),
            Series::V18 => include_str!("../../../fixtures/odoo-options-18.0.txt"),
            Series::V19 => include_str!("../../../fixtures/odoo-options-19.0.txt"),
        }
    }

    /// The type that the parser of the series gives to an option of this kind.
    fn type_name(option: &OdooOption, series: Series) -> &'static str {
        match (option.kind, series) {
            (_, Series::V17 | Series::V18) if option.file_only => "raw",
            (Kind::Bool, _) => "bool",
            (Kind::Int, _) => "int",
            (Kind::Float, _) => "float",
            (Kind::Choice(_), _) => "choice",
            (Kind::Path, Series::V19) => "path",
            (Kind::List, Series::V19) => "comma",
            (Kind::Paths, Series::V19) => option.name,
            (Kind::Text | Kind::Path | Kind::List | Kind::Paths, _) => "string",
        }
    }

    #[test]
    fn table_is_what_the_parser_of_each_series_reads() {
        for series in Series::ALL {
            let mut captured: Vec<&str> = captured(series)
                .lines()
                .filter(|l| !l.starts_with('#') && !l.ends_with("cli-only"))
                .collect();
            captured.sort_unstable();
            let mut table: Vec<String> = all(series)
                .map(|o| {
                    let default = o.default_in(series).unwrap();
                    let only = if o.file_only { " file-only" } else { "" };
                    format!("{}={default} {}{only}", o.name, type_name(o, series))
                })
                .collect();
            table.sort_unstable();
            assert_eq!(table, captured, "{series}");
        }
    }

    #[test]
    fn names_that_only_the_command_line_sets_are_known() {
        use super::super::{Instead, elsewhere};
        for series in Series::ALL {
            for line in captured(series).lines().filter(|l| l.ends_with("cli-only")) {
                let (name, _) = line.split_once('=').unwrap();
                assert_eq!(
                    elsewhere(series, name).map(|e| e.instead),
                    Some(Instead::CommandLine),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn old_names_of_each_series_are_known() {
        use super::super::{Instead, elsewhere};
        for series in Series::ALL {
            for line in captured(series)
                .lines()
                .filter_map(|l| l.strip_prefix("# alias "))
            {
                let (old, new) = line.split_once(' ').unwrap();
                let found = elsewhere(series, old).unwrap();
                assert_eq!(
                    (found.instead, found.is_read_by(series)),
                    (Instead::Option(new), true),
                    "{old}"
                );
            }
        }
    }
}
