//! An environment as the probes see it: through nginx and TLS, on loopback.
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use odoopack_core::layout::Layout;
use odoopack_core::name::Name;
use odoopack_core::restore::administrator;
use odoopack_core::secret::SecretText;
use odoopack_core::spec::{Sessions, Spec, Tls};
use odoopack_core::target::secret_name;

use super::databases;
use crate::failure::{Failure, Result};
use crate::files;
use crate::probe::{SignIn, Site};
use crate::tls;

/// The site of one environment; nobody signs in there.
pub(crate) fn site(spec: &Spec, layout: &Layout, name: &Name) -> Result<Site> {
    let environment = spec.environments.get(name);
    let environment =
        environment.ok_or_else(|| Failure::failed(format!("there is no environment `{name}`")))?;
    let loopback = |port| SocketAddr::new(address(spec), port);
    let own = environment.tls == Tls::Local;
    Ok(Site {
        domain: environment.domain.clone(),
        address: loopback(spec.web.https_port),
        http: loopback(spec.web.http_port),
        authority: if own {
            files::read_text(&tls::authority_file(&layout.tls()))?
        } else {
            None
        },
        sign_in: None,
        database: environment.database.clone(),
        static_mark: None,
        hsts: !own,
        sessions: match environment.sessions {
            Sessions::Disk => None,
            Sessions::Redis => Some("in Redis"),
            Sessions::Database => Some("in a database of their own"),
        },
        prints: true,
    })
}

/// Who signs in for the probes: the user that Odoo was made with, under the login that it has today, which works as long as the secret is
/// its password. Nobody where that user is archived or gone, or where the database does not say.
pub(crate) fn who_signs_in(
    spec: &Spec,
    layout: &Layout,
    name: &Name,
    secrets: &BTreeMap<String, SecretText>,
) -> Option<SignIn> {
    let password = secrets.get(&secret_name(name, "ADMIN"))?.clone();
    let database = &spec.environments.get(name)?.database;
    let mut client = databases::connect_as_role(spec, layout, name, database)
        .ok()?
        .ok()?;
    let row = client.query_opt(administrator::FIRST, &[]).ok()??;
    let active: bool = row.get(2);
    active.then(|| SignIn {
        login: row.get(1),
        password,
    })
}

/// Loopback where nginx listens there or everywhere, else the first address of the file.
fn address(spec: &Spec) -> IpAddr {
    let all: Vec<IpAddr> = spec
        .web
        .listen
        .iter()
        .filter_map(|text| text.trim_matches(['[', ']']).parse().ok())
        .collect();
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let reachable = all
        .iter()
        .any(|a| *a == loopback || *a == IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    if reachable {
        loopback
    } else {
        all.first().copied().unwrap_or(loopback)
    }
}
