//! `docker-compose.yml` of the pack: one service per container, each with only what it needs.
use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::made_by;
use crate::service::{ENDED_FIRST, LESSER_SHARE};
use crate::units::{Bytes, Seconds};

mod text;

use text::{Text, scalar};

/// Share of the processor that Docker gives a container of which nothing is said.
const SHARE: u32 = 1024;

/// The whole file.
#[derive(Clone, Debug)]
pub struct Stack {
    /// For the first line.
    pub made_from: String,
    /// Name of the project.
    pub project: String,
    /// First three bytes of the network's addresses.
    pub network: [u8; 3],
    /// In the order in which they shall stand; names unique.
    pub containers: Vec<Container>,
}

/// One service of the stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// Unique name.
    pub name: String,
    /// Repository with digest, or the id of an image.
    pub image: String,
    /// `uid:gid`.
    pub user: String,
    /// Program with its first arguments; the image's own entry point is never used, because it would put the password
    /// on the command line.
    pub entrypoint: Vec<String>,
    /// The rest of the command line, which a run of a tool replaces.
    pub command: Vec<String>,
    /// Variables; never a secret.
    pub environment: BTreeMap<String, String>,
    /// Working directory.
    pub directory: Utf8PathBuf,
    /// Places of the host.
    pub mounts: Vec<Mount>,
    /// Places in memory that it may write to.
    pub scratch: Vec<&'static str>,
    /// Published ports: `443:443`, `127.0.0.1:8069:8069`.
    pub publish: Vec<String>,
    /// How it is connected.
    pub network: Network,
    /// Services that must run before it, and whether they must be healthy.
    pub after: Vec<(String, bool)>,
    /// How Docker finds out that it works.
    pub health: Option<Health>,
    /// `SIGTERM` and the like.
    pub stop_signal: &'static str,
    /// How long a stop may take.
    pub stop_within: Seconds,
    /// Limit of all its processes together.
    pub memory: Option<Bytes>,
    /// Where the machine runs short the others come first.
    pub gives_way: bool,
    /// Size of `/dev/shm`, where Docker's 64 MiB are too small.
    pub shared_memory: Option<Bytes>,
    /// What it may do of what root may.
    pub capabilities: Vec<&'static str>,
    /// It only runs when somebody asks for it: `docker compose run --rm NAME ...`.
    pub tool: bool,
}

/// A place of the host in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// On the host.
    pub source: Utf8PathBuf,
    /// In the container.
    pub target: Utf8PathBuf,
    /// Else it is read-only.
    pub writable: bool,
}

/// How a container is connected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// To nobody: it is reached through unix sockets only.
    Isolated,
    /// To the other containers of the stack.
    #[default]
    Stack,
    /// The same, with an address that stays.
    Fixed(String),
}

/// A question that a healthy container answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// A program inside of it and its arguments.
    pub command: Vec<String>,
    /// How long the first good answer may take.
    pub start: Seconds,
}

/// Renders the file.
///
/// # Source
/// Compose specification; `stop_grace_period`: Docker kills after 10 s by default, in the middle of a request.
pub fn compose_yml(stack: &Stack) -> String {
    let mut t = Text::new(made_by(&stack.made_from));
    t.line(format_args!("name: {}", scalar(&stack.project)));
    t.line("services:");
    t.block(|t| {
        for container in &stack.containers {
            definition_lines(t, container);
        }
    });
    volumes(&mut t, stack);
    let [a, b, c] = stack.network;
    t.line("networks:");
    t.block(|t| {
        t.line("default:");
        t.block(|t| {
            t.line("ipam:");
            t.block(|t| {
                t.line("config:");
                t.line(format_args!("  - subnet: {a}.{b}.{c}.0/24"));
                t.note("Docker gives out addresses from here; those below stay with one container each.");
                t.line(format_args!("    ip_range: {a}.{b}.{c}.128/25"));
            });
        });
    });
    t.finish()
}

