//! From what the file says to a whole spec: every default written out.
mod addons;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::load::LoadContext;
use super::lookup::Values;
use super::reader::Document;
use super::{
    Backup, BackupAge, Capacity, Edition, Elsewhere, Engine, Environment, Images, Kind, Mail, Odoo, Offsite,
    Pack, Postgres, Relay, Series, Source, Spec, Tls, Web,
};
use crate::backup::retention::Keep;
use crate::name::Name;

/// The spec that `document` describes.
///
/// # Shape
/// Always a whole one, so that the checks can go on after a mistake: what is missing or wrong has its default or
/// an empty text.
pub(super) fn resolve(document: &Document, context: &LoadContext) -> Spec {
    let values = Values(document);
    let pack = pack(&values, context);
    let editions = editions(&values);
    let environments = environments(&values, &pack, &editions);
    let web = web(&values, &environments, pack.engine);
    let odoo = odoo(&values, context, pack.engine);
    let odoo_series = odoo.series;
    let postgres = postgres(&values);
    Spec {
        pack,
        odoo,
        addons: addons::addons(&values, odoo_series),
        mail: mail(&values),
        images: images(&values, postgres.version),
        postgres,
        web,
        capacity: capacity(&values),
        backup: backup(&values),
        editions,
        environments,
    }
}

fn pack(values: &Values<'_>, context: &LoadContext) -> Pack {
    let given: Option<Utf8PathBuf> = context.root.clone().or_else(|| values.given("pack.root"));
    let root = given.unwrap_or_else(|| default_root(&context.directory));
    Pack {
        name: values.plain("pack.name"),
        root: tidy(&root),
        engine: values.plain("pack.engine"),
        timezone: values.plain("pack.timezone"),
    }
}

fn default_root(directory: &Utf8Path) -> Utf8PathBuf {
    match directory.parent() {
        Some(parent) if directory.file_name() == Some("repo") => parent.to_owned(),
        _ => directory.to_owned(),
    }
}

/// The path without doubled and trailing slashes.
fn tidy(path: &Utf8Path) -> Utf8PathBuf {
    path.components().collect()
}

fn odoo(values: &Values<'_>, context: &LoadContext, engine: Engine) -> Odoo {
    let series = values.plain("odoo.series");
    Odoo {
        series,
        source: source(values, context, engine, series),
        debian_mirror: values.given("odoo.debian_mirror"),
        python: values.given("odoo.python"),
        options: values.map("odoo.options"),
    }
}

fn source(values: &Values<'_>, context: &LoadContext, engine: Engine, series: Series) -> Source {
    let hex = |path: &str| values.given::<String>(path).map(|t| t.to_ascii_lowercase());
    if let Some(suite) = values.given("odoo.source.debian") {
        Source::Debian { suite }
    } else if let Some(location) = values.given::<String>("odoo.source.deb") {
        Source::Deb {
            location: located(&location, context),
            sha256: hex("odoo.source.sha256"),
        }
    } else if let Some(directory) = values.given::<Utf8PathBuf>("odoo.source.path") {
        Source::Path {
            directory: tidy(&directory),
        }
    } else if let Some(name) = values.given("odoo.source.image") {
        Source::Image { name }
    } else if engine == Engine::Compose && values.given::<String>("odoo.source.git").is_none() {
        Source::Image {
            name: format!("odoo:{series}"),
        }
    } else {
        Source::Git {
            url: values.plain("odoo.source.git"),
            commit: hex("odoo.source.commit"),
        }
    }
}

fn located(location: &str, context: &LoadContext) -> String {
    if location.contains("://") {
        location.to_owned()
    } else {
        tidy(&context.directory.join(location)).into()
    }
}

fn mail(values: &Values<'_>) -> Mail {
    let relay = values.given("mail.smtp");
    Mail {
        relay: relay.map(|address| Relay {
            address,
            credentials: values.given("mail.credentials"),
        }),
        catcher: values.plain("mail.catcher"),
        from: values.given("mail.from"),
    }
}

