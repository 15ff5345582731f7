//! odoo.conf of one environment, from the spec, the sizing and what is known of the release.
use super::{File, Known, TargetError, secret_name};
use crate::layout::Slot;
use crate::name::Name;
use crate::render::odoo_conf::{self, Database, Http, Limits, Mail, OdooConf};
use crate::secret::SecretText;
use crate::spec::{Environment, Kind};
use crate::units::Seconds;

/// Requests after which a worker is replaced (Odoo's default, `--limit-request`).
const REQUESTS: u32 = 65_536;
/// An imported file or a long report may take longer than Odoo's two minutes; nginx waits 720 s.
const CRON_TIME: Seconds = Seconds(3600);

/// One file per slot; none before the release, the secrets and the sizing are known.
pub(super) fn conf(
    known: &Known<'_>,
    name: &Name,
    environment: &Environment,
) -> Result<Vec<File>, TargetError> {
    let mut files = Vec::new();
    for slot in known.slots() {
        let Some(input) = input(known, name, environment, *slot) else {
            return Ok(Vec::new());
        };
        let wrong = |why| TargetError::OdooConf {
            environment: name.clone(),
            why,
        };
        files.push(File {
            path: known.layout.odoo_conf(name, *slot),
            access: super::files::for_part(known, name.as_str(), 0o640),
            content: odoo_conf::render(&input).map_err(wrong)?,
            shown: odoo_conf::shown(&input).map_err(wrong)?,
        });
    }
    Ok(files)
}

fn input(known: &Known<'_>, name: &Name, environment: &Environment, slot: Slot) -> Option<OdooConf> {
    let release = known.facts.release.present().filter(|release| release.fetched)?;
    let size = known.sizing.environments.get(name)?;
    let secret = |what: &str| known.facts.secrets.get(&secret_name(name, what)).cloned();
    let edition = known.spec.editions.get(&environment.edition)?;
    let first = super::addons::paths(known, &environment.edition);
    Some(OdooConf {
        series: known.spec.odoo.series,
        made_from: super::files::made_from(known),
        title: format!("{name} of {}", known.layout.pack()),
        database: database(known, name, environment, secret("DATABASE")?)?,
        addons_path: first
            .into_iter()
            .chain(super::addons::watched(known, environment))
            .chain(super::sessions::addons(known, environment))
            .chain(release.addons.iter().cloned())
            .collect(),
        data_dir: known.layout.environment_inside(name),
        http: http(known, name, slot)?,
        workers: size.workers,
        max_cron_threads: size.cron_workers,
        limits: limits(size),
        admin_password_hash: secret("MASTER_HASH")?,
        server_wide_modules: edition
            .server_wide
            .iter()
            .cloned()
            .chain(super::sessions::server_wide(environment))
            .collect(),
        mail: mail(known, environment)?,
        email_from: known.spec.mail.from.clone(),
        demo: environment.demo,
        log_level: "info".to_owned(),
        log_handler: Vec::new(),
        unaccent: true,
        geoip_city: None,
        geoip_country: None,
        options: known.spec.odoo.options.clone(),
    })
}

fn database(
    known: &Known<'_>,
    name: &Name,
    environment: &Environment,
    password: SecretText,
) -> Option<Database> {
    let size = known.sizing.environments.get(name)?;
    let given = known.layout.server();
    if known.spec.postgres.is_given() && given.is_none() {
        return None;
    }
    let socket = || {
        known
            .layout
            .postgres_socket(&known.spec.server_of(name))
            .into_string()
    };
    let port = || super::files::postgres_port(known.spec);
    Some(Database {
        host: given.map_or_else(socket, |server| server.host.clone()),
        port: Some(given.map_or_else(port, |server| server.port)),
        sslmode: given.map(|server| server.tls),
        user: known.layout.role(name),
        password: Some(password),
        name: environment.database.clone(),
        maxconn: size.db_maxconn,
        maxconn_gevent: size.db_maxconn_gevent,
    })
}

fn http(known: &Known<'_>, name: &Name, slot: Slot) -> Option<Http> {
    let place = known.place(name, slot)?;
    // A container's address is its own; nothing of it is published.
    let interface = place.host.map_or("127.0.0.1", |_| "0.0.0.0");
    Some(Http {
        interface: interface.to_owned(),
        port: place.web,
        gevent_port: place.gevent,
        proxy_mode: true,
        x_sendfile: true,
    })
}

fn limits(size: &crate::sizing::EnvironmentSize) -> Limits {
    Limits {
        memory_soft: size.memory_soft,
        memory_hard: size.memory_hard,
        memory_soft_gevent: size.gevent_memory.map(|(soft, _)| soft),
        memory_hard_gevent: size.gevent_memory.map(|(_, hard)| hard),
        time_cpu: size.time_cpu,
        time_real: size.time_real,
        time_real_cron: Some(CRON_TIME),
        requests: REQUESTS,
    }
}

/// Production sends through the relay, everything else to the catcher: outer `None` while a credential is missing.
#[expect(clippy::option_option, reason = "not known yet, known to be none, known")]
fn mail(known: &Known<'_>, environment: &Environment) -> Option<Option<Mail>> {
    let spec = &known.spec.mail;
    let plain = |server: &str, port: u16| Mail {
        server: server.to_owned(),
        port,
        starttls: false,
        user: None,
        password: None,
        from_filter: None,
    };
    if environment.kind != Kind::Production {
        return Some(Some(plain(&spec.catcher.host, spec.catcher.port)));
    }
    let Some(relay) = &spec.relay else {
        return Some(None);
    };
    let mut mail = plain(&relay.address.host, relay.address.port);
    if let Some(reference) = &relay.credentials {
        let value = known.facts.secrets.get(&reference.key())?;
        let (user, password) = value.expose().split_once(':')?;
        mail.starttls = true;
        mail.user = Some(user.to_owned());
        mail.password = Some(SecretText::new(password));
    }
    Some(Some(mail))
}
