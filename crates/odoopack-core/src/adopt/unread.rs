//! What else stands under the services that are taken over: keys, mounts and variables that no container of the pack has.
use camino::{Utf8Path, Utf8PathBuf};

use super::decide::Decider;
use super::left::has;
use super::{Stack, addons};
use crate::foreign::compose::{Mount, Role, Service};
use crate::foreign::yaml::Node;

/// Keys that are read, or that every container of the pack has as it needs it.
const READ: [&str; 17] = [
    "image",
    "command",
    "entrypoint",
    "environment",
    "env_file",
    "volumes",
    "ports",
    "expose",
    "depends_on",
    "links",
    "restart",
    "init",
    "stdin_open",
    "tty",
    "container_name",
    "hostname",
    "profiles",
];

/// Why the rest is left, by key.
const WHY: [(&[&str], &str); 9] = [
    (
        &["build"],
        "the pack builds nothing from it: it runs the image as it is on this machine now, and goes on with that one when another is built; what goes on top of it belongs into `apt.txt` and [addons] requirements",
    ),
    (
        &["extra_hosts", "dns", "dns_search", "dns_opt"],
        "containers of the pack ask Docker's name server alone: a name that only these lines know leads nowhere; write the address, or teach the host's own name server the name",
    ),
    (
        &["networks", "network_mode", "external_links"],
        "containers of the pack are in a network of its own: who reached the service through another one, and whom it reached there, has to go through published ports",
    ),
    (
        &["labels", "annotations"],
        "no container of the pack has them: a proxy that finds its routes there, such as Traefik, does not find it any more, and has to be led to the ports of the pack's nginx",
    ),
    (
        &[
            "privileged",
            "cap_add",
            "devices",
            "device_cgroup_rules",
            "security_opt",
            "group_add",
            "gpus",
            "pid",
            "ipc",
        ],
        "containers of the pack may do nothing beyond their work: what needs this does not work there",
    ),
    (
        &["user", "userns_mode"],
        "each service of the pack runs as a user of its own",
    ),
    (
        &[
            "deploy",
            "mem_limit",
            "mem_reservation",
            "memswap_limit",
            "cpus",
            "cpu_shares",
            "cpuset",
            "shm_size",
            "ulimits",
            "sysctls",
            "oom_score_adj",
            "pids_limit",
        ],
        "what the services may use is computed for this machine: `odoopack sizing` shows it",
    ),
    (
        &[
            "healthcheck",
            "logging",
            "stop_grace_period",
            "stop_signal",
            "read_only",
            "tmpfs",
        ],
        "the pack has its own, made for this service",
    ),
    (
        &["secrets", "configs"],
        "no container of the pack sees these files: what Odoo needs of them belongs into [environments.production.env], as `secret:NAME`",
    ),
];

/// Why any other key is left.
const UNKNOWN: &str =
    "nothing of the pack takes its place: its containers are as `deploy/docker-compose.yml` of the pack says";

/// Variables of PostgreSQL's image that made the cluster, or that this program reads.
const OF_CLUSTER: [&str; 2] = ["PGDATA", "POSTGRES_"];

