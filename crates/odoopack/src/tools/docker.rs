//! Docker and Docker Compose: images, one-off runs, the services of a stack, and what they say of themselves.
mod about;
mod confined;
mod images;

use std::collections::BTreeSet;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

pub(crate) use about::{about, parse_about};
pub(crate) use confined::{Cell, alone, beside, can_mount};
pub(crate) use images::{
    Digest, Image, are_here, image, labelled, load, parse_image, parse_saved, pull, save, saved,
    says_no_image, says_refused, tag,
};

use crate::exec::{Cmd, find_program};
use crate::failure::Result;

/// A big image over a slow line.
const PULL: Duration = Duration::from_hours(1);
/// The label that Compose gives every container (`docker compose` 2, `api.ProjectLabel`).
const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const ONE_OFF: &str = "com.docker.compose.oneoff";
const DIRECTORY: &str = "com.docker.compose.project.working_dir";

fn docker(args: &[&str]) -> Cmd {
    Cmd::new("docker").args(args.iter().copied())
}

/// Asks the daemon for its version.
pub(crate) fn server_version() -> Cmd {
    docker(&["version", "--format", "{{.Server.Version}}"])
}

/// Asks the program for its own version.
pub(crate) fn program_version() -> Cmd {
    docker(&["--version"])
}

/// Asks for the directory of the daemon, where images, volumes and logs are.
pub(crate) fn root_directory() -> Cmd {
    docker(&["info", "--format", "{{.DockerRootDir}}"])
}

/// Asks Compose for its version.
pub(crate) fn compose_version() -> Cmd {
    docker(&["compose", "version", "--short"])
}

/// Ids of a project's containers, running or not.
pub(crate) fn ids(project: &str) -> Cmd {
    let filter = format!("label={PROJECT}={project}");
    docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter"]).arg(filter)
}

/// Ids of all containers, running or not.
pub(crate) fn all_ids() -> Cmd {
    docker(&["ps", "--all", "--quiet", "--no-trunc"])
}

/// Directory of a volume; ends badly when there is no such volume.
pub(crate) fn volume(name: &str) -> Cmd {
    docker(&["volume", "inspect", "--format", "{{.Mountpoint}}", name])
}

/// Everything about containers.
pub(crate) fn inspect(ids: &[&str]) -> Cmd {
    docker(&["inspect", "--type", "container"]).args(ids.iter().copied())
}

/// A container as Docker knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) id: String,
    /// Its service in the stack.
    pub(crate) service: String,
    /// Somebody asked for it by hand, or it is a tool.
    pub(crate) one_off: bool,
    pub(crate) running: bool,
    /// Its first process as the host sees it.
    pub(crate) pid: Option<u32>,
    /// Seconds since 1970 of its last start.
    pub(crate) started: Option<i64>,
    pub(crate) restarts: u64,
    /// Ports of the host.
    pub(crate) published: Vec<u16>,
    /// Those that are open now, with their addresses; also such as nobody gave a number.
    pub(crate) open: BTreeSet<(String, u16)>,
    /// Its name.
    pub(crate) name: String,
    /// Its project in Docker Compose.
    pub(crate) project: String,
    /// Where the first file of its project lies; `None`: Compose did not say.
    pub(crate) directory: Option<Utf8PathBuf>,
    /// Places of the host that it may write to.
    pub(crate) writes: Vec<Utf8PathBuf>,
    /// Id of its image.
    pub(crate) image: String,
}

/// Reads what [`inspect`] prints.
///
/// # Errors
/// When it is not what Docker prints.
pub(crate) fn parse_containers(text: &str) -> serde_json::Result<Vec<Container>> {
    let all: Vec<raw::Container> = serde_json::from_str(text)?;
    Ok(all.into_iter().map(container).collect())
}

