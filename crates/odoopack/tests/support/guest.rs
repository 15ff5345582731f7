//! A machine of its own with systemd as process 1: a container of a daemon that lives as long as the test (E35).
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use sha2::Digest;

use super::{Answer, machine, wait_for};

/// What the machine has from the start. nginx is missing, so that a pack must install it.
const PACKAGES: &str =
    "systemd-sysv,dbus,ca-certificates,debian-archive-keyring,postgresql,python3-venv,wkhtmltopdf,procps";
/// What is not worth its space, and speed instead of safety against a power cut.
const DPKG: [&str; 4] = [
    "force-unsafe-io",
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
];
/// The machine's own PostgreSQL has no cluster and does not start, as on a host that odoopack prepared.
const HOOKS: [&str; 3] = [
    r#"--essential-hook=mkdir -p "$1/etc/postgresql-common/createcluster.d""#,
    r#"--essential-hook=echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.d/none.conf""#,
    r#"--customize-hook=chroot "$1" systemctl disable postgresql.service"#,
];
/// Marks what the tests made, so that a later run finds what a killed one left.
const LABEL: &str = "odoopack-test";
/// Settings of this machine that lead to mirrors and certificates.
const CARRIED: [&str; 8] = [
    "SSL_CERT_FILE",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];
/// How long the daemon may take until it answers.
const DAEMON: Duration = Duration::from_secs(40);

/// A Docker daemon that changes nothing of the host's network and ends with the test.
pub(crate) struct Docker {
    daemon: Child,
    socket: Utf8PathBuf,
    _scratch: tempfile::TempDir,
    _held: File,
}