impl Decider<'_> {
    /// Names each of them, so that nobody misses it after `up`.
    pub(super) fn unread(&mut self) {
        let stack = self.stack;
        let services = [Some(stack.odoo), Some(stack.postgres), stack.nginx];
        for service in services.into_iter().flatten() {
            for (key, node) in service.node.entries() {
                if !key.starts_with("x-")
                    && !READ.contains(&key.as_str())
                    && has(service, key)
                    && !is_default(key, node)
                {
                    let reasons = WHY.iter().find(|(keys, _)| keys.contains(&key.as_str()));
                    self.leave(
                        format!("`{key}` of service {}", service.name),
                        reasons.map_or(UNKNOWN, |(_, why)| why),
                    );
                }
            }
            self.unread_mounts(service);
            self.unread_variables(service);
        }
    }

    fn unread_mounts(&mut self, service: &Service) {
        let stack = self.stack;
        let used = self.used(service);
        for mount in service.mounts() {
            let fill = |text: &str| stack.project.variables.fill(text);
            let (source, target) = (fill(&mount.source), fill(&mount.target));
            let inside = Utf8Path::new(target.trim_end_matches('/'));
            if self.is_part_of_attachments(service, inside) {
                let name = &service.name;
                self.refuse(
                    format!("service {name} mounts `{source}` at {inside}, within the place of the attachments: they lie in more than one place"),
                    stack.by_dump(),
                );
            } else if !used.iter().any(|path| path.starts_with(inside)) && !self.is_of_nginx(service, &mount)
            {
                let what = if source.is_empty() {
                    "a volume without a name".to_owned()
                } else {
                    format!("`{source}`")
                };
                self.leave(
                    format!("{what} at {inside} of service {}", service.name),
                    mounted(service, stack),
                );
            }
        }
    }

    /// Places in a container that are read or taken over.
    fn used(&self, service: &Service) -> Vec<Utf8PathBuf> {
        let stack = self.stack;
        if service.name == stack.postgres.name {
            return vec![stack.cluster()];
        }
        if service.name != stack.odoo.name {
            return Vec::new();
        }
        let mut all = stack.odoo_data();
        all.push(stack.odoo_conf_inside());
        let modules = addons(stack, self.seen.volumes).into_iter();
        all.extend(modules.map(|(inside, _)| inside.into()));
        all
    }

    fn is_part_of_attachments(&self, service: &Service, inside: &Utf8Path) -> bool {
        let stack = self.stack;
        let mut data = stack.odoo_data().into_iter();
        service.name == stack.odoo.name && data.any(|data| inside.starts_with(data.join("filestore")))
    }

    /// nginx's configuration, and the certificates that it names.
    fn is_of_nginx(&self, service: &Service, mount: &Mount) -> bool {
        let stack = self.stack;
        let target = stack.project.variables.fill(&mount.target);
        let is_nginx = stack.nginx.is_some_and(|nginx| nginx.name == service.name);
        let place = || {
            let place = stack
                .project
                .place(service, Utf8Path::new(target.trim_end_matches('/')))?;
            stack.host(&place, self.seen.volumes).ok()
        };
        let certificates = || stack.certificates(self.seen.nginx, self.seen.volumes);
        is_nginx
            && (target.starts_with("/etc/nginx")
                || place().is_some_and(|place| certificates().iter().any(|path| path.starts_with(&place))))
    }

    /// Odoo's own are carried over.
    fn unread_variables(&mut self, service: &Service) {
        let stack = self.stack;
        if service.name == stack.odoo.name {
            return;
        }
        let written = service.environment().into_iter().map(|(name, ..)| name);
        let known = |name: &String| {
            service.name == stack.postgres.name && OF_CLUSTER.iter().any(|start| name.starts_with(start))
        };
        let mut names: Vec<String> = written.chain(stack.project.named_in_files(service)).collect();
        names.retain(|name| !known(name));
        for name in names {
            self.leave(
                format!("variable {name} of service {}", service.name),
                match service.role {
                    Role::Postgres => "PostgreSQL starts with the pack's own configuration: settings belong into [postgres.options]",
                    Role::Odoo | Role::Nginx | Role::Redis | Role::Other => "nginx has the pack's own configuration",
                },
            );
        }
    }
}

fn mounted(service: &Service, stack: &Stack<'_>) -> &'static str {
    if service.name == stack.odoo.name {
        "no container of the pack sees it: modules belong into [addons], fonts and the like into the image or `apt.txt`; a directory that people or jobs exchange files through has no place yet"
    } else if service.name == stack.postgres.name {
        "PostgreSQL sees its cluster and the pack's configuration alone: settings belong into [postgres.options]"
    } else {
        "nginx sees what it serves of Odoo, and its certificates: pages of your own need a web server of their own"
    }
}

/// The network that every service is in, where nothing is said of it.
fn is_default(key: &str, node: &Node) -> bool {
    let names = node.entries().iter().map(|(name, _)| name.as_str());
    let names = names.chain(node.members().iter().filter_map(Node::text));
    key == "networks" && names.into_iter().all(|name| name == "default")
}
