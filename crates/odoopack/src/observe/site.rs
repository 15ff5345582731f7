//! An environment as the probes see it: through nginx and TLS, on loopback.
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use odoopack_core::layout::Layout;
use odoopack_core::name::Name;
use odoopack_core::secret::SecretText;
use odoopack_core::spec::{Sessions, Spec, Tls};
use odoopack_core::target::secret_name;

use crate::failure::{Failure, Result};
use crate::files;
use crate::probe::{SignIn, Site};
use crate::tls;

/// The site of one environment; the sign-in works as long as nobody changed the first password.
pub(crate) fn site(
    spec: &Spec,
    layout: &Layout,
    name: &Name,
    secrets: &BTreeMap<String, SecretText>,
) -> Result<Site> {
    let environment = spec.environments.get(name);
    let environment =
        environment.ok_or_else(|| Failure::failed(format!("there is no environment `{name}`")))?;
    let loopback = |port| SocketAddr::new(address(spec), port);
    let own = environment.tls == Tls::Local;
    let password = secrets.get(&secret_name(name, "ADMIN")).cloned();
    Ok(Site {
        domain: environment.domain.clone(),
        address: loopback(spec.web.https_port),
        http: loopback(spec.web.http_port),
        authority: if own {
            files::read_text(&tls::authority_file(&layout.tls()))?
        } else {
            None
        },
        sign_in: password.map(|password| SignIn {
            login: "admin".to_owned(),
            password,
        }),
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