impl Docker {
    /// Starts it; the reason when that is impossible here.
    pub(crate) fn start() -> Result<Self, String> {
        let home = cache().join("odoopack-tests/docker");
        std::fs::create_dir_all(&home).map_err(|e| format!("{home}: {e}"))?;
        let held = File::create(home.join(".held")).map_err(|e| e.to_string())?;
        held.lock().map_err(|e| e.to_string())?;
        let scratch = tempfile::tempdir().map_err(|e| e.to_string())?;
        let place =
            Utf8PathBuf::from_path_buf(scratch.path().to_owned()).expect("a temporary directory is UTF-8");
        let log = File::create(place.join("log")).map_err(|e| e.to_string())?;
        let socket = place.join("docker.sock");
        let daemon = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "dockerd"])
            .args(["--bridge=none", "--iptables=false"])
            .arg(format!("--host=unix://{socket}"))
            .arg(format!("--data-root={home}"))
            .arg(format!("--exec-root={place}/exec"))
            .arg(format!("--pidfile={place}/pid"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(|e| e.to_string())?)
            .stderr(log)
            .spawn()
            .map_err(|e| e.to_string())?;
        let mut docker = Self {
            daemon,
            socket,
            _scratch: scratch,
            _held: held,
        };
        docker.wait(&place.join("log"))?;
        docker.remove_left();
        Ok(docker)
    }

    fn wait(&mut self, log: &Utf8Path) -> Result<(), String> {
        let begun = Instant::now();
        while !self.run(&["version"]).status.success() {
            let ended = matches!(self.daemon.try_wait(), Ok(Some(_)));
            if ended || begun.elapsed() > DAEMON {
                let text = std::fs::read_to_string(log).unwrap_or_default();
                return Err(format!("dockerd does not start:\n{}", super::tail(&text, 8)));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command
            .arg("--host")
            .arg(format!("unix://{}", self.socket))
            .args(args);
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args)
            .output()
            .unwrap_or_else(|e| panic!("docker: {e}; `cargo xtask setup` installs it"))
    }

    #[track_caller]
    fn must(&self, args: &[&str]) -> String {
        let answer = answer(&self.run(args)).exits(0);
        answer.stdout.trim().to_owned()
    }

    /// Machines that a killed run left behind.
    fn remove_left(&self) {
        let left = self.must(&["ps", "--all", "--quiet", "--filter", &format!("label={LABEL}")]);
        for id in left.lines() {
            self.must(&["rm", "--force", "--volumes", id]);
        }
    }

    /// Name of the image, made when its recipe is new; an image of another recipe is removed.
    pub(crate) fn image(&self) -> String {
        let suite = suite();
        let recipe = format!("{suite} {PACKAGES} {DPKG:?} {HOOKS:?}");
        let hash = sha2::Sha256::digest(recipe.as_bytes());
        let hash: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let name = format!("odoopack-test-systemd:{hash}");
        let known = self.must(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
        if known.lines().any(|line| line == name) {
            return name;
        }
        for old in known
            .lines()
            .filter(|line| line.starts_with("odoopack-test-systemd:"))
        {
            self.must(&["rmi", old]);
        }
        println!("         making the image {name}");
        self.import(&suite, &name);
        name
    }

    fn import(&self, suite: &str, name: &str) {
        let mut maker = Command::new("mmdebstrap");
        maker.args(["--mode=root", "--variant=apt", "--format=tar"]);
        maker.arg(format!("--include={PACKAGES}"));
        maker
            .args(DPKG.map(|option| format!("--dpkgopt={option}")))
            .args(HOOKS);
        maker.args([suite, "-", &format!("deb {} {suite} main", mirror(suite))]);
        let mut maker = maker
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`mmdebstrap` is not installed; `cargo xtask setup` installs what the tests need");
        let tree = maker.stdout.take().expect("it was asked for");
        let output = self.command(&["import", "-", name]).stdin(tree).output().unwrap();
        assert!(maker.wait().unwrap().success(), "mmdebstrap failed, see above");
        answer(&output).exits(0);
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let pid = self.daemon.id().to_string();
        drop(Command::new("kill").args(["-TERM", &pid]).output());
        drop(self.daemon.wait());
        // It leaves its network namespaces mounted below its directory, which could not be removed then.
        let place = self.socket.parent().expect("it lies in a directory");
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
        let ours = mounts
            .lines()
            .filter_map(|line| line.split(' ').nth(1))
            .filter(|at| at.starts_with(place.as_str()));
        for at in ours {
            drop(Command::new("umount").arg(at).output());
        }
    }
}

/// A running machine; gone with the value.
pub(crate) struct Guest<'a> {
    docker: &'a Docker,
    id: String,
    network: Option<Child>,
    /// `/opt` of the machine.
    place: Utf8PathBuf,
}

impl<'a> Guest<'a> {
    /// Boots a machine that has this program, the user's download cache and a network of its own.
    pub(crate) fn boot(docker: &'a Docker) -> Self {
        let image = docker.image();
        let place = machine::roomy().join("odoopack-systemd");
        drop(std::fs::remove_dir_all(&place));
        std::fs::create_dir_all(&place).unwrap();
        let downloads = cache().join("odoopack");
        std::fs::create_dir_all(&downloads).unwrap();
        let program = env!("CARGO_BIN_EXE_odoopack");
        let mounts = [
            "/sys/fs/cgroup:/sys/fs/cgroup:rw".to_owned(),
            "/etc/ssl/certs:/etc/ssl/certs:ro".to_owned(),
            format!("{downloads}:/root/.cache/odoopack"),
            format!("{program}:/usr/local/bin/odoopack:ro"),
            format!("{place}:/opt"),
        ];
        // SYS_PTRACE: root sees whose sockets are open, as on any host.
        let options = "run --detach --network none --cgroupns host --cap-add SYS_ADMIN --cap-add SYS_PTRACE --security-opt seccomp=unconfined \
                       --stop-signal SIGRTMIN+3 --env container=docker --tmpfs /run --tmpfs /run/lock";
        let mut args: Vec<&str> = options.split_whitespace().collect();
        args.extend(["--label", LABEL]);
        args.extend(CARRIED.iter().flat_map(|name| ["--env", name]));
        args.extend(mounts.iter().flat_map(|mount| ["--volume", mount]));
        args.extend([image.as_str(), "/lib/systemd/systemd"]);
        let mut guest = Self {
            docker,
            id: docker.must(&args),
            network: None,
            place,
        };
        guest.wait_booted();
        guest.connect();
        guest.must(&["apt-get", "-q", "update"]);
        guest
    }