fn postgres(values: &Values<'_>) -> Postgres {
    Postgres {
        cluster: values.plain("postgres.cluster"),
        version: values.given("postgres.version"),
        port: values.given("postgres.port"),
        directory: values
            .given::<Utf8PathBuf>("postgres.directory")
            .map(|path| tidy(&path)),
        url: values.given("postgres.url"),
        password: values.given("postgres.password"),
        roles: values.plain("postgres.roles"),
        options: values.map("postgres.options"),
    }
}

/// The image follows the wanted major.
fn images(values: &Values<'_>, major: Option<u16>) -> Images {
    let postgres = || format!("postgres:{}", major.unwrap_or(16));
    Images {
        postgres: values.given("images.postgres").unwrap_or_else(postgres),
        nginx: values.plain("images.nginx"),
        redis: values.plain("images.redis"),
    }
}

fn web(values: &Values<'_>, environments: &BTreeMap<Name, Environment>, engine: Engine) -> Web {
    let mut listen = values.list("web.listen");
    if listen.is_empty() {
        let addresses: &[&str] = match engine {
            _ if all_local(environments) => &["127.0.0.1", "[::1]"],
            Engine::Native => &["0.0.0.0", "[::]"],
            // The network of a stack has no IPv6: whoever came so would come with the address of Docker's own proxy.
            Engine::Compose => &["0.0.0.0"],
        };
        listen = addresses.iter().map(|&address| address.to_owned()).collect();
    }
    Web {
        listen,
        http_port: values.plain("web.http_port"),
        https_port: values.plain("web.https_port"),
        body_limit: values.plain("web.body_limit"),
        login_rate: values.plain("web.login_rate"),
    }
}

/// `localhost` and names below it always mean this machine (RFC 6761 section 6.3).
fn all_local(environments: &BTreeMap<Name, Environment>) -> bool {
    let local = |domain: &str| domain == "localhost" || domain.ends_with(".localhost");
    !environments.is_empty() && environments.values().all(|e| local(&e.domain))
}

fn capacity(values: &Values<'_>) -> Capacity {
    Capacity {
        cores: values.given("capacity.cores"),
        memory: values.given("capacity.memory"),
        reserve_environments: values.plain("capacity.reserve_environments"),
    }
}

fn backup(values: &Values<'_>) -> Backup {
    Backup {
        schedule: values.given("backup.schedule"),
        drill: values.given("backup.drill"),
        gentle: values.plain("backup.gentle"),
        keep: keep(values, "backup.keep"),
        age: BackupAge {
            made: values.plain("backup.age.made"),
            offsite: values.plain("backup.age.offsite"),
            proven: values.plain("backup.age.proven"),
        },
        offsite: elsewhere(values).map(|place| Offsite {
            place,
            bandwidth: values.given("backup.offsite.bandwidth"),
            keep: keep(values, "backup.offsite.keep"),
        }),
    }
}

/// `None` too for a bucket without credentials, which the checks refuse.
fn elsewhere(values: &Values<'_>) -> Option<Elsewhere> {
    let Some(address) = values.given("backup.offsite.s3") else {
        let directory: Utf8PathBuf = values.given("backup.offsite.directory")?;
        return Some(Elsewhere::Directory(tidy(&directory)));
    };
    Some(Elsewhere::Bucket {
        address,
        style: values.plain("backup.offsite.style"),
        region: values.plain("backup.offsite.region"),
        credentials: values.given("backup.offsite.credentials")?,
        prune_credentials: values.given("backup.offsite.prune_credentials"),
        object_lock: values.plain("backup.offsite.object_lock"),
    })
}

fn keep(values: &Values<'_>, table: &str) -> Keep {
    let count = |rule: &str| values.plain(&format!("{table}.{rule}"));
    Keep {
        last: count("last"),
        hourly: count("hourly"),
        daily: count("daily"),
        weekly: count("weekly"),
        monthly: count("monthly"),
        yearly: count("yearly"),
        within: values.given(&format!("{table}.within")),
    }
}