fn container(raw: raw::Container) -> Container {
    let label = |name: &str| raw.config.labels.get(name).cloned().unwrap_or_default();
    let ports = raw.host_config.port_bindings.unwrap_or_default();
    let published = ports.values().flatten().flatten();
    let now = raw.network_settings.ports.unwrap_or_default();
    let open = now.values().flatten().flatten();
    Container {
        service: label(SERVICE),
        one_off: label(ONE_OFF) == "True",
        running: raw.state.running && !raw.state.restarting,
        pid: (raw.state.pid > 0).then_some(raw.state.pid),
        started: raw
            .state
            .started_at
            .parse()
            .ok()
            .map(jiff::Timestamp::as_second)
            .filter(|second| *second > 0),
        restarts: raw.restart_count,
        published: published.filter_map(|port| port.host_port.parse().ok()).collect(),
        open: open
            .filter_map(|port| Some((every(&port.host_ip).to_owned(), port.host_port.parse().ok()?)))
            .collect(),
        name: raw.name.trim_start_matches('/').to_owned(),
        project: label(PROJECT),
        directory: Some(label(DIRECTORY).into()).filter(|path: &Utf8PathBuf| !path.as_str().is_empty()),
        writes: raw
            .mounts
            .into_iter()
            .filter(|mount| mount.rw && !mount.source.as_str().is_empty())
            .map(|mount| mount.source)
            .collect(),
        image: raw.image,
        id: raw.id,
    }
}

/// Docker says twice that every address is meant.
fn every(address: &str) -> &str {
    match address {
        "" | "::" => "0.0.0.0",
        address => address,
    }
}

fn first_three(address: &str) -> Option<[u8; 3]> {
    let address: std::net::Ipv4Addr = address.parse().ok()?;
    let [a, b, c, _] = address.octets();
    Some([a, b, c])
}

/// The parts of Docker's answers that are read (Engine API 1.41).
mod raw {
    use std::collections::BTreeMap;

    use camino::Utf8PathBuf;

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct Container {
        pub(super) id: String,
        pub(super) restart_count: u64,
        pub(super) state: State,
        pub(super) config: Config,
        pub(super) host_config: HostConfig,
        #[serde(default)]
        pub(super) network_settings: NetworkSettings,
        #[serde(default)]
        pub(super) name: String,
        #[serde(default)]
        pub(super) image: String,
        #[serde(default)]
        pub(super) mounts: Vec<Mount>,
    }

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct Mount {
        #[serde(default)]
        pub(super) source: Utf8PathBuf,
        #[serde(rename = "RW", default)]
        pub(super) rw: bool,
    }

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct State {
        pub(super) running: bool,
        pub(super) restarting: bool,
        pub(super) pid: u32,
        pub(super) started_at: String,
    }

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct Config {
        #[serde(default)]
        pub(super) labels: BTreeMap<String, String>,
    }

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct HostConfig {
        pub(super) port_bindings: Option<BTreeMap<String, Option<Vec<Port>>>>,
    }

    #[derive(Default, serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct NetworkSettings {
        #[serde(default)]
        pub(super) ports: Option<BTreeMap<String, Option<Vec<Port>>>>,
    }

    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    pub(super) struct Port {
        pub(super) host_port: String,
        #[serde(default)]
        pub(super) host_ip: String,
    }
}

/// Subnet of a project's network; ends badly when there is none.
pub(crate) fn subnet(project: &str) -> Cmd {
    let format = "{{range .IPAM.Config}}{{println .Subnet}}{{end}}";
    docker(&["network", "inspect", "--format", format]).arg(format!("{project}_default"))
}

/// Ids of all networks.
pub(crate) fn networks() -> Cmd {
    docker(&["network", "ls", "--quiet", "--no-trunc"])
}

/// Subnets of networks, one a line.
pub(crate) fn subnets(ids: &[&str]) -> Cmd {
    let format = "{{range .IPAM.Config}}{{println .Subnet}}{{end}}";
    docker(&["network", "inspect", "--format", format]).args(ids.iter().copied())
}

/// Address and mask of each IPv4 line that [`subnets`] prints.
pub(crate) fn parse_subnets(text: &str) -> Vec<(u32, u32)> {
    let one = |line: &str| {
        let (address, bits) = line.trim().split_once('/')?;
        let address: std::net::Ipv4Addr = address.parse().ok()?;
        let bits: u32 = bits.parse().ok()?;
        let mask = u32::MAX.checked_shl(32_u32.checked_sub(bits)?).unwrap_or(0);
        Some((u32::from(address) & mask, mask))
    };
    text.lines().filter_map(one).collect()
}

/// First three bytes of what [`subnet`] prints.
pub(crate) fn parse_subnet(text: &str) -> Option<[u8; 3]> {
    text.lines().find_map(|line| first_three(line.split('/').next()?))
}

