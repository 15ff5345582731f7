//! nginx's configuration: one file for a host, one more per site for a stack.
use camino::Utf8PathBuf;

use super::files::{certificate_pair, made_from, text};
use super::{File, Known};
use crate::facts::Release;
use crate::layout::Slot;
use crate::name::Name;
use crate::render::nginx::{self, Accel, AccessLog, LOOPBACK, Nginx, Site};
use crate::spec::{Environment, Kind, Tls};

/// Inside a container every address is its own; what is published decides who reaches it.
const EVERYWHERE: &str = "0.0.0.0";

/// Its files; none before the release and nginx's version are known.
pub(super) fn of(known: &Known<'_>) -> Vec<File> {
    let layout = known.layout;
    let release = known.facts.release.present().filter(|release| release.fetched);
    let (Some(release), Some(version)) = (release, known.facts.host.nginx) else {
        return Vec::new();
    };
    let environments = known.spec.environments.iter();
    let sites = environments.filter_map(|(name, environment)| site(known, release, name, environment));
    let input = whole(known, version, sites.collect());
    let open = |path: Utf8PathBuf, content| text(path, super::directories::ours(known, 0o644), content);
    let mut files = vec![open(layout.nginx().join("nginx.conf"), nginx::nginx_conf(&input))];
    if let Some(directory) = &input.sites_in {
        let one = |site: &Site| open(nginx::site_file(directory, site), nginx::site_conf(&input, site));
        files.extend(input.sites.iter().map(one));
    }
    files
}

fn whole(known: &Known<'_>, version: (u16, u16, u16), sites: Vec<Site>) -> Nginx {
    let layout = known.layout;
    let web = &known.spec.web;
    let containers = layout.containers();
    Nginx {
        hash: made_from(known),
        version: (version.0.into(), version.1.into(), version.2.into()),
        user: layout.user("nginx"),
        workers: known.sizing.nginx_workers,
        pid: layout.data().join("nginx/nginx.pid"),
        temporary: layout.data().join("nginx"),
        // svlogd and Docker rotate what the master writes to its own output.
        access_log: if known.facts.host.systemd && !containers {
            AccessLog::Journal
        } else {
            AccessLog::File("/dev/stdout".into())
        },
        error_log: Utf8PathBuf::from("stderr"),
        listen: if containers {
            vec![EVERYWHERE.to_owned()]
        } else {
            web.listen.clone()
        },
        http_port: web.http_port,
        https_port: web.https_port,
        body_limit: web.body_limit,
        login_rate: web.login_rate,
        sites_in: containers.then(|| layout.nginx()),
        sites,
    }
}

fn site(known: &Known<'_>, release: &Release, name: &Name, environment: &Environment) -> Option<Site> {
    let layout = known.layout;
    let ports = known.ports.get(name)?;
    let (certificate, key) = certificate_pair(layout, name, &environment.tls);
    let inner = if layout.containers() { EVERYWHERE } else { LOOPBACK };
    Some(Site {
        environment: name.to_string(),
        domain: environment.domain.clone(),
        certificate,
        key,
        gate_socket: layout.gate_sockets().join(format!("{name}.sock")),
        slots: known
            .slots()
            .iter()
            .filter_map(|place| slot(known, name, *place))
            .collect(),
        inner: Some((inner.to_owned(), ports.inner())),
        direct_port: environment.http_port,
        ribbon: (environment.kind != Kind::Production).then(|| name.to_string()),
        static_roots: super::addons::static_roots(known, &environment.edition, statics(known, release)),
        accel: Some(Accel {
            directory: layout
                .environment_inside(name)
                .join("filestore")
                .join(&environment.database),
            database: environment.database.clone(),
        }),
        production: environment.kind == Kind::Production,
        hsts: environment.tls != Tls::Local,
    })
}

fn slot(known: &Known<'_>, name: &Name, slot: Slot) -> Option<nginx::Slot> {
    let place = known.place(name, slot)?;
    Some(nginx::Slot {
        host: place.host.unwrap_or_else(|| LOOPBACK.to_owned()),
        web: place.web,
        websocket: place.websocket,
    })
}

/// Odoo's own addons directories; what lies in an image was copied out of it.
fn statics(known: &Known<'_>, release: &Release) -> Vec<Utf8PathBuf> {
    if known.layout.containers() {
        vec![known.layout.statics(&release.id)]
    } else {
        release.addons.clone()
    }
}
