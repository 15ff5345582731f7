//! Containers that work for one operation: no network, no way to gain anything, and of the host only what they are given.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::render::compose;

use super::docker;
use crate::exec::Cmd;

/// A container for one program that is handed what it is to read: no network, no way to gain anything, nothing to write to.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) image: String,
    /// `uid:gid`.
    pub(crate) user: String,
    /// By which one that was left behind is found.
    pub(crate) name: Option<String>,
    /// Places of the host, and where it sees them.
    pub(crate) sees: Vec<(Utf8PathBuf, Utf8PathBuf)>,
}

/// What every container has that works for one operation.
const CONFINED: [&str; 5] = [
    "--init",
    "--network=none",
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
];

impl Cell {
    /// Runs a program with our stdin, files of the host at their own places, and these of our variables.
    pub(crate) fn program(&self, program: &Utf8Path, variables: &[&str], files: &[Utf8PathBuf]) -> Cmd {
        let mut run = docker(&["run", "--rm", "--interactive"]).args(CONFINED);
        if let Some(name) = &self.name {
            run = run.args(["--name", name]);
        }
        let files = files.iter().map(|file| (file, file));
        let sees = self.sees.iter().map(|(source, target)| (source, target));
        // A name without a value: the value comes from our environment, not from the command line.
        run.args(["--user", &self.user, "--env", "LC_ALL=C.UTF-8"])
            .args(variables.iter().flat_map(|name| ["--env", name]))
            .args(
                sees.chain(files)
                    .flat_map(|(source, target)| bound(source, target, false)),
            )
            .args(["--entrypoint", program.as_str(), &self.image])
    }
}

fn bound(source: &Utf8Path, target: &Utf8Path, writable: bool) -> [String; 2] {
    let only = if writable { "" } else { ",readonly" };
    [
        "--mount".to_owned(),
        format!("type=bind,source={source},target={target}{only}"),
    ]
}

/// Whether a place of the host can be given to a container: `--mount` reads its value as comma-separated fields.
pub(crate) fn can_mount(path: &Utf8Path) -> bool {
    !path.as_str().contains([',', '"', '\n'])
}

/// Starts what would be a service of a stack by itself, without any network and with this after its own words.
pub(crate) fn alone(container: &compose::Container, name: &str, words: &[&str]) -> Cmd {
    let place = |mount: &compose::Mount| match compose::volume(&mount.source) {
        Some(volume) => {
            let only = if mount.writable { "" } else { ",readonly" };
            let target = &mount.target;
            [
                "--mount".to_owned(),
                format!("type=volume,source={volume},target={target}{only},volume-nocopy"),
            ]
        }
        None => bound(&mount.source, &mount.target, mount.writable),
    };
    let (program, first) = container
        .entrypoint
        .split_first()
        .expect("a service has a program");
    let memory = container.memory.map(|limit| format!("--memory={}", limit.0));
    docker(&["run", "--detach", "--name", name])
        .args(CONFINED)
        .args([
            "--user",
            &container.user,
            "--workdir",
            container.directory.as_str(),
        ])
        .args(memory)
        .args(
            container
                .environment
                .iter()
                .flat_map(|(name, value)| ["--env".to_owned(), format!("{name}={value}")]),
        )
        .args(container.scratch.iter().flat_map(|place| ["--tmpfs", place]))
        .args(container.mounts.iter().flat_map(place))
        .args(["--entrypoint", program, &container.image])
        .args(first.iter().cloned())
        .args(words.iter().copied())
}

/// Runs a program of this host in the network of a container; `image` has the libraries that it needs.
pub(crate) fn beside(
    container: &str,
    name: &str,
    (program, image): (&Utf8Path, &str),
    variables: &[&str],
) -> Cmd {
    let confined = CONFINED.map(|word| {
        if word.starts_with("--network") {
            format!("--network=container:{container}")
        } else {
            word.to_owned()
        }
    });
    docker(&["run", "--rm", "--name", name, "--user", "65534:65534"])
        .args(confined)
        .args(variables.iter().flat_map(|name| ["--env", name]))
        .args(bound(program, Utf8Path::new("/odoopack"), false))
        .args(["--entrypoint", "/odoopack", image])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_gets_nothing_but_what_it_reads_and_no_value_is_an_argument() {
        let cell = Cell {
            image: "sha256:1".to_owned(),
            user: "990:991".to_owned(),
            name: Some("shop-production-load".to_owned()),
            sees: vec![("/run/pg".into(), "/run/pg".into())],
        };
        assert_eq!(
            cell.program("/pg/bin/psql".into(), &["PGPASSWORD"], &["/srv/list".into()])
                .to_string(),
            "docker run --rm --interactive --init --network=none --read-only --cap-drop=ALL --security-opt=no-new-privileges \
             --name shop-production-load --user 990:991 --env LC_ALL=C.UTF-8 --env PGPASSWORD \
             --mount type=bind,source=/run/pg,target=/run/pg,readonly --mount type=bind,source=/srv/list,target=/srv/list,readonly \
             --entrypoint /pg/bin/psql sha256:1"
        );
        assert!(!can_mount("/srv/a,b.dump".into()) && can_mount("/srv/a b.dump".into()));
    }

    #[test]
    fn who_looks_at_a_copy_shares_its_network_and_nothing_else() {
        assert_eq!(
            beside(
                "shop-production-boot",
                "shop-production-look",
                ("/bin/odoopack".into(), "sha256:2"),
                &["SECRET"]
            )
            .to_string(),
            "docker run --rm --name shop-production-look --user 65534:65534 --init --network=container:shop-production-boot \
             --read-only --cap-drop=ALL --security-opt=no-new-privileges --env SECRET \
             --mount type=bind,source=/bin/odoopack,target=/odoopack,readonly --entrypoint /odoopack sha256:2"
        );
    }

    #[test]
    fn odoo_on_a_copy_sees_what_the_service_sees_and_no_network() {
        let container = compose::Container {
            image: "sha256:3".to_owned(),
            user: "990:991".to_owned(),
            entrypoint: vec!["/usr/bin/odoo".to_owned()],
            directory: "/home".into(),
            environment: [("HOME".to_owned(), "/home".to_owned())].into(),
            scratch: vec!["/tmp"],
            mounts: vec![
                compose::Mount {
                    source: "/a".into(),
                    target: "/b".into(),
                    writable: true,
                },
                compose::Mount {
                    source: "/var/lib/docker/volumes/web/_data".into(),
                    target: "/c".into(),
                    writable: false,
                },
            ],
            network: compose::Network::Fixed("172.28.0.10".to_owned()),
            ..compose::Container::default()
        };
        assert_eq!(
            alone(&container, "shop-production-boot", &["server"]).to_string(),
            "docker run --detach --name shop-production-boot --init --network=none --read-only --cap-drop=ALL \
             --security-opt=no-new-privileges --user 990:991 --workdir /home --env HOME=/home --tmpfs /tmp \
             --mount type=bind,source=/a,target=/b --mount type=volume,source=web,target=/c,readonly,volume-nocopy \
             --entrypoint /usr/bin/odoo sha256:3 server"
        );
    }
}