/// Builds an image from a directory with a `Dockerfile`, with the builder that every daemon has; without the word it would keep the
/// container of a step that failed.
pub(crate) fn build(directory: &Utf8Path, tag: &str) -> Cmd {
    docker(&["build", "--quiet", "--force-rm", "--tag", tag, directory.as_str()])
        .env("DOCKER_BUILDKIT", "0")
        .patience(PULL)
}

/// Runs one program of an image, without network, and removes the container.
pub(crate) fn once(image: &str, program: &str, args: &[&str]) -> Cmd {
    docker(&["run", "--rm", "--network=none", "--entrypoint", program, image]).args(args.iter().copied())
}

/// The same as `user` with places of the host.
pub(crate) fn once_with(
    image: &str,
    user: &str,
    mounts: &[(Utf8PathBuf, Utf8PathBuf)],
    argv: &[String],
) -> Cmd {
    limited(docker(&["run", "--rm"]), (image, user), mounts, argv)
}

/// The same with something to read on stdin.
pub(crate) fn once_fed(
    image: &str,
    user: &str,
    mounts: &[(Utf8PathBuf, Utf8PathBuf)],
    argv: &[String],
) -> Cmd {
    limited(
        docker(&["run", "--rm", "--interactive"]),
        (image, user),
        mounts,
        argv,
    )
}

fn limited(
    run: Cmd,
    (image, user): (&str, &str),
    mounts: &[(Utf8PathBuf, Utf8PathBuf)],
    argv: &[String],
) -> Cmd {
    let mount = |(source, target): &(Utf8PathBuf, Utf8PathBuf)| {
        [
            "--mount".to_owned(),
            format!("type=bind,source={source},target={target}"),
        ]
    };
    let (program, rest) = argv.split_first().expect("a command has a program");
    run.args(["--network=none", "--cap-drop=ALL", "--user", user])
        .args(mounts.iter().flat_map(mount))
        .args(["--entrypoint", program, image])
        .args(rest.iter().cloned())
}

/// Waits for the end of a container.
pub(crate) fn wait(name: &str) -> Cmd {
    docker(&["wait", name]).patience(PULL)
}

/// A project and its file.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    pub(crate) name: String,
    pub(crate) file: Utf8PathBuf,
}

impl Project {
    fn compose(&self, args: &[&str]) -> Cmd {
        docker(&[
            "compose",
            "--ansi=never",
            "--project-name",
            &self.name,
            "--file",
            self.file.as_str(),
        ])
        .args(args.iter().copied())
    }

    /// Makes a service run as the file says.
    pub(crate) fn up(&self, service: &str, again: bool) -> Cmd {
        let force: &[&str] = if again { &["--force-recreate"] } else { &[] };
        self.compose(&["up", "--detach", "--no-deps", "--no-build", "--quiet-pull"])
            .args(force.iter().copied())
            .arg(service)
    }

    /// Removes what is left of the project: its network.
    pub(crate) fn down(&self) -> Cmd {
        self.compose(&["down"])
    }

    /// Runs a tool; the caller's terminal becomes its own unless there is none.
    pub(crate) fn tool(&self, service: &str, name: Option<&str>, terminal: bool) -> Cmd {
        let mut cmd = self.compose(&["run", "--rm", "--no-deps", "--quiet-pull"]);
        if !terminal {
            cmd = cmd.arg("--no-TTY");
        }
        if let Some(name) = name {
            cmd = cmd.args(["--name", name]);
        }
        cmd.arg(service)
    }
}

/// Asks a container to do what a signal means to it.
pub(crate) fn signal(id: &str, signal: &str) -> Cmd {
    docker(&["kill", "--signal", signal, id])
}

/// Stops a container in its own time. The long word is another one since Docker 28, which warns of the old one.
pub(crate) fn stop(id: &str, within: Duration) -> Cmd {
    docker(&["stop", "-t", &within.as_secs().to_string(), id]).patience(within + Duration::from_mins(1))
}

/// Starts a container that was stopped.
pub(crate) fn start(id: &str) -> Cmd {
    docker(&["start", id])
}

/// Removes containers with what they wrote beside their mounted places.
pub(crate) fn remove(id: &str) -> Cmd {
    docker(&["rm", "--force", "--volumes", id]).cleans_up()
}