fn editions(values: &Values<'_>) -> BTreeMap<Name, Edition> {
    let mut names = values.names("editions");
    if names.is_empty() {
        names.extend("core".parse::<Name>());
    }
    names
        .into_iter()
        .map(|name| (name.clone(), edition(values, &name)))
        .collect()
}

fn edition(values: &Values<'_>, name: &Name) -> Edition {
    let at = |key: &str| format!("editions.{name}.{key}");
    Edition {
        modules: values.list(&at("modules")),
        server_wide: values.list(&at("server_wide")),
        only: values.list(&at("only")),
        jobrunner: values.value(&at("jobrunner"), "editions.*.jobrunner"),
    }
}

fn environments(
    values: &Values<'_>,
    pack: &Pack,
    editions: &BTreeMap<Name, Edition>,
) -> BTreeMap<Name, Environment> {
    let names = values.names("environments").into_iter();
    names
        .map(|name| (name.clone(), environment(values, &name, pack, editions)))
        .collect()
}

fn environment(
    values: &Values<'_>,
    name: &Name,
    pack: &Pack,
    editions: &BTreeMap<Name, Edition>,
) -> Environment {
    let at = |key: &str| format!("environments.{name}.{key}");
    let kind = values.given(&at("kind")).unwrap_or_else(|| kind_of(name));
    let first = || editions.keys().next().unwrap_or(name).clone();
    let database = || format!("{}_{}", pack.name.underscored(), name.underscored());
    Environment {
        kind,
        edition: values.given(&at("edition")).unwrap_or_else(first),
        copy_of: values.given(&at("copy_of")),
        refresh: values.given(&at("refresh")),
        domain: values
            .given(&at("domain"))
            .unwrap_or_else(|| domain_of(name, kind)),
        http_port: values.given(&at("http_port")),
        database: values.given(&at("database")).unwrap_or_else(database),
        directory: values
            .given::<Utf8PathBuf>(&at("directory"))
            .map(|path| tidy(&path)),
        demo: values.given(&at("demo")).unwrap_or(kind == Kind::Development),
        reload: values.value(&at("reload"), "environments.*.reload"),
        sessions: values.value(&at("sessions"), "environments.*.sessions"),
        users: values.given(&at("users")).unwrap_or(users_of(kind)),
        workers: values.given(&at("workers")),
        cron_workers: values.given(&at("cron_workers")),
        memory_soft: values.given(&at("memory_soft")),
        memory_hard: values.given(&at("memory_hard")),
        db_maxconn: values.given(&at("db_maxconn")),
        language: values.value(&at("language"), "environments.*.language"),
        tls: tls(values, &at("tls")),
        env: values.map(&at("env")),
    }
}

/// The kind that a name suggests; what nobody declared production must not act like it.
fn kind_of(name: &Name) -> Kind {
    match name.as_str() {
        "production" => Kind::Production,
        "dev" | "development" => Kind::Development,
        _ => Kind::Staging,
    }
}

/// Empty where only the operator can know it.
fn domain_of(name: &Name, kind: Kind) -> String {
    match kind {
        Kind::Development => format!("{name}.localhost"),
        Kind::Production | Kind::Staging => String::new(),
    }
}

/// A small office in production, the few who try things elsewhere.
fn users_of(kind: Kind) -> u32 {
    match kind {
        Kind::Production => 10,
        Kind::Staging | Kind::Development => 3,
    }
}

fn tls(values: &Values<'_>, path: &str) -> Tls {
    let part = |key: &str| {
        values
            .given::<Utf8PathBuf>(&format!("{path}.{key}"))
            .map(|p| tidy(&p))
    };
    match (part("certificate"), part("key")) {
        (Some(certificate), Some(key)) => Tls::Files { certificate, key },
        _ => Tls::Local,
    }
}
