//! The options that odoopack decides itself, and the key of odoopack.toml behind each.

/// Who decides an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Governor {
    /// This key of odoopack.toml.
    Key(&'static str),
    /// Nobody: it is always the same, for this reason.
    Fixed(&'static str),
}

use Governor::{Fixed, Key};

const POSTGRES: Governor = Key("[postgres]");
const ENVIRONMENT: &str = "every environment has a port block of its own behind nginx";
const STDERR: &str = "logs go to standard error and are collected and rotated from there";
const ONE_SHOT: &str = "it belongs to one act, not to the file that every process reads";

#[rustfmt::skip]
const GOVERNED: &[(&str, Governor)] = &[
    ("addons_path", Key("[addons]")),
    ("admin_passwd", Fixed("a random password is made and only its hash is written")),
    ("data_dir", Key("pack.root")),
    ("db_app_name", Fixed("processes are found by their application name")),
    ("db_host", POSTGRES),
    ("db_maxconn", Key("environments.NAME.db_maxconn")),
    ("db_maxconn_gevent", Key("environments.NAME.db_maxconn")),
    ("db_name", Key("environments.NAME.database")),
    ("db_password", POSTGRES),
    ("db_port", POSTGRES),
    ("db_sslmode", POSTGRES),
    ("db_template", POSTGRES),
    ("db_user", POSTGRES),
    ("dbfilter", Fixed("db_name is always set, so there is nothing to filter")),
    ("email_from", Key("mail.from")),
    ("gevent_port", Fixed(ENVIRONMENT)),
    ("http_enable", Fixed("the role of a process decides whether it listens")),
    ("http_interface", Fixed("Odoo listens behind nginx only")),
    ("http_port", Fixed(ENVIRONMENT)),
    ("limit_memory_hard", Key("environments.NAME.memory_hard")),
    ("limit_memory_hard_gevent", Key("environments.NAME.memory_hard")),
    ("limit_memory_soft", Key("environments.NAME.memory_soft")),
    ("limit_memory_soft_gevent", Key("environments.NAME.memory_soft")),
    ("list_db", Fixed("the database manager stays closed, use `odoopack` to copy, back up and restore")),
    ("load_language", Key("environments.NAME.language")),
    ("logfile", Fixed(STDERR)),
    ("log_db", Fixed(STDERR)),
    ("max_cron_threads", Key("environments.NAME.cron_workers")),
    ("pg_path", POSTGRES),
    ("pidfile", Fixed("the supervisor knows the process")),
    ("pre_upgrade_scripts", Fixed(ONE_SHOT)),
    ("proxy_mode", Fixed("Odoo is always behind nginx")),
    ("server_wide_modules", Key("editions.NAME.server_wide")),
    ("smtp_password", Key("mail.credentials")),
    ("smtp_port", Key("mail.smtp")),
    ("smtp_server", Key("mail.smtp")),
    ("smtp_ssl", Key("mail.smtp")),
    ("smtp_user", Key("mail.credentials")),
    ("stop_after_init", Fixed(ONE_SHOT)),
    ("syslog", Fixed(STDERR)),
    ("test_file", Fixed(ONE_SHOT)),
    ("test_tags", Fixed(ONE_SHOT)),
    ("translate_in", Fixed(ONE_SHOT)),
    ("translate_out", Fixed(ONE_SHOT)),
    ("with_demo", Key("environments.NAME.demo")),
    ("without_demo", Key("environments.NAME.demo")),
    ("workers", Key("environments.NAME.workers")),
    ("x_sendfile", Fixed("nginx serves the attachments")),
];

/// Who decides the option `name`; `None`: it is free for `[odoo.options]`.
pub fn governor(name: &str) -> Option<Governor> {
    GOVERNED
        .iter()
        .find(|(governed, _)| *governed == name)
        .map(|(_, governor)| *governor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odoo::{Series, options};

    #[test]
    fn every_governed_name_is_an_option() {
        for (name, _) in GOVERNED {
            assert!(
                Series::ALL
                    .iter()
                    .any(|series| options::find(*series, name).is_some()),
                "{name}"
            );
        }
    }
}
