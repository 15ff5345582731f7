//! The services as containers: what each runs, sees and may, and the files that say so.
mod containers;

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::files::{made_from, text};
use super::{File, Known, Ports, Stack};
use crate::layout::Slot;
use crate::render::compose;
use crate::service::Service;
use crate::spec::Source;

/// Ports of Odoo in its own container: HTTP, and the gevent process.
pub(super) const ODOO_PORTS: (u16, u16) = (8069, 8072);
/// Where odoo.conf lies in a container, as in the official image.
pub const ODOO_CONF: &str = "/etc/odoo/odoo.conf";
/// The gate in its image.
pub(super) const GATE: &str = "/odoopack";
/// First address of the stack's network that belongs to one container for good.
const FIRST_ADDRESS: u16 = 10;
/// How many there are: below `.128` Docker gives out none by itself.
const ADDRESSES: u16 = 118;

/// How many environments get addresses that no other has.
pub const ENVIRONMENTS: u16 = ADDRESSES / 2;

/// Address of a slot's web container: it outlives the container, so nginx and the gate need not be told of a new one.
pub(super) fn address(network: [u8; 3], ports: Ports, slot: Slot) -> String {
    let at = 2 * ports.number() + u16::from(slot == Slot::Green);
    let [a, b, c] = network;
    format!("{a}.{b}.{c}.{}", FIRST_ADDRESS + at % ADDRESSES)
}

/// The part whose image is made here, from this program.
pub const GATE_PART: &str = "gate";

/// What the stack asks of the program in the gate's image; another number lets it be made anew from this one.
const GATE_ASKED: u32 = 1;

/// What the containers are made from.
pub(super) fn images(known: &Known<'_>) -> BTreeMap<String, String> {
    let Source::Image { name } = &known.spec.odoo.source else {
        return BTreeMap::new();
    };
    let images = &known.spec.images;
    let redis = super::sessions::wanted(known).then(|| ("redis", images.redis.clone()));
    let own = !known.spec.postgres.is_given();
    let postgres = own.then(|| ("postgres", images.postgres.clone()));
    let all = [
        ("odoo", name.clone()),
        ("nginx", images.nginx.clone()),
        (
            GATE_PART,
            format!("odoopack-gate:{}.{GATE_ASKED}", crate::gate::PROTOCOL),
        ),
    ];
    all.into_iter()
        .chain(postgres)
        .chain(redis)
        .map(|(part, image)| (part.to_owned(), image))
        .collect()
}

/// The stack and its files.
pub(super) fn stack<'a>(
    known: &Known<'_>,
    services: impl Iterator<Item = &'a Service> + Clone,
) -> (Stack, Vec<File>) {
    let all: Vec<compose::Container> = services
        .clone()
        .filter_map(|s| containers::of(known, s))
        .collect();
    let definitions = all
        .iter()
        .map(|one| (one.name.clone(), compose::definition(one)))
        .collect();
    let tools: BTreeMap<_, _> = services
        .filter_map(|service| containers::tool(known, service))
        .collect();
    let mut listed = all.clone();
    listed.extend(tools.values().cloned());
    let input = compose::Stack {
        made_from: made_from(known),
        project: known.layout.project(),
        network: known.facts.containers.network,
        containers: listed,
    };
    let ours = |mode| super::directories::ours(known, mode);
    let files = if all.is_empty() {
        Vec::new()
    } else {
        vec![
            text(known.layout.stack(), ours(0o644), compose::compose_yml(&input)),
            text(known.layout.deploy().join(".env"), ours(0o644), variables(known)),
        ]
    };
    (Stack { definitions, tools }, files)
}

/// What `docker compose` reads beside the file; nothing in it is secret.
fn variables(known: &Known<'_>) -> String {
    let made = crate::render::made_by(&made_from(known));
    format!("{made}COMPOSE_PROJECT_NAME={}\n", known.layout.project())
}

/// `/etc/passwd` and `/etc/group` of the containers: PostgreSQL and nginx look up names of the host's users.
pub(super) fn accounts(known: &Known<'_>) -> Vec<File> {
    if !known.layout.containers() {
        return Vec::new();
    }
    let host = &known.facts.host;
    let mut users = vec![
        ("root".to_owned(), (0, 0), Utf8PathBuf::from("/root")),
        ("nobody".to_owned(), (65_534, 65_534), "/nonexistent".into()),
    ];
    if host.ids.0 != 0 {
        users.push((host.user.clone(), host.ids, known.layout.data()));
    }
    let of_pack = known.facts.users.iter();
    users.extend(of_pack.map(|(name, fact)| (name.clone(), (fact.uid, fact.gid), fact.home.clone())));
    let passwd = users
        .iter()
        .map(|(name, (uid, gid), home)| format!("{name}:x:{uid}:{gid}:{name}:{home}:/usr/sbin/nologin\n"));
    let members = |group: &str| {
        let joined = known
            .facts
            .users
            .iter()
            .filter(|(_, fact)| fact.groups.contains(group));
        joined
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>()
            .join(",")
    };
    let group = users
        .iter()
        .map(|(name, (_, gid), _)| format!("{name}:x:{gid}:{}\n", members(name)));
    let texts = [passwd.collect::<String>(), group.collect()];
    let access = || super::directories::ours(known, 0o644);
    let paths = known.layout.accounts();
    paths
        .into_iter()
        .zip(texts)
        .map(|(path, content)| text(path, access(), content))
        .collect()
}
