//! odoo.conf: one file per environment, read by every process of it.
mod lines;
#[cfg(test)]
mod tests;
mod variant;

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

pub use variant::with_options;

use crate::odoo::Series;
use crate::odoo::options::{BadValue, OptionMistake};
use crate::secret::SecretText;
use crate::units::{Bytes, Seconds};

/// Everything that one odoo.conf says.
///
/// # Shape
/// What a process is started for is not in it: see [`crate::odoo::Role`]. An option that the series lacks is
/// left out. On 19.0 environment variables win over the file (`ODOO_*`, `PG*`): start Odoo with a clean one.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct OdooConf {
    /// The series that reads the file.
    pub series: Series,
    /// Hash of the odoopack.toml that the file is made from.
    pub made_from: String,
    /// Whose file it is, for people: `production of insightpulse`.
    pub title: String,
    /// The connection to PostgreSQL.
    pub database: Database,
    /// Folders that hold modules, in order of precedence; up to 18.0 they must include Odoo's own `addons`.
    pub addons_path: Vec<Utf8PathBuf>,
    /// Holds `filestore` and `sessions`.
    pub data_dir: Utf8PathBuf,
    /// What Odoo listens on.
    pub http: Http,
    /// HTTP workers, 0 for the threaded server.
    pub workers: u32,
    /// Cron workers (or threads).
    pub max_cron_threads: u32,
    /// Limits of one process.
    pub limits: Limits,
    /// Hash of the master password, `$pbkdf2-sha512$...`.
    pub admin_password_hash: SecretText,
    /// Modules loaded in every process beyond those that the series needs.
    pub server_wide_modules: Vec<String>,
    /// The SMTP server; `None` leaves Odoo's default, port 25 of the same host.
    pub mail: Option<Mail>,
    /// Sender of system mail.
    pub email_from: Option<String>,
    /// Load demo data into a new database.
    pub demo: bool,
    /// `info` in production; the HTTP log needs it.
    pub log_level: String,
    /// `PREFIX:LEVEL` each; empty leaves the default.
    pub log_handler: Vec<String>,
    /// Search without accents in new databases.
    pub unaccent: bool,
    /// `GeoLite2-City.mmdb`; `None` leaves the default place.
    pub geoip_city: Option<Utf8PathBuf>,
    /// `GeoLite2-Country.mmdb`; `None` leaves the default place.
    pub geoip_country: Option<Utf8PathBuf>,
    /// `[odoo.options]`; wins over the fields above where nothing governs the option.
    pub options: BTreeMap<String, String>,
}

/// The connection to PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Database {
    /// Directory of the unix socket, or host name.
    pub host: String,
    /// `None`: libpq's default.
    pub port: Option<u16>,
    /// `db_sslmode`; `None`: Odoo's default, which a unix socket ignores.
    pub sslmode: Option<crate::spec::TlsMode>,
    /// Login role, not a superuser.
    pub user: String,
    /// `None`: the server trusts the operating system's user (`peer`).
    pub password: Option<SecretText>,
    /// The one database of the environment.
    pub name: String,
    /// Connections of one process.
    pub maxconn: u32,
    /// Connections of the gevent process; `None`: as any other.
    pub maxconn_gevent: Option<u32>,
}

/// What Odoo listens on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Http {
    /// Address, such as `127.0.0.1`; never empty (19.0 warns when it is not set).
    pub interface: String,
    /// Requests.
    pub port: u16,
    /// Websockets, when there are workers.
    pub gevent_port: u16,
    /// Believe `X-Forwarded-*`: only behind a proxy that sets them.
    pub proxy_mode: bool,
    /// Let nginx send attachments.
    pub x_sendfile: bool,
}

/// Limits of one process.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Limits {
    /// Virtual memory after which a worker is replaced when its request is done.
    pub memory_soft: Bytes,
    /// Virtual memory that the kernel refuses to exceed.
    pub memory_hard: Bytes,
    /// Soft limit of the gevent process; `None`: as any other.
    pub memory_soft_gevent: Option<Bytes>,
    /// Hard limit of the gevent process; `None`: as any other.
    pub memory_hard_gevent: Option<Bytes>,
    /// Processor time of one request.
    pub time_cpu: Seconds,
    /// Time of one request by the clock.
    pub time_real: Seconds,
    /// Time of one cron job by the clock; `None`: as a request, zero: no limit.
    pub time_real_cron: Option<Seconds>,
    /// Requests after which a worker is replaced.
    pub requests: u32,
}

/// The SMTP server.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Mail {
    /// Host name.
    pub server: String,
    /// TCP port.
    pub port: u16,
    /// STARTTLS.
    pub starttls: bool,
    /// Login name.
    pub user: Option<String>,
    /// Login password.
    pub password: Option<SecretText>,
    /// Addresses or domain that the server may send for.
    pub from_filter: Option<String>,
}

/// Why no odoo.conf can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unrenderable {
    /// odoo.conf cannot carry a value, or Odoo would read something else.
    #[error("the value of `{name}` {why}")]
    Value {
        /// The option.
        name: &'static str,
        /// What is wrong with it.
        why: BadValue,
    },
    /// One element of a list holds the comma that separates elements.
    #[error("`{item}` in `{name}` holds a comma, which separates the elements there")]
    Comma {
        /// The option.
        name: &'static str,
        /// The element.
        item: String,
    },
    /// The option must say something.
    #[error("`{0}` must not be empty")]
    Empty(&'static str),
    /// Odoo refuses to start as this role.
    #[error("Odoo refuses to connect as the role `postgres`")]
    Superuser,
    /// A comment would end and its rest be read as options.
    #[error("the header would hold a line break")]
    Header,
    /// `[odoo.options]` is wrong.
    #[error(transparent)]
    Option(#[from] OptionMistake),
}

/// Renders the file, secrets included; write it with mode 0640 or less.
///
/// # Shape
/// First line as for every rendered file, then `[options]`; one `name = value` per line, no quotes, nothing
/// after a value. Odoo reads it with `RawConfigParser`, so `%` and `$` in values stand for themselves.
///
/// # Source
/// `odoo/tools/config.py`, `load` (17.0, 18.0) and `_load_file_options` (19.0).
pub fn render(conf: &OdooConf) -> Result<SecretText, Unrenderable> {
    text(conf, |line| line.value.clone()).map(SecretText::new)
}

/// Renders the file for people's eyes: secrets are `***`.
pub fn shown(conf: &OdooConf) -> Result<String, Unrenderable> {
    text(conf, |line| {
        if line.secret {
            "***".to_owned()
        } else {
            line.value.clone()
        }
    })
}

fn text(conf: &OdooConf, value: impl Fn(&lines::Line) -> String) -> Result<String, Unrenderable> {
    let groups = lines::groups(conf)?;
    let line = |line: &lines::Line| format!("{} = {}", line.name, value(line)).trim_end().to_owned();
    let group = |group: &Vec<lines::Line>| group.iter().map(line).collect::<Vec<_>>().join("\n");
    let body = groups.iter().map(group).collect::<Vec<_>>().join("\n\n");
    Ok(format!("{}[options]\n{body}\n", header(conf)?))
}

fn header(conf: &OdooConf) -> Result<String, Unrenderable> {
    let (hash, title) = (&conf.made_from, &conf.title);
    if [hash, title]
        .iter()
        .any(|text| text.chars().any(char::is_control))
    {
        return Err(Unrenderable::Header);
    }
    let made = format!("; made by odoopack from odoopack.toml ({hash}); edit that file, not this one");
    Ok(format!("{made}\n; {title}, Odoo {}\n", conf.series))
}