/// Volumes that somebody else made; `docker compose down --volumes` leaves them alone.
fn volumes(t: &mut Text, stack: &Stack) {
    let mounts = stack.containers.iter().flat_map(|container| &container.mounts);
    let names: BTreeSet<&str> = mounts.filter_map(|mount| volume(&mount.source)).collect();
    if names.is_empty() {
        return;
    }
    t.line("volumes:");
    t.block(|t| {
        for name in names {
            let name = scalar(name);
            t.line(format_args!("{name}: {{external: true, name: {name}}}"));
        }
    });
}

/// Name of the volume whose directory this is.
///
/// # Source
/// Docker's driver `local` (`volume/local/local.go`): `<data root>/volumes/<name>/_data`.
pub fn volume(path: &Utf8Path) -> Option<&str> {
    let place = path.parent().filter(|_| path.file_name() == Some("_data"))?;
    let volumes = place.parent()?.file_name() == Some("volumes");
    place.file_name().filter(|_| volumes)
}

/// One service as it stands in the file.
pub fn definition(container: &Container) -> String {
    let mut t = Text::new(String::new());
    definition_lines(&mut t, container);
    t.finish()
}

fn definition_lines(t: &mut Text, container: &Container) {
    t.line(format_args!("{}:", scalar(&container.name)));
    t.block(|t| {
        what_runs(t, container);
        what_it_sees(t, container);
        what_it_may(t, container);
        how_it_lives(t, container);
    });
}

fn what_runs(t: &mut Text, container: &Container) {
    t.line(format_args!("image: {}", scalar(&container.image)));
    t.line(format_args!("user: {}", scalar(&container.user)));
    t.list("entrypoint", container.entrypoint.iter().map(|word| scalar(word)));
    t.list("command", container.command.iter().map(|word| scalar(word)));
    t.line(format_args!(
        "working_dir: {}",
        scalar(container.directory.as_str())
    ));
    t.map("environment", &container.environment);
}

fn what_it_sees(t: &mut Text, container: &Container) {
    let mount = |mount: &Mount| {
        let (source, target) = (scalar(mount.source.as_str()), scalar(mount.target.as_str()));
        let read_only = !mount.writable;
        // Docker keeps a volume that a container names, and not one whose directory it merely sees.
        if let Some(volume) = volume(&mount.source) {
            let name = scalar(volume);
            return format!(
                "{{type: volume, source: {name}, target: {target}, read_only: {read_only}, volume: {{nocopy: true}}}}"
            );
        }
        // A place that is missing is a mistake, not a directory to be made.
        format!(
            "{{type: bind, source: {source}, target: {target}, read_only: {read_only}, bind: {{create_host_path: false}}}}"
        )
    };
    t.list("volumes", container.mounts.iter().map(mount));
    t.list("tmpfs", container.scratch.iter().map(|place| scalar(place)));
    t.list("ports", container.publish.iter().map(|port| scalar(port)));
    match &container.network {
        Network::Isolated => t.line("network_mode: none"),
        Network::Stack => {}
        Network::Fixed(address) => {
            t.line(format_args!("networks: {{default: {{ipv4_address: {address}}}}}"));
        }
    }
}

fn what_it_may(t: &mut Text, container: &Container) {
    t.line("read_only: true");
    t.line("security_opt: [\"no-new-privileges:true\"]");
    t.line("cap_drop: [ALL]");
    t.list("cap_add", container.capabilities.iter().map(|name| scalar(name)));
    if let Some(Bytes(bytes)) = container.memory {
        t.line(format_args!("mem_limit: {bytes}"));
    }
    if container.gives_way {
        t.line(format_args!("cpu_shares: {}", SHARE * LESSER_SHARE / 100));
        t.line(format_args!("oom_score_adj: {ENDED_FIRST}"));
    }
    if let Some(Bytes(bytes)) = container.shared_memory {
        t.line(format_args!("shm_size: {bytes}"));
    }
}

