//! Docker and Docker Compose: images, one-off runs, the services of a stack, and what they say of themselves.
mod about;
mod confined;
mod container;
mod images;
mod network;
mod said;

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

pub(crate) use about::{about, parse_about};
pub(crate) use confined::{Cell, alone, beside, can_mount};
pub(crate) use container::{Container, inspect, parse_containers};
pub(crate) use images::{
    Digest, Image, are_here, image, labelled, load, parse_image, parse_saved, pull, save, saved,
    says_no_image, says_refused, tag,
};
pub(crate) use network::{networks, parse_subnet, parse_subnets, subnet, subnets};
pub(crate) use said::{follow, logs, parse_followed};

use crate::exec::{Cmd, find_program};
use crate::failure::Result;

/// A big image over a slow line.
const PULL: Duration = Duration::from_hours(1);
/// The label that Compose gives every container of a project (`docker compose` 2, `api.ProjectLabel`).
const PROJECT: &str = "com.docker.compose.project";

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
}