    fn wait_booted(&self) {
        wait_for("systemd has booted", || {
            let state = self.run(&["systemctl", "is-system-running"]).stdout;
            assert_ne!(
                state.trim(),
                "degraded",
                "{}",
                self.run(&["systemctl", "--failed"]).said()
            );
            (state.trim() == "running").then_some(())
        });
    }

    /// A network in user space: it shares no port with the host and needs no rule in its firewall.
    fn connect(&mut self) {
        let pid = self
            .docker
            .must(&["inspect", "--format", "{{.State.Pid}}", &self.id]);
        let network = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "TERM",
                "slirp4netns",
                "--configure",
                "--mtu=65520",
                &pid,
                "tap0",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.network = Some(network);
        wait_for("the machine has a network", || {
            let routes = std::fs::read_to_string(format!("/proc/{pid}/net/route")).unwrap_or_default();
            routes.contains("tap0\t00000000").then_some(())
        });
        // The name server of slirp4netns, which asks the host's.
        self.must(&["sh", "-c", "echo nameserver 10.0.2.3 >/etc/resolv.conf"]);
    }

    /// Runs a program in the machine.
    pub(crate) fn run(&self, words: &[&str]) -> Answer {
        let args = [&["exec", "--env", "LC_ALL=C.UTF-8", self.id.as_str()], words].concat();
        answer(&self.docker.run(&args))
    }

    /// Runs a program that must end well; its output.
    #[track_caller]
    pub(crate) fn must(&self, words: &[&str]) -> String {
        self.run(words).exits(0).stdout.trim().to_owned()
    }

    /// Shuts it down in order and starts it again, without a network.
    pub(crate) fn reboot(&mut self) {
        self.end_network();
        self.docker.must(&["restart", "--time", "90", &self.id]);
        self.wait_booted();
    }

    fn end_network(&mut self) {
        if let Some(mut network) = self.network.take() {
            drop(network.kill());
            drop(network.wait());
        }
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let kept = super::artefacts().join("machine.journal");
            let seen = self.run(&["journalctl", "--no-pager"]);
            drop(std::fs::write(&kept, seen.stdout));
            println!("the machine's journal is kept in {kept}");
        }
        self.end_network();
        drop(self.docker.run(&["rm", "--force", "--volumes", &self.id]));
        drop(std::fs::remove_dir_all(&self.place));
    }
}

pub(crate) fn answer(output: &Output) -> Answer {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Answer {
        code: output
            .status
            .code()
            .or_else(|| output.status.signal().map(|signal| 128 + signal)),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

pub(super) fn cache() -> Utf8PathBuf {
    let home = std::env::var("HOME").expect("the tests run for a user with a home");
    Utf8PathBuf::from(home).join(".cache")
}

/// The host's own suite, so that this program finds the libraries that it was built with.
pub(super) fn suite() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.expect("a released Debian has a code name")
        .trim_matches('"')
        .to_owned()
}

/// The mirror that the host's own apt is configured with.
pub(super) fn mirror(suite: &str) -> String {
    let format = "$(REPO_URI) $(CODENAME) $(COMPONENT)";
    let text = machine::must(
        "apt-get",
        &["indextargets", "--format", format, "Created-By: Packages"],
    );
    let wanted = format!(" {suite} main");
    let found = text.lines().find_map(|line| line.strip_suffix(&wanted));
    found
        .unwrap_or_else(|| panic!("the host's apt has no main archive of {suite}:\n{text}"))
        .to_owned()
}