fn how_it_lives(t: &mut Text, container: &Container) {
    // Docker's init passes signals on and buries the orphans of workers.
    t.line("init: true");
    t.line(format_args!("stop_signal: {}", container.stop_signal));
    t.line(format_args!("stop_grace_period: {}s", container.stop_within.0));
    if container.tool {
        t.line("restart: \"no\"");
        t.line("profiles: [tools]");
    } else {
        t.line("restart: unless-stopped");
    }
    let after = container.after.iter().map(|(name, healthy)| {
        let condition = if *healthy {
            "service_healthy"
        } else {
            "service_started"
        };
        format!("{}: {{condition: {condition}}}", scalar(name))
    });
    t.entries("depends_on", after);
    if let Some(health) = &container.health {
        t.line("healthcheck:");
        t.block(|t| {
            let command = ["CMD".to_owned()]
                .into_iter()
                .chain(health.command.iter().cloned());
            t.list("test", command.map(|word| scalar(&word)));
            t.line("interval: 10s");
            t.line("timeout: 8s");
            t.line("retries: 3");
            t.line(format_args!("start_period: {}s", health.start.0));
        });
    }
    t.line("logging: {driver: json-file, options: {max-size: \"10m\", max-file: \"10\"}}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foreign::compose::Compose;

    fn stack() -> Stack {
        let web = Container {
            name: "production.blue.web".into(),
            image: "odoo@sha256:0".into(),
            user: "998:997".into(),
            entrypoint: vec!["odoo".into()],
            command: vec![
                "-c".into(),
                "/etc/odoo/odoo.conf".into(),
                "--x=$HOME \"y\"".into(),
            ],
            environment: [("LANG".to_owned(), "C.UTF-8".to_owned())].into(),
            directory: "/opt/x".into(),
            mounts: vec![Mount {
                source: "/opt/x/config/production.conf".into(),
                target: "/etc/odoo/odoo.conf".into(),
                writable: false,
            }],
            scratch: vec!["/tmp"],
            network: Network::Fixed("172.28.0.16".into()),
            after: vec![("postgres".into(), true)],
            health: Some(Health {
                command: vec!["true".into()],
                start: Seconds(120),
            }),
            stop_signal: "SIGTERM",
            stop_within: Seconds(135),
            memory: Some(Bytes::gib(2)),
            ..Container::default()
        };
        let nginx = Container {
            name: "nginx".into(),
            image: "nginx@sha256:1".into(),
            publish: vec!["80:80".into()],
            capabilities: vec!["SETUID"],
            stop_signal: "SIGQUIT",
            ..Container::default()
        };
        Stack {
            made_from: "shop".into(),
            project: "odoopack-shop".into(),
            network: [172, 28, 0],
            containers: vec![web, nginx],
        }
    }

    #[test]
    fn the_whole_file() {
        insta::assert_snapshot!(compose_yml(&stack()));
    }

    #[test]
    fn is_yaml_that_says_what_was_meant() {
        let read = Compose::read(&compose_yml(&stack())).unwrap();
        let web = &read.services[0];
        assert_eq!(web.text("user"), Some("998:997"));
        let words: Vec<_> = web
            .node
            .get("command")
            .unwrap()
            .members()
            .iter()
            .map(|n| n.text().unwrap())
            .collect();
        assert_eq!(words, ["-c", "/etc/odoo/odoo.conf", "--x=$$HOME \"y\""]);
        assert_eq!(web.mounts()[0].target, "/etc/odoo/odoo.conf");
        assert_eq!(web.variable("LANG").as_deref(), Some("C.UTF-8"));
        assert_eq!(read.services[1].ports()[0].target, "80");
    }

    #[test]
    fn a_definition_stands_in_the_file_as_it_is() {
        let stack = stack();
        let whole: String = compose_yml(&stack).lines().map(str::trim_start).collect();
        for container in &stack.containers {
            let one: String = definition(container).lines().map(str::trim_start).collect();
            assert!(whole.contains(&one), "{one}");
        }
    }
}
