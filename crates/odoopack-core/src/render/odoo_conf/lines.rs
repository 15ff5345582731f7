//! The lines of odoo.conf in their order, each checked against the option table of the series.
use camino::Utf8PathBuf;

use super::{Database, Http, Limits, Mail, OdooConf, Unrenderable};
use crate::odoo::Series;
use crate::odoo::options::{check, find, fits, is_secret};
use crate::secret::SecretText;

/// `name = value`.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) secret: bool,
}

/// The lines, in groups that a blank line separates; no group is empty, no name comes twice.
pub(super) fn groups(conf: &OdooConf) -> Result<Vec<Vec<Line>>, Unrenderable> {
    let own = [
        database(&conf.database)?,
        places(conf)?,
        http(&conf.http)?,
        processes(conf),
        limits(&conf.limits),
        access(conf)?,
        mail(conf),
        log(conf)?,
        features(conf),
    ];
    let mut groups = Vec::new();
    for pairs in own {
        groups.push(checked(conf, pairs)?);
    }
    groups.push(extra(conf)?);
    groups.retain(|group| !group.is_empty());
    Ok(groups)
}

type Pairs = Vec<(&'static str, String)>;

/// The lines of our own that the series knows and `[odoo.options]` does not replace.
fn checked(conf: &OdooConf, pairs: Pairs) -> Result<Vec<Line>, Unrenderable> {
    let mut lines = Vec::new();
    for (name, value) in pairs {
        let Some(option) = find(conf.series, name) else {
            continue;
        };
        fits(option.kind, &value).map_err(|why| Unrenderable::Value { name, why })?;
        if !conf.options.contains_key(name) {
            lines.push(line(name, value));
        }
    }
    Ok(lines)
}

fn extra(conf: &OdooConf) -> Result<Vec<Line>, Unrenderable> {
    let mut lines = Vec::new();
    for (name, value) in &conf.options {
        check(conf.series, name, value)?;
        lines.push(line(name, value.clone()));
    }
    Ok(lines)
}

fn line(name: &str, value: String) -> Line {
    Line {
        name: name.to_owned(),
        value,
        secret: is_secret(name),
    }
}

fn database(database: &Database) -> Result<Pairs, Unrenderable> {
    if database.user == "postgres" {
        return Err(Unrenderable::Superuser);
    }
    let mut pairs = vec![
        ("db_host", filled("db_host", &database.host)?),
        ("db_user", filled("db_user", &database.user)?),
        (
            "db_name",
            joined("db_name", [filled("db_name", &database.name)?])?,
        ),
        ("db_maxconn", database.maxconn.to_string()),
    ];
    pairs.extend(database.port.map(|port| ("db_port", port.to_string())));
    pairs.extend(
        database
            .sslmode
            .map(|mode| ("db_sslmode", mode.as_str().to_owned())),
    );
    pairs.extend(secret("db_password", database.password.as_ref()));
    pairs.extend(
        database
            .maxconn_gevent
            .map(|count| ("db_maxconn_gevent", count.to_string())),
    );
    Ok(pairs)
}

fn places(conf: &OdooConf) -> Result<Pairs, Unrenderable> {
    let mut pairs = vec![("data_dir", filled("data_dir", conf.data_dir.as_str())?)];
    if !conf.addons_path.is_empty() {
        let paths = joined(
            "addons_path",
            conf.addons_path.iter().map(|path| path.as_str().to_owned()),
        )?;
        pairs.push(("addons_path", paths));
    }
    pairs.push((
        "server_wide_modules",
        server_wide_modules(conf.series, &conf.server_wide_modules)?,
    ));
    Ok(pairs)
}

/// Those that the series needs first, then the others, each once.
fn server_wide_modules(series: Series, others: &[String]) -> Result<String, Unrenderable> {
    let needed = series.server_wide_modules();
    let others = others
        .iter()
        .map(String::as_str)
        .filter(|module| !needed.contains(module));
    let modules = needed.iter().copied().chain(others).map(ToOwned::to_owned);
    joined("server_wide_modules", modules)
}

fn http(http: &Http) -> Result<Pairs, Unrenderable> {
    Ok(vec![
        ("http_interface", filled("http_interface", &http.interface)?),
        ("http_port", http.port.to_string()),
        ("gevent_port", http.gevent_port.to_string()),
        ("proxy_mode", boolean(http.proxy_mode)),
        ("x_sendfile", boolean(http.x_sendfile)),
    ])
}

fn processes(conf: &OdooConf) -> Pairs {
    vec![
        ("workers", conf.workers.to_string()),
        ("max_cron_threads", conf.max_cron_threads.to_string()),
    ]
}

fn limits(limits: &Limits) -> Pairs {
    let mut pairs = vec![
        ("limit_memory_soft", limits.memory_soft.0.to_string()),
        ("limit_memory_hard", limits.memory_hard.0.to_string()),
    ];
    pairs.extend(
        limits
            .memory_soft_gevent
            .map(|bytes| ("limit_memory_soft_gevent", bytes.0.to_string())),
    );
    pairs.extend(
        limits
            .memory_hard_gevent
            .map(|bytes| ("limit_memory_hard_gevent", bytes.0.to_string())),
    );
    let cron = limits
        .time_real_cron
        .map_or_else(|| "-1".to_owned(), |time| time.0.to_string());
    pairs.extend([
        ("limit_time_cpu", limits.time_cpu.0.to_string()),
        ("limit_time_real", limits.time_real.0.to_string()),
        ("limit_time_real_cron", cron),
        ("limit_request", limits.requests.to_string()),
    ]);
    pairs
}

fn access(conf: &OdooConf) -> Result<Pairs, Unrenderable> {
    Ok(vec![
        (
            "admin_passwd",
            filled("admin_passwd", conf.admin_password_hash.expose())?,
        ),
        ("list_db", boolean(false)),
        ("dbfilter", String::new()),
    ])
}

fn mail(conf: &OdooConf) -> Pairs {
    let mut pairs: Pairs = conf.mail.iter().flat_map(smtp).collect();
    pairs.extend(conf.email_from.clone().map(|from| ("email_from", from)));
    pairs
}

fn smtp(mail: &Mail) -> Pairs {
    let mut pairs = vec![
        ("smtp_server", mail.server.clone()),
        ("smtp_port", mail.port.to_string()),
        ("smtp_ssl", boolean(mail.starttls)),
    ];
    pairs.extend(mail.user.clone().map(|user| ("smtp_user", user)));
    pairs.extend(secret("smtp_password", mail.password.as_ref()));
    pairs.extend(mail.from_filter.clone().map(|filter| ("from_filter", filter)));
    pairs
}

fn log(conf: &OdooConf) -> Result<Pairs, Unrenderable> {
    let mut pairs = vec![("log_level", conf.log_level.clone())];
    if !conf.log_handler.is_empty() {
        pairs.push((
            "log_handler",
            joined("log_handler", conf.log_handler.iter().cloned())?,
        ));
    }
    Ok(pairs)
}

fn features(conf: &OdooConf) -> Pairs {
    let (name, value) = conf.series.demo(conf.demo);
    let mut pairs = vec![(name, value.to_owned()), ("unaccent", boolean(conf.unaccent))];
    let path = |path: &Utf8PathBuf| path.as_str().to_owned();
    pairs.extend(conf.geoip_city.as_ref().map(|city| ("geoip_city_db", path(city))));
    pairs.extend(
        conf.geoip_country
            .as_ref()
            .map(|country| ("geoip_country_db", path(country))),
    );
    pairs
}

fn boolean(value: bool) -> String {
    if value {
        "True".to_owned()
    } else {
        "False".to_owned()
    }
}

fn secret(name: &'static str, value: Option<&SecretText>) -> Option<(&'static str, String)> {
    value.map(|secret| (name, secret.expose().to_owned()))
}

fn filled(name: &'static str, value: &str) -> Result<String, Unrenderable> {
    if value.is_empty() {
        Err(Unrenderable::Empty(name))
    } else {
        Ok(value.to_owned())
    }
}

fn joined(name: &'static str, items: impl IntoIterator<Item = String>) -> Result<String, Unrenderable> {
    let items: Vec<String> = items.into_iter().collect();
    match items.iter().find(|item| item.contains(',')) {
        Some(item) => Err(Unrenderable::Comma {
            name,
            item: item.clone(),
        }),
        None => Ok(items.join(",")),
    }
}