/// Ends a container and removes it, where there is one; also after an interrupt.
///
/// # Errors
/// When it may still be there.
pub(crate) fn ended(name: &str) -> Result<()> {
    if find_program("docker").is_none() {
        return Ok(());
    }
    let cmd = remove(name);
    let outcome = cmd.outcome()?;
    // Docker 20.10 ends badly where there is none, later ones do not.
    if outcome.status.success() || outcome.stderr.contains("No such container") {
        return Ok(());
    }
    Err(cmd.ended_badly(&outcome))
}

/// Runs a program in a running container.
pub(crate) fn inside(id: &str, argv: &[&str]) -> Cmd {
    docker(&["exec", id]).args(argv.iter().copied())
}

/// The same for a person: with variables of the caller, and a terminal where there is one.
pub(crate) fn session(id: &str, variables: &[&str], terminal: bool) -> Cmd {
    let mut cmd = docker(&["exec", "--interactive"]);
    if terminal {
        cmd = cmd.arg("--tty");
    }
    // A name without a value: the value comes from our environment, not from the command line.
    cmd.args(variables.iter().flat_map(|name| ["--env", name]))
        .arg(id)
}

/// What a container said; each line has its time first.
pub(crate) fn logs(id: &str, since: Option<i64>, lines: usize) -> Cmd {
    let cmd = docker(&["logs", "--timestamps"]);
    match since {
        Some(since) => cmd.args(["--since", &since.to_string()]),
        None => cmd.args(["--tail", &lines.to_string()]),
    }
    .arg(id)
}

/// What containers of a project say from now on: `SERVICE-N  | line`.
pub(crate) fn follow(project: &Project, services: &[String]) -> Cmd {
    project
        .compose(&["logs", "--follow", "--tail=0", "--no-color"])
        .args(services.iter().cloned())
        .patience(Duration::from_hours(24 * 365))
}

/// Service and line of what [`follow`] prints.
pub(crate) fn parse_followed(line: &str) -> Option<(&str, &str)> {
    let (container, text) = line.split_once('|')?;
    let (service, number) = container.trim_end().rsplit_once('-')?;
    number.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
    Some((service, text.strip_prefix(' ').unwrap_or(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_arguments() {
        let project = Project {
            name: "odoopack-shop".into(),
            file: "/opt/shop/deploy/docker-compose.yml".into(),
        };
        let head = "docker compose --ansi=never --project-name odoopack-shop --file /opt/shop/deploy/docker-compose.yml";
        for (cmd, wanted) in [
            (
                project.up("nginx", false),
                format!("{head} up --detach --no-deps --no-build --quiet-pull nginx"),
            ),
            (
                project.up("nginx", true),
                format!("{head} up --detach --no-deps --no-build --quiet-pull --force-recreate nginx"),
            ),
            (
                project.tool("a.tools", Some("x"), false),
                format!("{head} run --rm --no-deps --quiet-pull --no-TTY --name x a.tools"),
            ),
            (
                save(&["a:1".to_owned()], "/x.tar".into()),
                "docker save --output /x.tar a:1".to_owned(),
            ),
            (signal("1", "HUP"), "docker kill --signal HUP 1".to_owned()),
            (stop("1", Duration::from_secs(9)), "docker stop -t 9 1".to_owned()),
            (
                once("postgres:16", "postgres", &["--version"]),
                "docker run --rm --network=none --entrypoint postgres postgres:16 --version".to_owned(),
            ),
            (
                session("1", &["PGPASSWORD"], true),
                "docker exec --interactive --tty --env PGPASSWORD 1".to_owned(),
            ),
        ] {
            assert_eq!(cmd.to_string(), wanted);
        }
    }

    #[test]
    fn reads_the_lines_of_a_stack() {
        assert_eq!(
            parse_followed("production.blue.web-1  | 2026-11-26 a | b"),
            Some(("production.blue.web", "2026-11-26 a | b"))
        );
        assert_eq!(parse_followed("gate-1 | "), Some(("gate", "")));
        assert_eq!(parse_followed("a warning"), None);
        assert_eq!(parse_subnet("fd00::/64\n172.28.3.0/24\n"), Some([172, 28, 3]));
        assert_eq!(
            parse_subnets("172.17.0.0/16\n\nfd00::/64\n172.28.3.5/24\n0.0.0.0/0\n"),
            [(0xac11_0000, 0xffff_0000), (0xac1c_0300, 0xffff_ff00), (0, 0)]
        );
    }
}
